"""What a wallet is at a moment, and what was posted on it. Nothing here writes.

The calendar posts what is due with the first command after a boundary, so a wallet that made no request may lie: it shows the old
period, credits that have lapsed, holds whose time has passed. A read must not wait for a command, and must not become one. So
where a boundary is due, the command that would post it runs, is looked at, and is rolled back. There is one implementation of what
time does; a second one, for reading, would be wrong on the day when somebody changes the first. Holds whose time has passed are only
subtracted, by a sum: there may be thousands of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import F, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models.fields.json import KeyTextTransform

from credits import ledger
from credits.models import (
    ZERO,
    BillingPeriod,
    CreditConfig,
    Grant,
    LedgerEntry,
    PendingGrant,
    Reference,
    Reservation,
    Wallet,
)
from credits.services.calendar import renew
from credits.services.grants import PENDING, is_in_state, with_states
from credits.services.holds import expire
from organizations import statements
from organizations.listing import Listing
from organizations.models import Organization

MOMENTS = 5
"""How many moments at which credits end a reading names."""


class Expiring(NamedTuple):
    """How many credits end at a moment."""

    credits: Decimal
    expires_at: datetime | None
    """Never null here: the field of a grant may be."""


class Reading(NamedTuple):
    """A wallet as it is at a moment: for looking at, never for writing."""

    wallet: Wallet
    period: BillingPeriod
    included: Decimal
    """The allowance granted for the current term, with what rolled over and what came in mid-term."""
    expiring: Sequence[Expiring] = ()
    """What ends next, as far as nobody spends it before; of a moment that has passed nobody asks."""


def wallet_as_of(
    organization: Organization, *, now: datetime, looks_ahead: bool = False
) -> Reading:
    """Return what an organization holds at `now`, as the next command would find it.

    Usually one look. Where something is due it takes the wallet's lock for a moment, like the command whose place it takes.

    :param looks_ahead: whether it says what ends next, for which it looks once more
    """
    wallet, included = _as_it_stands(organization, now)
    if is_due(wallet, now=now):
        with transaction.atomic():
            renew(organization=organization, now=now)
            while wallet.organization.status == Organization.Status.ARCHIVED:
                # What its holds free goes on to the parent.
                if expire(organization=organization, now=now) < ledger.EXPIRED_AT_ONCE:
                    break
            wallet, included = _as_it_stands(organization, now)
            expiring = _expiring(wallet) if looks_ahead else []
            transaction.set_rollback(True)
    else:
        expiring = _expiring(wallet) if looks_ahead else []
    return Reading(wallet, ledger.open_period(wallet), included, expiring)


def with_wallets(organizations: QuerySet[Organization], *, now: datetime) -> QuerySet[Organization]:
    """Return organizations with their wallets, all of them read at once, for `wallet_shown`."""
    over = Reservation.objects.filter(
        wallet=OuterRef("pk"), status=Reservation.Status.OPEN, expires_at__lte=now
    )
    held = over.order_by().values("wallet").annotate(sum=Sum("credits")).values("sum")
    wallets = Wallet.objects.select_related("period").annotate(expired=Subquery(held))
    return organizations.prefetch_related(Prefetch("wallet", wallets))


def wallet_shown(organization: Organization, *, now: datetime) -> Wallet:
    """Return the wallet of one of `with_wallets` as `wallet_as_of` does: by itself only where something is due."""
    wallet: Wallet = organization.wallet
    if is_due(wallet, now=now):
        return wallet_as_of(organization, now=now).wallet
    ledger.without_expired(wallet, vars(wallet)["expired"] or ZERO)
    return wallet


def entries(wallet: Any) -> QuerySet[LedgerEntry]:
    """Return the entries of a wallet, each with the text of its `current_reference` and the `counterparty_id` of a transfer.

    :param wallet: one, or what selects the id of one
    """
    other_side = LedgerEntry.objects.filter(transfer_id=OuterRef("transfer_id"))
    counterparty = other_side.exclude(wallet=OuterRef("wallet")).values("wallet__organization_id")
    return LedgerEntry.objects.filter(wallet=wallet).annotate(
        counterparty_id=Subquery(counterparty[:1]), means=F("current_reference__text")
    )


def ledger_of(
    organization: Organization,
    *,
    kinds: Sequence[str] | None = None,
    project_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    reference: str | None = None,
) -> Listing:
    """Return the ledger of an organization, by the moments of its entries, each as `entries` has it.

    :param kinds: only of these kinds
    :param project_id: only those whose metadata names this project
    :param since: only from this moment on
    :param reference: only those that it means
    :param until: only up to and with this moment, as the contract of this list says, and the rest of its millisecond: that is
        how finely times are shown
    """
    wallet = Wallet.objects.filter(organization=organization)
    rows = entries(wallet.values("id")[:1])
    if since is not None:
        rows = rows.filter(posted_at__gte=since)
    if until is not None:
        last = until.microsecond // 1000 * 1000 + 999
        rows = rows.filter(posted_at__lte=until.replace(microsecond=last))
    if reference is not None:
        rows = rows.filter(id__in=_meant_by(reference, wallet))
    if project_id is not None:
        rows = rows.alias(project=KeyTextTransform("projectId", "metadata"))
        rows = rows.filter(metadata__has_key="projectId", project=project_id)
    by = ("posted_at", "number")
    is_small = project_id is not None or reference is not None
    if kinds is None:
        return Listing(rows, by)
    if is_small or LedgerEntry.Kind.SETTLE in kinds:
        return Listing(rows, by, sifted=Q(kind__in=kinds))
    return Listing(rows, by, either=[Q(kind=kind) for kind in kinds])


@contextmanager
def as_due(organization: Organization, *, now: datetime) -> Iterator[None]:
    """Read as if what is due were posted: where something is, the command that posts it runs, and is rolled back after what is read."""
    if not is_due(wallet_of(organization), now=now):
        yield
        return
    with transaction.atomic():
        renew(organization=organization, now=now)
        yield
        transaction.set_rollback(True)


GRANTS_BY = ("id",)


def grants_of(
    organization: Organization,
    *,
    now: datetime,
    is_live: bool | None = None,
    source: str | None = None,
    status: str | None = None,
    category: str | None = None,
) -> Listing:
    """Return the grants of an organization, newest first, each with its entry, for `state_of`; or those that are pending.

    :param is_live: only those that can be spent at `now`, or only the others
    :param source: only of this source
    :param status: only those in this state; those that are pending are `PendingGrant`s, and in no other list
    :param category: only of this category
    """
    # The planner has to know whose they are: some have many, and are read in their order.
    wallet_id = Wallet.objects.values_list("id", flat=True).get(organization=organization)
    wanted = [] if category is None else [Q(category=category)]
    if status == PENDING:
        waiting = PendingGrant.objects.filter(begun_at=None, cancelled_at=None)
        # One whose moment has come is live, whether a command has posted it or not.
        wanted.append(Q(effective_at__gt=now))
        if is_live or source not in (None, Grant.Source.GRANT):
            wanted.append(Q(pk=None))  # none of them can be spent, and each is to be a grant
        return Listing(waiting.filter(wallet=wallet_id), GRANTS_BY, sifted=Q(*wanted))
    rows = with_states(Grant.objects.filter(wallet=wallet_id)).select_related("entry")
    if source is not None:
        wanted.append(Q(source=source))
    if status is not None:
        wanted.append(is_in_state(status, now=now))
    unexpired = Q(expires_at=None) | Q(expires_at__gt=now)
    if is_live is not None:
        live = Q(live=True) & unexpired
        wanted.append(live if is_live else ~live)
    return Listing(rows, GRANTS_BY, sifted=Q(*wanted) if wanted else None)


def _meant_by(text: str, wallet: QuerySet[Wallet]) -> list[UUID]:
    """Return which entries of a wallet a reference means: one of each namespace at most."""
    meant = Reference.objects.filter(
        wallet=wallet.values("id")[:1], namespace__in=Reference.Namespace.values, text=text
    )
    return list(meant.values_list("entry_id", flat=True))


def wallet_of(organization: Organization) -> Wallet:
    """Return the wallet of an organization with its terms and its open period, as the database has it."""
    return _wallets().get(organization=organization)


def _wallets() -> QuerySet[Wallet]:
    return Wallet.objects.select_related("organization", "config", "period")


def is_due(wallet: Wallet, *, now: datetime) -> bool:
    """Whether time has made something due on a wallet that no command has posted yet, besides the end of holds."""
    archived = wallet.organization.status == Organization.Status.ARCHIVED
    ended = ledger.open_period(wallet).ends_at <= now and not archived
    lapsed = wallet.lapse_at is not None and wallet.lapse_at <= now
    return ended or lapsed or (archived and _has_expired_holds(wallet, now=now))


def _has_expired_holds(wallet: Wallet, *, now: datetime) -> bool:
    if not wallet.open_holds:
        return False
    open_holds = wallet.reservations.filter(status=Reservation.Status.OPEN)
    return open_holds.filter(expires_at__lte=now).exists()


def _expiring(wallet: Wallet) -> list[Expiring]:
    """Return what ends at the next moments at which something does."""
    if wallet.lapse_at is None:
        return []
    ending = Grant.objects.filter(wallet=wallet, live=True, expires_at__isnull=False)
    moments = ending.order_by("expires_at").values("expires_at").annotate(credits=Sum("remaining"))
    return [Expiring(row["credits"], row["expires_at"]) for row in moments[:MOMENTS]]


def _as_it_stands(organization: Organization, now: datetime) -> tuple[Wallet, Decimal]:
    """Return a wallet that nobody writes, without what holds have reserved whose time has passed, and what its term brought.

    :raises Wallet.DoesNotExist: if the organization has none
    """
    row = statements.read_one(_LOOK, [now, organization.id])
    if row is None:
        raise Wallet.DoesNotExist(f"organization {organization.id} has no wallet")
    values = iter(row)
    wallet, owner, config, period = (each.take(values) for each in _READ)
    expired, expired_of_period, included = values
    assert wallet is not None
    statements.relate(wallet, organization=owner, config=config, period=period)
    ledger.without_expired(wallet, expired, expired_of_period)
    return wallet, included


_READ: list[statements.Columns[Any]] = [
    statements.Columns(Wallet, "w"),
    statements.Columns(Organization, "o", without=["metadata"]),
    statements.Columns(CreditConfig, "config"),
    statements.Columns(BillingPeriod, "period"),
]
_EXPIRED = """
    SELECT coalesce(sum(r.credits), 0) FROM credits_reservation r
    WHERE r.wallet_id = w.id AND r.status = 'open' AND r.expires_at <= asked.now"""
_LOOK = f"""
    SELECT {", ".join(each.sql for each in _READ)}, ({_EXPIRED}), ({_EXPIRED} AND r.period_id = w.period_id),
        (SELECT coalesce(sum(g.amount), 0) FROM credits_grant g
            WHERE g.wallet_id = w.id AND g.term_starts_at = period.term_starts_at)
    FROM credits_wallet w
        JOIN organizations_organization o ON o.id = w.organization_id
        JOIN {CreditConfig._meta.db_table} config ON config.wallet_id = w.id
        LEFT JOIN {BillingPeriod._meta.db_table} period ON period.id = w.period_id
        CROSS JOIN (SELECT %s::timestamptz AS now) asked
    WHERE w.organization_id = %s"""
