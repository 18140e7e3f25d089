"""Counting round trips to the database where none can hide: by what libpq itself notes of the messages that it sends and receives.

    with round_trips() as trips:
        caller.reserve(5)

    assert trips.count <= 2, trips

`BEGIN`, `COMMIT`, `SELECT 1`, a connection that is made anew: whatever is sent and waited for counts. It counts in whichever thread it
happens, on every connection that Django has open or opens meanwhile in the process. Only that a session prepares a statement when it first
sees it stands apart, in `trips.prepared`: whether it saw it depends on what was asked before, in other tests too.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import psycopg
from django.db import connection
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg.pq import Trace

_MESSAGE = re.compile(r"^(?=[FB]\t\d+\t)", re.MULTILINE)
_SENT = re.compile(r"F\t\d+\t(\w+)(?:\t (.*))?\n", re.DOTALL)
_TEXT = {
    "Query": re.compile(r'"(.*)"$', re.DOTALL),
    "Parse": re.compile(r'"[^"]*" "(.*)" \d+(?: \d+)*$', re.DOTALL),
}
_NOT_WAITED_FOR = {"Sync", "Flush", "Terminate"}


@dataclass
class Trips:
    """What was sent, a list of messages for each round trip. Known when the block is left."""

    sent: list[list[str]] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    """The statements that a session prepared, a round trip each."""

    def add(self, trip: list[str], *, prepares: bool) -> None:
        """Note a round trip."""
        if prepares:
            self.prepared += trip
        else:
            self.sent.append(trip)

    @property
    def count(self) -> int:
        return len(self.sent)

    def __str__(self) -> str:
        lines = (f"{number}. {' + '.join(sent)}" for number, sent in enumerate(self.sent, start=1))
        return "\n".join([f"{self.count} round trips", *lines])


@contextmanager
def round_trips() -> Iterator[Trips]:
    """Count the round trips of a block."""
    trips, traces = Trips(), [_Trace(connection.connection)] if connection.connection else []
    connect = DatabaseWrapper.get_new_connection

    def traced(wrapper: DatabaseWrapper, parameters: dict[str, Any]) -> Any:
        session = connect(wrapper, parameters)
        trips.sent.append(["a new connection"])
        traces.append(_Trace(session))
        return session

    try:
        with mock.patch.object(DatabaseWrapper, "get_new_connection", traced):
            yield trips
    finally:
        for trace in traces:
            for trip, prepares in trace.end():
                trips.add(trip, prepares=prepares)


class _Trace:
    """What libpq writes about one connection."""

    def __init__(self, session: "psycopg.Connection[Any]") -> None:
        self.session = session
        self.file = tempfile.TemporaryFile("w+")  # noqa: SIM115 — closed by `end`
        self.copy = os.dup(self.file.fileno())
        session.pgconn.trace(self.copy)
        session.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)

    def end(self) -> list[tuple[list[str], bool]]:
        """Stop, and return what was sent in each round trip, between two messages of the server, and whether it only prepared."""
        if not self.session.closed:
            self.session.pgconn.untrace()
        os.close(self.copy)
        self.file.seek(0)
        with self.file:
            return list(_grouped(_MESSAGE.split(self.file.read())))


def _grouped(messages: list[str]) -> Iterator[tuple[list[str], bool]]:
    sent: list[str] = []
    kinds: list[str] = []
    for message in messages:
        said = _SENT.match(message)
        if said and said[1] not in _NOT_WAITED_FOR:
            sent.append(_told(said[1], said[2] or ""))
            kinds.append(said[1])
        elif message.startswith("B") and sent:
            yield sent, _prepares(kinds, sent)
            sent, kinds = [], []
    if sent:
        yield sent, _prepares(kinds, sent)


def _prepares(kinds: list[str], sent: list[str]) -> bool:
    """Whether a round trip does nothing but prepare a statement, or forget one that was prepared."""
    return kinds == ["Parse"] or (len(sent) == 1 and sent[0].startswith("DEALLOCATE "))


def _told(kind: str, rest: str) -> str:
    found = _TEXT[kind].search(rest) if kind in _TEXT else None
    return " ".join(found[1].split()) if found else kind
