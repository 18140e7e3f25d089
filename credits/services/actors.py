"""Actors who come and go, as far as the wallet is touched: an active user may need a seat, which brings a share of the allowance."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from simple_history.utils import bulk_create_with_history

from credits.models import Wallet
from credits.services.allowances import raise_seats
from credits.services.calendar import CALENDAR
from credits.services.locking import lock, require_not_archived
from organizations import alerts
from organizations.history import LENGTH, UNSAID, sign
from organizations.models import Actor, Organization, UsageProfile
from organizations.visible import normal

AT_ONCE = 1_000
"""How many rows one statement writes."""


class ForeignProfile(Exception):
    """A usage profile is the system's or the organization's own; another's does not exist for it."""


class NewActor(NamedTuple):
    """Somebody who is to spend for an organization."""

    name: str
    kind: str = Actor.Kind.USER
    email: str | None = None
    external_id: str | None = None
    profile: UsageProfile | None = None
    active: bool = True


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
    """Create an actor. An active user brings a full share of the allowance at once, if that takes a new seat.

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
        email=email and normal(email),
        external_id=external_id,
        profile=profile,
        active=active,
        created_at=now,
        updated_at=now,
    )
    sign(actor, performed_by=performed_by, now=now)
    actor.save(force_insert=True)
    _take_seat(wallet, actor, now=now)
    return actor


@transaction.atomic(savepoint=False)
def create_actors(
    *, organization: Organization, actors: Sequence[NewActor], now: datetime, performed_by: str
) -> list[Actor]:
    """Create many actors at once, in their order: all or none. Together they bring what their new seats bring, by one entry.

    :param performed_by: who does it, for the histories
    :raises ForeignProfile: if a profile is another organization's
    :raises OrganizationArchived: if the organization is archived
    :raises django.db.IntegrityError: if an external id is taken (`actor_one_per_external_id`)
    """
    wallet, _ = lock(organization, now=now)
    require_not_archived(wallet.organization)
    for each in actors:
        require_own_profile(organization, each.profile)
    made = [
        Actor(
            organization=organization,
            **each._asdict() | {"email": each.email and normal(each.email)},
            created_at=now,
            updated_at=now,
        )
        for each in actors
    ]
    author = performed_by[:LENGTH]
    bulk_create_with_history(
        made,
        Actor,
        batch_size=AT_ONCE,
        default_change_reason=author,
        default_date=now,
    )
    if any(_is_counted(actor) for actor in made):
        raise_seats(wallet, why=f"{len(made)} at once", performed_by=CALENDAR, now=now)
    return made


@transaction.atomic(savepoint=False)
def update_actor(
    *, actor: Actor, changes: dict[str, Any], now: datetime, performed_by: str = UNSAID
) -> Actor:
    """Change an actor; what is not named stays. One who becomes an active user brings a share, if that takes a new seat.

    A departure takes nothing away until the next term: it frees a seat, and who takes it brings nothing.

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
        setattr(current, name, normal(value) if name == "email" and value else value)
    current.updated_at = now
    sign(current, performed_by=performed_by, now=now)
    current.save(update_fields=[*changes, "updated_at"])
    # Who was active when the term began is in its allowance already, whatever a share was then.
    if not was_counted:
        _take_seat(wallet, current, now=now)
    return current


@transaction.atomic(savepoint=False)
def erase_actor(*, actor: Actor, now: datetime, performed_by: str = UNSAID) -> Actor:
    """Let an actor go for good, and forget what names it: in its row, its history, its keys, stored answers, the notes
    of alerts and the log of the admin.

    What it did stays under its id. That it was erased, when and by whom is the last row of its history. Also where the organization is
    archived; who is erased already stays as they are.

    :param performed_by: who does it, for the history
    """
    lock(actor.organization, now=now)
    current = Actor.objects.get(pk=actor.pk)
    if not current.is_erased:
        current.name, current.email, current.external_id = Actor.ERASED, None, None
        current.active = False
        current.updated_at = now
        sign(current, performed_by=performed_by, now=now)
        current.save(update_fields=["name", "email", "external_id", "active", "updated_at"])
    alerts.forget(actor_id=current.pk)
    # Histories are not the application's to change: this function is, and does it only for who is erased.
    with connection.cursor() as cursor:
        cursor.execute("SELECT organizations_erase_1(%s)", [current.pk])
    return current


def require_own_profile(organization: Organization, profile: UsageProfile | None) -> None:
    """Refuse a profile of another organization.

    :raises ForeignProfile: if it is one
    """
    if profile is not None and profile.organization_id not in (None, organization.id):
        raise ForeignProfile(f"usage profile {profile.id} does not exist")


def _is_counted(actor: Actor) -> bool:
    """Whether an actor is one of those who take a seat."""
    return actor.active and actor.kind == Actor.Kind.USER


def _take_seat(wallet: Wallet, actor: Actor, *, now: datetime) -> None:
    """Fund the share of a new seat, if this actor needs one."""
    if _is_counted(actor):
        raise_seats(wallet, why=actor.public_id, performed_by=CALENDAR, now=now)
