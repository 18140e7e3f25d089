"""Actors who come and go, as far as the wallet is touched: each active user brings a share of the allowance."""

from datetime import datetime
from typing import Any

from django.db import transaction

from credits import ledger
from credits.models import AllowanceShare, BillingPeriod, Grant, LedgerEntry, Wallet
from credits.services.calendar import CALENDAR, allowance_lot
from credits.services.locking import lock, require_not_archived
from organizations.history import UNSAID, sign
from organizations.models import Actor, Organization, UsageProfile


class ForeignProfile(Exception):
    """A usage profile is the system's or the organization's own; another's does not exist for it."""


@transaction.atomic(savepoint=False)
def create_actor(
    *,
    organization: Organization,
    name: str,
    now: datetime,
    kind: str = Actor.Kind.USER,
    email: str | None = None,
    external_id: str | None = None,
    profile: UsageProfile | None = None,
    active: bool = True,
    performed_by: str = UNSAID,
) -> Actor:
    """Create an actor. An active user brings a full share of the allowance at once, if there is one.

    :param performed_by: who does it, for the history
    :raises ForeignProfile: if the profile is another organization's
    :raises OrganizationArchived: if the organization is archived
    :raises django.db.IntegrityError: if the external id is taken (`actor_one_per_external_id`)
    """
    wallet, _ = lock(organization, now=now)
    require_not_archived(wallet.organization)
    require_own_profile(organization, profile)
    actor = Actor(
        organization=organization,
        kind=kind,
        name=name,
        email=email,
        external_id=external_id,
        profile=profile,
        active=active,
        created_at=now,
        updated_at=now,
    )
    sign(actor, performed_by=performed_by, now=now)
    actor.save(force_insert=True)
    _bring_share(wallet, actor, now=now)
    return actor


@transaction.atomic(savepoint=False)
def update_actor(
    *, actor: Actor, changes: dict[str, Any], now: datetime, performed_by: str = UNSAID
) -> Actor:
    """Change an actor; what is not named stays. One who becomes an active user brings a share, once per term.

    A departure takes nothing away until the next term.

    :param performed_by: who does it, for the history
    :raises ForeignProfile: if the profile is another organization's
    :raises OrganizationArchived: if the organization is archived
    :raises django.db.IntegrityError: if the external id is taken (`actor_one_per_external_id`)
    """
    wallet, _ = lock(actor.organization, now=now)
    require_not_archived(wallet.organization)
    require_own_profile(actor.organization, changes.get("profile"))
    current = Actor.objects.get(pk=actor.pk)
    was_counted = _is_counted(current)
    for name, value in changes.items():
        setattr(current, name, value)
    current.updated_at = now
    sign(current, performed_by=performed_by, now=now)
    current.save(update_fields=[*changes, "updated_at"])
    # Who was active when the term began is in its allowance already, whatever a share was then.
    if not was_counted:
        _bring_share(wallet, current, now=now)
    return current


def require_own_profile(organization: Organization, profile: UsageProfile | None) -> None:
    """Refuse a profile of another organization.

    :raises ForeignProfile: if it is one
    """
    if profile is not None and profile.organization_id not in (None, organization.id):
        raise ForeignProfile(f"usage profile {profile.id} does not exist")


def _is_counted(actor: Actor) -> bool:
    """Whether an actor is one of the heads that an allowance per user counts."""
    return actor.active and actor.kind == Actor.Kind.USER


def _ended(wallet: Wallet, period: BillingPeriod) -> bool:
    """Whether the allowance ended with an earlier term: it was cancelled, and this term brought none."""
    of_term = Grant.objects.filter(wallet=wallet, term_starts_at=period.term_starts_at)
    return wallet.config.cancel_at_period_end and not of_term.exists()


def _bring_share(wallet: Wallet, actor: Actor, *, now: datetime) -> None:
    """Fund a user's share of the running term, unless it was brought already."""
    share = wallet.config.allowance_per_user
    if not (share and _is_counted(actor)):
        return
    period = ledger.open_period(wallet)
    if _ended(wallet, period):
        return
    _, is_new = AllowanceShare.objects.get_or_create(
        wallet=wallet, actor=actor, term_starts_at=period.term_starts_at
    )
    if is_new:
        lot = allowance_lot(period, share, share_of=actor)
        note = ledger.Note(CALENDAR, now, reason=f"share of {actor.public_id}")
        ledger.fund(wallet, [lot], kind=LedgerEntry.Kind.RENEW, note=note)
