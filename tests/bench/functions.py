"""The functions of the database, called as directly as they can be: by the scripts of pgbench, by bare views, on one connection."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection

from config import roles
from credits.models import Reservation, Wallet
from tests.bench import callers, calling, recording, steps
from tests.bench.world import Caller, World

SQL = Path(__file__).parent / "sql"
HOLD = "SELECT bench.hold(%(n)s) AS id"
SETTLE = "SELECT bench.settle(%(n)s, %(id)s) AS outcome"
KEYED_HOLD = "SELECT bench.keyed_hold(%(n)s) AS id"
KEYED_SETTLE = "SELECT bench.keyed_settle(%(n)s, %(id)s) AS outcome"
CHECK = "SELECT bench.check(%(n)s) AS outcome"
EVENTS = "SELECT bench.tell(%(n)s, %(events)s) AS accepted"
BARE_HOLD = "SELECT bench.bare_hold(%(n)s, bench.new_id(), 0.04) AS id"
BARE_SETTLE = "SELECT bench.bare_settle(%(n)s, %(id)s, 0.03) AS outcome"

_UUIDS = {True: "uuidv7()", False: "gen_random_uuid()"}
"""Whether the server makes ids that grow with time, as Purser does."""
_CALLERS = """
    INSERT INTO bench.caller
    SELECT number - 1, organization_id, wallet.id, actor_id, terms_version, %s
    FROM unnest(%s::uuid[], %s::uuid[]) WITH ORDINALITY AS asks (organization_id, actor_id, number)
        JOIN credits_wallet wallet USING (organization_id)"""
_HELD = "CASE WHEN outcome = 'held' THEN v_id END"
"""The id of a hold; none where it is refused, which no script gets past."""


def make(world: World) -> None:
    """Make the schema `bench` with what the statements above need."""
    sample = world.callers[0]
    by_services, by_door, by_check = _by_services(sample), _by_door(sample), _by_check(sample)
    with roles.as_owner(), connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS bench CASCADE")
        cursor.execute("CREATE SCHEMA bench")
        new_id = _UUIDS[_version() >= 180000]
        cursor.execute(
            f"CREATE FUNCTION bench.new_id() RETURNS uuid LANGUAGE sql AS 'SELECT {new_id}'"
        )
        for name in ("world", "bare", "events"):
            cursor.execute((SQL / f"{name}.sql").read_text())
        cursor.execute(_CALLERS, [_cost(sample), *_columns(world)])
        for prefix, calls in {"": by_services, "keyed_": by_door}.items():
            own = _own(sample, calls)
            recording.wrap(f"{prefix}hold", calls, recording.HOLD, own, answer=_HELD)
            recording.wrap(f"{prefix}settle", calls, recording.SETTLE, own, answer="outcome")
        recording.wrap("check", by_check, recording.HOLD, _own(sample, by_check), answer="outcome")
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


def script(*, first: int, count: int) -> str:
    """Return the pair as a script of pgbench, of some of so many callers."""
    n = f"\\set n random({first}, {first + count - 1})"
    hold, settle = (_for_pgbench(each) for each in (HOLD, SETTLE))
    return f"{n}\n{hold} \\gset\n{settle};\n"


def _by_services(sample: Caller) -> recording.Calls:
    """Make a pair by the services, and return what they called."""
    (work,) = callers.works_of([sample])
    callers.pair(
        work
    )  # the first one resolves what it is about, and makes the counters of the month
    with recording.recording(datetime.now(UTC)) as calls:
        callers.pair(work)
    return calls


def _by_door(sample: Caller) -> recording.Calls:
    """Make one by the API, with idempotency keys."""
    handler = WSGIHandler()
    with recording.recording(datetime.now(UTC)) as calls:
        held = calling.ask(handler, sample, steps.RESERVE, f"{recording.KEY}-hold")
        calling.ask(handler, sample, steps.SETTLE, f"{recording.KEY}-settle", held["id"])
    return calls


def _by_check(sample: Caller) -> recording.Calls:
    handler = WSGIHandler()
    with recording.recording(datetime.now(UTC)) as calls:
        calling.ask(handler, sample, steps.CHECK, recording.KEY)
    return calls


def _own(sample: Caller, calls: recording.Calls) -> Mapping[str, str]:
    """Return what belongs to the sample and its hold, and where that of others is."""
    wallet = Wallet.objects.get(organization_id=sample.organization_id)
    held = Reservation.objects.filter(wallet=wallet, created_at__gte=calls.began).first()
    own = {
        str(sample.organization_id): "c.organization_id::text",
        str(sample.actor_id): "c.actor_id::text",
        str(wallet.terms_version): "c.terms_version::text",
    }
    return own | ({str(held.id): "v_id::text"} if held else {})


def _cost(sample: Caller) -> Decimal:
    """Return what the work of a pair is charged."""
    settled = Reservation.objects.filter(wallet__organization=sample.organization_id)
    return settled.values_list("settled_credits", flat=True).order_by("-id")[0] or Decimal(0)


def _version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int")
        (number,) = cursor.fetchone()
    return int(number)


def _for_pgbench(statement: str) -> str:
    return " ".join(statement.replace("%(n)s", ":n").replace("%(id)s", ":id").split())


def _columns(world: World) -> list[list[UUID]]:
    return [[c.organization_id for c in world.callers], [c.actor_id for c in world.callers]]
