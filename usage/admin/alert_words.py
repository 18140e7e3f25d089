"""What an alert says to people: whom it is about, what was seen in a sentence, and the page on which something can be done about it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.urls import reverse

from credits.templatetags.amounts import CENT, credits
from organizations.models import Actor, Alert, Group, Organization

Kind = Alert.Kind
Figures = Mapping[str, str]
VIEW_ALERT = "organizations.view_alert"
VIEW_WARNING = "organizations.view_budgetwarning"
FEW = 5
"""How many of them a page shows."""
TONES = {"open": "bad", "acknowledged": "info", "silenced": "quiet", "resolved": "good"}
SAID: Mapping[str, str] = {
    Kind.NEAR_CAP: "{used} of the cap of {cap} credits is used",
    Kind.PERSON_NEAR_CAP: "{used} of the cap of {cap} credits is used this month",
    Kind.SHARED_NEAR_CAP: "{used} of the shared budget of {cap} credits is used this month",
    Kind.BUDGET: "{used} of a budget of {cap} credits is used this month, of which nobody is refused anything",
    Kind.CAP_SOON: "{used} of the cap of {cap} credits is used; likely all of it {when}; {aDay} are used in a day",
    Kind.DRY_SOON: "{left} credits are left, likely none {when}; {aDay} are used in a day",
    Kind.IN_DEBT: "{debt} credits of debt",
    Kind.DEBT_GROWN: "the debt grew by {grownBy} credits within a day, to {debt}",
    Kind.REFUSALS: "refused {refused} times within a day, against {usualInADay} usually; mostly by: {most}",
    Kind.JOB_FAILED: "{failures} failures that nobody tries again until staff say so",
    Kind.FINDINGS: "{findings} findings of the audit when it last ran",
    Kind.TASK_LATE: "was due at {due}, and no worker was heard of",
    Kind.TASK_OFF: "nobody rings for it",
}
"""Each kind in a sentence, with what was seen."""
_OF_AN_ORGANIZATION: Mapping[str, str] = {
    Kind.CAP_SOON: "settings",
    Kind.DEBT_GROWN: "money",
    Kind.IN_DEBT: "money",
    Kind.NEAR_CAP: "settings",
    Kind.REFUSALS: "refusals",
}
"""The tab of an organization's page that says more."""


def with_whom(rows: QuerySet[Alert]) -> QuerySet[Alert]:
    """Return alerts with whom they are about, in the same statement."""
    return rows.select_related("organization", "actor", "group")


class Open(NamedTuple):
    """What is true of somebody now: the first alerts, what each says, and whether there are more."""

    rows: Sequence[tuple[Alert, str]]
    has_more: bool
    url: str
    """Where all of them are."""


def open_on(whose: Organization | Actor | Group, *, now: datetime) -> Open:
    """Return the alerts that are open about an organization with all its people and groups, or about one of these: no silenced ones."""
    of = {Organization: "organization", Actor: "actor", Group: "group"}[type(whose)]
    awake = Q(silenced_until=None) | Q(silenced_until__lte=now)
    rows = with_whom(Alert.objects.filter(awake, resolved_at=None, **{of: whose}))
    found = list(rows.order_by("-id")[: FEW + 1])
    url = _list("organizations_alert", **{f"{of}__id__exact": whose.pk})
    return Open([(each, said(each)) for each in found[:FEW]], len(found) > FEW, url)


def said(alert: Alert, figures: Figures | None = None) -> str:
    """Return what was seen, in a sentence.

    :param figures: those of another moment than the last
    """
    seen = alert.figures if figures is None else figures
    written = SAID[alert.kind].format_map(_Figures(seen))
    return written[:1].upper() + written[1:] + "."


class _Figures(dict[str, str]):
    """The figures of an alert, of which amounts are written as in lists, to two decimals where that leaves something; what was not kept is a dash."""

    def __getitem__(self, name: str) -> str:
        if name == "when":
            return _when(super().get("days"), super().get("earliestDays"))
        text = super().get(name)
        if text is None:
            return "–"
        try:
            amount = Decimal(text)
        except InvalidOperation:
            return text
        return credits(amount.quantize(CENT, ROUND_DOWN) or amount)

    def __missing__(self, name: str) -> str:
        return self[name]


def _when(likely: str | None, earliest: str | None) -> str:
    """Return how far something likely is away, and how far at the least where that is something else."""
    said = _in(likely)
    return said if earliest in (None, likely) else f"{said}, at the earliest {_in(earliest)}"


def _in(days: str | None) -> str:
    """Return whole days as people say how far something is away."""
    known = {None: "at some time", "0": "within a day", "1": "in a day"}
    return known.get(days) or f"in {days} days"


def whose(alert: Alert) -> str:
    """Return whom or what an alert is about."""
    subject = alert.actor or alert.group or alert.organization
    return str(subject) if subject is not None else alert.subject


def page_of(alert: Alert) -> str:
    """Return the page on which something can be done about it."""
    named = _OF_THE_WHOLE.get(alert.kind)
    if named is not None:
        return named(alert)
    if alert.actor_id is not None:
        return reverse("admin:organizations_actor_change", args=[alert.actor_id])
    if alert.group_id is not None:
        return reverse("admin:organizations_group_change", args=[alert.group_id])
    page = reverse("admin:organizations_organization_change", args=[alert.organization_id])
    tab = _OF_AN_ORGANIZATION.get(alert.kind)
    return f"{page}?tab={tab}" if tab else page


def _list(name: str, **filters: Any) -> str:
    return f"{reverse(f'admin:{name}_changelist')}?{urlencode(filters)}"


def _failures(alert: Alert) -> str:
    return _list("organizations_failure", state="waits", kind__exact=alert.subject)


def _findings(alert: Alert) -> str:
    return _list("organizations_finding", job__id__exact=alert.figures.get("job", ""))


def _schedule(alert: Alert) -> str:
    return _list("django_celery_beat_periodictask", q=alert.subject)


_OF_THE_WHOLE: Mapping[str, Callable[[Alert], str]] = {
    Kind.JOB_FAILED: _failures,
    Kind.FINDINGS: _findings,
    Kind.TASK_LATE: _schedule,
    Kind.TASK_OFF: _schedule,
}
