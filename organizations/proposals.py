"""What is too much for one person waits for another: proposed as it is to be done, and decided once, within a day, by somebody else.

Money is too much by what is moved by hand: added up are the credits that one person moved on one organization in the last day, so that an
amount cannot be cut into pieces that are each small enough. What another approved is not among them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection

from organizations import wire
from organizations.models import Organization, Proposed

LIFETIME = timedelta(hours=24)
WINDOW = timedelta(hours=24)

Payload = Mapping[str, Sequence[str]]
"""A form as it was filled in: from the name of each input to what was sent for it."""
State = Proposed.State
P = TypeVar("P", bound=Proposed)


class SecondPersonNeeded(Exception):
    """So much is not for one person alone."""

    def __init__(self, amount: Decimal) -> None:
        super().__init__(f"{amount:f} credits need a second person")
        self.amount = amount


class NotDecidable(Exception):
    """The proposal cannot be decided so, or not by this person."""


class Moved(NamedTuple):
    """How much was brought and taken by hand."""

    brought: Decimal = Decimal(0)
    taken: Decimal = Decimal(0)

    @property
    def most(self) -> Decimal:
        return max(self)

    def since(self, earlier: "Moved") -> "Moved":
        return Moved(self.brought - earlier.brought, self.taken - earlier.taken)


def require_alone(before: Moved, after: Moved, *, limit: Decimal | None) -> None:
    """Do nothing if one person may move so much alone.

    :param limit: how many credits in a day; None: any amount
    :raises SecondPersonNeeded: if not
    """
    amount = after.since(before).most
    if limit is not None and amount > 0 and after.most > limit:
        raise SecondPersonNeeded(amount)


def one_at_a_time(organization: Organization, performed_by: str) -> None:
    """Make two actions of one person on one organization follow each other: each is added to the other."""
    with connection.cursor() as cursor:
        name = f"purser by hand {organization.pk} {performed_by}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def propose(proposal: P, *, now: datetime) -> P:
    """Write down what is to be done, for another person to decide within a day. What waits already is returned as it is.

    :param proposal: not saved, with all but its digest and its moments
    """
    proposal.digest = digest_of(proposal)
    waiting = type(proposal)._default_manager.filter(state=State.WAITING, expires_at__gt=now)
    same = waiting.filter(digest=proposal.digest, proposed_by=proposal.proposed_by).first()
    if same is not None:
        return same
    proposal.proposed_at, proposal.expires_at = now, now + LIFETIME
    proposal.save(force_insert=True)
    return proposal


def digest_of(proposal: Proposed, whom: object = None) -> str:
    """Return what tells what is proposed from everything else.

    :param whom: for whom it is, where that is not written yet
    """
    asked = [whom or proposal.whom(), proposal.action, proposal.payload]
    return hashlib.sha256(wire.dumps(asked, sort_keys=True)).hexdigest()


def locked(model: type[P], id: UUID) -> P:
    """Return a proposal that nobody else decides until the caller's transaction ends."""
    return model._default_manager.select_for_update().get(id=id)


def to_decide(model: type[P], id: UUID, *, decided_by: str, now: datetime, approve: bool) -> P:
    """Lock and return a proposal that this person may approve, or refuse, now. One's own can only be withdrawn.

    :raises NotDecidable: if it is decided, too old, one's own, or no longer what it was
    """
    proposal = locked(model, id)
    if proposal.decided_by is not None:
        raise NotDecidable(f"{proposal.decided_by} {proposal.state} it already")
    if approve:
        _require_approvable(proposal, decided_by=decided_by, now=now)
    return proposal


def author_of(proposal: Proposed) -> User | None:
    """Return who proposed it, if they are still one of the staff."""
    staff = User.objects.filter(is_active=True, is_staff=True)
    return staff.filter(username=proposal.proposed_by).first()


def _require_approvable(proposal: Proposed, *, decided_by: str, now: datetime) -> None:
    if proposal.state != State.WAITING:
        raise NotDecidable("it does not wait for a second person")
    require_in_time(proposal, now=now)
    if proposal.proposed_by == decided_by:
        raise NotDecidable("you proposed it yourself: another person has to approve it")
    if author_of(proposal) is None:
        raise NotDecidable(f"{proposal.proposed_by} is not one of the staff any more")


def require_in_time(proposal: Proposed, *, now: datetime) -> None:
    """Do nothing if a proposal is what was asked, and not too old.

    :raises NotDecidable: if it is
    """
    if now >= proposal.expires_at:
        raise NotDecidable(
            f"it waited until {proposal.expires_at:%Y-%m-%d %H:%M} UTC: propose it anew"
        )
    if proposal.digest != digest_of(proposal):
        raise NotDecidable("it is not what was proposed")


def decide(
    proposal: Proposed, *, state: State, decided_by: str, outcome: str, now: datetime
) -> None:
    """Write down who decided what. The caller holds the proposal's lock."""
    proposal.state, proposal.decided_by, proposal.decided_at = state, decided_by, now
    proposal.outcome = outcome[:500]
    proposal.save(update_fields=["state", "decided_by", "decided_at", "outcome"])
