"""Random edits of random rows: any column of any row of the ledger's tables, deletes, and rows too many."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from uuid import UUID

from django.db import connection

from credits.models import Grant, LedgerEntry, Reservation
from tests.credits.rules import as_sql, like

TABLES = (
    "credits_ledgerentry",
    "credits_grant",
    "credits_grantdraw",
    "credits_wallet",
    "credits_reservation",
)
TIMES = ["1 microsecond", "1 second", "1 day", "5 years"]

WORDS = {
    "kind": LedgerEntry.Kind.values,
    "source": Grant.Source.values,
    "status": Reservation.Status.values,
    "mode": Reservation.Mode.values,
    "decision": Reservation.Decision.values,
}


@dataclass(frozen=True)
class Edit:
    """A statement, and the names of its row: a finding must say one of them."""

    sql: str
    names: frozenset[str]


@cache
def columns_of(table: str) -> dict[str, str]:
    """Return the type of every column that can be written."""
    return dict(
        rows(
            "SELECT column_name::text, udt_name::text FROM information_schema.columns"
            f" WHERE table_name = '{table}' AND is_generated = 'NEVER'"
            # What staff call a grant, and what it is to the business, moves no credit.
            " AND NOT (table_name = 'credits_grant' AND column_name IN ('name', 'category')) ORDER BY 1"
        )
    )


def some_edit(dice: Random) -> Edit:
    """Return an edit of a column, mostly; sometimes a row that goes, or one that comes."""
    table = dice.choice(TABLES)
    make = dice.choices([_update, _delete, _insert], weights=[8, 1, 1])[0]
    return make(dice, table)


def _update(dice: Random, table: str) -> Edit:
    return some_update(dice, table, dice.choice(list(columns_of(table))))


def some_update(dice: Random, table: str, column: str) -> Edit:
    """Return an edit of one column, of a random row."""
    row = _some_row(dice, table)
    names = _names(table, row)
    if column == "id":
        new = (
            str(dice.randint(10_000_000, 99_999_999))
            if table == "credits_grantdraw"
            else _uuid(dice)
        )
        value = f"'{new}'"
        names |= {_name(table, new)}
    else:
        value = _other(dice, table, column, columns_of(table)[column])
    edit = edit_of(table, row, column, value)
    return Edit(edit.sql, edit.names | names)


def edit_of(table: str, row: str, column: str, value: str) -> Edit:
    """Return an edit of one column of one row to a value, as SQL."""
    change = f"UPDATE {table} SET {column} = {value}"
    sql = f"{change} WHERE id::text = '{row}' AND {column} IS DISTINCT FROM {value}"
    return Edit(sql, _names(table, row))


def _delete(dice: Random, table: str) -> Edit:
    row = _some_row(dice, table)
    names = _names(table, row)
    if table == "credits_reservation":
        # One that was given back leaves no trace but in the seal, which knows how many there were.
        names |= {f"wallet {_value(table, row, 'wallet_id')}"}
    return Edit(f"DELETE FROM {table} WHERE id::text = '{row}'", names)


def _insert(dice: Random, table: str) -> Edit:
    """A copy of a row under another name, changed where it would collide."""
    row = _some_row(dice, table)
    new = _uuid(dice)
    changes = {"id": f"'{new}'::uuid"}
    names = {new}
    if table == "credits_ledgerentry":
        changes["number"] = (
            "(SELECT max(n.number) + 1 FROM credits_ledgerentry n WHERE n.wallet_id = credits_ledgerentry.wallet_id)"
        )
    if table == "credits_grantdraw":
        number = dice.randint(10_000_000, 99_999_999)
        changes = {"id": str(number), "entry_id": _another(table, "entry_id", dice)}
        names = {f"draw {number} "}
    if table == "credits_wallet":
        changes |= {"organization_id": "gen_random_uuid()", "period_id": "NULL"}
    if table == "credits_grant":
        # Of an allowance there is one a term; and its entry says which grants it made.
        changes |= {
            "term_starts_at": "NULL",
            "seat": "0",
            "upgrade": "0",
            "source": "'grant'",
        }
        names |= _entry_names("credits_grant", row)
    return Edit(as_sql(like(table, f"id::text = '{row}'", **changes)), frozenset(names))


def _names(table: str, row: str) -> frozenset[str]:
    return frozenset({_name(table, row)} | _entry_names(table, row))


def _name(table: str, row: str) -> str:
    return f"draw {row} " if table == "credits_grantdraw" else row


def _uuid(dice: Random) -> str:
    return str(UUID(int=dice.getrandbits(128)))


def _entry_names(table: str, row: str) -> set[str]:
    """The entry that answers for a row, by wallet and number."""
    if table in ("credits_wallet", "credits_reservation"):
        return set()
    entry = "id" if table == "credits_ledgerentry" else "entry_id"
    found = rows(
        "SELECT 'entry ' || e.number || ' of wallet ' || e.wallet_id, '' FROM credits_ledgerentry e"
        f" JOIN {table} t ON e.id = t.{entry} WHERE t.id::text = '{row}'"
    )
    return {name for name, _ in found}


def _some_row(dice: Random, table: str) -> str:
    return dice.choice([row for row, _ in rows(f"SELECT id::text, '' FROM {table} ORDER BY 1")])


def _value(table: str, row: str, column: str) -> str:
    ((value, _),) = rows(f"SELECT {column}::text, '' FROM {table} WHERE id::text = '{row}'")
    return value


def _another(table: str, column: str, dice: Random) -> str:
    """A value that another row has there."""
    values = rows(f"SELECT DISTINCT quote_nullable({column}::text), '' FROM {table} ORDER BY 1")
    return dice.choice(values)[0]


def _other(dice: Random, table: str, column: str, kind: str) -> str:
    """Return another value of a column's type, as SQL: one that another row has there, none, or one that nobody has."""
    which = dice.random()
    if which < 0.25:
        return f"{_another(table, column, dice)}::{kind}"
    if which < 0.35:
        return f"NULL::{kind}"
    return f"({INVENTED[kind](dice, column)})::{kind}"


INVENTED: dict[str, Callable[[Random, str], str]] = {
    "uuid": lambda dice, column: "gen_random_uuid()",
    "numeric": lambda dice, column: dice.choice(
        [f"{column} + {dice.choice(['0.000001', '-0.000001', '1', '-1', '1000'])}", "'NaN'", f"-{column}"]
    ),
    "int2": lambda dice, column: f"{column} + {dice.choice([1, -1, 7])}",
    "int4": lambda dice, column: f"{column} + {dice.choice([1, -1, 7])}",
    "int8": lambda dice, column: f"{column} + {dice.choice([1, -1, 1_000_000])}",
    "bool": lambda dice, column: f"NOT {column}",
    "timestamptz": lambda dice, column: dice.choice(
        [f"{column} + interval '{dice.choice(['', '-'])}{dice.choice(TIMES)}'", "'infinity'", "'2026-05-20Z'"]
    ),
    "varchar": lambda dice, column: dice.choice(
        [f"{column} || 'x'", f"left({column}, -1)", "'gift'", *map(repr, WORDS.get(column, []))]
    ),
    "jsonb": lambda dice, column: dice.choice(
        [f"'{{\"n\": {dice.randint(0, 9)}}}'", "'[1]'", "'null'", f"'[' || {column} || ']'"]
    ),
    "bytea": lambda dice, column: f"set_byte({column}, 7, get_byte({column}, 7) # {dice.randint(1, 255)})",
    "_numeric": lambda dice, column: dice.choice([f"{column} || 7::numeric", f"{column}[2:]"]),
    "_int8": lambda dice, column: dice.choice([f"{column} || 7::bigint", f"{column}[2:]"]),
}  # fmt: skip


def rows(sql: str) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [(first, second) for first, second in cursor.fetchall()]
