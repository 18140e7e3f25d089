"""What staff may give away with a key: no more than they may do here themselves.

Whoever is told the secret of a key can do all that it opens. So it takes, of each scope, the rights over everything behind its doors.
"""

from collections.abc import Mapping

from django.contrib.auth.models import AnonymousUser, PermissionsMixin

from organizations import scopes
from organizations.models import ApiKey

_READS_CREDITS = ("credits.view_wallet", "credits.view_ledgerentry")
_READS_USAGE = ("usage.view_usageevent", "credits.view_reservation", "organizations.view_actor")
_SPENDS = ("usage.spend", "usage.add_usageevent")
_CHANGES_TERMS = ("credits.change_creditconfig",)
_GIVES_KEYS = ("organizations.add_apikey", "organizations.change_apikey")

NEEDED: Mapping[str, tuple[str, ...]] = {
    scopes.CREDITS_READ: _READS_CREDITS,
    scopes.USAGE_READ: _READS_USAGE,
    scopes.USAGE_WRITE: _SPENDS,
    scopes.MANAGE: (
        *_READS_USAGE,
        *_SPENDS,
        "credits.recharge",
        "credits.reverse",
        *_CHANGES_TERMS,
        *_GIVES_KEYS,
        *(f"organizations.{verb}_actor" for verb in ("add", "change")),
        *(f"organizations.{verb}_group" for verb in ("add", "change", "delete")),
        *(f"organizations.{verb}_usageprofile" for verb in ("add", "change", "delete")),
        *(f"usage.{verb}_limit" for verb in ("add", "change", "delete")),
        *(f"usage.{verb}_thresholds" for verb in ("add", "change")),
    ),
    scopes.ORG_ADMIN: (
        *_READS_CREDITS,
        "credits.allocate",
        *_CHANGES_TERMS,
        *_GIVES_KEYS,
        *(f"organizations.{verb}_organization" for verb in ("view", "add", "change", "delete")),
        "organizations.suspend",
    ),
}
"""Which rights of staff each scope takes: those of the buttons and pages that do here what the scope's doors do."""

RAISES_RATES = "organizations.change_organization"
"""The right to let a key ask more often than others: a term of the organization."""

Staff = PermissionsMixin | AnonymousUser


def delegable_scopes(user: Staff) -> frozenset[str]:
    """Return the scopes that somebody of the staff may give to a key, or be told the secret of a key that has them."""
    return frozenset(scope for scope, needed in NEEDED.items() if user.has_perms(needed))


def delegable_tiers(user: Staff) -> list[str]:
    """Return the rate-limit tiers that somebody of the staff may give to a live key: a test key has one of its own."""
    tiers = [tier for tier in ApiKey.Tier.values if tier != ApiKey.Tier.SANDBOX]
    return tiers if user.has_perm(RAISES_RATES) else [ApiKey.Tier.STANDARD]
