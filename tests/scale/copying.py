"""Customers again, set-wise: every row of theirs once more with ids of its own, as often as is asked.

What services wrote is true, so its copy is: each id becomes another by one rule, wherever it stands, and little else changes but names. What
depends on ids, hashes and sums of all, `tests.scale.sealing` writes anew. It is done to a database that is thrown away, and nowhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.apps import apps
from django.db import connection, models
from django.db.models import ForeignKey, Model

from config import roles
from credits import checksums
from credits.models import GrantDraw, Reservation
from organizations.models import Actor, Organization, UsageProfile
from usage.models import MonthlyUse, RollupMark, UsageRollup, UsageTotal, Vitals

APPS = ("organizations", "credits", "usage")
MOST = 0xFFF
"""How many copies there may be: an id keeps twelve bits for its copy's number, those of its bucket."""
STRIDE = 1_000_000
"""By how much numbers of rows are apart from one copy to the next."""
ADDED_UP: set[type[Model]] = {UsageRollup, UsageTotal, MonthlyUse, RollupMark, Vitals}
"""What is made of events afterwards."""
CHECKED = {Reservation: checksums.RESERVATION, GrantDraw: checksums.DRAW}
"""Tables with a checksum, whose copies get theirs at once: there are very many of them."""
APART = {"bulk_id", "rehearsal_id"}
"""Ids without a foreign key, of what is of no customer."""
NAMED = {"organization", "actor", "historicalorganization", "historicalactor"}
OTHERS = {
    ("organization", "external_id"): "t.external_id || '-' || n",
    ("importpart", "turn"): "t.turn + n * 1000",
    ("importpart", "above"): "t.above + n * 1000",
    ("importrow", "number"): "t.number + n * 1000",
}
"""What else must differ, or says which copy it is."""
SESSION = (
    "session_replication_role = replica",
    "statement_timeout = 0",
    "maintenance_work_mem = '512MB'",
    "work_mem = '256MB'",
)
READY = "UPDATE pg_index SET indisready = %s, indisvalid = %s WHERE indrelid = %s::regclass"


@contextmanager
def filling(*filled: type[Model]) -> Iterator[None]:
    """Write past all rules for the length of the block; the indexes of the tables that are named are made afterwards."""
    tables = [model._meta.db_table for model in filled]
    with roles.as_owner():
        with connection.cursor() as cursor:
            for setting in SESSION:
                cursor.execute(f"SET {setting}")
            for table in tables:
                cursor.execute(READY, [False, False, table])
        yield
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(READY, [True, True, table])
                cursor.execute(f"REINDEX TABLE {table}")
                cursor.execute(f"ANALYZE {table}")
            for setting in SESSION:
                cursor.execute(f"RESET {setting.partition(' ')[0]}")


def of_customers() -> list[type[Model]]:
    """Return the tables whose rows belong to organizations, by whatever way."""
    every = [model for name in APPS for model in apps.get_app_config(name).get_models(True)]
    return [model for model in every if _is_of_customers(model) and model not in ADDED_UP]


def copy_all(count: int) -> None:
    """Copy all organizations that there are, with all that is theirs, so many times."""
    if count > MOST:
        raise ValueError(f"at most {MOST} copies expected")
    tables = of_customers()
    if not count:
        return
    # Not worth making anew where there is little.
    with filling(*(tables if count > 50 else ())), connection.cursor() as cursor:
        for model in tables:
            cursor.execute(_statement(model), {"count": count})
            _go_on_counting(model)


def columns_of(model: type[Model]) -> dict[str, str]:
    """Return the columns that are written, with their types."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
            [model._meta.db_table],
        )
        return dict(cursor.fetchall())


def insert(model: type[Model], values: Mapping[str, str], source: str) -> str:
    """Return the statement that writes rows, with their checksums where the table has some that are not written later.

    :param values: SQL of what a column holds; whatever is not named is as in the row `t`
    :param source: what follows FROM
    """
    names = [name for name in columns_of(model) if name != "checksum" or model not in CHECKED]
    listed = ", ".join(f'"{name}"' for name in names)
    wanted = ", ".join(f'{values.get(name, f"t.{name}")} AS "{name}"' for name in names)
    if model not in CHECKED:
        return f"INSERT INTO {model._meta.db_table} ({listed}) SELECT {wanted} FROM {source}"
    checksum = checksums.checksum("r", CHECKED[model])
    return (
        f"INSERT INTO {model._meta.db_table} ({listed}, checksum)"
        f" SELECT r.*, {checksum} FROM (SELECT {wanted} FROM {source} OFFSET 0) AS r"
    )


def _statement(model: type[Model]) -> str:
    types = columns_of(model)
    fields = {field.column: field for field in model._meta.concrete_fields}
    values = {
        name: _copied(model, fields[name], types[name]) for name in types.keys() & fields.keys()
    }
    source = f"{model._meta.db_table} AS t, generate_series(1, %(count)s::bigint) AS n"
    if any(_is_optional_owner(field) for field in fields.values()):
        source += " WHERE t.organization_id IS NOT NULL"
    return insert(model, values, source)


def _is_optional_owner(field: models.Field) -> bool:
    return field.name == "organization" and field.null


def _copied(model: type[Model], field: models.Field, kind: str) -> str:
    """Return the SQL of a column of a copy."""
    column, name = f't."{field.column}"', model._meta.model_name or ""
    if (name, field.name) in OTHERS:
        return OTHERS[name, field.name]
    if name in NAMED and field.name == "name":
        return f"{column} || ' ' || n"
    if isinstance(field, ForeignKey) and not _is_of_customers(field.related_model):
        return column
    if kind == "uuid" and field.column not in APART:
        return _of_copy(column, field)
    if kind == "bigint[]":
        return f"ARRAY(SELECT each + n * {STRIDE} FROM unnest({column}) AS each)"
    is_id = field.primary_key or isinstance(field, ForeignKey) or field.name == "id"
    return f"{column} + n * {STRIDE}" if kind == "bigint" and is_id else column


def _of_copy(column: str, field: models.Field) -> str:
    """Return an id with the number of its copy in it: they stay in the order of their times. The system's profiles are everybody's."""
    copy = f"overlay({column}::text PLACING lpad(to_hex(n), 3, '0') FROM 16)::uuid"
    if field.related_model is not UsageProfile:
        return copy
    kept = "SELECT id FROM organizations_usageprofile WHERE organization_id IS NULL"
    return f"CASE WHEN {column} IN ({kept}) THEN {column} ELSE {copy} END"


def _is_of_customers(model: type[Model], seen: Sequence[type[Model]] = ()) -> bool:
    if model in (Organization, Actor) or model in seen:
        return model not in seen
    targets = {
        field.related_model
        for field in model._meta.concrete_fields
        if isinstance(field, ForeignKey)
    }
    return any(_is_of_customers(target, (*seen, model)) for target in targets)


def _go_on_counting(model: type[Model]) -> None:
    """Let the table number its next row beyond the copies."""
    name, column = model._meta.db_table, model._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [name, column])
        ((sequence,),) = cursor.fetchall()
        if sequence is not None:
            cursor.execute(f"SELECT setval('{sequence}', (SELECT max({column}) FROM {name}) + 1)")
