"""The one admission, as Python asks it: what is wanted of a wallet in one round trip, and what came of it.

The rules are in `credits_hold_2` and `credits_decide_1` (credits/migrations/sql), which everybody asks: a reserve, a check, a hold that
grows. Nothing here decides anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from credits.ledger.posting import require_exact
from credits.limits import EPOCH, SCOPES, ZERO, Capped, names_of
from organizations import statements, wire
from organizations.idempotency import Earlier, Key
from organizations.ids import new_id


class Candidate(NamedTuple):
    """A model that could do the work, and what its work needs."""

    need: Decimal
    least: Decimal | None = None
    """The least credits that are of any use; null where that is any."""
    is_free: bool = False
    """Whether `need` is 0 by its prices, and not only by an estimate."""
    model: str = ""
    card: str | None = None
    """Its prices, as JSON."""


class Versions(NamedTuple):
    """At which versions the terms were read that the rest says: of the wallet, of its parent, of the catalogue. Null is not compared."""

    wallet: UUID | None = None
    parent: UUID | None = None
    catalogue: UUID | None = None


NOT_COMPARED = Versions()
CHECK = "check"
"""The kind that holds nothing."""


@dataclass(frozen=True)
class Wanted:
    """A hold that somebody wants, or with `kind` `grow` the new total of one that is open.

    `candidates` are the model that was asked for and, if there is one, its provider's fallback.
    """

    organization_id: UUID
    now: datetime
    candidates: Sequence[Candidate]
    parent_id: UUID | None = None
    kind: str = "reserve"
    versions: Versions = NOT_COMPARED
    valid_until: datetime | None = None
    """From when on the terms are other ones, without anybody's edit."""
    up_to: bool = False
    must_hold: bool = False
    """Whether 0 credits are refused, unless that is the price."""
    byok: bool = False
    downgrade: Decimal | None = None
    shutoff: Decimal | None = None
    capped: Sequence[Capped] = ()
    """Whom it is counted for besides the organization, in the order in which their caps are asked."""
    reservation_id: UUID = field(default_factory=new_id)
    work_type: str = "ai"
    requested_model: str = ""
    estimate: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    performed_by: str = ""
    time_to_live: timedelta = timedelta()

    @property
    def names(self) -> dict[str, str]:
        """What the limits are the limits of that it is asked of, by their scope."""
        return names_of(self.organization_id, self.capped)


class Outcome(NamedTuple):
    """What came of it: the columns of `credits_hold_2`, whose comment says what they mean."""

    outcome: str
    model: int | None
    held: Decimal | None
    held_free: Decimal | None
    is_charged: bool | None
    denied_by: int | None
    figures: list[Decimal | None] | None
    moment: datetime | None
    period: int | None
    counters: list[int] | None
    earlier: Earlier
    """What was found under the key; of nulls, if the outcome is another."""

    @property
    def made(self) -> "Made":
        """What was written of a hold."""
        return Made(
            self.held or ZERO,
            self.held_free or ZERO,
            bool(self.is_charged),
            self.period or 0,
            self.counters or [],
            self.figures or [],
            self.moment or EPOCH,
        )


class Made(NamedTuple):
    """What an admission wrote that nobody knew before."""

    held: Decimal
    held_free: Decimal
    is_charged: bool
    period: int
    counters: list[int]
    figures: list[Decimal | None]
    moment: datetime


_PARAMETERS = 35
_HOLD = f"SELECT * FROM credits_hold_2({', '.join(['%s'] * _PARAMETERS)})"


def hold(
    wanted: Wanted,
    *,
    key: Key | None = None,
    refills: bool = True,
    takes_part: bool = False,
    send: statements.Send = statements.fetch_one,
) -> Outcome:
    """Decide and hold, all in one statement: under the wallet's lock, which it takes if the caller has not.

    :param key: under which the answer is stored, and looked for
    :param refills: whether a refill that would fire comes first; not if the caller has tried that
    :param takes_part: whether less than was asked for may be held now, if `up_to` says so at all
    :param send: what sends the statement; of a check, which only reads, that may be the door
    """
    first = wanted.candidates[0]
    require_exact(*(each.need for each in wanted.candidates))
    capped, candidates = wanted.capped, wanted.candidates
    is_written = wanted.kind != CHECK
    row = send(
        _HOLD,
        [
            wanted.kind,
            wanted.organization_id,
            wanted.parent_id,
            list(wanted.versions),
            wanted.now,
            wanted.valid_until,
            *(key.columns if key else (None, None, None, None)),
            [each.need for each in candidates],
            [each.least for each in candidates],
            [each.is_free for each in candidates],
            wanted.up_to,
            takes_part,
            wanted.must_hold,
            wanted.byok,
            refills,
            wanted.downgrade,
            wanted.shutoff,
            [SCOPES.index(each.scope) for each in capped],
            [each.actor_id for each in capped],
            [each.group_id for each in capped],
            [each.resource_type for each in capped],
            [each.resource_id for each in capped],
            [each.cap for each in capped],
            wanted.reservation_id,
            wanted.work_type,
            wanted.requested_model,
            [each.model for each in candidates] if first.model and is_written else [],
            [each.card for each in candidates] if first.card and is_written else [],
            _json(wanted.estimate) if is_written else None,
            _json(wanted.metadata) if wanted.metadata else "{}",
            wanted.performed_by,
            f"{wanted.time_to_live.total_seconds():f} seconds",
        ],
    )
    assert row is not None  # a function returns a row
    return Outcome._make((*row[:-4], Earlier(*row[-4:])))


class Decision(NamedTuple):
    """What would be decided: the outcome of `credits_decide_1`, of which candidate, and by the limit of which number it is refused."""

    outcome: str
    model: int | None
    denied_by: int | None


_DECIDE = f"SELECT outcome, model, denied_by FROM credits_decide_1({', '.join(['%s'] * 17)})"


def decide(
    wanted: Wanted,
    *,
    needs: Sequence[Decimal] | None = None,
    settled: Decimal,
    charge_limit: Decimal | None,
    caps: Sequence[Decimal | None],
    taken: Sequence[Decimal],
    unreserved: Decimal,
    overdraft: Decimal | None,
    refill_threshold: Decimal | None,
    falls_back: bool,
    free_limit: Decimal | None,
    free_taken: Decimal,
) -> Decision:
    """Ask what an admission would decide by these figures; nothing is held.

    :param needs: the prices, if they are not those of the candidates
    """
    candidates = wanted.candidates
    row = statements.fetch_one(
        _DECIDE,
        [
            needs or [each.need for each in candidates],
            [each.least for each in candidates],
            [each.is_free for each in candidates],
            wanted.up_to,
            wanted.must_hold,
            settled,
            wanted.downgrade,
            wanted.shutoff,
            charge_limit,
            caps,
            taken,
            unreserved,
            overdraft,
            refill_threshold,
            falls_back,
            free_limit,
            free_taken,
        ],
    )
    assert row is not None  # a function returns a row
    return Decision._make(row)


def _json(value: Any) -> str | None:
    return None if value is None else wire.dumps(value).decode()
