"""Why work was refused: in a sentence with its numbers, limit by limit, and what would admit it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.urls import reverse

from credits.models import ZERO
from credits.templatetags.amounts import credits, percent_of
from organizations import ids
from organizations.models import Actor, Group
from usage.models import Denial

SENTENCES: Mapping[str, str] = {
    "shutoff": "{used} credits are settled this month; from {cap} on nothing is admitted.",
    "actor": "The work needed {needed} credits; the limit of {name}, {cap} a month, had {left} left.",
    "group": "The work needed {needed} credits; the shared budget of {name}, {cap} a month, had {left} left.",
    "resource": "The work needed {needed} credits; the budget of {name}, {cap} a month, had {left} left.",
    "organization": "The work needed {needed} credits; the cap of {cap} in a billing period had {left} left.",
    "pool": "The work needed {needed} credits; {name} had {left} left to spend.",
    "free_fallback": "The credits are spent, and of the {cap} that a month may leave unpaid {left} were left.",
}
"""What is said of the limit that refused, by its scope."""
LABELS: Mapping[str, str] = {
    "shutoff": "Shutoff",
    "actor": "Limit of {name}",
    "group": "Shared budget of {name}",
    "resource": "Budget of {name}",
    "organization": "Cap of the billing period",
    "pool": "Credits to spend",
    "free_fallback": "Unpaid work of a month",
}
OF_A_CAP = ("actor", "group", "resource", "organization")
"""The scopes whose cap can be raised so that the same work passes."""


class Rung(NamedTuple):
    """One limit as it stood, in the order in which limits are asked. Amounts in credits."""

    scope: str
    id: str
    """The public id, or `type/id` of a resource, that it is the limit of."""
    name: str
    cap: Decimal | None
    used: Decimal
    reserved: Decimal
    left: Decimal | None
    refused: bool
    """Whether it is the one that refused."""
    passes: bool
    """Whether it alone would have admitted the work."""
    url: str
    """Where it is set."""

    @property
    def label(self) -> str:
        return LABELS[self.scope].format(name=self.name)

    @property
    def used_percent(self) -> int:
        return percent_of(self.used, self.cap)

    @property
    def reserved_percent(self) -> int:
        return percent_of(self.reserved, self.cap)


def ladder(denial: Denial, limits: list[dict[str, Any]], needed: Decimal | None) -> list[Rung]:
    """Return the limits that a decision looked at.

    :param limits: as `credits.limits.explain` returns them
    :param needed: the credits that were compared
    """
    names = _names(denial, [limit["id"] for limit in limits])
    return [_rung(denial, limit, needed, names) for limit in limits]


def sentence(message: str, rungs: list[Rung], needed: Decimal | None) -> str:
    """Return why work is refused, in one sentence with its numbers; what the service said where no limit is in the way."""
    refusing = next((rung for rung in rungs if rung.refused), None)
    if refusing is None:
        return message[:1].upper() + message[1:].rstrip(".") + "."
    return SENTENCES[refusing.scope].format(
        needed=credits(needed or ZERO),
        name=refusing.name,
        cap="unlimited" if refusing.cap is None else credits(refusing.cap),
        used=credits(refusing.used),
        left="unlimited" if refusing.left is None else credits(refusing.left),
    )


def least_cap(rung: Rung, needed: Decimal | None) -> Decimal:
    """Return the least cap by which this limit admits the work."""
    return rung.used + rung.reserved + (needed or ZERO)


def _rung(
    denial: Denial, limit: Mapping[str, Any], needed: Decimal | None, names: Mapping[str, str]
) -> Rung:
    scope, id = str(limit["scope"]), str(limit["id"])
    cap, left = (_amount(limit[name]) for name in ("cap", "remaining"))
    used, reserved = (_amount(limit[name]) or ZERO for name in ("used", "reserved"))
    refused = bool(limit["binding"])
    passes = (
        used < (cap or ZERO) if scope == "shutoff" else left is None or (needed or ZERO) <= left
    )
    name = names.get(id, id.replace("/", " "))
    url = _where(denial, scope, id)
    return Rung(scope, id, name, cap, used, reserved, left, refused, passes and not refused, url)


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _where(denial: Denial, scope: str, id: str) -> str:
    organization_id = denial.organization_id
    if scope == "shutoff":
        return f"{reverse('admin:usage_thresholds_add')}?organization={organization_id}"
    if scope == "pool":
        return reverse("admin:organizations_organization_change", args=[organization_id])
    if scope in ("organization", "free_fallback"):
        return reverse("admin:credits_creditconfig_change", args=[denial.organization.wallet.pk])
    if scope == "resource":
        return (
            f"{reverse('admin:usage_limit_changelist')}?organization__id__exact={organization_id}"
        )
    model = "actor" if scope == "actor" else "group"
    return reverse(f"admin:organizations_{model}_change", args=[id.partition("_")[2]])


def _names(denial: Denial, found: list[str]) -> dict[str, str]:
    """Return what people call those whom limits are the limits of, by their public ids."""
    names = {denial.organization.public_id: str(denial.organization)}
    people = Actor.objects.filter(organization=denial.organization, id__in=_ids("act", found))
    groups = Group.objects.filter(organization=denial.organization, id__in=_ids("grp", found))
    names |= {actor.public_id: str(actor) for actor in people}
    return names | {group.public_id: str(group) for group in groups}


def _ids(prefix: str, found: list[str]) -> list[UUID]:
    return [ids.read(prefix, id) for id in found if id.startswith(f"{prefix}_")]
