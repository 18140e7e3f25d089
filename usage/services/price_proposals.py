"""Changes of prices that wait for a second person: written down, decided once, and done as they were proposed."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from organizations import proposals, wire
from organizations.proposals import LIFETIME, NotDecidable
from usage.models import PriceProposal

State = PriceProposal.State
Payload = Mapping[str, Any]


def propose(
    *,
    action: str,
    payload: Payload,
    subject: str,
    effect: str,
    reason: str,
    proposed_by: str,
    now: datetime,
) -> PriceProposal:
    """Write down what is to be done, for another person to decide within a day. What waits already is returned as it is."""
    digest = digest_of(action, payload)
    same = PriceProposal.objects.filter(
        digest=digest, proposed_by=proposed_by, state=State.WAITING, expires_at__gt=now
    ).first()
    return same or PriceProposal.objects.create(
        action=action,
        payload=payload,
        digest=digest,
        subject=subject[:200],
        effect=effect[:300],
        reason=reason,
        proposed_by=proposed_by,
        proposed_at=now,
        expires_at=now + LIFETIME,
    )


def digest_of(action: str, payload: Payload) -> str:
    """Return what tells one payload from every other."""
    return hashlib.sha256(wire.dumps([action, payload], sort_keys=True)).hexdigest()


def to_decide(id: UUID, *, decided_by: str, now: datetime, approve: bool) -> PriceProposal:
    """Lock and return a proposal that this person may approve, or refuse, now. One's own can only be withdrawn.

    :raises NotDecidable: if it is decided, too old, one's own, or no longer what it was
    """
    proposal = PriceProposal.objects.select_for_update().get(id=id)
    if proposal.state != State.WAITING:
        raise NotDecidable(f"{proposal.decided_by} {proposal.state} it already")
    if approve:
        digest = digest_of(proposal.action, proposal.payload)
        proposals.require_approvable(proposal, digest=digest, decided_by=decided_by, now=now)
    return proposal


def decide(
    proposal: PriceProposal, *, state: PriceProposal.State, decided_by: str, now: datetime
) -> None:
    """Write down who decided what. The caller holds the proposal's lock."""
    proposal.state, proposal.decided_by, proposal.decided_at = state, decided_by, now
    proposal.save(update_fields=["state", "decided_by", "decided_at"])
