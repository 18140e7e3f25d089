"""What the schema costs: the time that the database computes for a pair, beside a bare pair, and without one kind of rule after the other."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from django.db import connection, connections
from psycopg import sql

from config import roles
from tests.bench import functions
from tests.bench.bench import Bench
from tests.bench.measuring import Line, by_turns, middle, say

VISITS = 4
"""How often each side is visited in a round at least; a bare pair takes so little that it is made five times as often."""
WALLETS = 100
"""On so many: after a checkpoint whoever touches a page first writes all of it, which is no matter of the schema."""


@dataclass(frozen=True)
class Pair:
    """Two statements: the one that holds, whose first column is the id, and the one that settles it."""

    hold: str
    settle: str


PRODUCT = Pair(functions.HOLD, functions.SETTLE)
BARE = Pair(functions.BARE_HOLD, functions.BARE_SETTLE)


class Session:
    """One connection, and how long its backend has computed."""

    def __init__(self, pair: Pair, numbers: Sequence[int], *, warm: int, **where: Any) -> None:
        self.pair, self.numbers = pair, numbers
        self.connection = psycopg.connect(**where, autocommit=True, prepare_threshold=0)
        self.make(warm)

    def make(self, count: int) -> float:
        """Make so many pairs; return the milliseconds that the backend computed for each."""
        before = self.cpu()
        for _ in range(count):
            n = random.choice(self.numbers)
            row = self.connection.execute(self.pair.hold, {"n": n}).fetchone()
            assert row is not None
            self.connection.execute(self.pair.settle, {"n": n, "id": row[0]})
        return (self.cpu() - before) / count * 1e3

    def cpu(self) -> float:
        """Return the seconds that the backend has computed until now, in the kernel too."""
        path = Path(f"/proc/{self.connection.info.backend_pid}/schedstat")
        return int(path.read_text().split()[0]) / 1e9

    def wal(self) -> int:
        """Return how many bytes of log the server has written."""
        return self._number("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")

    def size(self) -> int:
        """Return how many bytes the tables have, with their indexes."""
        return self._number(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )

    def _number(self, statement: LiteralString) -> int:
        row = self.connection.execute(statement).fetchone()
        assert row is not None
        return int(row[0])


def cost(bench: Bench, name: str) -> Line:
    """Compare what a pair costs the database with what a bare one does."""
    numbers = range(1, 1 + min(WALLETS, len(bench.spread)))
    ours, bare = (
        Session(pair, numbers, warm=bench.options.pairs // 2, **where()) for pair in (PRODUCT, BARE)
    )
    count = max(1, bench.options.pairs // VISITS)
    measured = by_turns(
        name, VISITS, {"functions": lambda: ours.make(count), "bare": lambda: bare.make(5 * count)}
    )
    written, kept = ours.wal(), ours.size()
    ours.make(bench.options.pairs)
    written, kept = ours.wal() - written, ours.size() - kept
    for session in (ours, bare):
        session.connection.close()
    return Line(
        name,
        value=middle(measured["functions"]),
        unit="ms",
        ceiling=middle(measured["bare"]),
        details={
            "wal_bytes": written / bench.options.pairs,
            "disk_bytes": kept / bench.options.pairs,
        },
    )


CHECKS = "SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
KEYS = (
    "SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    " AND conparentid = 0"
)
TRIGGERS = (
    "SELECT tgrelid::regclass, tgname FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid"
    " WHERE NOT tgisinternal AND c.relnamespace = 'public'::regnamespace AND tgname {} LIKE '%checksum%'"
)
CHECKSUMS = (
    "SELECT attrelid::regclass, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
    " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND attname = 'checksum'"
)
INDEXES = (
    "SELECT indexrelid::regclass, '' FROM pg_index i JOIN pg_class c ON c.oid = indexrelid"
    " WHERE c.relnamespace = 'public'::regnamespace AND NOT indisunique"
)
KINDS: Mapping[str, Sequence[tuple[str, str]]] = {
    "as it is": [],
    "without checks": [("ALTER TABLE {} DROP CONSTRAINT {} CASCADE", CHECKS)],
    "without foreign keys": [("ALTER TABLE {} DROP CONSTRAINT {} CASCADE", KEYS)],
    "without checksums": [
        ("DROP TRIGGER {1} ON {0}", TRIGGERS.format("")),
        ("ALTER TABLE {} ALTER {} DROP NOT NULL", CHECKSUMS),
    ],
    "without other triggers": [("DROP TRIGGER {1} ON {0}", TRIGGERS.format("NOT"))],
    "without secondary indexes": [("DROP INDEX {} CASCADE", INDEXES)],
}
"""What is left out in each copy: how it is dropped, and which. An index that a rule needs is no secondary one."""
WITHOUT_ALL = "without all of them"


def ablate(bench: Bench, pair: Pair = PRODUCT) -> str:
    """Measure a pair on copies of the database that lack one kind of rule each; return the table."""
    kinds = dict(KINDS)
    kinds[WITHOUT_ALL] = [each for dropped in KINDS.values() for each in dropped]
    with _copies(kinds) as names:
        numbers = range(1, 1 + min(WALLETS, len(bench.spread)))
        warm = bench.options.pairs // 2
        sessions = {
            kind: Session(pair, numbers, warm=warm, **where(dbname=name))
            for kind, name in names.items()
        }
        sessions["a bare pair"] = Session(
            BARE, numbers, warm=warm, **where(dbname=names["as it is"])
        )
        sides: dict[str, Callable[[], tuple[float, float]]] = {
            kind: partial(_visit, session, max(1, bench.options.pairs // VISITS))
            for kind, session in sessions.items()
        }
        measured = by_turns("ablation", VISITS, sides)
        for session in sessions.values():
            session.connection.close()
    return _table(measured)


def where(**others: Any) -> dict[str, Any]:
    """Return how to connect to the database as the application does."""
    server = connection.settings_dict
    found = {
        "host": server["HOST"],
        "port": server["PORT"],
        "user": server["USER"],
        "password": server["PASSWORD"],
        "dbname": server["NAME"],
    } | others
    return {name: value for name, value in found.items() if value}


def _visit(session: Session, count: int) -> tuple[float, float]:
    written = session.wal()
    took = session.make(count)
    return took, (session.wal() - written) / count


def _table(measured: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    whole = middle([took for took, _ in measured["as it is"]])
    lines = [
        "| | CPU of the database, ms a pair | of the whole | WAL, bytes a pair |",
        "| --- | --- | --- | --- |",
    ]
    for kind, visits in measured.items():
        took = middle([took for took, _ in visits])
        wal = middle([wal for _, wal in visits])
        lines.append(f"| {kind} | {took:.2f} | {took / whole:.2f} | {wal:,.0f} |")
    return "\n".join(lines)


@contextmanager
def _copies(kinds: Mapping[str, Sequence[tuple[str, str]]]) -> Iterator[dict[str, str]]:
    """Make a copy of the database for each kind, without what it lacks, and drop them afterwards."""
    name = connection.settings_dict["NAME"]
    names = {kind: f"bench_without_{n}" for n, kind in enumerate(kinds)}
    connections.close_all()
    with roles.as_owner():
        owner = where(dbname="template1")
    connections.close_all()
    with psycopg.connect(**owner, autocommit=True) as server:
        try:
            for kind, copy in names.items():
                say(f"ablation: a copy {kind}")
                _make_copy(server, name, copy)
                with psycopg.connect(**{**owner, "dbname": copy}, autocommit=True) as its:
                    for statement, which in kinds[kind]:
                        _drop(its, statement, which)
                    its.execute("VACUUM ANALYZE")
            server.execute("CHECKPOINT")
            yield names
        finally:
            for copy in names.values():
                drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                server.execute(drop.format(sql.Identifier(copy)))


def _make_copy(server: "psycopg.Connection[Any]", name: str, copy: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    for _ in range(50):  # a session that has ended may be there for a moment
        try:
            server.execute(statement.format(sql.Identifier(copy), sql.Identifier(name)))
        except psycopg.errors.ObjectInUse:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"somebody uses {name}")


def _drop(database: "psycopg.Connection[Any]", statement: str, which: str) -> None:
    """Drop all of a kind, whatever needs them: the copy is measured, and nothing else."""
    for table, name in database.execute(which).fetchall():
        # The catalogue writes both as a statement needs them.
        words = statement.format(table, f'"{name}"') if name else statement.format(table)
        database.execute(words)
