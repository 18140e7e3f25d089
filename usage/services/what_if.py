"""Questions of staff, what a month would have come to by other rules: asked once, answered by a worker, organization by organization. And what
the running month would have come to by a rule that is about to be changed, which is answered at once and kept nowhere.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from credits.models import UsageCounter
from credits.periods import Period, month_of
from organizations.jobs import Portion, Work
from organizations.models import Organization
from usage.models import Denial, UsageEvent, WhatIf, WhatIfLine, WhatIfPart
from usage.services import terms
from usage.services.trials import Trial
from usage.what_if import Changes

GONE_THROUGH = 300
"""How much work, and how many refusals, of a month are too much to go through within a page."""
KEPT = timedelta(days=90)
FORGOTTEN_AT_ONCE = 1_000


class NothingChanges(Exception):
    """A question about everybody without any rule that differs: its answer is the report of the month."""


@transaction.atomic
def ask(
    *,
    changes: Changes,
    month: date,
    organization: Organization | None = None,
    asked_by: str,
    now: datetime,
) -> WhatIf:
    """Ask what a month would have come to. A worker answers it.

    :param organization: whose; without one, everybody's who used something in it, sandboxes left out
    :raises NothingChanges: if no rule differs and it is not about one organization
    """
    if organization is None and not changes.as_json():
        raise NothingChanges
    asked = WhatIf.objects.create(
        month=month, changes=changes.as_json(), asked_by=asked_by, created_at=now
    )
    whose = [organization] if organization else _active_in(month)
    WhatIfPart.objects.bulk_create(
        (WhatIfPart(what_if=asked, organization=each) for each in whose), batch_size=1_000
    )
    return asked


def _active_in(month: date) -> Iterator[Organization]:
    """Return the organizations that used something in a month."""
    counted = UsageCounter.objects.filter(
        wallet__organization=OuterRef("pk"), month=month, actor=None, group=None, resource_type=""
    )
    found = Organization.objects.filter(Exists(counted), sandbox_of=None).order_by("id")
    return found.only("id").iterator()


def waiting(now: datetime) -> QuerySet[Organization]:
    """Return the organizations that some question is not answered for."""
    parts = WhatIfPart.objects.filter(finished_at=None)
    return Organization.objects.filter(id__in=parts.values("organization"))


def answer(*, organization: Organization, now: datetime, place: Any) -> Portion:
    """Go on with the answers for an organization. How far they are is in their rows: the place says only that there is more."""
    part = WhatIfPart.objects.filter(organization=organization, finished_at=None)
    first = part.order_by("id").values_list("id", flat=True).first()
    if first is not None:
        _go_on(first, now=now)
    return Portion((), {} if part.exists() else None)


WHAT_IF = Work("answer what-ifs", answer, waiting, in_portions=True)


class MonthAgain:
    """The running month of an organization by its rules before and after a change. Made before the change, told of it (`read_rules`), and asked
    once it is undone, all within one transaction that is undone, too: the question is a row of it.
    """

    def __init__(self, organization: Organization, *, now: datetime) -> None:
        """Read the month's work, and the rules as they stand."""
        month = month_of(now)
        self.is_much = _is_much(organization, month)
        if self.is_much:
            return
        asked = ask(
            changes=Changes(),
            month=month.starts_at.date(),
            organization=organization,
            asked_by="",
            now=now,
        )
        self._trial = Trial(asked.parts.get(), now=now)
        self._trial.look_ahead()

    def read_rules(self) -> None:
        """Read the rules as they stand now that one was changed."""
        if self.is_much:
            return
        try:
            self._trial.try_rules_in_force()
        finally:
            # What was read of a change that is undone is nobody's terms.
            terms.forget(self._trial.organization.id)

    def lines(self) -> list[WhatIfLine]:
        """Return what would have become of whose work by the rules that were read; nothing where there was none, or too much of it."""
        if self.is_much:
            return []
        self._trial.go_through()
        return list(self._trial.lines.values())


def _is_much(organization: Organization, month: Period) -> bool:
    """Say whether a month has more work, or more refusals, than a page goes through."""
    own = {"organization": organization}
    events = UsageEvent.objects.filter(
        **own, occurred_at__gte=month.starts_at, occurred_at__lt=month.ends_at
    )
    denials = Denial.objects.filter(**own, created_at__gte=month.starts_at)
    return any(rows.order_by()[:GONE_THROUGH].count() == GONE_THROUGH for rows in (events, denials))


@transaction.atomic
def _go_on(part_id: int, *, now: datetime) -> None:
    """Take the next events of a part through both courses, under its lock: so each is counted once."""
    part = WhatIfPart.objects.select_for_update(no_key=True, of=["self"]).get(id=part_id)
    if part.finished_at is None:
        Trial(part, now=now).go_on()


def prune(*, now: datetime) -> int:
    """Forget the questions that are older than 90 days with their answers, a batch at a time so that none takes long; returns how many there were."""
    ids = list(WhatIf.objects.filter(created_at__lt=now - KEPT).values_list("pk", flat=True))
    parts = WhatIfPart.objects.filter(what_if__in=ids)
    while batch := list(parts.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE]):
        WhatIfLine.objects.filter(part__in=batch).delete()
        WhatIfPart.objects.filter(pk__in=batch).delete()
    WhatIf.objects.filter(pk__in=ids).delete()
    return len(ids)
