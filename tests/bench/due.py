"""What time makes due: renewals, and holds that expired."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection, connections

from config import roles
from credits import services
from credits.models import Wallet
from organizations.models import Job, Organization
from tests.bench import callers, filling, schema
from tests.bench.bench import Bench, hear
from tests.bench.measuring import Line, by_turns, say
from tests.bench.world import Caller, settle_down
from tests.scale.build import build
from usage.services import reserve

RENEWED_A_SECOND = 500
"""How many organizations are made for each second that a side is measured: it takes as long as it takes."""
WORKERS = 2
TOGETHER = 50
"""Organizations in one transaction, as the services have them."""
SWEPT_A_SECOND = 1_000
PORTION = 1_000
EXPIRED = 0
"""Whose holds they are, of those that are kept apart."""
Done = tuple[float, float]
"""How many, and how many seconds it took."""


def renew(bench: Bench, name: str) -> Line:
    """Measure two workers that renew, beside two sessions whose statements write the same for fifty organizations at a time."""
    count = max(20, round(RENEWED_A_SECOND * bench.options.seconds))
    sides = {
        "two workers": partial(_renew, bench, count),
        "statements": partial(_renew_bare, count),
    }
    return _line(name, "organizations/s", by_turns(name, bench.options.rounds, sides))


def sweep(bench: Bench, name: str) -> Line:
    """Measure how holds of one wallet expire, beside a statement for each thousand."""
    count = max(20, round(SWEPT_A_SECOND * bench.options.seconds))
    caller = bench.apart(EXPIRED)
    sides = {
        "the service": partial(_sweep, caller, count),
        "statements": partial(_sweep_bare, caller, count),
    }
    return _line(name, "holds/s", by_turns(name, bench.options.rounds, sides))


def _line(name: str, unit: str, measured: dict[str, list[Done]]) -> Line:
    ours, ceiling = (
        sum(count for count, _ in done) / sum(seconds for _, seconds in done)
        for done in measured.values()
    )
    return Line(name, ours, unit, ceiling)


def _make_due(count: int) -> list[UUID]:
    """Make organizations whose period has ended; return the ids of their wallets."""
    last_month = datetime.now(UTC).replace(day=1) - timedelta(days=3)
    seen = set(Wallet.objects.values_list("id", flat=True))
    for made in build(count, now=last_month):
        say(f"  {made:,} of {count:,} organizations whose month has ended")
    settle_down()
    return list(Wallet.objects.exclude(id__in=seen).values_list("id", flat=True))


def _renew(bench: Bench, count: int) -> Done:
    """Let two workers share the job; it says itself when it began and when its last organization was done."""
    wallets = _make_due(count)
    with ExitStack() as stack:
        workers = [
            stack.enter_context(bench.program("tests.bench.renewing")) for _ in range(WORKERS)
        ]
        for each in workers:
            hear(each)
        for each in workers:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        for each in workers:
            hear(each)
    left = Wallet.objects.filter(id__in=wallets, period__index=0).count()
    if left:
        raise RuntimeError(f"{left} of {count} have no new period")
    job = Job.objects.filter(finished_at__isnull=False).latest("started_at")
    assert job.finished_at is not None
    return job.done, (job.finished_at - job.started_at).total_seconds()


def _renew_bare(count: int) -> Done:
    wallets = _make_due(count)
    statements = _renewal()
    with roles.as_owner():
        owner = schema.where()
    connections.close_all()
    batches = [wallets[first : first + TOGETHER] for first in range(0, len(wallets), TOGETHER)]
    began = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as threads:
        shares = [batches[n::WORKERS] for n in range(WORKERS)]
        list(threads.map(partial(_write, statements, owner), shares))
    return count, time.perf_counter() - began


def _write(statements: Sequence[str], owner: dict[str, Any], batches: list[list[UUID]]) -> None:
    with psycopg.connect(**owner, prepare_threshold=0) as session:
        for batch in batches:
            for statement in statements:
                session.execute(statement, [batch])
            session.commit()


def _renewal() -> Sequence[str]:
    """Return the statements that write what a renewal writes: two entries with their draws, a grant, a period."""
    entries = {
        "id": "bench.new_id()",
        "number": "t.number + {}",
        "posted_at": "now()",
        "balance_after": "{}",
        "kind": "{}",
        "amount": "{}",
    }
    lapse = {
        **entries,
        "number": "2",
        "kind": "'lapse'",
        "amount": "-t.amount",
        "balance_after": "0",
    }
    renewed = {**entries, "number": "3", "kind": "'renew'", "amount": "t.amount"}
    renewed["balance_after"] = "t.amount"
    next_period = {
        "index": "t.index + 1",
        "starts_at": "t.ends_at",
        "ends_at": "t.ends_at + interval '1 month'",
        "term_starts_at": "t.ends_at",
        "term_ends_at": "t.ends_at + interval '1 month'",
        "closing_balance": "NULL",
        "closed_at": "NULL",
    }
    mine = "t.wallet_id = ANY (%s)"
    drawn = (
        "(SELECT id FROM credits_ledgerentry e WHERE e.wallet_id = g.wallet_id AND e.number = {})"
    )
    granted = {
        "id": "bench.new_id()",
        "entry_id": drawn.format(3).replace("g.", "t."),
        "term_starts_at": "t.expires_at",
        "expires_at": "t.expires_at + interval '1 month'",
    }
    return (
        "SELECT FROM credits_wallet WHERE id = ANY (%s) ORDER BY id FOR NO KEY UPDATE",
        _again("credits_ledgerentry", f"{mine} AND t.number = 1", lapse),
        (
            "UPDATE credits_billingperiod t SET closed_at = now(), closing_balance = 0"
            f" WHERE {mine} AND closed_at IS NULL"
        ),
        _again("credits_billingperiod", mine, next_period),
        _again("credits_ledgerentry", f"{mine} AND t.number = 1", renewed),
        _again("credits_grant", mine, granted),
        (
            "INSERT INTO credits_grantdraw (entry_id, grant_id, amount)"
            f" SELECT {drawn.format(2)}, g.id, -g.amount FROM credits_grant g WHERE g.wallet_id = ANY (%s)"
            " AND g.term_starts_at < date_trunc('month', now())"
        ),
        (
            "UPDATE credits_grant t SET remaining = 0"
            f" WHERE {mine} AND term_starts_at < date_trunc('month', now())"
        ),
        (
            "INSERT INTO credits_grantdraw (entry_id, grant_id, amount)"
            f" SELECT {drawn.format(3)}, g.id, g.amount FROM credits_grant g WHERE g.wallet_id = ANY (%s)"
            " AND g.term_starts_at >= date_trunc('month', now())"
        ),
        (
            "UPDATE credits_wallet w SET head_number = 3, period_id = p.id, lapse_at = p.ends_at"
            " FROM credits_billingperiod p WHERE w.id = ANY (%s) AND p.wallet_id = w.id AND p.closed_at IS NULL"
        ),
    )


def _again(table: str, which: str, others: dict[str, str]) -> str:
    """Return a statement that copies rows, with what differs."""
    columns = filling.columns_of(table)
    names = ", ".join(f'"{name}"' for name in columns)
    wanted = ", ".join(others.get(name, f't."{name}"') for name in columns)
    return f"INSERT INTO {table} ({names}) SELECT {wanted} FROM {table} t WHERE {which}"


def _expire(caller: Caller, count: int) -> None:
    """Give a wallet so many holds that expired a moment ago."""
    (work,) = callers.works_of([caller])
    held = reserve(
        work,
        performed_by=callers.BY,
        now=datetime.now(UTC),
        time_to_live=timedelta(days=1),
    )
    if isinstance(held, Exception):
        raise held
    with filling.unchecked():
        filling.copy(
            "credits_reservation",
            f"id = '{held.id}'",
            count - 1,
            id="bench.new_id()",
        )
    with roles.as_owner(), connection.cursor() as cursor:
        for statement in _HOLD:
            cursor.execute(statement, {"count": count - 1, "id": held.id})
        cursor.execute("VACUUM ANALYZE credits_reservation")


_HOLD = (
    (
        "UPDATE credits_reservation t SET expires_at = now() - interval '1 second' FROM credits_reservation r"
        " WHERE r.id = %(id)s AND t.wallet_id = r.wallet_id AND t.status = 'open'"
    ),
    (
        "UPDATE credits_wallet t SET reserved = t.reserved + %(count)s * r.credits, open_holds = open_holds + %(count)s"
        " FROM credits_reservation r WHERE r.id = %(id)s AND t.id = r.wallet_id"
    ),
    (
        "UPDATE credits_billingperiod t SET reserved = t.reserved + %(count)s * r.credits"
        " FROM credits_reservation r WHERE r.id = %(id)s AND t.id = r.period_id"
    ),
    (
        "UPDATE credits_usagecounter t SET reserved = t.reserved + %(count)s * r.credits"
        " FROM credits_reservation r WHERE r.id = %(id)s AND t.id = ANY (r.counter_ids)"
    ),
)


def _sweep(caller: Caller, count: int) -> Done:
    _expire(caller, count)
    organization = Organization.objects.get(id=caller.organization_id)
    began = time.perf_counter()
    swept = 0
    while found := services.expire(organization=organization, now=datetime.now(UTC)):
        swept += found
    took = time.perf_counter() - began
    if swept != count:
        raise RuntimeError(f"{swept} of {count} holds expired")
    return count, took


def _sweep_bare(caller: Caller, count: int) -> Done:
    """End them by a statement for each thousand, and nothing else; what they had reserved is given back afterwards, unmeasured."""
    _expire(caller, count)
    wallet = Wallet.objects.get(organization_id=caller.organization_id)
    reserved = wallet.reserved
    began = time.perf_counter()
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_BARE_SWEEP, [wallet.id, PORTION])
            if cursor.rowcount < PORTION:
                break
    took = time.perf_counter() - began
    with roles.as_owner(), connection.cursor() as cursor:
        for statement in _GIVE_BACK:
            cursor.execute(statement, {"wallet": wallet.id, "reserved": reserved})
    return count, took


_BARE_SWEEP = """
    UPDATE credits_reservation r SET status = 'expired', closed_at = now()
    FROM (
        SELECT id FROM credits_reservation WHERE wallet_id = %s AND status = 'open' AND expires_at <= now()
        ORDER BY expires_at LIMIT %s
    ) AS due WHERE r.id = due.id"""
_GIVE_BACK = (
    "UPDATE credits_wallet SET reserved = 0, open_holds = 0 WHERE id = %(wallet)s",
    "UPDATE credits_billingperiod SET reserved = 0 WHERE wallet_id = %(wallet)s",
    "UPDATE credits_usagecounter SET reserved = 0 WHERE wallet_id = %(wallet)s",
)
