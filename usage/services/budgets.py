"""Budgets: caps per calendar month on one app or dataset, whoever uses it. And what a person has left."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from django.db import IntegrityError, transaction
from django.db.models import Sum

from credits.models import ZERO, BillingPeriod, UsageCounter, Wallet
from credits.periods import Period, month_of
from credits.services.counters import Subject
from credits.services.locking import lock, require_not_archived
from credits.services.reading import Reading, wallet_as_of
from organizations.history import UNSAID, sign
from organizations.models import Actor, Organization
from usage.models import Limit
from usage.services import limits, subjects

MAX_BUDGETS = 1_000
TENTH = Decimal("0.1")
HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Budget:
    """A resource's limit, and what was used of it in this calendar month."""

    limit: Limit
    used: Decimal
    month: Period


@dataclass(frozen=True)
class Pool:
    """An organization's credits as i5 counts them: what came with the term, what it used, what is left."""

    included: Decimal
    used: Decimal
    remaining: Decimal
    overage_rate: Decimal
    slush_active: bool


@dataclass(frozen=True)
class Standing:
    """Where one actor stands in this calendar month."""

    terms: limits.ActorTerms
    used: Decimal
    month: Period


def percent(used: Decimal, cap: Decimal | None) -> Decimal:
    """Return what part of a cap is used: one decimal, half up; 0 without a cap, 100 of a cap of 0."""
    if cap is None:
        return ZERO
    if cap == 0:
        return HUNDRED
    return (used * HUNDRED / cap).quantize(TENTH, rounding=ROUND_HALF_UP)


@transaction.atomic(savepoint=False)
def budget_of(
    *,
    organization: Organization,
    resource_type: str,
    resource_id: str,
    now: datetime,
    performed_by: str = UNSAID,
) -> Budget:
    """Return the budget of a resource. One that was never asked for begins without a cap.

    :raises subjects.InexactName: if it was never asked for, and others may look like its name
    """
    named = Limit(
        organization=organization,
        scope=Limit.Scope.RESOURCE,
        resource_type=resource_type,
        resource_id=resource_id,
        cap=None,
        created_at=now,
        updated_at=now,
    )
    sign(named, performed_by=performed_by)
    return _with_use(organization, [_found(named) or _begin(named)], now=now)[0]


def _found(named: Limit) -> Limit | None:
    return Limit.objects.filter(
        organization=named.organization,
        scope=named.scope,
        actor=None,
        group=None,
        resource_type=named.resource_type,
        resource_id=named.resource_id,
    ).first()


def _begin(named: Limit) -> Limit:
    """Write the row of a resource, or return that of who came a moment before."""
    subjects.require_exact(named)
    try:
        with transaction.atomic():
            named.save(force_insert=True)
    except IntegrityError:
        other = _found(named)
        if other is None:
            raise
        return other
    return named


@transaction.atomic(savepoint=False)
def set_budget(
    *,
    organization: Organization,
    resource_type: str,
    resource_id: str,
    cap: Decimal | None,
    performed_by: str,
    now: datetime,
) -> Budget:
    """Set or remove the cap of a resource. It acts at once; what is used already stays used.

    :raises OrganizationArchived: if the organization is archived
    :raises subjects.InexactName: as `budget_of`
    """
    wallet, _ = lock(organization, now=now)
    require_not_archived(wallet.organization)
    budget = budget_of(
        organization=organization,
        resource_type=resource_type,
        resource_id=resource_id,
        performed_by=performed_by,
        now=now,
    )
    budget.limit.cap = cap
    budget.limit.updated_at = now
    sign(budget.limit, performed_by=performed_by, now=now)
    budget.limit.save(update_fields=["cap", "updated_at"])
    return budget


def budgets_of(organization: Organization, *, now: datetime) -> list[Budget]:
    """Return the budgets of an organization that have a cap: the first thousand, by their making."""
    rows = Limit.objects.filter(
        organization=organization, scope=Limit.Scope.RESOURCE, cap__isnull=False
    )
    return _with_use(organization, list(rows.order_by("created_at", "id")[:MAX_BUDGETS]), now=now)


def pool_of(organization: Organization, *, now: datetime) -> Pool:
    """Return what is in an organization's pool at `now`."""
    reading = wallet_as_of(organization, now=now)
    wallet, used = reading.wallet, _used_in_term(reading)
    overdraft = wallet.config.overdraft_limit
    return Pool(
        included=max(ZERO, used + wallet.balance),
        used=used,
        remaining=max(ZERO, wallet.balance),
        overage_rate=wallet.config.overage_rate,
        slush_active=wallet.unreserved < 0 and overdraft != 0,
    )


def standing_of(actor: Actor, *, now: datetime) -> Standing:
    """Return an actor's terms, and what it used of them in this calendar month."""
    month = month_of(now)
    wallet = Wallet.objects.get(organization_id=actor.organization_id)
    counters = UsageCounter.objects.filter(wallet=wallet, month=month.starts_at.date())
    counter = counters.filter(**Subject(actor_id=actor.id)._asdict()).first()
    terms = limits.actor_terms(actor.organization, [actor])[actor.id]
    return Standing(terms, counter.used if counter else ZERO, month)


def _used_in_term(reading: Reading) -> Decimal:
    """What was settled in the current term, which may be of many periods."""
    periods = BillingPeriod.objects.filter(
        wallet=reading.wallet, term_starts_at=reading.period.term_starts_at
    )
    return periods.aggregate(sum=Sum("used"))["sum"] or ZERO


def _with_use(organization: Organization, rows: list[Limit], *, now: datetime) -> list[Budget]:
    month = month_of(now)
    counters = UsageCounter.objects.filter(
        wallet=Wallet.objects.filter(organization=organization).values("id")[:1],
        month=month.starts_at.date(),
        actor=None,
        group=None,
        resource_type__in={row.resource_type for row in rows},
        resource_id__in={row.resource_id for row in rows},
    )
    used = {(c.resource_type, c.resource_id): c.used for c in counters}
    return [
        Budget(row, used.get((row.resource_type, row.resource_id), ZERO), month) for row in rows
    ]
