"""Bringing a file, and having it carried out once it was looked at: what a person does. A worker does the rest (`carrying.py`)."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import pgbulk
from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from credits.models import ZERO
from organizations import tables, tokens
from organizations.ids import new_id, write
from organizations.models import Env, Import, ImportPart, ImportRow
from organizations.proposals import WINDOW
from usage.services.imports.rows import Kind

WRITTEN_AT_ONCE = 1_000
GOOD_FOR = timedelta(hours=24)
"""How long it may be carried out after it was looked at: then the world is another."""
KEPT = timedelta(days=90)
KEPT_UNUSED = timedelta(days=7)
"""What was never carried out names people who are nobody's customers."""


class NotStartable(Exception):
    """The import cannot be carried out: the message says why."""


class Secret(NamedTuple):
    """The secret of a key that will be minted, for whoever started the import: nobody can read it again."""

    number: int
    organization: str
    name: str
    key_id: str
    secret: str


class Progress(NamedTuple):
    """How many parts and rows are in which state."""

    parts: dict[str, int]
    rows: dict[str, int]


class _Group(NamedTuple):
    name: str
    parent: str
    rows: list[tables.Row]


def read_file(kind: Kind, content: bytes, *, most_bytes: int = tables.MOST_BYTES) -> tables.Table:
    """Return the rows of a file of one kind.

    :raises tables.Unreadable: if it is none
    """
    table = tables.read(
        content,
        columns=[column.name for column in kind.columns],
        required=[column.name for column in kind.columns if column.required],
        most_bytes=most_bytes,
    )
    if len(table.rows) > kind.most_rows:
        raise tables.Unreadable(
            f"at most {kind.most_rows:,} {kind.noun[1]} are read: divide the file"
        )
    return table


@transaction.atomic
def begin_import(
    *,
    kind: Kind,
    table: tables.Table,
    file_name: str,
    reason: str,
    performed_by: str,
    now: datetime,
    scopes: Collection[str] = (),
    tiers: Collection[str] = (),
) -> Import:
    """Write down the rows of a file, for a worker to look at. Nothing of them is made.

    :param scopes: what keys may open that it mints
    :param tiers: the rate-limit tiers that they may have
    """
    groups = list(_grouped(kind, table.rows).values())
    # A parent comes before its children.
    groups.sort(key=lambda group: kind.slug == "customers" and bool(group.parent))
    made = Import.objects.create(
        kind=kind.slug,
        file_name=file_name[-200:],
        read_as=table.read_as,
        reason=reason,
        performed_by=performed_by,
        reach={"scopes": sorted(scopes), "tiers": sorted(tiers)},
        rows=len(table.rows),
        parts=len(groups),
        created_at=now,
    )
    turns = {group.name: turn for turn, group in enumerate(groups) if not group.parent}
    parts = [
        ImportPart(
            whole=made,
            turn=turn,
            above=turns.get(group.parent) if kind.slug == "customers" else None,
            name=_shown(group),
            rows=len(group.rows),
        )
        for turn, group in enumerate(groups)
    ]
    ImportPart.objects.bulk_create(parts, batch_size=WRITTEN_AT_ONCE)
    ImportRow.objects.bulk_create(
        (
            ImportRow(
                whole=made, part=part, number=row.number, cells=row.cells, problems=row.problems
            )
            for part, group in zip(parts, groups, strict=True)
            for row in group.rows
        ),
        batch_size=WRITTEN_AT_ONCE,
    )
    return made


def _grouped(kind: Kind, rows: Sequence[tables.Row]) -> dict[tuple[str, str], _Group]:
    """Return the rows of each organization, by what the file calls its parent and it."""
    column = "external_id" if kind.slug == "customers" else "organization"
    groups: dict[tuple[str, str], _Group] = {}
    for row in rows:
        parent, name = row.cells.get("parent", ""), row.cells.get(column, "")
        groups.setdefault((parent, name), _Group(name, parent, [])).rows.append(row)
    return groups


def _shown(group: _Group) -> str:
    name = f"{group.parent} / {group.name}" if group.parent else group.name
    return (name or "(no organization)")[:300]


def require_startable(
    whole: Import, *, by: str, may_approve: bool, above: Decimal | None, now: datetime
) -> None:
    """Do nothing if somebody may have an import carried out now.

    :param by: who asks
    :param may_approve: whether they may approve what others propose
    :param above: about how many credits an import may be that one person brings and starts; None is any
    :raises NotStartable: if it was not looked at, has problems, is too old, was started, or waits for another person
    """
    if whole.started_at is not None:
        raise NotStartable(
            f"{whole.started_by} started it at {whole.started_at:%Y-%m-%d %H:%M} UTC"
        )
    if whole.checked_at is None:
        raise NotStartable("not all of it was looked at yet")
    if whole.problems:
        raise NotStartable(f"{whole.problems:,} rows are wrong: mend the file and bring it again")
    if now - whole.checked_at > GOOD_FOR:
        raise NotStartable("it was looked at more than 24 hours ago: bring the file again")
    is_own = by == whole.performed_by
    if needs_another(whole, above=above, now=now) and (is_own or not may_approve):
        raise NotStartable(
            "it is about more credits than one person moves alone: another has to start it, who may approve"
        )


def needs_another(whole: Import, *, above: Decimal | None, now: datetime) -> bool:
    """Whether an import is about too many credits for one person, with what they brought and started alone in the last day."""
    if above is None or not whole.weight:
        return False
    alone = Import.objects.filter(performed_by=whole.performed_by, started_by=whole.performed_by)
    lately = alone.filter(started_at__gt=now - WINDOW).exclude(pk=whole.pk)
    before: Decimal = lately.aggregate(sum=Sum("weight", default=ZERO))["sum"]
    return before + whole.weight > above


def waiting_for_another(*, above: Decimal | None, now: datetime) -> QuerySet[Import]:
    """Return the imports that could be carried out, if only another person started them (`needs_another`)."""
    if above is None:
        return Import.objects.none()
    alone = Import.objects.filter(
        performed_by=OuterRef("performed_by"),
        started_by=OuterRef("performed_by"),
        started_at__gt=now - WINDOW,
    )
    before = alone.order_by().values("performed_by").annotate(sum=Sum("weight")).values("sum")
    ready = Import.objects.filter(
        started_at=None, checked_at__gte=now - GOOD_FOR, problems=0, weight__gt=0
    )
    sums = ready.alias(before=Coalesce(Subquery(before), ZERO))
    return sums.filter(weight__gt=above - F("before"))


@transaction.atomic
def start_import(
    *,
    whole: Import,
    by: str,
    now: datetime,
    may_approve: bool = True,
    above: Decimal | None = None,
    scopes: Collection[str] | None = None,
) -> list[Secret]:
    """Have an import carried out, once. Returns the secrets of the keys that it will mint: nobody can read them again.

    :param scopes: what who asks may give with a key; less than the import does is given up
    :raises NotStartable: as `require_startable`
    """
    _one_at_a_time(by)
    current = Import.objects.select_for_update(no_key=True).get(pk=whole.pk)
    require_startable(current, by=by, may_approve=may_approve, above=above, now=now)
    if scopes is not None:
        current.reach["scopes"] = sorted(set(current.reach["scopes"]) & set(scopes))
    current.started_at, current.started_by = now, by
    current.save(update_fields=["started_at", "started_by", "reach"])
    return _prepare_keys(current) if current.kind == "keys" else []


@transaction.atomic
def stop_import(*, whole: Import, by: str, now: datetime) -> bool:
    """Give an import up: what is done stays done, and the rest is not done any more. One that was not started is forgotten.

    A part that a worker is about to do is done first. Returns whether there was anything to stop.
    """
    current = Import.objects.select_for_update(no_key=True).filter(pk=whole.pk).first()
    if current is None or current.finished_at is not None:
        return False
    if current.started_at is None:
        _forget(current)
        return True
    left = ImportPart.objects.filter(whole=current, state=ImportPart.State.READY)
    stopped = list(
        left.select_for_update(no_key=True).order_by("turn").values_list("pk", flat=True)
    )
    said = f"Stopped by {by}."
    ImportRow.objects.filter(part__in=stopped).update(
        state=ImportRow.State.FAILED, problems=[["", said]], cells={}, secret_hash=None
    )
    ImportPart.objects.filter(pk__in=stopped).update(state=ImportPart.State.FAILED, said=said)
    current.finished_at = now
    current.save(update_fields=["finished_at"])
    return True


def _forget(whole: Import) -> None:
    """Delete an import with its rows."""
    ImportRow.objects.filter(whole=whole)._raw_delete(using=DEFAULT_DB_ALIAS)
    ImportPart.objects.filter(whole=whole)._raw_delete(using=DEFAULT_DB_ALIAS)
    whole.delete()


def _one_at_a_time(by: str) -> None:
    """Make the starts of one person wait for each other, until the transaction ends: each counts those before it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('purser import by ' || %s))", [by])


def _prepare_keys(whole: Import) -> list[Secret]:
    """Make up the keys of an import; return their secrets, of which only what tells them is kept."""
    new = ImportRow.objects.filter(whole=whole, state=ImportRow.State.NEW)
    rows = list(new.select_related("part").order_by("number"))
    secrets = []
    for row in rows:
        prepared, text = tokens.prepare(env=Env.LIVE, key_id=new_id())
        row.secret_hash = prepared.digest
        row.cells |= {"key_id": str(prepared.key_id), "hashed_under": prepared.hashed_under}
        said = (row.number, row.part.name, row.cells["name"], write("key", prepared.key_id))
        secrets.append(Secret(*said, text))
    if rows:
        pgbulk.update(ImportRow, rows, ["secret_hash", "cells"])
    return secrets


def progress_of(whole: Import) -> Progress:
    """Return how far an import is."""
    parts = ImportPart.objects.filter(whole=whole).order_by().values_list("state")
    rows = ImportRow.objects.filter(whole=whole).order_by().values_list("state")
    counted = [dict(each.annotate(number=Count("pk"))) for each in (parts, rows)]
    return Progress(*counted)


def wrong_rows(whole: Import) -> QuerySet[ImportRow]:
    """Return the rows that are wrong, in the order of the file."""
    states = [ImportRow.State.WRONG, ImportRow.State.FAILED]
    return ImportRow.objects.filter(whole=whole, state__in=states).order_by("number")


def prune(*, now: datetime) -> int:
    """Forget the imports of which nobody needs to know any more, and those that were never carried out."""
    unused = Q(started_at=None, created_at__lt=now - KEPT_UNUSED)
    over = Import.objects.filter(unused | Q(finished_at__lt=now - KEPT))
    forgotten = 0
    for whole in over:
        _forget(whole)
        forgotten += 1
    return forgotten
