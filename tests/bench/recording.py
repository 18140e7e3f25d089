"""How the services call the functions of the database: watched once, and made callable by a caller's number.

Nothing here knows what the functions take. One pair is made, and what was sent is kept: what was the sample's own (its organization, its
actor, its version of the terms) becomes the caller's, what was new (ids, the moment, the idempotency key) becomes new. So pgbench and the
bare views call the very functions, with the very arguments.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from psycopg import sql

SLACK = timedelta(seconds=60)
"""A moment that was sent so shortly after the recording began is the moment of the call."""
PARAMETERS = """
    SELECT format_type(type, NULL) FROM pg_proc, unnest(proargtypes) WITH ORDINALITY AS argument (type, number)
    WHERE proname = %s ORDER BY number"""


@dataclass
class Calls:
    """What was sent: the arguments of the last call of each function, as text."""

    began: datetime
    sent: dict[str, list[str | None]] = field(default_factory=dict)

    def watch(self, execute: Callable[..., Any], statement: Any, values: Any, *rest: Any) -> Any:
        """Keep a call that goes to the database; as Django's `execute_wrapper`."""
        for name in FUNCTIONS:
            if isinstance(statement, str) and f"{name}(" in statement:
                # A statement that asks for the key too has its own arguments before those of the function.
                count = statement.partition(f"{name}(")[2].count("%s")
                self.sent[name] = list(values)[-count:]
        return execute(statement, values, *rest)

    def is_moment(self, text: str) -> bool:
        """Whether an argument is the moment of the call."""
        return self.began <= datetime.fromisoformat(text) <= self.began + SLACK


HOLD, SETTLE = "credits_hold_2", "usage_settle_3"
FUNCTIONS = (HOLD, SETTLE)
KEY = "recorded"
"""With this the idempotency keys of what is recorded begin."""


@contextmanager
def recording(began: datetime) -> Iterator[Calls]:
    """Watch what this thread calls during the block."""
    calls = Calls(began)
    with connection.execute_wrapper(calls.watch):
        yield calls


def wrap(name: str, calls: Calls, function: str, own: Mapping[str, str], *, answer: str) -> None:
    """Make `bench.<name>`, which calls a function as it was called, for the caller with number p_n; of the hold p_id, if there is one already.

    :param own: what belongs to the sample: each text, and an SQL expression for that of the caller `c`, or of the hold `v_id`
    :param answer: what it returns, of the columns of the function and `v_id`
    """
    with connection.cursor() as cursor:
        cursor.execute(PARAMETERS, [function])
        types = [type for (type,) in cursor.fetchall()]
        arguments = [
            _argument(text, type, calls, own)
            for text, type in zip(calls.sent[function], types, strict=True)
        ]
        body = BODY.format(
            answer=sql.SQL(answer),
            function=sql.Identifier(function),
            arguments=sql.SQL(", ").join(arguments),
        )
        making = MAKING.format(
            name=sql.Identifier(name), body=sql.Literal(body.as_string(cursor.connection))
        )
        cursor.execute(making.as_string(cursor.connection))


MAKING = sql.SQL(
    "CREATE FUNCTION bench.{name}(p_n integer, p_id uuid DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS {body}"
)
BODY = sql.SQL(
    """
DECLARE
    c bench.caller;
    v_id uuid := coalesce(p_id, bench.new_id());
    v_answer text;
BEGIN
    SELECT * INTO c FROM bench.caller WHERE n = p_n;
    SELECT {answer} INTO v_answer FROM {function}({arguments});
    RETURN v_answer;
END"""
)


def _argument(text: str | None, type: str, calls: Calls, own: Mapping[str, str]) -> sql.Composable:
    of_type = sql.SQL(type)
    if text is None:
        return sql.SQL("NULL::{}").format(of_type)
    if type == "timestamp with time zone" and calls.is_moment(text):
        return sql.SQL("clock_timestamp()")
    if type == "text" and text.startswith(KEY):
        return sql.SQL("bench.new_id()::text")
    if type == "uuid" and text not in own:
        return sql.SQL("bench.new_id()")
    value: sql.Composable = sql.Literal(text)
    for mine, theirs in own.items():
        if mine in text:
            value = sql.SQL("replace({}, {}, {})").format(value, sql.Literal(mine), sql.SQL(theirs))
    return sql.SQL("{}::{}").format(value, of_type)
