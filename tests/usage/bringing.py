"""Bringing files in tests, as a person does, and doing what a worker does with them."""

from datetime import datetime
from typing import Any

from organizations import jobs, scopes
from organizations.models import Import, ImportRow
from tests.factories import NOW, STAFF
from usage.services import imports

OTHER = "staff:ben"


def bring(kind: str, text: str | bytes, *, now: datetime = NOW, **options: Any) -> Import:
    """Write down a file of rows; nobody has looked at it yet."""
    content = text.encode() if isinstance(text, str) else text
    chosen = imports.KINDS[kind]
    said: dict[str, Any] = {
        "file_name": f"{kind}.csv",
        "reason": "a move",
        "performed_by": STAFF,
        "scopes": scopes.ALL_SCOPES,
        "tiers": ["standard", "pilot", "partner"],
    }
    table = imports.read_file(chosen, content)
    return imports.begin_import(kind=chosen, table=table, now=now, **said | options)


def work(*, now: datetime = NOW) -> None:
    """Do all that workers have to do for imports."""
    while imports.to_do().exists():
        jobs.run(imports.IMPORT, now=lambda: now, worker="w")


def looked_at(kind: str, text: str | bytes, *, now: datetime = NOW, **options: Any) -> Import:
    """Bring a file, and have it looked at."""
    whole = bring(kind, text, now=now, **options)
    work(now=now)
    whole.refresh_from_db()
    return whole


def carried_out(kind: str, text: str | bytes, *, now: datetime = NOW, **options: Any) -> Import:
    """Bring a file that has nothing wrong, and have it carried out."""
    whole = looked_at(kind, text, now=now, **options)
    assert not wrong(whole), wrong(whole)
    imports.start_import(whole=whole, by=whole.performed_by, now=now)
    work(now=now)
    whole.refresh_from_db()
    return whole


def wrong(whole: Import) -> list[tuple[int, str, str]]:
    """Return what is wrong with which row and column."""
    rows = imports.wrong_rows(whole)
    return [(row.number, column, said) for row in rows for column, said in row.problems]


def states(whole: Import) -> list[str]:
    """Return what became of each row, in the order of the file."""
    rows = ImportRow.objects.filter(whole=whole).order_by("number")
    return list(rows.values_list("state", flat=True))


def parts(whole: Import) -> list[tuple[str, str, str]]:
    """Return what became of each organization, in their order."""
    rows = whole.part_set.order_by("turn")
    return [(part.name, part.state, part.said) for part in rows]
