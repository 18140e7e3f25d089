"""A command that dies at any of its statements leaves nothing half done, and can be asked again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from inspect import signature
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import TransactionManagementError

from credits import ledger, services
from credits.models import LedgerEntry, Reservation
from credits.services import BillingExhausted
from organizations import idempotency
from organizations.idempotency import Answer, Denied, Key
from organizations.models import Organization
from tests.factories import (
    NOW,
    STAFF,
    adjust,
    allocate,
    archive,
    at,
    end_refill_cooldown,
    expire,
    extend,
    grant,
    later,
    make_family,
    make_key,
    make_organization,
    recharge,
    reclaim,
    release,
    renew,
    reserve,
    reverse,
    set_terms,
    settle,
    suspend,
    try_to_grow,
    try_to_reserve,
)
from tests.races.crashpoints import IS_KILLED, RAISES, Command, State, try_every_death
from tests.races.state import state_of
from usage.services import Done, Work, settling, spending, terms
from usage.services.wanting import Request

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

JUNE = at("2026-06-01")


@dataclass(frozen=True)
class World:
    parent: Organization
    child: Organization
    hold: Reservation | None = None

    @property
    def open_hold(self) -> Reservation:
        assert self.hold is not None
        return Reservation.objects.get(id=self.hold.id)


def by_key(act: Callable[[World], object]) -> Callable[[World], None]:
    """Do as a door does: once for a key, and a denial is told after the commit."""

    def door(world: World) -> None:
        def command() -> Answer | Denied:
            outcome = act(world)
            if isinstance(outcome, BillingExhausted):
                return Denied(outcome)
            return Answer(200, {"done": True})

        try:
            idempotency.run(command, key=Key.of(world.parent, "k-1", "POST"), now=NOW)
        except BillingExhausted:
            pass

    return door


def funded() -> World:
    """A child with two lots, a cap, and a parent with more."""
    parent, child = make_family(funded=1_000, monthly_cap=500)
    allocate(child, 60)
    grant(child, 40, expires_at=later(days=3))
    return World(parent, child)


def holding() -> World:
    world = funded()
    return World(world.parent, world.child, reserve(world.child, 30))


def low() -> World:
    """A child that its next request brings below its threshold."""
    parent, child = make_family(funded=1_000, refill_threshold=100, refill_amount=50)
    return World(parent, child)


def refused_before() -> World:
    """A child whose parent was short, and is not any more."""
    parent, child = make_family(funded=10, refill_threshold=100, refill_amount=50)
    try_to_reserve(child, 20)
    grant(parent, 1_000)
    return World(parent, child)


def included() -> World:
    """A child with an allowance, some of which rolls over, an expiring lot, and an open hold."""
    parent, child = make_family(funded=1_000, allowance=80, rollover_limit=20)
    grant(child, 40, expires_at=at("2026-05-31"))
    make_key(child)
    return World(parent, child, reserve(child, 30))


def archived() -> World:
    world = included()
    archive(world.child)
    return world


def buyer() -> World:
    parent, child = make_family(funded=0)
    set_terms(parent, recharge_limit=100)
    return World(parent, child)


def in_debt() -> World:
    world = holding()
    settle(world.open_hold, 150)
    return World(world.parent, world.child)


def settled() -> World:
    """A child that spent what has ended when its work is taken back."""
    world = holding()
    settle(world.open_hold, 30)
    return world


def charge(world: World) -> LedgerEntry:
    return LedgerEntry.objects.get(reservation=world.hold, kind="settle")


def allocation(world: World) -> LedgerEntry:
    return LedgerEntry.objects.get(wallet__organization=world.child, kind="allocate")


def known(arrange: Callable[[], World]) -> Callable[[], World]:
    """Arrange a world whose child's terms the process has read: who dies while it reads them has done nothing yet."""

    def arranged() -> World:
        world = arrange()
        terms.book_of(world.child)
        return world

    return arranged


# A door's commands are asked for with a key; the calendar's are asked for again by themselves.
COMMANDS: dict[str, tuple[Callable[[], World], Callable[[World], object]]] = {
    "reserve": (funded, by_key(lambda w: try_to_reserve(w.child, 30))),
    "reserve at once": (known(funded), lambda w: try_to_reserve(w.child, 30)),
    "settle at once": (holding, lambda w: settle(w.open_hold, 20)),
    "reserve and refill": (low, by_key(lambda w: try_to_reserve(w.child, 20))),
    "refill and deny": (low, by_key(lambda w: try_to_reserve(w.child, 70))),
    "reserve over a boundary": (included, by_key(lambda w: try_to_reserve(w.child, 5, now=JUNE))),
    "grow": (holding, by_key(lambda w: try_to_grow(w.open_hold, 50))),
    "extend": (holding, by_key(lambda w: extend(w.open_hold, hours=2))),
    "settle": (holding, by_key(lambda w: settle(w.open_hold, 20))),
    "settle into debt": (holding, by_key(lambda w: settle(w.open_hold, 150))),
    "settle and sweep": (archived, by_key(lambda w: settle(w.open_hold, 20))),
    "release": (holding, by_key(lambda w: release(w.open_hold))),
    "expire": (holding, lambda w: expire(w.child, now=later(hours=1))),
    "grant": (in_debt, by_key(lambda w: grant(w.child, 70))),
    "adjust": (funded, by_key(lambda w: adjust(w.child, -70))),
    "recharge": (buyer, by_key(lambda w: recharge(w.parent, 70))),
    "allocate": (in_debt, by_key(lambda w: allocate(w.child, 70))),
    "reclaim": (funded, by_key(lambda w: reclaim(w.child, 20))),
    "reverse work": (settled, by_key(lambda w: reverse(charge(w), now=later(days=4)))),
    "reverse a transfer": (funded, by_key(lambda w: reverse(allocation(w)))),
    "renew": (included, lambda w: renew(w.child, now=JUNE)),
    "renew together": (
        included,
        lambda w: services.renew_together(organizations=[w.child, w.parent], now=JUNE),
    ),
    "end a cooldown": (refused_before, lambda w: end_refill_cooldown(w.child, now=later(hours=1))),
    "create": (buyer, by_key(lambda w: make_organization(parent=w.parent, allowance=10))),
    "update terms": (funded, by_key(lambda w: set_terms(w.child, monthly_cap=5, allowance=10))),
    "suspend": (funded, by_key(lambda w: suspend(w.child))),
    "archive": (included, by_key(lambda w: archive(w.child))),
}


OFTEN = ("reserve and refill", "settle", "renew together", "reverse work", "archive")
"""What the ordinary run tries; `make test-slow` tries all of them, and so does CI."""


def state(world: World) -> State:
    return state_of(world.parent)


class TestEveryCommand:
    @pytest.mark.parametrize(
        "name",
        [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in COMMANDS],
    )
    def test_happens_wholly_or_not_at_all(self, name: str) -> None:
        arrange, act = COMMANDS[name]

        report = try_every_death(Command(arrange, act, state), RAISES, IS_KILLED)

        assert report.failures == []
        assert report.deaths >= (2 if "at once" in name else 10)


LOCKING = (
    *("extend", "release", "expire"),
    *("grant", "adjust", "recharge", "allocate", "renew", "end_refill_cooldown"),
    *("suspend", "resume", "archive", "update_terms", "reverse"),
)


class TestTheProofItself:
    """What would go wrong is found: otherwise the tests above say nothing."""

    @pytest.mark.broken_books
    def test_finds_a_command_that_commits_in_the_middle(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free = ledger.free

        def free_and_commit(*whose: Any, **spent: Any) -> None:
            free(*whose, **spent)
            connection.connection.commit()

        monkeypatch.setattr(ledger, "free", free_and_commit)
        arrange, act = COMMANDS["release"]

        report = try_every_death(Command(arrange, act, state), RAISES, IS_KILLED)

        assert any("reserved is the sum" in failure for failure in report.failures)

    @pytest.mark.broken_books
    def test_finds_a_service_that_opens_no_transaction(self) -> None:
        create = vars(services.create_organization)["__wrapped__"]

        def act(world: World) -> None:
            create(name=world.parent.public_id, allowance=Decimal(10), now=NOW)

        def made(world: World) -> State:
            found = Organization.objects.filter(name=world.parent.public_id)
            return {
                "organizations": found.count(),
                "funded": found.filter(wallet__balance=10).count(),
            }

        report = try_every_death(Command(buyer, act, made), RAISES)

        assert any("organizations: 0 became 1" in failure for failure in report.failures)

    @pytest.mark.parametrize("name", LOCKING)
    def test_needs_no_more_than_the_lock_to_notice_a_missing_transaction(self, name: str) -> None:
        alone = bare(getattr(services, name))
        parent, child = make_family(funded=1_000)
        possible = {
            "organization": parent,
            "child": child,
            "reservation_id": reserve(parent, 10).id,
            "entry": LedgerEntry.objects.get(wallet__organization=parent),
            "time_to_live": timedelta(hours=1),
            "changes": {"monthly_cap": Decimal(5)},
            "credits": Decimal(5),
            "amount": Decimal(5),
            "reason": "a test",
            "performed_by": STAFF,
            "now": NOW,
        }
        required = [p for p in signature(alone).parameters.values() if p.default is p.empty]

        with pytest.raises(TransactionManagementError):
            alone(**{parameter.name: possible[parameter.name] for parameter in required})

    @pytest.mark.parametrize("name", ["reserve", "check", "grow", "settle"])
    def test_needs_no_more_than_the_savepoint_or_the_lock_to_notice_it_of_work(
        self, name: str
    ) -> None:
        parent, _ = make_family(funded=1_000)
        held = reserve(parent, 10)
        request = Request(Work(parent, credits=Decimal(5)), NOW)
        done = Done(parent, held, STAFF, NOW, Decimal(5))
        careful: dict[str, Callable[[], object]] = {
            "reserve": lambda: bare(spending.with_care)(request),
            "check": lambda: bare(spending.check_with_care)(replace(request, kind="check")),
            "grow": lambda: bare(spending.grow)(
                organization=parent, reservation_id=held.id, now=NOW, credits=Decimal(15)
            ),
            "settle": lambda: bare(settling.settle_with_care)(done),
        }

        with pytest.raises(TransactionManagementError):
            careful[name]()


def bare(service: Any) -> Any:
    """Return a service without its transaction."""
    return vars(service)["__wrapped__"]
