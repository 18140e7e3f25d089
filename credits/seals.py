"""Seals: what the head of every ledger was, day by day, in files outside the database.

The hashes of a ledger find whatever is changed before its head. Who may write to the database could still rewrite the end of a ledger
with hashes that fit, its wallet and its checksum too: then only somebody who remembers the head can tell. That is what a seal does.

A seal is one file for one day: a first line that names the seal before it, a line for every wallet, and a last one that says how many they
are. Each line has the hash of the line before it, and the first that of the whole file before it; so lines and files that are changed or
taken away are found as well, as long as somebody keeps the newest file where nobody can write (docs/operations.md).
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from credits.models import GENESIS
from credits.reconcile import known
from organizations.jobs import Found

BATCH = 2_000
NOTHING = bytes(32).hex()
"""The hash before the first line of the first seal."""
NAME = re.compile(r"\d{4}-\d\d-\d\d\.jsonl")
SHOWN = 5
HEADS = """
    SELECT w.id::text, w.organization_id::text, w.head_number, encode(w.head_hash, 'hex'), e.posted_at::text,
        (SELECT count(*) FROM credits_reservation r WHERE r.wallet_id = w.id AND r.created_at <= %s)
    FROM credits_wallet w LEFT JOIN credits_ledgerentry e ON e.wallet_id = w.id AND e.number = w.head_number
    ORDER BY w.id"""
"""Reservations are counted because of one that is deleted nothing else may remain."""
AS_SEALED = """
    SELECT w.organization_id, e.hash,
        (SELECT count(*) FROM credits_reservation r WHERE r.wallet_id = s.wallet AND r.created_at <= %s)
    FROM unnest(%s::uuid[], %s::bigint[]) WITH ORDINALITY AS s (wallet, number, position)
    LEFT JOIN credits_wallet w ON w.id = s.wallet
    LEFT JOIN credits_ledgerentry e ON e.wallet_id = s.wallet AND e.number = s.number
    ORDER BY s.position"""


class SealBroken(Exception):
    """The newest seal does not fit the database, or itself: nothing is sealed on top of it."""


class Problem(NamedTuple):
    """One line of a seal that is not what was written, or that the database no longer agrees with."""

    seal: str
    problem: str
    wallet_id: UUID | None = None
    number: int | None = None
    organization_id: UUID | None = None
    """Whose the wallet was when it was sealed."""


class Head(NamedTuple):
    """What a seal says of one wallet."""

    wallet_id: UUID
    organization_id: UUID
    number: int
    hash: bytes
    reservations: int


def seal(now: datetime) -> Path:
    """Write the seal of the day, unless it is there. The newest one before it is checked first.

    :raises SealBroken: if that has a problem
    """
    folder = _folder()
    path = folder / f"{now.astimezone(UTC):%Y-%m-%d}.jsonl"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    before = newest()
    if before is not None and before.name > path.name:
        raise SealBroken(f"{before.name} is there already, which is of a later day")
    problems = list(islice(check(), SHOWN))
    if problems:
        found = (finding(problem) for problem in problems)
        raise SealBroken("; ".join(f"{each.subject}: {each.detail}" for each in found))
    _write(path, before, now)
    return path


def newest() -> Path | None:
    """Return the newest seal, if there is one."""
    return max(_seals(), default=None)


def check(*, every: bool = False) -> Iterator[Problem]:
    """Compare the newest seal, or all of them, with themselves, with the seal before and with the database."""
    seals = [None, *_seals()]
    followed = [(before, path) for before, path in pairwise(seals) if path is not None]
    for before, path in followed if every else followed[-1:]:
        yield from _broken_chain(path, before)
        yield from _changed_heads(path)


def finding(problem: Problem) -> Found:
    """Return a problem as a finding, like those of the books."""
    entry = f"entry {problem.number} of " if problem.number else ""
    subject = f"{entry}wallet {problem.wallet_id}" if problem.wallet_id else f"seal {problem.seal}"
    detail = f"{problem.problem} (seal {problem.seal})"
    return Found("what was sealed is still there", subject, detail, known(problem.organization_id))


def _folder() -> Path:
    return Path(settings.SEALS_DIR)


def _seals() -> list[Path]:
    """All of them, oldest first."""
    return sorted(path for path in _folder().glob("*.jsonl") if NAME.fullmatch(path.name))


def _write(path: Path, before: Path | None, now: datetime) -> None:
    """Write a seal beside its place, and put it there whole; if somebody else did meanwhile, theirs stays."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".unfinished")
    try:
        with os.fdopen(descriptor, "wb") as file, closing(_contents(before, now)) as contents:
            previous = NOTHING if before is None else _hash_of_file(before)
            for content in contents:
                line = _line({"previous": previous} | content)
                previous = hashlib.sha256(line).hexdigest()
                file.write(line + b"\n")
            file.flush()
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())
        # A rename would replace what is there; a second name for the file is refused.
        with suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        os.unlink(unfinished)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make sure that the name of a new file survives a crash too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _contents(before: Path | None, now: datetime) -> Generator[dict[str, Any]]:
    """The lines of a seal, a batch of wallets at a time: all of one snapshot, however many they are."""
    yield {
        "continues": before.name if before else None,
        "sealed_at": now.astimezone(UTC).isoformat(),
    }
    wallets = 0
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(HEADS, [now])
        while rows := cursor.fetchmany(BATCH):
            wallets += len(rows)
            for row in rows:
                yield dict(
                    zip(
                        ("wallet", "organization", "number", "hash", "at", "reservations"),
                        row,
                        strict=True,
                    )
                )
    yield {"wallets": wallets}


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _hash_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Every line of a seal, as it is and as it reads: as nothing, where it is no JSON object."""
    with path.open("rb") as file:
        for line in file:
            raw = line.rstrip(b"\n")
            yield raw, _read(raw)


def _read(raw: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        content = json.loads(raw)
        if isinstance(content, dict):
            return content
    return {}


def _broken_chain(path: Path, before: Path | None) -> Iterator[Problem]:
    """Follow the hashes from line to line, beginning with that of the seal before."""
    previous = NOTHING if before is None else _hash_of_file(before)
    number = 0
    content: dict[str, Any] = {}
    for number, (raw, content) in enumerate(_lines(path), 1):
        if number == 1 and not _continues(content, before, previous):
            problem = f"it does not continue {before.name if before else 'nothing'}: one of them was changed, or seals between taken away"
            yield Problem(path.name, problem)
        if number > 1 and content.get("previous") != previous:
            problem = f"line {number} does not follow line {number - 1}: one of them was changed, or lines between taken away"
            yield Problem(path.name, problem)
        previous = hashlib.sha256(raw).hexdigest()
    if number < 2 or content.get("wallets") != number - 2:
        yield Problem(
            path.name, f"it has {number} lines and its last one is not there or says otherwise"
        )


def _continues(first: dict[str, Any], before: Path | None, previous: str) -> bool:
    named = None if before is None else before.name
    return bool(first.get("continues") == named and first.get("previous") == previous)


def _changed_heads(path: Path) -> Iterator[Problem]:
    """Compare what was sealed with what the database says now, a batch of wallets at a time."""
    lines = enumerate((content for _, content in _lines(path)), 1)
    _, first = next(lines, (1, {}))
    heads = ((number, _head(line)) for number, line in lines if "wallets" not in line)
    while batch := list(islice(heads, BATCH)):
        for number, head in batch:
            if head is None:
                yield Problem(path.name, f"line {number} is not the head of a wallet")
        yield from _changes(path.name, [head for _, head in batch if head], _moment(first))


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


def _changes(name: str, heads: Sequence[Head], sealed_at: datetime) -> Iterator[Problem]:
    wallets, numbers = [head.wallet_id for head in heads], [head.number for head in heads]
    with connection.cursor() as cursor:
        cursor.execute(AS_SEALED, [sealed_at, wallets, numbers])
        for head, (organization_id, hash, reservations) in zip(heads, cursor, strict=True):
            problem = _change(head, organization_id, hash, reservations)
            if problem:
                yield Problem(name, problem, head.wallet_id, head.number, head.organization_id)


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
