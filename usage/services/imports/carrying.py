"""Looking at imports, and carrying them out, part by part: what a worker does, and whoever goes on after it was killed.

A part is one organization. It is looked at by doing it and undoing that, so nothing is told that would not happen; and it is carried out in
one transaction, which also says that it is: so none is done twice, whoever does it.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pgbulk
from celery.exceptions import SoftTimeLimitExceeded
from django.db import Error as DatabaseError
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Least

from credits.models import ZERO
from organizations import idempotency
from organizations.history import explained
from organizations.jobs import Portion, Work
from organizations.models import Import, ImportPart, ImportRow, Organization
from organizations.tokens import Prepared
from usage.services.imports.cells import read_cells
from usage.services.imports.kinds import KINDS
from usage.services.imports.rows import (
    Doing,
    Kind,
    NoOrganization,
    Outcome,
    Read,
    Refused,
    Wrong,
    organization_called,
)

logger = logging.getLogger(__name__)
Part = ImportPart.State
State = ImportRow.State

PARTS = 20
"""How many parts a portion has: after it a worker sees whether its time is over."""
WRITTEN_AT_ONCE = 1_000
SAID = 500
HEAVIEST = Decimal(10) ** 20
"""More than any import is about: limits that are none weigh as much as there can be."""
OURS = "Something went wrong that is no fault of the file. The log says what."


def to_do() -> QuerySet[Import]:
    """Return the imports that a worker has something to do for, the oldest first."""
    open = Q(checked_at=None) | Q(started_at__isnull=False, finished_at=None)
    return Import.objects.filter(open).order_by("id")


def go_on(*, now: datetime, place: dict[str, Any] | None) -> Portion:
    """Look at the next parts, or carry them out. How far an import is is in its rows: the place says only that there is more."""
    whole = to_do().first()
    if whole is None:
        return Portion((), None)
    if whole.checked_at is None:
        look_on(whole, now=now)
    else:
        carry_on(whole, now=now)
    return Portion((), {} if to_do().exists() else None)


IMPORT = Work("import rows", go_on, in_portions=True)


def look_on(whole: Import, *, now: datetime) -> None:
    """Look at the next parts of an import."""
    for part in list(_next(whole, Part.WAITING)):
        idempotency.again(partial(_look, part.pk, whole, now=now))
    if not _next(whole, Part.WAITING).exists():
        wrong = ImportRow.objects.filter(whole=whole, state=State.WRONG).count()
        open = Import.objects.filter(pk=whole.pk, checked_at=None)
        open.update(checked_at=now, problems=wrong)


def carry_on(whole: Import, *, now: datetime) -> None:
    """Carry out the next parts of an import."""
    for part in list(_next(whole, Part.READY)):
        problems = _tried(part, whole, now=now)
        if problems:
            _fail(part, problems)
    if not _next(whole, Part.READY).exists():
        Import.objects.filter(pk=whole.pk, finished_at=None).update(finished_at=now)


def _next(whole: Import, state: Part) -> QuerySet[ImportPart]:
    return ImportPart.objects.filter(whole=whole, state=state).order_by("turn")[:PARTS]


def _tried(part: ImportPart, whole: Import, *, now: datetime) -> Sequence[Wrong]:
    """Carry out a part; return why it could not be."""
    try:
        idempotency.again(partial(_carry_out, part.pk, whole, now=now))
    except Refused as error:
        return error.problems
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        if isinstance(error, DatabaseError) and not isinstance(error, IntegrityError):
            raise
        logger.exception("import %s, %s", whole.pk, part)
        return [Wrong(0, "", OURS)]
    return ()


@transaction.atomic
def _look(part_id: int, whole: Import, *, now: datetime) -> None:
    """Look at a part: read its rows, do what they say, and undo it."""
    part = _locked(part_id, Part.WAITING)
    if part is None:
        return
    kind = KINDS[whole.kind]
    rows, reads, problems = _read(part, kind)
    organization = outcomes = None
    if not problems:
        try:
            organization = _organization(kind, reads)
            with transaction.atomic():
                doing = _doing(whole, part, now=now, is_rehearsal=True)
                outcomes = kind.make(reads, organization, doing)
                transaction.set_rollback(True)
        except Refused as error:
            problems = list(error.problems)
    part.organization = organization
    _note_looked_at(part, rows, problems, outcomes or [])
    part.said = _sum(kind, part, problems, outcomes or [])[:SAID]
    part.save(update_fields=["state", "said", "organization"])
    _weigh(whole, kind, reads, outcomes or [])


def _weigh(whole: Import, kind: Kind, reads: Sequence[Read], outcomes: Sequence[Outcome]) -> None:
    """Add to how many credits an import is about what is new of a part."""
    new = (read for read, outcome in zip(reads, outcomes, strict=False) if outcome.is_new)
    weight = sum((kind.weight(read) for read in new), ZERO)
    if weight:
        heavier = Least(F("weight") + weight, Value(HEAVIEST))
        Import.objects.filter(pk=whole.pk).update(weight=heavier)


@transaction.atomic
def _carry_out(part_id: int, whole: Import, *, now: datetime) -> None:
    """Do what the rows of a part say, all of them.

    :raises Refused: if any cannot be done
    """
    part = _locked(part_id, Part.READY)
    if part is None:
        return
    kind = KINDS[whole.kind]
    rows, reads, problems = _read(part, kind)
    if problems:
        raise Refused(problems)
    with explained(whole.reason):
        organization = _organization(kind, reads)
        outcomes = kind.make(reads, organization, _doing(whole, part, now=now))
    part.organization = outcomes[0].organization or organization
    part.state = Part.DONE
    part.said = _sum(kind, part, (), outcomes)[:SAID]
    part.save(update_fields=["state", "said", "organization"])
    for row, outcome in zip(rows, outcomes, strict=True):
        row.state = State.MADE if outcome.is_new else State.THERE
        row.made, row.said = outcome.made, outcome.said
        _forget(row)
    _save(rows)


@transaction.atomic
def _fail(part: ImportPart, problems: Sequence[Wrong]) -> None:
    """Say of a part that nothing of it was done, and why."""
    locked = _locked(part.pk, Part.READY)
    if locked is None:
        return
    rows = list(locked.row_set.order_by("number"))
    by_number = _by_number(problems)
    for row in rows:
        row.state = State.FAILED
        row.problems = by_number.get(row.number, by_number.get(0, []))
        _forget(row)
    _save(rows)
    first = problems[0]
    where = f"Row {first.number}: " if first.number else ""
    locked.state, locked.said = Part.FAILED, f"{where}{first.sentence}"[:SAID]
    locked.save(update_fields=["state", "said"])


def _forget(row: ImportRow) -> None:
    """Forget what the file said: it names people, who may want to be forgotten."""
    row.cells, row.secret_hash = {}, None


def _save(rows: Sequence[ImportRow]) -> None:
    fields = ["state", "problems", "made", "said", "cells", "secret_hash"]
    _update(rows, fields)


def _update(rows: Sequence[ImportRow], fields: list[str]) -> None:
    """Write rows, by one statement for a thousand. As the ORM would say it, it takes ten times as long to be read."""
    for first in range(0, len(rows), WRITTEN_AT_ONCE):
        pgbulk.update(ImportRow, rows[first : first + WRITTEN_AT_ONCE], fields)


def _locked(part_id: int, state: Part) -> ImportPart | None:
    """Lock a part; None if somebody else did it meanwhile, or gave it up."""
    part = ImportPart.objects.select_for_update(no_key=True).filter(pk=part_id).first()
    return part if part is not None and part.state == state else None


def _read(part: ImportPart, kind: Kind) -> tuple[list[ImportRow], list[Read], list[Wrong]]:
    """Return the rows of a part, what they say, and what of that cannot be read."""
    rows = list(part.row_set.order_by("number"))
    reads, problems = [], []
    for row in rows:
        values, wrong = read_cells(kind.columns, row.cells)
        reads.append(Read(row.number, values, _prepared(row)))
        said = [*row.problems, *wrong]
        problems += [Wrong(row.number, column, sentence) for column, sentence in said]
    if not problems:
        problems = _twice(kind, reads)
    if len(rows) > kind.most_of_one:
        many = f"More than {kind.most_of_one:,} rows of one organization: divide the file."
        problems.append(Wrong(rows[0].number, "organization", many))
    return rows, reads, problems


def _twice(kind: Kind, reads: Sequence[Read]) -> list[Wrong]:
    """Return the rows that say again what another said."""
    seen: dict[Any, int] = {}
    wrong = []
    for read in reads:
        same = kind.same(read)
        if same is not None and seen.setdefault(same, read.number) != read.number:
            wrong.append(Wrong(read.number, "", f"The same as in row {seen[same]}."))
    return wrong


def _prepared(row: ImportRow) -> Prepared | None:
    if row.secret_hash is None:
        return None
    return Prepared(UUID(row.cells["key_id"]), bytes(row.secret_hash), row.cells["hashed_under"])


def _organization(kind: Kind, reads: Sequence[Read]) -> Organization | None:
    """Return whose the rows of a part are; None where they make it.

    :raises Refused: if there is nobody of the name
    """
    if kind.slug == "customers":
        return None
    try:
        return organization_called(reads[0]["organization"], reads[0]["parent"])
    except NoOrganization as error:
        said = [Wrong(read.number, error.column, str(error)) for read in reads]
        raise Refused(said) from error


def _doing(whole: Import, part: ImportPart, *, now: datetime, is_rehearsal: bool = False) -> Doing:
    return Doing(
        performed_by=_author(whole),
        now=now,
        scopes=frozenset(whole.reach["scopes"]),
        tiers=frozenset(whole.reach["tiers"]),
        parent=_parent(whole, part.above) if is_rehearsal else None,
        is_rehearsal=is_rehearsal,
    )


def _author(whole: Import) -> str:
    """Return how the ledger and the histories name whose doing it is: of two people both."""
    if whole.started_by in ("", whole.performed_by):
        return whole.performed_by
    return f"{whole.performed_by}, approved by {whole.started_by}"


def _parent(whole: Import, turn: int | None) -> Read | None:
    """Return the row by which the parent of a part comes in its turn, if it can be read."""
    if turn is None:
        return None
    above = ImportPart.objects.filter(whole=whole, turn=turn)
    row = ImportRow.objects.filter(part__in=above).order_by("number").first()
    if row is None:
        return None
    values, wrong = read_cells(KINDS[whole.kind].columns, row.cells)
    return None if wrong else Read(row.number, values)


def _note_looked_at(
    part: ImportPart,
    rows: Sequence[ImportRow],
    problems: Sequence[Wrong],
    outcomes: Sequence[Outcome],
) -> None:
    """Write down what is wrong with which row, or what would become of each."""
    part.state = Part.REFUSED if problems else Part.READY
    by_number = _by_number(problems)
    new = {id(row) for row, outcome in zip(rows, outcomes, strict=False) if outcome.is_new}
    for row in rows:
        row.problems = by_number.get(row.number, [])
        if row.problems:
            row.state = State.WRONG
        elif not problems:
            row.state = State.NEW if id(row) in new else State.KNOWN
    _update(rows, ["state", "problems"])


def _by_number(problems: Sequence[Wrong]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    for each in problems:
        found.setdefault(each.number, []).append((each.column, each.sentence))
    return found


def _sum(
    kind: Kind, part: ImportPart, problems: Sequence[Wrong], outcomes: Sequence[Outcome]
) -> str:
    """Say in words what becomes of a part."""
    if problems:
        rows = len({each.number for each in problems})
        return f"wrong: {rows:,} of {part.rows:,} row{'s' * (part.rows != 1)}"
    new = sum(outcome.is_new for outcome in outcomes)
    known = len(outcomes) - new
    said = [f"{new:,} {kind.noun[new != 1]}"] if new or not known else []
    said += [f"{known:,} there already"] if known else []
    return ", ".join(said)
