"""Money above a set amount needs a second person: what is moved by hand is added up, and what is too much waits to be approved.

Added up are the credits that one person moved on one organization in the last day, so that an amount cannot be cut into pieces that
are each small enough. What another approved is not among them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection

from organizations import wire
from organizations.models import Organization, Proposal

LIFETIME = timedelta(hours=24)
WINDOW = timedelta(hours=24)

Payload = Mapping[str, Sequence[str]]


class SecondPersonNeeded(Exception):
    """So much is not for one person alone."""

    def __init__(self, amount: Decimal) -> None:
        super().__init__(f"{amount:f} credits need a second person")
        self.amount = amount


class NotDecidable(Exception):
    """The proposal cannot be decided so, or not by this person."""


class Waiting(Protocol):
    """What waits for another person, whatever it is about."""

    proposed_by: str
    expires_at: datetime
    digest: str


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


def propose(
    *,
    organization: Organization,
    action: str,
    payload: Payload,
    amount: Decimal,
    reason: str,
    proposed_by: str,
    now: datetime,
) -> Proposal:
    """Write down what is to be done, for another person to decide within a day."""
    return Proposal.objects.create(
        organization=organization,
        action=action,
        payload=payload,
        digest=digest_of(organization, action, payload),
        amount=amount,
        reason=reason,
        proposed_by=proposed_by,
        proposed_at=now,
        expires_at=now + LIFETIME,
    )


def digest_of(organization: Organization, action: str, payload: Payload) -> str:
    """Return what tells one payload from every other."""
    inputs = [str(organization.pk), action, payload]
    return hashlib.sha256(wire.dumps(inputs, sort_keys=True)).hexdigest()


def to_decide(id: UUID, *, decided_by: str, now: datetime, approve: bool) -> Proposal:
    """Lock and return a proposal that this person may approve, or refuse, now. One's own can only be withdrawn.

    :raises NotDecidable: if it is decided, too old, one's own, or no longer what it was
    """
    rows = Proposal.objects.select_for_update(of=["self"]).select_related("organization")
    proposal = rows.get(id=id)
    if proposal.state != Proposal.State.WAITING:
        raise NotDecidable(f"{proposal.decided_by} {proposal.state} it already")
    if approve:
        fits = digest_of(proposal.organization, proposal.action, proposal.payload)
        require_approvable(proposal, digest=fits, decided_by=decided_by, now=now)
    return proposal


def author_of(proposal: Waiting) -> User | None:
    """Return who proposed it, if they are still one of the staff."""
    return User.objects.filter(username=proposal.proposed_by, is_active=True).first()


def require_approvable(proposal: Waiting, *, digest: str, decided_by: str, now: datetime) -> None:
    """Do nothing if somebody may approve a proposal now.

    :param digest: of what would be done
    :raises NotDecidable: if it is too old, one's own, or no longer what it was
    """
    if now >= proposal.expires_at:
        raise NotDecidable(
            f"it waited until {proposal.expires_at:%Y-%m-%d %H:%M} UTC: propose it anew"
        )
    if proposal.proposed_by == decided_by:
        raise NotDecidable("you proposed it yourself: another person has to approve it")
    if author_of(proposal) is None:
        raise NotDecidable(f"{proposal.proposed_by} is not one of the staff any more")
    if proposal.digest != digest:
        raise NotDecidable("it is not what was proposed")


def decide(
    proposal: Proposal, *, state: Proposal.State, decided_by: str, outcome: str, now: datetime
) -> None:
    """Write down who decided what. The caller holds the proposal's lock."""
    proposal.state = state
    proposal.decided_by = decided_by
    proposal.decided_at = now
    proposal.outcome = outcome[:500]
    proposal.save(update_fields=["state", "decided_by", "decided_at", "outcome"])
