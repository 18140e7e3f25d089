"""Sessions for threads, each with one of its own. What a session has planned it knows for the next thread: a new one plans everything anew."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, get_ident
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Error
from psycopg.pq import TransactionStatus

MOST = 64 if settings.EMBEDDED_DATABASE else 16
"""How many are kept: a server that is not ours may have a hundred places, and others want some."""

_idle: dict[tuple[str, str], list[BaseDatabaseWrapper]] = defaultdict(list)
"""By the database and the options that they began with."""
_lock = Lock()


@contextmanager
def own_session() -> Iterator[BaseDatabaseWrapper]:
    """Give this thread a session that nobody else has, as long as the block lasts."""
    session = _take()
    try:
        yield session
    finally:
        _give_back(session)


def _take() -> BaseDatabaseWrapper:
    with _lock:
        kept = _idle[_kind(connections[DEFAULT_DB_ALIAS])]
        session = kept.pop() if kept else connections[DEFAULT_DB_ALIAS]
    _belong_here(session)
    connections[DEFAULT_DB_ALIAS] = session
    return session


def _give_back(session: BaseDatabaseWrapper) -> None:
    """Keep a session that is as a new one would be; close any other."""
    del connections[DEFAULT_DB_ALIAS]
    is_kept = _is_as_new(session)
    with _lock:
        if is_kept and sum(map(len, _idle.values())) < MOST:
            _idle[_kind(session)].append(session)
            return
    session.close()


def _is_as_new(session: BaseDatabaseWrapper) -> bool:
    """Undo what was set in a session. Returns False of one that ended, or that is in the middle of something."""
    inner = session.connection
    if inner is None or session.in_atomic_block:
        return False
    if inner.closed or inner.info.transaction_status != TransactionStatus.IDLE:
        return False
    try:
        # Not through Django, which asks whether a test may: one that may not has not used it either.
        inner.execute("RESET ALL")
        inner.execute(
            "SELECT set_config('TimeZone', %s, false), pg_advisory_unlock_all()",
            [session.timezone_name],
        )
    except Error:
        return False
    return True


def _belong_here(session: Any) -> None:
    """Let this thread use a session that another one made."""
    session._thread_ident = get_ident()


def _kind(session: BaseDatabaseWrapper) -> tuple[str, str]:
    settings = session.settings_dict
    return settings["NAME"], settings["OPTIONS"]["options"]


def close_idle() -> None:
    """End all that are kept."""
    with _lock:
        for kept in _idle.values():
            for session in kept:
                _belong_here(session)
                session.close()
        _idle.clear()
