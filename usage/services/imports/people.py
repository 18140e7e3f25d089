"""People and agents who spend for an organization."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError
from django.db.models import Q

from credits.services import NewActor, create_actors
from organizations.models import Actor, Organization, UsageProfile
from usage.services import profiles
from usage.services.imports import cells
from usage.services.imports.cells import Column
from usage.services.imports.rows import (
    Collected,
    Doing,
    OfOrganization,
    Outcome,
    Read,
    Refused,
    Wrong,
)

AT_ONCE = 1_000
"""How many names one query looks for."""


class People(OfOrganization):
    slug = "people"
    title = "People & agents"
    about = "Who spends for an organization. An active user takes a seat, and brings a share of the allowance where terms say so."
    rights = ("organizations.add_actor",)
    noun = ("person", "people")
    most_of_one = 5_000
    own = (
        Column("name", "The name that people read.", cells.text(128), "Ana Silva", required=True),
        Column(
            "external_id",
            "What you call the person. It, or else the e-mail address, tells who is there already; one of the two is needed.",
            cells.name(),
            "u-17",
        ),
        Column("email", "The e-mail address.", cells.email, "ana@acme.example"),
        Column(
            "kind",
            "user or agent; agents take no seat. Empty: user.",
            cells.one_of(*Actor.Kind.values),
            "user",
            default=Actor.Kind.USER,
        ),
        Column(
            "profile",
            "The slug of a usage profile of everybody or of the organization. Empty: the organization's default.",
            cells.text(80),
            "premium",
        ),
        Column(
            "active",
            "no: may not spend, and takes no seat. Empty: yes.",
            cells.yes_or_no,
            default=True,
        ),
    )

    def same(self, row: Read) -> Any:
        return row["external_id"] or row["email"]

    def make_of(
        self, organization: Organization, rows: Sequence[Read], doing: Doing, collected: Collected
    ) -> list[Outcome]:
        known = actors_called(organization, rows)
        own = {each.slug: each for each in profiles.profiles_for(organization)}
        new = [row for row in rows if _found(row, known) is None]
        actors = [_actor(row, own, collected) for row in new]
        collected.require_none()
        made = _created(organization, actors, doing, new)
        made_of = {row.number: actor.public_id for row, actor in zip(new, made, strict=True)}
        return [
            Outcome(True, made_of[row.number])
            if row.number in made_of
            else Outcome(False, known[_found(row, known) or ""].public_id)
            for row in rows
        ]


def _created(
    organization: Organization, actors: Sequence[NewActor], doing: Doing, rows: Sequence[Read]
) -> list[Actor]:
    if not actors:
        return []
    try:
        return create_actors(
            organization=organization,
            actors=actors,
            performed_by=doing.performed_by,
            now=doing.now,
        )
    except IntegrityError as error:
        said = "Somebody of this organization took an external id meanwhile: bring the file again."
        raise Refused([Wrong(rows[0].number, "external_id", said)]) from error


def _actor(row: Read, own: Mapping[str, UsageProfile], collected: Collected) -> NewActor:
    slug = row["profile"]
    if slug and slug not in own:
        collected.add(row, "profile", f"There is none of these: {', '.join(list(own)[:10])}.")
    if not row["external_id"] and not row["email"]:
        collected.add(row, "external_id", "Either this or an e-mail address is needed.")
    return NewActor(
        name=row["name"],
        kind=row["kind"],
        email=row["email"],
        external_id=row["external_id"],
        profile=own.get(slug) if slug else None,
        active=row["active"],
    )


def _found(row: Read, known: Mapping[str, Actor]) -> str | None:
    name = row["external_id"] or row["email"]
    return name if name in known else None


def actors_called(organization: Organization, rows: Sequence[Read]) -> dict[str, Actor]:
    """Return the actors of an organization that rows name, each by its external id and by its address."""
    names = sorted({row[column] for row in rows for column in ("external_id", "email")} - {None})
    return actors_named(organization, names)


def actors_named(organization: Organization, names: Sequence[str]) -> dict[str, Actor]:
    """Return actors of an organization by what they are called: an external id before an address, and of that the oldest."""
    by_address: dict[str, Actor] = {}
    by_id: dict[str, Actor] = {}
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        called = Q(external_id__in=some) | Q(email__in=some)
        for actor in organization.actors.filter(called).order_by("-id"):
            if actor.external_id:
                by_id[actor.external_id] = actor
            if actor.email:
                by_address[actor.email] = actor
    return by_address | by_id
