"""What an organization, its users and its groups used in a calendar month: read from the counters, settled work only."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from django.db.models import QuerySet, Sum

from credits.models import ZERO, UsageCounter, Wallet
from credits.periods import Period
from credits.services.counters import ORGANIZATION
from organizations.models import Actor, Group, Membership, Organization


def of_organization(organization: Organization, month: Period) -> Decimal:
    """Return what all work of an organization used in a month."""
    own = _counters(organization, month).filter(**ORGANIZATION._asdict())
    return own.values_list("used", flat=True).first() or ZERO


def of_users(organization: Organization, users: Sequence[Actor], month: Period) -> list[Decimal]:
    """Return what each of these users used in a month, in their order."""
    rows = _counters(organization, month).filter(actor__in=users)
    used = dict(rows.values_list("actor_id", "used"))
    return [used.get(user.id, ZERO) for user in users]


def of_entity_groups(
    organization: Organization, groups: Sequence[Group], month: Period
) -> list[Decimal]:
    """Return what was drawn from each of these buckets in a month, in their order."""
    rows = _counters(organization, month).filter(actor=None, group__in=groups)
    used = dict(rows.values_list("group_id", "used"))
    return [used.get(group.id, ZERO) for group in groups]


def of_user_groups(
    organization: Organization, groups: Sequence[Group], month: Period
) -> list[Decimal]:
    """Return what the present members of each of these teams used in a month, in their order.

    Who is in two teams counts in both. No limit is compared with these sums: a team's limit is each member's own.
    """
    memberships = Membership.objects.filter(
        group__in=groups,
        actor__counters__wallet__organization=organization,
        actor__counters__month=month.starts_at.date(),
    )
    sums = memberships.values("group").annotate(used=Sum("actor__counters__used"))
    used: dict[UUID, Decimal] = {row["group"]: row["used"] for row in sums}
    return [used.get(group.id, ZERO) for group in groups]


def _counters(organization: Organization, month: Period) -> QuerySet[UsageCounter]:
    """The subjects are columns of one index, in the order actor, group, resource: whoever asks for one says that there is none before."""
    wallet = Wallet.objects.filter(organization=organization).values("id")[:1]
    return UsageCounter.objects.filter(wallet=wallet, month=month.starts_at.date())
