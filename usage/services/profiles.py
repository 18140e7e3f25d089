"""Usage profiles of an organization, and the system's own, which are for everybody: those only staff change."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, ProtectedError, Q, QuerySet

from credits.services.locking import lock_terms
from organizations.history import UNSAID, sign
from organizations.models import Organization, UsageProfile


class SystemProfile(Exception):
    """The system's profiles are everybody's: an organization makes its own."""


class ProfileInUse(Exception):
    """Actors, teams or organizations have this profile: give them another first."""


def profiles_for(organization: Organization) -> QuerySet[UsageProfile]:
    """Return the profiles an organization may give: the system's first, then its own, oldest first."""
    reachable = Q(organization=None) | Q(organization=organization)
    own_last = F("organization").asc(nulls_first=True)
    return UsageProfile.objects.filter(reachable).order_by(own_last, "created_at", "id")


@transaction.atomic(savepoint=False)
def create_profile(
    *, organization: Organization | None, now: datetime, performed_by: str, **fields: Any
) -> UsageProfile:
    """Create a profile of an organization, or without one a profile of the system.

    :raises django.db.IntegrityError: if it has one of that slug (`usageprofile_one_per_slug`)
    """
    profile = UsageProfile(organization=organization, created_at=now, updated_at=now, **fields)
    sign(profile, performed_by=performed_by, now=now)
    profile.save(force_insert=True)
    return profile


@transaction.atomic(savepoint=False)
def update_profile(
    *,
    profile: UsageProfile,
    changes: dict[str, Any],
    performed_by: str,
    now: datetime,
    by_staff: bool = False,
) -> UsageProfile:
    """Change a profile; what is not named stays. Its caps and tiers act at once.

    :param by_staff: whether it may be one of the system's
    :raises SystemProfile: if it is one of the system's, and may not
    :raises django.db.IntegrityError: if the slug is taken
    """
    if not by_staff:
        _require_own(profile)
    _lock_terms(profile)
    for name, value in changes.items():
        setattr(profile, name, value)
    profile.updated_at = now
    sign(profile, performed_by=performed_by, now=now)
    profile.save(update_fields=[*changes, "updated_at"])
    return profile


@transaction.atomic(savepoint=False)
def delete_profile(*, profile: UsageProfile, performed_by: str = UNSAID) -> None:
    """Delete a profile that nobody has.

    :raises SystemProfile: if it is one of the system's
    :raises ProfileInUse: if somebody has it
    """
    _require_own(profile)
    _lock_terms(profile)
    sign(profile, performed_by=performed_by)
    try:
        profile.delete()
    except ProtectedError as error:
        raise ProfileInUse(f"{profile.slug} is in use") from error


def _lock_terms(profile: UsageProfile) -> None:
    """Lock the wallet of whose terms it is part; one of the system's is part of the catalogue."""
    if profile.organization_id is not None:
        lock_terms(profile.organization_id)


def _require_own(profile: UsageProfile) -> None:
    if profile.organization_id is None:
        raise SystemProfile(f"{profile.slug} is one of the system's profiles")
