"""What time does to a wallet: lapses, grants that begin, new periods, new terms.

Every command begins with `post_due`, so the first request after a boundary finds the wallet as it should be; the worker does the
same for everybody who makes no request. One wallet or fifty: every step is taken for all of them before the next, so that fifty
take no more statements than one.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pgbulk
from django.db import transaction

from credits import ledger, periods
from credits.models import (
    ZERO,
    BillingPeriod,
    CreditConfig,
    Grant,
    LedgerEntry,
    Wallet,
)
from credits.services.allowances import allowance_lot, begin_terms, brought, go_on, whole_term
from credits.services.beginning import begin
from credits.services.turns import turn
from organizations.models import Organization

CALENDAR = "calendar"
"""Who did it, when nobody did: the months turn by themselves."""

INSTANT = timedelta(microseconds=1)
"""As finely as moments are told apart."""

Draws = Mapping[UUID, Sequence[ledger.Draw]]
"""By the ids of the wallets."""


@transaction.atomic(savepoint=False)
def renew(*, organization: Organization, now: datetime) -> Wallet:
    """Bring a wallet up to date: lapse what expired, close what ended, open and fund what began.

    Doing it twice does it once: what is due is decided under the wallet's lock.
    """
    (wallet,) = ledger.lock(organization.id)
    post_due(wallet, now=now)
    return wallet


def renew_together(*, organizations: Collection[Organization], now: datetime) -> set[UUID]:
    """Bring many wallets up to date at once: one boundary in one transaction, in as many statements as one wallet takes.

    Returns the ids of those that are up to date then. A wallet that somebody else has locked is left out, and waits for nobody;
    so is one whose users each bring a share: to count them takes longer the more they are, and the others would stay locked meanwhile.
    """
    done: set[UUID] = set()
    left = {organization.id for organization in organizations}
    while left:
        done_by_now, left = _renew_once(left, now=now)
        done |= done_by_now
    return done


@transaction.atomic(savepoint=False)
def _renew_once(
    organization_ids: Collection[UUID], *, now: datetime
) -> tuple[set[UUID], set[UUID]]:
    """Take wallets over one boundary; return whose are up to date then, and whose have another to cross."""
    wallets = ledger.lock_idle(organization_ids)
    at_once = [wallet for wallet in wallets if not wallet.config.allowance_per_user]
    ended = [wallet for wallet in at_once if _has_ended(wallet, now)]
    if ended:
        _turn(ended, now=now)
    again = [wallet for wallet in ended if _has_ended(wallet, now)]
    up_to_date = [wallet for wallet in at_once if wallet not in again]
    post_due(*up_to_date, now=now)
    return {w.organization_id for w in up_to_date}, {w.organization_id for w in again}


def post_due(*wallets: Wallet, now: datetime) -> None:
    """Post everything that time has made due on locked wallets, boundary by boundary, in order.

    An archived wallet neither renews nor begins a new period; what expires in it still lapses.
    """
    while ended := [wallet for wallet in wallets if _has_ended(wallet, now)]:
        _turn(ended, now=now)
    expired = [w for w in wallets if w.lapse_at is not None and w.lapse_at <= now]
    if expired:
        lapse_expired(*expired, note=ledger.Note(CALENDAR, now))


def _has_ended(wallet: Wallet, now: datetime) -> bool:
    """Whether the wallet has a boundary to cross."""
    is_archived = wallet.organization.status == Organization.Status.ARCHIVED
    return not is_archived and ledger.open_period(wallet).ends_at <= now


def open_first_period(wallet: Wallet, *, now: datetime) -> None:
    """Open the billing period that contains `now` on a new wallet, and fund its first term, from today on or as a whole."""
    config = wallet.config
    starts_at, ends_at = periods.period_containing(now, config.anchored_on)
    term = periods.term_from(starts_at, yearly=config.yearly, anchored_on=config.anchored_on)
    first = _period(wallet, index=0, period=periods.Period(starts_at, ends_at), term=term)
    begin_terms([first], since=whole_term(first).starts_at if config.first_term_full else now)
    turn([first], now=now)
    _renew_allowances([wallet], carried={wallet.pk: []}, now=now)


def lapse_expired(*wallets: Wallet, note: ledger.Note) -> None:
    """Take what expired by the moment of the note out of locked wallets; what was to begin by then is in them before."""
    until = {wallet.pk: note.posted_at for wallet in wallets}
    in_time = {pk: moment + INSTANT for pk, moment in until.items()}
    coming = begin(wallets, before=in_time, note=ledger.Note(CALENDAR, note.posted_at))
    expired = _pick_expired(wallets, until=until, coming=coming)
    draws = {pk: ledger.take(ended, ledger.remaining(ended)) for pk, ended in expired.items()}
    _lapse(wallets, draws, note=note)
    # Where nothing was left to lapse, no entry has written the wallet.
    if rest := [wallet for wallet in wallets if not draws[wallet.pk]]:
        pgbulk.update(Wallet, rest, ["lapse_at"])


def _pick_expired(
    wallets: Sequence[Wallet],
    *,
    until: Mapping[UUID, datetime],
    coming: Mapping[UUID, datetime],
) -> dict[UUID, list[Grant]]:
    """Return of each wallet the grants that hold something and ended by its moment.

    The wallet itself, not yet its row, remembers when the next of the others ends, or of what is coming begins.
    """
    ended: dict[UUID, list[Grant]] = {wallet.pk: [] for wallet in wallets}
    due = [w for w in wallets if w.lapse_at is not None and w.lapse_at <= until[w.pk]]
    if not due:
        return ended
    next_ends: dict[UUID, datetime] = dict(coming)
    for grant in ledger.live_grants(*due):
        pk, ends_at = grant.wallet_id, grant.expires_at
        if ends_at is None:
            continue
        if ends_at <= until[pk]:
            ended[pk].append(grant)
        else:
            next_ends[pk] = min(ends_at, next_ends.get(pk, ends_at))
    for wallet in due:
        wallet.lapse_at = next_ends.get(wallet.pk)
    return ended


def _lapse(wallets: Sequence[Wallet], draws: Draws, *, note: ledger.Note) -> None:
    """Take credits that ended out of the wallets, where there are any."""
    kind = LedgerEntry.Kind.LAPSE
    lapsing = [wallet for wallet in wallets if draws[wallet.pk]]
    ledger.post(*[ledger.Posting(each, kind, note, draws=draws[each.pk]) for each in lapsing])


def _turn(wallets: Sequence[Wallet], *, now: datetime) -> None:
    """Close the open periods, which ended, and open the next; at the end of a term, renew the allowance."""
    carried = _end_grants(wallets, now=now)
    opening = [next_period(wallet) for wallet in wallets]
    new_terms = [period for period in opening if period.starts_at == period.term_starts_at]
    begin_terms(new_terms)
    turn(opening, now=now)
    _renew_allowances([period.wallet for period in new_terms], carried=carried, now=now)


def _end_grants(wallets: Sequence[Wallet], *, now: datetime) -> Draws:
    """Lapse what expired by the end of the open periods; return the draws that carry on what rolls over.

    A lapse is on the statement of the period whose end it is.
    """
    ends_at = {wallet.pk: ledger.open_period(wallet).ends_at for wallet in wallets}
    coming = begin(wallets, before=ends_at, note=ledger.Note(CALENDAR, now))
    expired = _pick_expired(wallets, until=ends_at, coming=coming)
    lapsing = {wallet.pk: _lapsing(wallet, expired[wallet.pk]) for wallet in wallets}
    _lapse(wallets, lapsing, note=ledger.Note(CALENDAR, now))
    return {pk: ledger.take(left, ledger.remaining(left)) for pk, left in expired.items()}


def _lapsing(wallet: Wallet, expired: Sequence[Grant]) -> list[ledger.Draw]:
    """Return the draws that end a wallet's expired grants; what may roll over stays in those of the term."""
    ending, config = ledger.open_period(wallet), wallet.config
    of_term = [g for g in expired if g.term_starts_at and g.expires_at == ending.term_ends_at]
    others = [grant for grant in expired if grant not in of_term]
    left = ledger.remaining(of_term)
    rolled_over = ZERO if config.cancel_at_period_end else min(left, config.rollover_limit)
    return [
        *ledger.take(others, ledger.remaining(others)),
        *ledger.take(of_term, left - rolled_over),
    ]


def next_period(wallet: Wallet) -> BillingPeriod:
    """Return the period after the open one, not yet written."""
    ending, config = ledger.open_period(wallet), wallet.config
    term = _term_after(ending, config)
    boundary = periods.boundary_after(ending.ends_at, config.anchored_on.day)
    span = periods.Period(ending.ends_at, min(boundary, term.ends_at))
    period = _period(wallet, index=ending.index + 1, period=span, term=term)
    if term.starts_at == ending.term_starts_at:
        go_on(period, ending)
    return period


def _term_after(ending: BillingPeriod, config: CreditConfig) -> periods.Period:
    """Return the term of the next period: the same, or a new one where it ended."""
    if ending.term_ends_at > ending.ends_at:
        return periods.Period(ending.term_starts_at, ending.term_ends_at)
    return periods.term_from(ending.ends_at, yearly=config.yearly, anchored_on=config.anchored_on)


def _period(
    wallet: Wallet, *, index: int, period: periods.Period, term: periods.Period
) -> BillingPeriod:
    return BillingPeriod(
        wallet=wallet,
        index=index,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        term_starts_at=term.starts_at,
        term_ends_at=term.ends_at,
        opening_balance=wallet.balance,
    )


def _renew_allowances(wallets: Sequence[Wallet], *, carried: Draws, now: datetime) -> None:
    """Begin the term of the open periods: an allowance, a share for each seat, and what rolls over."""
    postings = []
    for wallet in wallets:
        rolled_over, period = carried[wallet.pk], ledger.open_period(wallet)
        amount = brought(period) - sum((draw.amount for draw in rolled_over), ZERO)
        if amount:
            lot = allowance_lot(period, amount)
            note = ledger.Note(CALENDAR, now, reason=period.stub)
            kind = LedgerEntry.Kind.RENEW
            postings.append(ledger.Posting(wallet, kind, note, draws=rolled_over, lots=[lot]))
    ledger.post(*postings)
