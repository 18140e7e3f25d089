"""What became of a grant: one word, computed from what remains of it, when it ends, and what emptied it."""

from datetime import datetime

from django.db.models import OuterRef, Q, QuerySet, Subquery

from credits.models import Grant, GrantDraw, LedgerEntry, PendingGrant

Kind = LedgerEntry.Kind

PENDING, LIVE, SPENT, LAPSED, VOIDED = "pending", "live", "spent", "lapsed", "voided"
STATES = [PENDING, LIVE, SPENT, LAPSED, VOIDED]
BY_HAND = [Kind.REVERSAL, Kind.ADJUST]
"""What takes the rest of a grant away without work."""


def with_states(grants: QuerySet[Grant]) -> QuerySet[Grant]:
    """Return grants, each with the kind of the entry that changed it last, for `state_of`: one look at an index for each."""
    last = GrantDraw.objects.filter(grant=OuterRef("pk")).order_by("-id")
    return grants.annotate(changed_by=Subquery(last.values("entry__kind")[:1]))


def is_in_state(state: str, *, now: datetime) -> Q:
    """Return the condition that a grant of `with_states` is in a state at a moment. None of them is pending."""
    ended = Q(expires_at__isnull=False, expires_at__lte=now)
    by_hand = Q(changed_by__in=BY_HAND)
    conditions = {
        LIVE: Q(live=True) & ~ended,
        LAPSED: Q(live=True) & ended | Q(live=False, changed_by=Kind.LAPSE),
        VOIDED: Q(live=False) & by_hand,
        # What paid a debt at once was never changed again, nor filled.
        SPENT: Q(live=False) & (Q(changed_by=None) | ~(by_hand | Q(changed_by=Kind.LAPSE))),
    }
    return conditions.get(state, Q(pk=None))


def state_of(grant: Grant | PendingGrant, *, now: datetime) -> str:
    """Return the state of a grant at a moment: pending, live, spent, lapsed or voided.

    An empty one is what emptied it: its end (lapsed), somebody's hand (voided: a reversal or an adjustment took the rest), or work and
    transfers (spent).
    """
    if isinstance(grant, PendingGrant):
        return PENDING if grant.cancelled_at is None else VOIDED
    if grant.remaining:
        has_ended = grant.expires_at is not None and grant.expires_at <= now
        return LAPSED if has_ended else LIVE
    changed_by = _changed_by(grant)
    if changed_by == Kind.LAPSE:
        return LAPSED
    return VOIDED if changed_by in BY_HAND else SPENT


def _changed_by(grant: Grant) -> str | None:
    """Return the kind of the entry that changed a grant last: as it was read with it, else by one look."""
    read = vars(grant)
    if "changed_by" in read:
        kind: str | None = read["changed_by"]
        return kind
    last = GrantDraw.objects.filter(grant=grant).order_by("-id")
    return last.values_list("entry__kind", flat=True).first()
