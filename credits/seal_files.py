"""The files of the seals: how one is written, line by line, and how its lines and those of the one before it hang together.

A file begins beside its place, without a name, and is written a few lines at a time, by whoever goes on with it. Whole, it gets its name,
and is never written again.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings

NOTHING = bytes(32).hex()
"""The hash before the first line of the first seal."""

NAME = re.compile(r"\d{4}-\d\d-\d\d\.jsonl")

UNFINISHED = ".unfinished"

Place = dict[str, Any]
"""How far a check or a seal is, as JSON can say it."""


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


def newest() -> Path | None:
    """Return the newest seal, if there is one."""
    return max(seals(), default=None)


def folder() -> Path:
    return Path(settings.SEALS_DIR)


def seals() -> list[Path]:
    """All of them, oldest first."""
    return sorted(path for path in folder().glob("*.jsonl") if NAME.fullmatch(path.name))


def before(path: Path) -> Path | None:
    return max((each for each in seals() if each.name < path.name), default=None)


def name_of(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m-%d}.jsonl"


def begin(before: str | None, now: datetime) -> Place:
    """Begin a seal beside its place: it has its first line, and no name yet."""
    where, day = folder(), name_of(now)
    where.mkdir(parents=True, exist_ok=True)
    for left in where.glob(f".*{UNFINISHED}"):
        if not left.name.startswith(f".{day}"):  # of an earlier day: nobody goes on with it
            left.unlink(missing_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=where, prefix=f".{day}.", suffix=UNFINISHED)
    os.close(descriptor)
    moment = now.astimezone(UTC).isoformat()
    place = {
        "file": Path(unfinished).name,
        "name": day,
        "before": before,
        "sealed_at": moment,
        "size": 0,
        "previous": NOTHING if before is None else _hash_of_file(where / before),
    }
    return append(place, [{"continues": before, "sealed_at": moment}])


def is_as_it_was_left(place: Place) -> bool:
    """Whether what was written is there: on another machine it may not be. More than that a worker wrote who could not say so any more."""
    with suppress(FileNotFoundError):
        return bool((folder() / place["file"]).stat().st_size >= place["size"])
    return False


def append(place: Place, contents: Sequence[dict[str, Any]]) -> Place:
    """Write lines to a seal that has no name yet; return the place after them."""
    previous = place["previous"]
    with (folder() / place["file"]).open("r+b") as file:
        file.truncate(place["size"])
        file.seek(place["size"])
        for content in contents:
            line = _line({"previous": previous} | content)
            previous = hashlib.sha256(line).hexdigest()
            file.write(line + b"\n")
        return place | {"size": file.tell(), "previous": previous}


def put_in_place(place: Place) -> None:
    """Give a seal its name, whole and for ever; if somebody else did meanwhile, theirs stays.

    :raises SealBroken: if it is not what was written
    """
    where = folder()
    unfinished, before = where / place["file"], place["before"]
    try:
        if any(broken_chain(unfinished, where / before if before else None)):
            raise SealBroken(f"{unfinished.name} was changed while it was written: not sealed")
        with unfinished.open("rb") as file:
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())
        latest = newest()
        if latest and latest.name not in (before, place["name"]):
            raise SealBroken(f"{latest.name} was put in place meanwhile: not sealed on top of it")
        # A rename would replace what is there; a second name for the file is refused.
        with suppress(FileExistsError):
            os.link(unfinished, where / place["name"])
    finally:
        unfinished.unlink()
    _sync_folder(where)


def _sync_folder(folder: Path) -> None:
    """Make sure that the name of a new file survives a crash too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
            yield raw, read(raw)


def read(raw: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        content = json.loads(raw)
        if isinstance(content, dict):
            return content
    return {}


def broken_chain(path: Path, before: Path | None) -> Iterator[Problem]:
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


def lines_from(path: Path, offset: int, most: int) -> list[tuple[int, dict[str, Any]]]:
    """Return the next lines of a seal, each with where it ends."""
    with path.open("rb") as file:
        file.seek(offset)
        return [
            (file.tell(), read(line.rstrip(b"\n")))
            for _ in range(most)
            if (line := file.readline())
        ]


def forget(place: Place) -> None:
    """Delete what was written of a seal that nobody goes on with."""
    if "file" in place:
        (folder() / place["file"]).unlink(missing_ok=True)
