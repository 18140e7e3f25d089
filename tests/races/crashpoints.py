"""Dying at every statement of a command, and each time asking again.

A command is asked for in a world that does not change: it dies before its first statement, is asked for again and dies before its second,
and so on until there is none left to die before, and it is done. After each death everything must be as it was (or as it is when all is
done, where only the answer was lost), and the books must balance. So every death is followed by another try, and all of the tries have
one effect.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self
from unittest import mock

import psycopg
from django.db import DatabaseError, OperationalError, close_old_connections, connection

from tests.books import reconciled

State = dict[str, Any]
"""What there is, by name: whatever must be equal before and after."""
RAISES, TIMES_OUT, IS_KILLED = "raises", "times out", "is killed"
COMMIT, UNHEARD = "COMMIT", "COMMIT, unheard"
LOOK_UP = "SELECT clock_timestamp(), "
"""How the lookup of a key begins. It is sent again over another connection, so that the end of a session between two requests is not
noticed."""


class Died(Exception):
    """The process came no further than this statement."""


class Killer:
    """Another session, which ends ours as an administrator or a restart would."""

    def __enter__(self) -> Self:
        named = ("host", "port", "dbname", "user", "password")
        parameters = connection.get_connection_params()
        chosen = {name: parameters[name] for name in named if name in parameters}
        self.session = psycopg.connect(**chosen, autocommit=True)
        return self

    def __exit__(self, *raised: object) -> None:
        self.session.close()

    def kill(self) -> None:
        """End the session of this thread's connection: it takes no other statement."""
        connection.ensure_connection()
        pid = connection.connection.info.backend_pid
        self.session.execute("SELECT pg_terminate_backend(%s)", [pid])

    def findings(self) -> list[str]:
        """Return what is wrong with the books, as anybody else sees them."""
        return reconciled(self.session.cursor())


TIMEOUT = "DO $$BEGIN RAISE 'statement timeout' USING ERRCODE = '57014'; END$$"


@dataclass
class Death:
    """Counts the statements that are sent, and strikes before the one whose turn it is.

    A process has nothing of its own to do while it commits, so only a killed one dies there: before the commit, or after it but before
    it was told.
    """

    turn: int
    way: str
    killer: Killer
    statements: list[str] = field(default_factory=list)

    @property
    def is_unnoticed(self) -> bool:
        """Whether nobody had to be told that the session ended."""
        return self.way == IS_KILLED and (self.statement or "").lstrip().startswith(LOOK_UP)

    @property
    def statement(self) -> str | None:
        """The statement it struck before, if there were so many."""
        return self.statements[self.turn] if len(self.statements) > self.turn else None

    def execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Wrap every statement."""
        if self._strikes(sql):
            if self.way == RAISES:
                raise Died(sql)
            if self.way == TIMES_OUT:
                # Over the driver: what is prepared executes nothing else in its place.
                with connection.wrap_database_errors:
                    connection.connection.execute(TIMEOUT)
            self.killer.kill()
        return execute(sql, params, many, context)

    def commit(self, commit: Callable[[], None]) -> None:
        """Wrap every commit."""
        if self.way == IS_KILLED and self._strikes(COMMIT):
            self.killer.kill()
        commit()
        if self.way == IS_KILLED and self._strikes(UNHEARD):
            self.killer.kill()
            raise OperationalError("the connection was lost during the commit")

    def _strikes(self, statement: str) -> bool:
        self.statements.append(statement)
        return len(self.statements) == self.turn + 1


@contextmanager
def dying(turn: int, way: str, killer: Killer) -> Iterator[Death]:
    """Let what runs inside die before its statement number `turn`, counted from 0."""
    death = Death(turn, way, killer)
    with ExitStack() as stack:
        stack.enter_context(connection.execute_wrapper(death.execute))
        commit = functools.partial(death.commit, connection.commit)
        stack.enter_context(mock.patch.object(connection, "commit", commit))
        yield death


@dataclass(frozen=True)
class Command:
    """Something to be done to a world, and how to read the world afterwards."""

    arrange: Callable[[], Any]
    act: Callable[[Any], object]
    state: Callable[[Any], State]


@dataclass
class Report:
    """How many deaths there were, how many ends of a session that nobody noticed, and a sentence for each that left something wrong."""

    killer: Killer
    deaths: int = 0
    unnoticed: int = 0
    failures: list[str] = field(default_factory=list)

    def check(self, where: str, expected: State, found: State) -> None:
        changed = [name for name in expected if expected[name] != found[name]]
        self.failures += [f"{where}: {n}: {expected[n]} became {found[n]}" for n in changed]
        self.failures += [f"{where}: {finding}" for finding in self.killer.findings()]


def try_every_death(command: Command, *ways: str) -> Report:
    """Let a command die at each of its statements, in these ways, and each time ask again."""
    world = command.arrange()
    command.act(world)
    done = command.state(world)
    with Killer() as killer:
        report = Report(killer)
        for way in ways:
            _die_ever_later(command, way, killer, done, report)
    return report


def _die_ever_later(
    command: Command, way: str, killer: Killer, done: State, report: Report
) -> None:
    world = command.arrange()
    before = command.state(world)
    for turn in count():
        with dying(turn, way, killer) as death, suppress(Died, DatabaseError):
            command.act(world)
        # As at the end of every request: a connection that is of no use any more is let go.
        close_old_connections()
        where = f"{way} before {turn}, {death.statement}"
        is_done = death.statement in (None, UNHEARD) or death.is_unnoticed
        report.check(where, done if is_done else before, command.state(world))
        if death.statement is None or report.failures:
            return
        if death.is_unnoticed:
            report.unnoticed += 1
            world = command.arrange()
        else:
            report.deaths += 1
