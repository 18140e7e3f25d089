"""Seals: what the head of every ledger was, day by day, in files outside the database.

The hashes of a ledger find whatever is changed before its head. Who may write to the database could still rewrite the end of a ledger
with hashes that fit, its wallet and its checksum too: then only somebody who remembers the head can tell. That is what a seal does.

A seal is one file for one day: a first line that names the seal before it, a line for every wallet, and a last one that says how many they
are. Each line has the hash of the line before it, and the first that of the whole file before it; so lines and files that are changed or
taken away are found as well, as long as somebody keeps the newest file where nobody can write (docs/operations.md).

Both to check a seal and to write one take a while where there are many wallets, or one with many reservations. So both go on from a place, a
portion in each statement: it can be kept between two runs of a job. Each line is of the moment at which it is written.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from credits import seal_files as files
from credits.counting import BEGINNING, COUNTED, MOST, Tally, count
from credits.models import GENESIS
from credits.reconcile import known
from credits.seal_files import Place as Place
from credits.seal_files import Problem as Problem
from credits.seal_files import SealBroken as SealBroken
from credits.seal_files import newest as newest
from organizations.jobs import Found

BATCH = 500
"""How many wallets are looked at in one statement."""
SHOWN = 5
HEADS = f"""
    SELECT w.id::text, w.organization_id::text, w.head_number, encode(w.head_hash, 'hex'), e.posted_at::text, r.counted, r.looked_at
    FROM (SELECT * FROM credits_wallet WHERE id > %(after)s ORDER BY id LIMIT %(batch)s) w
    LEFT JOIN credits_ledgerentry e ON e.wallet_id = w.id AND e.number = w.head_number
    CROSS JOIN LATERAL ({COUNTED}) r
    ORDER BY w.id"""
"""Reservations are counted because of one that is deleted nothing else may remain."""
AS_SEALED = f"""
    SELECT o.organization_id, e.hash, r.counted, r.looked_at
    FROM unnest(%(wallets)s::uuid[], %(numbers)s::bigint[]) WITH ORDINALITY AS w (id, number, position)
    LEFT JOIN credits_wallet o ON o.id = w.id
    LEFT JOIN credits_ledgerentry e ON e.wallet_id = w.id AND e.number = w.number
    CROSS JOIN LATERAL ({COUNTED}) r
    ORDER BY w.position"""
FIRST = UUID(int=0)


class Head(NamedTuple):
    """What a seal says of one wallet."""

    wallet_id: UUID
    organization_id: UUID
    number: int
    hash: bytes
    reservations: int


class Step(NamedTuple):
    """What a portion of the work found, and where the next goes on: None after the last."""

    problems: Sequence[Problem]
    place: Place | None


def seal(now: datetime) -> Path:
    """Write the seal of the day, unless it is there. The newest one before it is checked first.

    :raises SealBroken: if that has a problem
    """
    place: Place | None = None
    try:
        while True:
            step = seal_on(now, place)
            if step.problems:
                found = (finding(problem) for problem in islice(step.problems, SHOWN))
                raise SealBroken("; ".join(f"{each.subject}: {each.detail}" for each in found))
            if step.place is None:
                return files.folder() / files.name_of(now)
            place = step.place
    except BaseException:
        files.forget(place or {})
        raise


def seal_on(now: datetime, place: Place | None) -> Step:
    """Do the next portion of checking the newest seal and of writing that of the day on top of it, which is only done if the other fits."""
    if place is None:
        return _begin(now)
    if "checked" not in place:
        return _write_on(place)
    step = _check_on(files.folder() / place["before"], place["checked"])
    broken = bool(place["broken"] or step.problems)
    if step.place is not None:
        return Step(step.problems, place | {"checked": step.place, "broken": broken})
    begun = None if broken else _begin_writing(place["before"], now)
    return Step(step.problems, begun)


def _begin(now: datetime) -> Step:
    before, name = newest(), files.name_of(now)
    if (files.folder() / name).exists():
        return Step((), None)
    if before is None:
        return Step((), _begin_writing(None, now))
    if before.name > name:
        problem = f"{before.name} is there already, which is of a later day"
        return Step([Problem(before.name, problem)], None)
    problems = list(files.broken_chain(before, files.before(before)))
    place = {"before": before.name, "checked": _after_the_first(before), "broken": bool(problems)}
    return Step(problems, place)


def check(*, every: bool = False) -> Iterator[Problem]:
    """Compare the newest seal, or all of them, with themselves, with the seal before and with the database."""
    seals = [None, *files.seals()]
    followed = [(before, path) for before, path in pairwise(seals) if path is not None]
    for before, path in followed if every else followed[-1:]:
        yield from files.broken_chain(path, before)
        place: Place | None = _after_the_first(path)
        while place is not None:
            problems, place = _check_on(path, place)
            yield from problems


def finding(problem: Problem) -> Found:
    """Return a problem as a finding, like those of the books."""
    entry = f"entry {problem.number} of " if problem.number else ""
    subject = f"{entry}wallet {problem.wallet_id}" if problem.wallet_id else f"seal {problem.seal}"
    detail = f"{problem.problem} (seal {problem.seal})"
    return Found("what was sealed is still there", subject, detail, known(problem.organization_id))


def _begin_writing(before: str | None, now: datetime) -> Place:
    """Begin the seal of the day, before its first wallet."""
    return files.begin(before, now) | {"wallets": 0, "last": str(FIRST)} | BEGINNING.said


def _write_on(place: Place) -> Step:
    """Write the lines of the next wallets; after the last of them put the seal in its place."""
    until = datetime.fromisoformat(place["sealed_at"])
    if not files.is_as_it_was_left(place):
        return Step((), _begin_writing(place["before"], until))
    tally = Tally.read(place)
    batch = BATCH if tally == BEGINNING else 1
    asked = {"after": place["last"], "batch": batch, "until": until, "most": MOST}
    with connection.cursor() as cursor:
        cursor.execute(HEADS, asked)
        rows = cursor.fetchall()
    counts, tally = count([(UUID(row[0]), *row[-2:]) for row in rows], until, tally)
    names = ("wallet", "organization", "number", "hash", "at")
    lines = [
        dict(zip(names, row, strict=False)) | {"reservations": counted}
        for row, counted in zip(rows, counts, strict=False)
    ]
    if rows:
        last = lines[-1]["wallet"] if lines else place["last"]
        wallets = place["wallets"] + len(lines)
        return Step(
            (), files.append(place, lines) | tally.said | {"last": last, "wallets": wallets}
        )
    files.put_in_place(files.append(place, [{"wallets": place["wallets"]}]))
    return Step((), None)


def _after_the_first(path: Path) -> Place:
    """Return where the wallets of a seal begin."""
    with path.open("rb") as file:
        first = files.read(file.readline())
        place = {"offset": file.tell(), "line": 1, "sealed_at": _moment(first).isoformat()}
        return place | BEGINNING.said


def _check_on(path: Path, place: Place) -> Step:
    """Compare the next wallets of a seal with what the database says now."""
    tally = Tally.read(place)
    lines = files.lines_from(path, place["offset"], BATCH if tally == BEGINNING else 1)
    if not lines:
        return Step((), None)
    heads = [head for _, content in lines if (head := _head(content))]
    until = datetime.fromisoformat(place["sealed_at"])
    rows = _as_sealed(heads, until)
    wallets = [(head.wallet_id, *row[-2:]) for head, row in zip(heads, rows, strict=True)]
    counts, tally = count(wallets, until, tally)
    found = iter(
        [
            (head, _change(head, organization_id, hash, counted))
            for head, (organization_id, hash, *_), counted in zip(heads, rows, counts, strict=False)
        ]
    )
    problems, offset, number = [], place["offset"], place["line"]
    for end, content in lines:
        if _head(content) is None:
            if "wallets" not in content:
                said = f"line {number + 1} is not the head of a wallet"
                problems.append(Problem(path.name, said))
        elif (compared := next(found, None)) is None:
            break  # its reservations are not counted yet
        else:
            head, change = compared
            if change:
                whose = head.wallet_id, head.number, head.organization_id
                problems.append(Problem(path.name, change, *whose))
        offset, number = end, number + 1
    return Step(problems, place | tally.said | {"offset": offset, "line": number})


def _as_sealed(heads: Sequence[Head], until: datetime) -> list[Any]:
    """Return of each sealed head its wallet's organization and the hash of the entry, as they are now, and its reservations."""
    wallets, numbers = [head.wallet_id for head in heads], [head.number for head in heads]
    asked: dict[str, Any] = {"wallets": wallets, "numbers": numbers, "until": until, "most": MOST}
    with connection.cursor() as cursor:
        cursor.execute(AS_SEALED, asked)
        return list(cursor)


def _head(line: dict[str, Any]) -> Head | None:
    try:
        return Head(
            UUID(line["wallet"]),
            UUID(line["organization"]),
            int(line["number"]),
            bytes.fromhex(line["hash"]),
            int(line["reservations"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _moment(first: dict[str, Any]) -> datetime:
    """When the seal was made. Unreadable, it is a broken chain already, and any moment does."""
    try:
        return datetime.fromisoformat(first["sealed_at"])
    except (KeyError, TypeError, ValueError):
        return datetime.max.replace(tzinfo=UTC)


def _change(
    head: Head, organization_id: UUID | None, hash: bytes | None, reservations: int
) -> str | None:
    if organization_id is None:
        return "the wallet is not there any more"
    if organization_id != head.organization_id:
        return f"it was organization {head.organization_id}'s and is {organization_id}'s"
    if head.number and hash is None:
        return "the entry was sealed and is not there any more"
    if head.hash != bytes(hash or GENESIS):
        return "the entry is not the one that was sealed: it or one before it was written anew"
    if reservations < head.reservations:
        return f"{head.reservations} reservations were sealed, {reservations} of them are there"
    return None
