"""What a key is good for at a moment, in a word and as a label."""

from datetime import datetime

from django.utils.safestring import SafeString

from organizations import clock
from organizations.admin.cells import pill
from organizations.models import ApiKey

STATES = {"active": "good", "rotated, in grace": "warn"}


def key_state(key: ApiKey) -> SafeString:
    """Return what a key is good for at this moment, as a label."""
    state = state_of(key, clock.now())
    return pill(state, STATES.get(state, "quiet"))


def state_of(key: ApiKey, now: datetime) -> str:
    """Return what a key is good for at a moment, in a word."""
    if key.revoked_at is not None:
        return "revoked"
    if not key.is_live(now):
        return "expired"
    return "rotated, in grace" if key.grace_until else "active"
