"""Short ways to say who is there and what happens: each is one call of a service, with plain numbers.

Time stands still at `NOW` unless a test says otherwise. What comes back is read again from the database by `wallet_of`.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from credits import services
from credits.ledger import Note
from credits.models import (
    AmountField,
    BillingPeriod,
    CreditConfig,
    Grant,
    LedgerEntry,
    PendingGrant,
    ReferenceMove,
    Reservation,
    Wallet,
)
from credits.services import corrections
from credits.services.locking import lock
from organizations import services as organizations
from organizations.models import ApiKey, Env, Organization
from usage import services as usage
from usage.services import beside, sandbox
from usage.services.corrections import charged_by
from usage.services.storing import store

NOW = datetime(2026, 5, 10, 12, 0, tzinfo=UTC)
STAFF = "staff:ana"
KEY = "key_of_the_product"

Amount = int | str | Decimal


def at(text: str) -> datetime:
    """Return a moment in UTC: `at("2026-05-31")`, `at("2026-05-31 23:59:59.999999")`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def later(**span: float) -> datetime:
    """Return the moment so much after `NOW`: `later(minutes=15)`."""
    return NOW + timedelta(**span)


def make_organization(
    name: str = "Nordwind Games",
    *,
    funded: Amount = 0,
    parent: Organization | None = None,
    external_id: str | None = None,
    anchored_on: date | None = None,
    now: datetime = NOW,
    **terms: Any,
) -> Organization:
    """Create an organization; `funded` credits are prepaid and do not expire. Its first term is whole, unless a test says otherwise.

    :param terms: fields of `CreditConfig`; numbers may be plain ones
    """
    organization = services.create_organization(
        name=name,
        parent=parent,
        external_id=external_id,
        anchored_on=anchored_on,
        now=now,
        **_exact({"first_term_full": True} | terms),
    )
    if Decimal(funded):
        grant(organization, funded, now=now)
    return organization


def make_family(
    *, funded: Amount = 1_000, now: datetime = NOW, **child_terms: Any
) -> tuple[Organization, Organization]:
    """Create a funded parent and an empty child of it."""
    parent = make_organization("Harbour Reseller", funded=funded, now=now)
    return parent, make_organization("Nordwind Games", parent=parent, now=now, **child_terms)


def make_refilled_family(
    *, parent_has: Amount = 1_000, child_has: Amount = 10, **terms: Any
) -> tuple[Organization, Organization]:
    """Create a parent and a child that gets 20 whenever less than 5 would be left."""
    rule: dict[str, Any] = {"refill_threshold": 5, "refill_amount": 20} | terms
    parent, child = make_family(funded=parent_has, **rule)
    if Decimal(child_has):
        grant(child, child_has)
    return parent, child


def make_key(
    organization: Organization,
    *,
    scopes: Sequence[str] = ("*",),
    name: str = "backend",
    tier: str = ApiKey.Tier.PARTNER,
    env: str = Env.LIVE,
    now: datetime = NOW,
    **options: Any,
) -> tuple[ApiKey, str]:
    """Mint an API key; return it and its text. A test key is one of the organization's sandbox."""
    owner = sandbox_of(organization, now=now) if env == Env.TEST else organization
    return organizations.mint_key(
        organization=owner, name=name, scopes=scopes, tier=tier, now=now, **options
    )


def sandbox_of(organization: Organization, *, now: datetime = NOW) -> Organization:
    """Return the sandbox of an organization, made if there is none."""
    return sandbox.sandbox_for(organization=organization, now=now)


def set_terms(organization: Organization, *, now: datetime = NOW, **changes: Any) -> Wallet:
    return services.update_terms(
        organization=organization,
        changes=_exact(changes),
        performed_by=STAFF,
        now=now,
    )


def upgrade(
    organization: Organization,
    *,
    allowance: Amount = 0,
    allowance_per_user: Amount = 0,
    now: datetime = NOW,
) -> LedgerEntry | None:
    return services.upgrade_terms(
        organization=organization,
        allowance=Decimal(allowance),
        allowance_per_user=Decimal(allowance_per_user),
        reason="bigger plan",
        performed_by=STAFF,
        now=now,
    )


def grant(
    organization: Organization,
    amount: Amount,
    *,
    now: datetime = NOW,
    expires_at: datetime | None = None,
    priority: int = 50,
    reference: str = "",
    **labels: str,
) -> LedgerEntry:
    return services.grant(
        organization=organization,
        amount=Decimal(amount),
        reason="welcome",
        performed_by=STAFF,
        now=now,
        expires_at=expires_at,
        priority=priority,
        reference=reference,
        **labels,
    )


def schedule(
    organization: Organization,
    amount: Amount,
    *,
    effective_at: datetime,
    now: datetime = NOW,
    **options: Any,
) -> PendingGrant:
    """Give credits that are to come."""
    pending, _ = services.schedule_grant(
        organization=organization,
        amount=Decimal(amount),
        effective_at=effective_at,
        reason="a start later",
        performed_by=STAFF,
        now=now,
        **options,
    )
    return pending


def adjust(
    organization: Organization, amount: Amount, *, now: datetime = NOW, **options: Any
) -> LedgerEntry:
    return services.adjust(
        organization=organization,
        amount=Decimal(amount),
        reason="correction",
        performed_by=STAFF,
        now=now,
        **options,
    )


def reverse(
    entry: LedgerEntry, *, now: datetime = NOW, reason: str = "mistake", **options: Any
) -> LedgerEntry:
    return usage.reverse(entry=entry, reason=reason, performed_by=STAFF, now=now, **options)


def charge_again(
    charge: LedgerEntry, credits: Amount, *, now: datetime = NOW, reason: str = "wrong price"
) -> LedgerEntry:
    """Take back the charge of one piece of work and charge it again, as pricing it again does. Returns the new charge."""
    note = Note(STAFF, now, reason)
    with transaction.atomic():
        wallet, _ = lock(charge.wallet.organization, now=now)
        (event,) = charged_by(charge)
        back = beside.correction(event, note)
        again = beside.rerated(event, Decimal(credits), event.rated_at, note)
        beside.count(wallet, [back, again])
        back.entry = corrections.give_back(wallet, charge, note=note)
        again.entry = corrections.charge_again(
            wallet,
            Decimal(credits),
            counted_in_id=charge.counted_in_id or 0,
            follows=back.entry,
            note=note,
        )
        corrections.lapse_ended(wallet, note=note)
        store(wallet, [back, again])
    return again.entry


def recharge(
    organization: Organization, amount: Amount, *, now: datetime = NOW, reference: str = ""
) -> LedgerEntry:
    return services.recharge(
        organization=organization,
        amount=Decimal(amount),
        performed_by=KEY,
        now=now,
        reference=reference,
    )


def allocate(
    child: Organization, amount: Amount, *, now: datetime = NOW, reference: str = ""
) -> tuple[LedgerEntry, LedgerEntry]:
    return services.allocate(
        child=child, amount=Decimal(amount), performed_by=KEY, now=now, reference=reference
    )


def reclaim(
    child: Organization,
    amount: Amount | None = None,
    *,
    now: datetime = NOW,
    reference: str = "",
) -> tuple[LedgerEntry, LedgerEntry]:
    return services.reclaim_from_child(
        child=child,
        amount=None if amount is None else Decimal(amount),
        performed_by=KEY,
        now=now,
        reference=reference,
    )


def move_reference(entry: LedgerEntry, text: str, *, now: datetime = NOW) -> list[ReferenceMove]:
    return services.move_reference(
        entry=entry, text=text, reason="squatted", performed_by=STAFF, now=now
    )


def try_to_reserve(
    organization: Organization,
    credits: Amount,
    *,
    now: datetime = NOW,
    ttl: timedelta = services.DEFAULT_TIME_TO_LIVE,
    mode: str = Reservation.Mode.EXACT,
    metadata: dict[str, Any] | None = None,
) -> Reservation | services.BillingExhausted:
    outcome = usage.reserve(
        usage.Work(organization, credits=Decimal(credits)),
        performed_by=KEY,
        now=now,
        time_to_live=ttl,
        mode=mode,
        metadata=metadata,
    )
    assert isinstance(outcome, Reservation | services.BillingExhausted), outcome
    return outcome


def reserve(organization: Organization, credits: Amount, **options: Any) -> Reservation:
    """Hold credits; the test fails if they are refused."""
    outcome = try_to_reserve(organization, credits, **options)
    assert isinstance(outcome, Reservation), outcome
    return outcome


def refused(
    organization: Organization, credits: Amount, **options: Any
) -> services.BillingExhausted:
    """Ask for credits and return the denial; the test fails if they are held."""
    outcome = try_to_reserve(organization, credits, **options)
    assert isinstance(outcome, services.BillingExhausted), outcome
    return outcome


def try_to_grow(
    reservation: Reservation, credits: Amount, *, now: datetime = NOW
) -> Reservation | services.BillingExhausted:
    outcome = usage.grow(
        organization=owner_of(reservation),
        reservation_id=reservation.id,
        credits=Decimal(credits),
        now=now,
    )
    assert isinstance(outcome, Reservation | services.BillingExhausted), outcome
    return outcome


def grow(reservation: Reservation, credits: Amount, *, now: datetime = NOW) -> Reservation:
    """Make `credits` the new total of a hold; the test fails if they are refused."""
    outcome = try_to_grow(reservation, credits, now=now)
    assert isinstance(outcome, Reservation), outcome
    return outcome


def extend(reservation: Reservation, *, now: datetime = NOW, **time_to_live: float) -> Reservation:
    return services.extend(
        organization=owner_of(reservation),
        reservation_id=reservation.id,
        time_to_live=timedelta(**time_to_live),
        now=now,
    )


def settle(reservation: Reservation, credits: Amount, *, now: datetime = NOW) -> Reservation:
    return usage.settle(
        organization=owner_of(reservation),
        reservation_id=reservation.id,
        credits=Decimal(credits),
        performed_by=KEY,
        now=now,
    )


def release(reservation: Reservation, *, now: datetime = NOW) -> Reservation:
    return services.release(
        organization=owner_of(reservation), reservation_id=reservation.id, now=now
    )


def spend(organization: Organization, credits: Amount, *, now: datetime = NOW) -> Reservation:
    """Reserve and settle the same amount: work that cost what was expected."""
    return settle(reserve(organization, credits, now=now), credits, now=now)


def expire(organization: Organization, *, now: datetime = NOW) -> int:
    return services.expire(organization=organization, now=now)


def renew(organization: Organization, *, now: datetime) -> Wallet:
    return services.renew(organization=organization, now=now)


def suspend(organization: Organization, *, now: datetime = NOW) -> Organization:
    return services.suspend(organization=organization, now=now)


def resume(organization: Organization, *, now: datetime = NOW) -> Organization:
    return services.resume(organization=organization, now=now)


def archive(organization: Organization, *, now: datetime = NOW) -> services.Archival:
    return services.archive(organization=organization, now=now)


def end_refill_cooldown(organization: Organization, *, now: datetime) -> bool:
    return services.end_refill_cooldown(organization=organization, now=now)


def owner_of(reservation: Reservation) -> Organization:
    return Organization.objects.get(wallet=reservation.wallet_id)


def wallet_of(organization: Organization) -> Wallet:
    """Return the wallet as the database has it."""
    return Wallet.objects.select_related("organization", "config", "period").get(
        organization_id=organization.id
    )


def money_of(organization: Organization) -> tuple[Decimal, ...]:
    """Return balance, reserved and available: `assert f.money_of(it) == f.amounts(10, 8, 2)`."""
    wallet = wallet_of(organization)
    return wallet.balance, wallet.reserved, wallet.available


def amounts(*values: Amount) -> tuple[Decimal, ...]:
    return tuple(Decimal(value) for value in values)


def entries_of(organization: Organization) -> list[LedgerEntry]:
    """Return the ledger, oldest entry first."""
    entries = LedgerEntry.objects.filter(wallet__organization_id=organization.id)
    return list(entries.order_by("number"))


def lines_of(organization: Organization) -> list[tuple[str, int, int]]:
    """Return the ledger in short: each entry's kind, its amount, and the index of the period whose statement it is on."""
    return [(e.kind, int(e.amount), e.period.index) for e in entries_of(organization)]


def refills_of(organization: Organization) -> list[LedgerEntry]:
    return [e for e in entries_of(organization) if e.kind == LedgerEntry.Kind.REFILL]


def grants_of(organization: Organization) -> list[Grant]:
    """Return the grants, oldest first."""
    return list(Grant.objects.filter(wallet__organization_id=organization.id).order_by("id"))


def periods_of(organization: Organization) -> list[BillingPeriod]:
    """Return the billing periods, first one first."""
    periods = BillingPeriod.objects.filter(wallet__organization_id=organization.id)
    return list(periods.order_by("index"))


def spans_of(organization: Organization) -> list[tuple[datetime, datetime]]:
    """Return from when to when each billing period is."""
    return [(period.starts_at, period.ends_at) for period in periods_of(organization)]


def _exact(terms: dict[str, Any]) -> dict[str, Any]:
    """Turn plain numbers into credits where the field holds credits."""
    return {name: _exact_value(name, value) for name, value in terms.items()}


def _exact_value(name: str, value: Any) -> Any:
    is_amount = isinstance(CreditConfig._meta.get_field(name), AmountField)
    return Decimal(value) if is_amount and value is not None else value
