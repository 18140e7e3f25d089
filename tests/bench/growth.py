"""What reports and reads cost when there is very much behind them."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from unittest import mock
from urllib.parse import quote

from django.db import connection

from config import roles
from credits.models import LedgerEntry, Reservation, Wallet
from organizations.models import Actor, Organization
from tests.bench import callers, filling, steps
from tests.bench.bench import Bench
from tests.bench.client import Step
from tests.bench.doors import percentiles
from tests.bench.measuring import Line, by_turns, problems_of, say
from tests.bench.world import Caller, settle_down
from usage.models import AIModel, UsageEvent
from usage.services import rollups

ACTORS = 100
DAYS = 365
HUNDREDTHS = 10
"""So many entries for each reservation: asOf looks at both."""
SMALL = 1_000
"""The large ledger has so many times as much as the small one."""
MOMENTS = 8
REPORTS, SMALL_LEDGER, LARGE_LEDGER = 1, 2, 3
"""Whose wallets they are, of those that are kept apart."""


def report(bench: Bench, name: str, path: str) -> Line:
    """Measure a report of an organization with very many events; beside it, a view that does nothing."""
    caller = bench.apart(REPORTS)
    fill_events(bench, caller)
    sides = {
        "Purser": partial(bench.ask, bench.purser, Step("GET", path)),
        "nothing": partial(bench.ask, bench.bare, steps.NOTHING),
    }
    measured = by_turns(
        name,
        bench.options.rounds,
        {side: partial(ask, callers=[caller], connections=1) for side, ask in sides.items()},
    )
    ours, nothing = (percentiles(measured[side]) for side in ("Purser", "nothing"))
    failures = [each.failures for side in measured.values() for each in side]
    return Line(name, ours["p50"], "ms", nothing["p50"], ours, problems_of(failures))


def balance(bench: Bench, name: str) -> Line:
    """Compare a read of a wallet with very many entries with one of a thousandth."""
    fill_ledgers(bench)
    return _growth(
        bench, name, {each: [Step("GET", "/api/v1/credits")] for each in _ledgers(bench)}
    )


def as_of(bench: Bench, name: str) -> Line:
    """Compare a read of what a wallet was, likewise."""
    fill_ledgers(bench)
    return _growth(bench, name, {each: _moments(each) for each in _ledgers(bench)})


def fill_events(bench: Bench, caller: Caller) -> None:
    """Write the events of a year, and their rollups, unless they are there."""
    mine = {"organization_id": caller.organization_id}
    events = UsageEvent.objects.filter(**mine)
    if events.count() > 1:
        return
    say(f"  {bench.options.events:,} events, set-wise")
    _pair(caller)
    sample = events.latest("id")
    actors, models = _actors(caller), list(AIModel.objects.values_list("slug", flat=True))
    day = f"(date_trunc('day', now()) - (n %% {DAYS}) * interval '1 day')"
    with filling.unchecked("usage_usageevent"):
        filling.copy(
            "usage_usageevent",
            f"id = '{sample.id}'",
            bench.options.events,
            values={"actors": actors, "models": models},
            id="bench.new_id()",
            source="'bench'",
            external_id="n::text",
            reservation_id="NULL",
            entry_id="NULL",
            actor_id=f"(%(actors)s::uuid[])[1 + n %% {ACTORS}]",
            model_id=f"(%(models)s::text[])[1 + n %% {len(models)}]",
            credits="round((n %% 97) / 1000.0, 6)",
            list_credits="round((n %% 97) / 1000.0, 6)",
            month=f"date_trunc('month', {day})::date",
            occurred_at=day,
            created_at=day,
            position="t.position + n",
        )
    with roles.as_owner(), connection.cursor() as cursor:
        cursor.execute(COUNT, mine)
    say("  their rollups")
    organization = Organization.objects.get(id=caller.organization_id)
    # Portion by portion would take as long as it does when nobody waits.
    with mock.patch.object(rollups, "PORTION", bench.options.events + 10):
        rollups.roll_up(organization=organization, now=datetime.now(UTC))
    settle_down()


COUNT = """
    UPDATE credits_wallet SET event_position = (SELECT max(position) FROM usage_usageevent WHERE organization_id = %(organization_id)s)
    WHERE organization_id = %(organization_id)s"""


def fill_ledgers(bench: Bench) -> None:
    """Write two ledgers, one a thousand times as long as the other, unless they are there."""
    large = bench.options.entries
    sizes = dict(zip(_ledgers(bench), (max(10, large // SMALL), large), strict=True))
    if all(_wallet(caller).head_number > 10 for caller in sizes):
        return
    for caller in sizes:
        _pair(caller)
    with filling.unchecked("credits_ledgerentry", "credits_grantdraw", "credits_reservation"):
        for caller, size in sizes.items():
            say(f"  {size:,} entries, set-wise")
            _fill_ledger(_wallet(caller), size)
    with roles.as_owner(), connection.cursor() as cursor:
        for caller, size in sizes.items():
            cursor.execute(HEAD, {"wallet": _wallet(caller).id, "size": size})


HEAD = """
    UPDATE credits_wallet SET head_number = head_number + %(size)s,
        created_at = (SELECT starts_at FROM credits_billingperiod period WHERE period.id = period_id)
    WHERE id = %(wallet)s"""


def _fill_ledger(wallet: Wallet, size: int) -> None:
    """Copy the last charge of a wallet, with its draw and its reservation, over the time since its period began."""
    entry = LedgerEntry.objects.filter(wallet=wallet, kind="settle").latest("number")
    held = Reservation.objects.filter(wallet=wallet).latest("id")
    span = "(SELECT starts_at FROM credits_billingperiod WHERE id = t.period_id)"
    moment = f"{span} + (now() - {span}) * (n / {size}.0)"
    filling.copy(
        "credits_ledgerentry",
        f"id = '{entry.id}'",
        size,
        id=f"md5('{wallet.id}' || n)::uuid",
        number="t.number + n",
        reservation_id="NULL",
        posted_at=moment,
    )
    filling.copy(
        "credits_grantdraw",
        f"entry_id = '{entry.id}'",
        size,
        entry_id=f"md5('{wallet.id}' || n)::uuid",
    )
    rare = moment.replace("n /", f"{HUNDREDTHS}.0 * n /")
    filling.copy(
        "credits_reservation",
        f"id = '{held.id}'",
        max(1, size // HUNDREDTHS),
        id="bench.new_id()",
        created_at=rare,
        closed_at=f"{rare} + interval '1 second'",
        expires_at=f"{rare} + interval '15 minutes'",
    )


def _growth(bench: Bench, name: str, asked: dict[Caller, list[Step]]) -> Line:
    sides = {
        side: partial(bench.ask, bench.purser, *asked[caller], callers=[caller], connections=1)
        for side, caller in zip(("small", "large"), asked, strict=True)
    }
    measured = by_turns(name, bench.options.rounds, sides)
    small, large = (percentiles(measured[side]) for side in ("small", "large"))
    failures = [each.failures for side in measured.values() for each in side]
    return Line(name, large["p50"], "ms", small["p50"], large, problems_of(failures))


def _moments(caller: Caller) -> list[Step]:
    """Return reads of a wallet at some moments of its period."""
    begun, now = _wallet(caller).created_at, datetime.now(UTC) - timedelta(seconds=10)
    moments = [begun + (now - begun) * (n + 1) / (MOMENTS + 1) for n in range(MOMENTS)]
    return [Step("GET", f"/api/v1/credits?asOf={quote(m.isoformat())}") for m in moments]


def _ledgers(bench: Bench) -> tuple[Caller, Caller]:
    return bench.apart(SMALL_LEDGER), bench.apart(LARGE_LEDGER)


def _wallet(caller: Caller) -> Wallet:
    return Wallet.objects.get(organization_id=caller.organization_id)


def _pair(caller: Caller) -> None:
    """Let a service write what is then copied."""
    (work,) = callers.works_of([caller])
    callers.pair(work)


def _actors(caller: Caller) -> list[Any]:
    """Make the people whose work it was; return their ids."""
    now = datetime.now(UTC)
    actors = Actor.objects.bulk_create(
        Actor(
            organization_id=caller.organization_id,
            name=f"Actor {n}",
            external_id=f"actor-{n}",
            created_at=now,
            updated_at=now,
        )
        for n in range(ACTORS)
    )
    return [actor.id for actor in actors]
