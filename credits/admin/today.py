"""What the terms of an organization mean today: how much of the cap is used, held and left, and whether work that is asked for passes."""

from datetime import datetime
from decimal import Decimal

from credits import services
from credits.models import MAX_AMOUNT, ZERO, CreditConfig, Reservation
from credits.services import Reading
from credits.services.renewals import next_term
from credits.templatetags.amounts import credits
from organizations.admin.actions import Figure
from organizations.models import Organization


def cap_in_words(
    cap: Decimal | None, nothing: str = "no cap", zero: str = "nothing may be spent"
) -> str:
    """Return a cap as a preview says it: an empty field and a 0 are opposites, so neither is left blank."""
    if cap is None:
        return nothing
    return zero if cap == 0 else credits(cap)


def cap_today(organization: Organization, reading: Reading) -> list[Figure]:
    """Return the cap of a billing period with what is used, held and left of it."""
    cap, period = reading.wallet.config.monthly_cap, reading.period
    taken = period.used + period.reserved
    left = MAX_AMOUNT if cap is None else max(ZERO, cap - taken)
    blocked = cap is not None and taken >= cap
    whose = organization.name
    return [
        Figure(whose, "Cap of a billing period", cap_in_words(cap)),
        Figure(whose, "Used and reserved in this period", credits(taken)),
        Figure(whose, "Left of the cap", "no end" if cap is None else credits(left), -left),
        Figure(
            whose,
            "New work",
            "refused by the cap" if blocked else "not stopped by the cap",
            int(blocked),
        ),
    ]


def terms_today(organization: Organization, *, now: datetime) -> list[Figure]:
    """Return what the terms of an organization mean at `now`."""
    reading = services.wallet_as_of(organization, now=now)
    config = reading.wallet.config
    return [
        *cap_today(organization, reading)[1:],
        left_to_spend(organization, reading),
        _holds(organization, reading, now),
        Figure(organization.name, "Refill from the parent", _refill(reading)),
        Figure(
            organization.name,
            "Allowance of a term, with a seat for each user",
            cap_in_words(config.allowance, "none")
            if not config.allowance_per_user
            else f"{credits(config.allowance)} and {credits(config.allowance_per_user)} for each",
            -config.allowance,
        ),
        term_ahead(organization, now=now),
    ]


def term_ahead(organization: Organization, *, now: datetime) -> Figure:
    """Return what the next term brings: less than a whole allowance, where a moved anchor makes it a stub."""
    term = next_term(organization, now=now)
    days = "" if term.days == term.whole_days else f", {term.days} of {term.whole_days} days"
    said = f"{credits(term.brings)} from {term.starts_at:%Y-%m-%d} to {term.ends_at:%Y-%m-%d}{days}"
    return Figure(organization.name, "The next term brings", said, -term.brings)


def left_to_spend(organization: Organization, reading: Reading) -> Figure:
    """Return what may be spent as things stand, with how far below zero that may go."""
    overdraft = reading.wallet.config.overdraft_limit
    left = MAX_AMOUNT if overdraft is None else reading.wallet.available + overdraft
    said = "no end" if overdraft is None else credits(max(ZERO, left))
    return Figure(organization.name, "Left to spend, overdraft included", said, -max(ZERO, left))


def _holds(organization: Organization, reading: Reading, now: datetime) -> Figure:
    limit = reading.wallet.config.open_holds_limit
    open_now = reading.wallet.reservations.filter(
        status=Reservation.Status.OPEN, expires_at__gt=now
    ).count()
    more = MAX_AMOUNT if limit is None else Decimal(max(0, limit - open_now))
    said = "any number" if limit is None else f"{more:f}"
    return Figure(organization.name, f"Holds that may be opened beside the {open_now}", said, -more)


def _refill(reading: Reading) -> str:
    config: CreditConfig = reading.wallet.config
    if config.refill_threshold is None or config.refill_amount is None:
        return "none"
    is_due = reading.wallet.available < config.refill_threshold
    when = "with the next work" if is_due else f"below {credits(config.refill_threshold)}"
    return f"{credits(config.refill_amount)} {when}"
