"""The few who are large: one with very many people, entries, keys, groups and children, among the small."""

from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Model

from organizations.models import Group, Membership, Organization
from tests import factories as f
from tests.scale.copying import columns_of, filling, insert
from tests.scale.staff import Apart
from tests.scale.stories import HOUR, Amounts, live, months_until
from usage.models import Limit


class Size(NamedTuple):
    """How large somebody is."""

    amounts: Amounts
    people: int
    children: int


def giant(name: str, size: Size, apart: Apart, *, now: datetime) -> Organization:
    """Let somebody large live through their months."""
    begins_at = f.at(months_until(now)[0].isoformat()) + HOUR
    one = f.make_organization(name, now=begins_at, allowance=5_000)
    live(one, size.amounts, apart, now=now, grow=lambda: _employ(one, size.people))
    for number in range(size.children):
        child = f.make_organization(f"{name} Branch {number}", parent=one, now=begins_at)
        f.allocate(child, 10, now=now, reference=f"branch {number}")
    return one


def _employ(one: Organization, count: int) -> None:
    """Give it very many people: each in the team, every second with a limit, every tenth with a group and a key of its own; and as much history."""
    actor = one.actors.earliest("id")
    team = Group.objects.get(organization=one, key="support")
    person = NTH.format("t.id")
    with filling():
        again(actor, count, id=person, name="'Person ' || n", external_id="'p-' || n")
        again(Membership.objects.get(group=team, actor=actor), count, actor_id=nth(actor))
        again(
            Limit.objects.get(organization=one, actor=actor),
            count // 2,
            id=person,
            actor_id=nth(actor),
        )
        again(team, count // 10, id=person, key="'team-' || n", name="'Team ' || n")
        again(one.api_keys.earliest("id"), count // 10, id=person)
        again(one.history.latest("history_id"), count // 10)
        again(Limit.history.filter(organization=one).latest("history_id"), count // 2, id=person)


NTH = "overlay({}::text PLACING lpad(to_hex(n), 8, '0') FROM 29)::uuid"


def nth(row: Model) -> str:
    """Return the SQL of the id of the nth copy of a row."""
    return NTH.format(f"'{row.pk}'")


def again(row: Model, count: int, **values: str) -> None:
    """Write a row so many times more. What differs is SQL of `n`, which counts from 1, and of the row `t`."""
    table, key = row._meta.db_table, str(row._meta.pk.column)
    if columns_of(type(row))[key] == "bigint":
        values[key] = f"nextval(pg_get_serial_sequence('{table}', '{key}'))"
    source = f"{table} AS t, generate_series(1, %(count)s::bigint) AS n WHERE t.{key} = %(key)s"
    with connection.cursor() as cursor:
        cursor.execute(insert(type(row), values, source), {"count": count, "key": row.pk})
