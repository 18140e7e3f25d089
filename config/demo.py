"""The demo: a reseller, its four customers and a month of their life, to look at and to try things on.

Everything happens through the services, at moments of the past and in their order, so the books are as right as a customer's. What it
did says `demo` in the ledger, which nobody can edit: that is how it is found again.
"""

import json
import os
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from django.contrib.auth.models import User
from django.db import connection, transaction

from config import secret
from config.demo_people import load_rate_card, spender_of
from config.demo_story import MADE_BY
from config.demo_world import World, build
from credits.models import LedgerEntry
from credits.tasks import VERIFY
from organizations import clock, jobs
from organizations import services as organizations
from organizations.models import Actor, ApiKey, Job, Organization
from organizations.scopes import EVERYTHING, ORG_ADMIN, USAGE_READ, USAGE_WRITE
from usage.services import rollups, stock

Ways = dict[str, dict[str, str]]

KEY_NAME = "Demo key, printed"
KEY_LASTS = timedelta(hours=24)
"""Keys that stand in a terminal and in the history of a shell must not open anything for ever."""


class NotADemo(Exception):
    """The database holds organizations, and none of them is the demo's: nobody wants a demo among customers."""


class UnreadableLogin(Exception):
    """The file that keeps the login of the demo's administrator is not one that we wrote."""


@transaction.atomic
def prepare(*, login_file: Path, now: datetime) -> Ways:
    """Return the ways into the demo, with fresh keys; make the demo first in a database without organizations.

    The keys end after a day, and those that were given before end now.
    The rate card that comes with Purser is loaded where no models are.

    :raises NotADemo: if there are organizations, but not the demo's
    :raises OrganizationArchived: if somebody archived the demo's reseller or its first customer
    :raises UnreadableLogin: if the login was kept, and cannot be read
    """
    _wait_for_others()
    found = _find()
    load_rate_card()
    world = found or build(now=now)
    _add_up(now=now)
    _revoke_old_keys(world, now=now)
    return {
        "parent": _way_into(world.parent, [ORG_ADMIN, EVERYTHING], now=now),
        "child": _way_into(world.child, [EVERYTHING], now=now),
        "actor": _way_in_of(spender_of(world.parent, now=now), now=now),
        "admin": _login(login_file),
    }


def _add_up(*, now: datetime) -> None:
    """Add up and measure, as the workers would in a few minutes: whoever looks at the first page first sees what is there."""
    for organization in Organization.objects.filter(wallet__event_position__gt=0):
        while rollups.roll_up(organization=organization, now=now) == rollups.PORTION:
            pass
    stock.take_all(now=now)


def verify_once() -> None:
    """Verify the ledger as the calendar does at night, if nobody ever did: so that the first page can say it of a demo that is a minute old."""
    if not Job.objects.filter(kind=VERIFY.kind).exists():
        jobs.run(VERIFY, now=clock.now, worker="demo")


def _wait_for_others() -> None:
    """Make two that seed at once follow each other: the second finds what the first made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('purser demo'))")


def _find() -> World | None:
    """Return the demo's organizations, or nothing in a database without any.

    :raises NotADemo: if all there are belong to somebody else
    """
    made = LedgerEntry.objects.filter(performed_by=MADE_BY, wallet__organization__parent=None)
    first = made.select_related("wallet__organization").order_by("posted_at", "number").first()
    if first is not None:
        parent = first.wallet.organization
        child = parent.children.order_by("created_at", "id")[0]
        return World(parent, child)
    if Organization.objects.exists():
        raise NotADemo("this database holds organizations that are not the demo's")
    return None


def _way_into(
    organization: Organization, scopes: Collection[str], *, now: datetime
) -> dict[str, str]:
    return {
        "organizationId": organization.public_id,
        "apiKey": _key(organization, scopes, now=now),
    }


def _way_in_of(actor: Actor, *, now: datetime) -> dict[str, str]:
    scopes = [USAGE_READ, USAGE_WRITE]
    return {
        "actorId": actor.public_id,
        "apiKey": _key(actor.organization, scopes, now=now, actor=actor),
    }


def _revoke_old_keys(world: World, *, now: datetime) -> None:
    """End the keys that were printed before: of what is scattered about, only the newest opens anything."""
    printed = organizations.live_keys(now=now).filter(
        organization__in=[world.parent, world.child], name__startswith=KEY_NAME
    )
    for key in printed:
        organizations.revoke_key(key=key, performed_by=MADE_BY, now=now)


def _key(
    organization: Organization,
    scopes: Collection[str],
    *,
    now: datetime,
    actor: Actor | None = None,
) -> str:
    _, text = organizations.mint_key(
        organization=organization,
        name=f"{KEY_NAME} {now:%Y-%m-%d %H:%M:%S} UTC",
        scopes=scopes,
        tier=ApiKey.Tier.PARTNER,
        actor=actor,
        expires_at=now + KEY_LASTS,
        performed_by=MADE_BY,
        now=now,
    )
    return text


def _login(file: Path) -> dict[str, str]:
    """Return the administrator's login. Its password is made once; whoever changes it later keeps the change."""
    if file.exists():
        login = _read(file)
    else:
        login = {"username": _free_username(), "password": secrets.token_urlsafe(12)}
        _keep(file, login)
    if not User.objects.filter(username=login["username"]).exists():
        User.objects.create_superuser(**login)
    return login


def _free_username() -> str:
    """Return `admin`, or where another folder keeps the password of that one, the next: `admin-2`."""
    taken = set(User.objects.values_list("username", flat=True))
    names = ["admin", *(f"admin-{number}" for number in range(2, len(taken) + 2))]
    return next(name for name in names if name not in taken)


def _read(file: Path) -> dict[str, str]:
    try:
        kept = json.loads(file.read_text())
        return {"username": str(kept["username"]), "password": str(kept["password"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableLogin(f"{file} does not hold a username and a password") from error


def _keep(file: Path, login: dict[str, str]) -> None:
    """Write the login for its owner alone: aside, then renamed when whole."""
    secret.make_private_folder(file.parent)
    aside = file.with_name(f"{file.name}.{os.getpid()}")
    with open(aside, "w", opener=secret.private) as opened:
        json.dump(login, opened)
    aside.replace(file)
