"""What the code and the reference model show of a wallet, in the same words."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from credits import services
from credits.models import Reservation
from organizations.models import Organization
from tests import factories as f
from tests.credits.reference_wallet import FOREVER, Wallet


def seen(outcome: object) -> object:
    """What a command of the code answered, as the model would say it."""
    match outcome:
        case Reservation(status="settled"):
            return outcome.settled_credits, outcome.late
        case Reservation():
            return outcome.credits
        case services.BillingExhausted():
            return outcome.reason, outcome.affordable_credits
        case bool() | str() | int() | Decimal() | datetime():
            return outcome
        case _:
            return "ok"


def shown(reading: services.Reading) -> list[object]:
    wallet = reading.wallet
    return [
        wallet.organization.status,
        wallet.balance,
        wallet.reserved,
        wallet.available,
        wallet.transferable,
        wallet.allowance_remaining,
        reading.included,
        reading.period.index,
        reading.period.ends_at,
        reading.period.term_ends_at,
        reading.period.seats,
        reading.period.share,
        reading.period.used,
        reading.period.reserved,
        wallet.refill_cooldown_ends_at,
        wallet.refill_retry_at,
    ]


def kept(wallet: Wallet) -> list[object]:
    period = wallet.periods[-1]
    return [
        wallet.status,
        wallet.balance,
        wallet.reserved,
        max(Decimal(0), wallet.free),
        wallet.transferable,
        wallet.allowance,
        wallet.included,
        len(wallet.periods) - 1,
        wallet.period_ends_at,
        wallet.term_ends_at,
        wallet.seats,
        wallet.share,
        period.used,
        period.reserved,
        wallet.cooldown_ends_at,
        wallet.retry_at,
    ]


def written(organization: Organization) -> dict[str, object]:
    """Everything that the database keeps of a wallet."""
    wallet = f.wallet_of(organization)
    holds = wallet.reservations.order_by("created_at", "id")
    lots = wallet.grants.filter(remaining__gt=0)
    return {
        "entries": [(e.kind, e.amount) for e in f.entries_of(organization)],
        "periods": [(p.used, p.reserved) for p in f.periods_of(organization)],
        "holds": [
            (h.status, h.credits, h.settled_credits or Decimal(0), h.late, h.expires_at)
            for h in holds
        ],
        "lots": per_terms(
            (g.priority, g.expires_at or FOREVER, g.source == "allowance", g.remaining)
            for g in lots
        ),
    }


def noted(wallet: Wallet) -> dict[str, object]:
    """The same, from the model."""
    return {
        "entries": wallet.entries,
        "periods": [(p.used, p.reserved) for p in wallet.periods],
        "holds": [
            (h.status, h.credits, h.charged, h.late, h.expires_at) for h in wallet.holds.values()
        ],
        "lots": per_terms(
            (lot.priority, lot.expires_at, lot.included, lot.remaining)
            for lot in wallet.lots
            if lot.remaining
        ),
    }


def per_terms(
    lots: Iterable[tuple[int, datetime, bool, Decimal]],
) -> dict[tuple[int, datetime, bool], Decimal]:
    """Add up what remains on the same terms: a transfer may cut lots otherwise than the model does."""
    sums: dict[tuple[int, datetime, bool], Decimal] = {}
    for priority, expires_at, included, remaining in lots:
        terms = (priority, expires_at, included)
        sums[terms] = sums.get(terms, Decimal(0)) + remaining
    return sums
