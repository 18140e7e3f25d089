"""The functions of the database, called as directly as they can be: by the scripts of pgbench, by bare views, on one connection.

This is the only file that knows their names and what they take.
"""

from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection

from config import roles
from credits.models import Reservation
from tests.bench import callers
from tests.bench.world import MODEL, World

SQL = Path(__file__).parent / "sql"
HOLD = "SELECT bench.hold(%(n)s, bench.new_id()) AS id"
SETTLE = "SELECT bench.settle(%(n)s, %(id)s) AS outcome"
CHECK = """
    SELECT wallet.balance - wallet.reserved >= c.credits AS outcome
    FROM bench.caller c JOIN credits_wallet wallet ON wallet.id = c.wallet_id
        JOIN credits_billingperiod period ON period.id = wallet.period_id
        JOIN credits_creditconfig config ON config.wallet_id = wallet.id
        LEFT JOIN credits_usagecounter counter
            ON counter.wallet_id = wallet.id AND counter.actor_id = c.actor_id AND counter.month = date_trunc('month', now())
    WHERE c.n = %(n)s"""
EVENTS = "SELECT bench.tell(%(n)s, %(body)s) AS accepted"
BARE_HOLD = "SELECT bench.bare_hold(%(n)s, bench.new_id(), 0.04) AS id"
BARE_SETTLE = "SELECT bench.bare_settle(%(n)s, %(id)s, 0.03) AS outcome"

_UUIDS = {True: "uuidv7()", False: "gen_random_uuid()"}
"""Whether the server makes ids that grow with time, as Purser does."""
_CALLERS = """
    INSERT INTO bench.caller
    SELECT n, organization_id, wallet.id, actor_id, %s, %s, %s, %s, %s, %s
    FROM unnest(%s::uuid[], %s::uuid[]) WITH ORDINALITY AS asks (organization_id, actor_id, number)
        JOIN credits_wallet wallet USING (organization_id), LATERAL (SELECT number - 1 AS n) AS numbered"""


def make(world: World) -> None:
    """Make the schema `bench` with what the statements above need."""
    sample = sample_of(world)
    with roles.as_owner(), connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS bench CASCADE")
        cursor.execute("CREATE SCHEMA bench")
        new_id = _UUIDS[_version() >= 180000]
        cursor.execute(
            f"CREATE FUNCTION bench.new_id() RETURNS uuid LANGUAGE sql AS 'SELECT {new_id}'"
        )
        for name in ("world", "bare", "pair"):
            cursor.execute((SQL / f"{name}.sql").read_text())
        cursor.execute(_CALLERS, [*sample, *_columns(world)])
        cursor.execute(
            "INSERT INTO bench.wallet SELECT n, 1000000000, 0 FROM bench.caller ORDER BY n"
        )
        cursor.execute("GRANT USAGE ON SCHEMA bench TO PUBLIC")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA bench TO PUBLIC")
        cursor.execute("VACUUM ANALYZE bench.caller")
        cursor.execute("VACUUM ANALYZE bench.wallet")


def drop() -> None:
    """Take the schema away."""
    with roles.as_owner(), connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS bench CASCADE")


def sample_of(world: World) -> list[Any]:
    """Make one pair by the services, and return what a reservation of theirs says that every one does."""
    (work,) = callers.works_of(world.callers[:1])
    callers.pair(work)
    found = Reservation.objects.filter(wallet__organization=work.organization).latest("id")
    plain = Reservation.objects.filter(id=found.id)
    (row,) = plain.values_list("credits", "settled_credits")
    texts = ("estimate", "rate_card", "limits")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(f'{name}::text' for name in texts)} FROM credits_reservation WHERE id = %s",
            [found.id],
        )
        return [MODEL, *row, *cursor.fetchone()]


def script(*, first: int, count: int) -> str:
    """Return the pair as a script of pgbench, of some of so many callers."""
    n = f"\\set n random({first}, {first + count - 1})"
    hold, settle = (_for_pgbench(each) for each in (HOLD, SETTLE))
    return f"{n}\n{hold} \\gset\n{settle};\n"


def _for_pgbench(statement: str) -> str:
    return " ".join(statement.replace("%(n)s", ":n").replace("%(id)s", ":id").split())


def _version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int")
        (number,) = cursor.fetchone()
    return int(number)


def _columns(world: World) -> list[list[UUID]]:
    return [[c.organization_id for c in world.callers], [c.actor_id for c in world.callers]]
