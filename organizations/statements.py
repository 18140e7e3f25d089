"""Statements that are written by hand for the path of a request: one round trip each, planned once for each session.

Everything goes to the server as text, and its type is what the statement makes of it (`%s::uuid` where that would not be clear). So one
plan serves, whatever is NULL and however large a number is. Elsewhere Django writes statements with their values in them, and PostgreSQL
plans each anew.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count, islice
from typing import Any, Generic, TypeVar
from uuid import UUID

import psycopg
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections
from django.db.models import Model
from django.db.models.base import ModelState
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.types.datetime import TimestamptzLoader

Row = tuple[Any, ...]
Send = Callable[[str, Sequence[Any]], Row | None]
"""What sends a statement with its parameters, and returns its first row: `fetch_one` and its like."""
M = TypeVar("M", bound=Model)


class Columns(Generic[M]):
    """The columns of a model in a statement, and the instance that they make.

    :param alias: the name of the table there
    :param only: the fields that are read, and
    :param without: those that are not; whoever needs another asks for it, as after `defer`
    """

    def __init__(
        self,
        model: type[M],
        alias: str,
        *,
        only: Sequence[str] | None = None,
        without: Sequence[str] = (),
    ) -> None:
        fields = [
            field
            for field in model._meta.concrete_fields
            if field.name not in without and (only is None or field.name in only)
        ]
        self.model = model
        self.names = [field.attname for field in fields]
        self.sql = ", ".join(f'{alias}."{field.column}"' for field in fields)

    def take(self, row: Iterator[Any]) -> M | None:
        """Return the instance that the next values of a row make, or None where a join found nothing: then the first, its id, is NULL."""
        values = list(islice(row, len(self.names)))
        if values[0] is None:
            return None
        return stored(self.model, zip(self.names, values, strict=True))


def stored(model: type[M], values: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> M:
    """Return an instance of a row that is stored, by the names of its columns: what `from_db` does, without telling those who listen to
    each instance, for nobody does."""
    instance = model.__new__(model)
    instance._state = ModelState()
    instance._state.adding, instance._state.db = False, DEFAULT_DB_ALIAS
    instance.__dict__.update(values)
    return instance


def copied(instance: M) -> M:
    """Return an instance that says the same, with copies of those that were put beside it: what somebody changes there changes nothing here."""
    values = {name: value for name, value in vars(instance).items() if name != "_state"}
    made = stored(type(instance), values)
    others = instance._state.fields_cache.items()
    relate(made, **{name: other and copied(other) for name, other in others})
    return made


def relate(instance: Model | None, **others: Model | None) -> None:
    """Put beside an instance what it refers to, as `select_related` does: where it is None, so is its id."""
    if instance is not None:
        kept = instance._state.fields_cache
        for name, other in others.items():
            if other is not None:
                kept[name] = other


def fetch_one(sql: str, params: Sequence[Any] = ()) -> Row | None:
    """Send a statement and return its first row, or None. It is sent once: whoever is told that the connection broke does not know
    whether it was executed.

    :raises django.db.Error: as Django's own cursors do
    """
    rows = fetch_all(sql, params)
    return rows[0] if rows else None


def fetch_all(sql: str, params: Sequence[Any] = ()) -> list[Row]:
    """Send a statement and return its rows.

    :param sql: one of few: it is kept prepared for as long as the connection
    :raises django.db.Error: as Django's own cursors do, and if it was committed here and may be nowhere else (config/postgresql)
    """
    own: Any = connections[DEFAULT_DB_ALIAS]
    if own.connection is None:
        own.ensure_connection()
    written = [value if type(value) in _TEXT else _FORMS[type(value)](value) for value in params]
    prepared = _prepared(own.connection, sql)
    if own.queries_logged or own.execute_wrappers:
        wrap = own.make_debug_cursor if own.queries_logged else own.make_cursor
        return list(wrap(prepared).execute(sql, written).fetchall())
    # What Django's cursors do around a statement, once for the statement and its rows.
    own.validate_no_broken_transaction()
    with own.wrap_database_errors:
        rows = prepared.execute(sql, written).fetchall()
    if own.in_doubt and not own.in_atomic_block:
        own.require_certainty()
    return rows


def read_one(sql: str, params: Sequence[Any] = ()) -> Row | None:
    """Send a statement that may be sent twice, and return its first row, or None: if the connection is found broken, outside of a
    transaction, it is sent again over another one.

    :raises django.db.Error: as Django's own cursors do
    """
    try:
        return fetch_one(sql, params)
    except (InterfaceError, OperationalError):
        if connection.in_atomic_block or not is_broken():
            raise
        connection.close()
        return fetch_one(sql, params)


def is_broken() -> bool:
    """Whether this thread had a connection to the database that takes no statement any more."""
    return connection.connection is not None and connection.connection.closed


def text(value: Any) -> str | None:
    """Return what PostgreSQL reads as `value`.

    :raises TypeError: if it has no form here
    """
    return None if value is None else _FORMS[type(value)](value)


class _Forms(dict[type, Callable[[Any], str]]):
    """How each type is written, and a subclass of one."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        for each, write in self.items():
            if issubclass(kind, each):
                return write
        raise TypeError(f"{kind.__name__} has no form as a parameter")


def _itself(value: str) -> str:
    return value


def _number(value: Decimal) -> str:
    return format(value, "f")


def _bytes(value: bytes) -> str:
    return rf"\x{value.hex()}"


def _array(value: Sequence[Any]) -> str:
    if not value:
        return "{}"
    return "{" + ",".join([_ELEMENTS.get(type(each), _element)(each) for each in value]) + "}"


def _element(value: Any) -> str:
    written = text(value) or ""
    if "\\" in written or '"' in written:
        written = written.replace("\\", r"\\").replace('"', r"\"")
    return f'"{written}"'


def _null(_: None) -> str:
    return "NULL"


_TEXT = frozenset((str, type(None)))
"""What is sent as it is."""
_FORMS = _Forms(
    {
        str: _itself,
        datetime: datetime.isoformat,
        Decimal: _number,
        bool: str,
        int: str,
        float: repr,
        UUID: UUID.__str__,
        bytes: _bytes,
        list: _array,
        tuple: _array,
    }
)
_ELEMENTS: dict[type, Callable[[Any], str]] = {
    type(None): _null,
    Decimal: _number,
    bool: str,
    int: str,
    float: repr,
    UUID: UUID.__str__,
}
"""How each is written within an array, where that needs no quotes."""


KEPT = 100
"""How many statements a connection keeps at most."""


def _prepared(session: Any, sql: str) -> "_Prepared":
    """Return what a session prepared of a statement: it is kept beside the connection, which is one thread's."""
    kept: dict[str, _Prepared] = session.__dict__.setdefault("purser_prepared", {})
    found = kept.get(sql)
    if found is None:
        if len(kept) >= KEPT:
            for each in kept.values():
                each.forget()
            kept.clear()
        found = kept[sql] = _Prepared(session, sql)
    return found


class _Moment(TimestamptzLoader):
    """Reads a moment in UTC, as the sessions of Django write it, in one step."""

    def load(self, data: Any) -> datetime:
        try:
            found = datetime.fromisoformat(bytes(data).decode())
        except ValueError:  # what Python has no moment for; the driver says why
            found = super().load(data)
        return found.astimezone(UTC) if found.tzinfo is not UTC else found


class _Prepared:
    """A statement that a session prepares when it first sends it, and from then on executes by its name: libpq is called directly, for a
    cursor would find out each time what is the same each time."""

    _numbers = count(1)
    _query = None
    """Where Django looks for a statement with its values written into it."""

    def __init__(self, session: Any, sql: str) -> None:
        self._session, self._server = session, session.pgconn
        self._name = b"purser_%d" % next(self._numbers)
        self._sql = _numbered(sql).encode()
        self._is_known = self._knows_columns = False
        reads = psycopg.Cursor(
            session
        )  # what it reads values by is its own; the session's is Django's
        reads.adapters.register_loader("timestamptz", _Moment)
        self._rows = Transformer(reads)
        self._result: Any = None

    def execute(self, sql: str, params: Sequence[str | None], *_: Any) -> "_Prepared":
        """Send the statement, as a cursor does.

        :raises psycopg.Error: as a cursor does
        """
        values = [None if value is None else value.encode() for value in params]
        server, session = self._server, self._session
        if not session.autocommit and server.transaction_status == TransactionStatus.IDLE:
            self._require(
                server.exec_(b"BEGIN")
            )  # as the driver does before the first statement of a transaction
        if not self._is_known:
            self._require(server.prepare(self._name, self._sql))
            self._is_known = True
        self._result = self._require(server.exec_prepared(self._name, values))
        return self

    def fetchall(self) -> list[Row]:
        """Return the rows that were found; none of what returns no rows."""
        result, self._result = self._result, None
        # Its columns are always the same ones: else the server would refuse to execute it.
        self._rows.set_pgresult(result, set_loaders=not self._knows_columns)
        self._knows_columns = True
        return self._rows.load_rows(0, result.ntuples, tuple)

    def forget(self) -> None:
        """Let the session forget it."""
        if self._is_known:
            self._server.exec_(b"DEALLOCATE " + self._name)

    def _require(self, result: Any) -> Any:
        """Return what the server answered, if it is no failure. One that names no state is libpq's own: it lost the server, as a rule."""
        if result.status in _DONE:
            return result
        error = psycopg.errors.error_from_result(result)
        if error.sqlstate is None:
            raise psycopg.OperationalError(str(error)) from error
        raise error


def _numbered(sql: str) -> str:
    """Return a statement with its parameters written as the server numbers them: `$1` for the first `%s`."""
    first, *others = sql.split("%s")
    parts = [first, *(f"${number}{part}" for number, part in enumerate(others, start=1))]
    return "".join(parts).replace("%%", "%")


_DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
