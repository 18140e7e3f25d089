"""A family at work: everything that moves credits between a parent and its children, at once and for seconds.

Locks go parent before child. If one command took them the other way round, the database would have to choose a victim; it counts them.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from django.db import OperationalError, connection, transaction

from credits import ledger, services
from credits.models import LedgerEntry, Reservation, Wallet
from organizations import services as organization_services
from organizations.idempotency import sqlstate
from organizations.models import Organization
from tests.factories import (
    NOW,
    adjust,
    allocate,
    archive,
    end_refill_cooldown,
    expire,
    grant,
    make_family,
    make_key,
    make_organization,
    reclaim,
    release,
    renew,
    resume,
    set_terms,
    settle,
    suspend,
    try_to_grow,
    try_to_reserve,
    wallet_of,
)
from tests.races.threads import of, together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

SECONDS = 5.0
WORKERS = 12
CHILDREN = 3
TYPED = (
    ledger.InsufficientCredits,
    services.HasActiveChildren,
    services.ReservationClosed,
    organization_services.OrganizationArchived,
    organization_services.OrganizationSuspended,
)
"""How a command may be refused here. Anything else is a failure."""


def deadlocks() -> int:
    """Return how many deadlocks the database has seen, of sessions that have ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


class Family:
    """A parent, its children, and one worker's dice."""

    def __init__(self, parent: Organization, seed: int) -> None:
        self.parent = parent
        self.dice = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.now = NOW

    def work(self, until: float) -> "Family":
        """Do everything once, in some order; then one thing after another until the time is over."""
        acts = self.acts()
        for act in self.dice.sample(acts, len(acts)):
            self.do(act)
        while time.monotonic() < until:
            self.do(self.dice.choice(acts))
        return self

    def do(self, act: Callable[[], object]) -> None:
        self.now += timedelta(seconds=self.dice.randrange(60))
        try:
            act()
        except TYPED as refusal:
            self.done[type(refusal).__name__] += 1
        else:
            self.done[act.__name__] += 1

    def acts(self) -> list[Callable[[], object]]:
        return [
            *[self.reserve] * 6,
            *[self.settle] * 4,
            *[self.release, self.expire, self.grow] * 2,
            *[self.allocate] * 3,
            *[self.reclaim] * 2,
            *[self.reserve_at_the_parent, self.settle_at_the_parent, self.fund],
            *[self.archive_and_replace, self.suspend_and_resume, self.end_cooldown],
            *[self.renew, self.set_terms, self.mint],
        ]

    def child(self) -> Organization:
        """Return any child, archived or not: the holds of an archived one must still end."""
        children = self.parent.children.order_by("-id")[: CHILDREN + 2]
        return self.dice.choice(list(children))

    def hold(self, organization: Organization) -> Reservation | None:
        holds = Reservation.objects.filter(wallet__organization=organization, status="open")
        return holds.order_by("?").first()

    def reserve(self) -> None:
        ttl = timedelta(seconds=self.dice.randrange(1, 900))
        try_to_reserve(self.child(), self.dice.randrange(1, 30), now=self.now, ttl=ttl)

    def settle(self) -> None:
        if hold := self.hold(self.child()):
            settle(hold, self.dice.randrange(0, 40), now=self.now)

    def release(self) -> None:
        if hold := self.hold(self.child()):
            release(hold, now=self.now)

    def grow(self) -> None:
        if hold := self.hold(self.child()):
            try_to_grow(hold, hold.credits + 10, now=self.now)

    def expire(self) -> None:
        expire(self.child(), now=self.now)

    def allocate(self) -> None:
        allocate(self.child(), self.dice.randrange(1, 60), now=self.now)

    def reclaim(self) -> None:
        reclaim(self.child(), now=self.now)

    def reserve_at_the_parent(self) -> None:
        try_to_reserve(self.parent, self.dice.randrange(1, 30), now=self.now)

    def settle_at_the_parent(self) -> None:
        if hold := self.hold(self.parent):
            settle(hold, self.dice.randrange(0, 40), now=self.now)

    def fund(self) -> None:
        grant(self.parent, 500, now=self.now, expires_at=self.now + timedelta(days=1))
        adjust(self.parent, -1, now=self.now)

    def archive_and_replace(self) -> None:
        archive(self.child(), now=self.now)
        newcomer(self.parent, now=self.now)

    def suspend_and_resume(self) -> None:
        child = self.child()
        suspend(child, now=self.now)
        resume(child, now=self.now)

    def end_cooldown(self) -> None:
        end_refill_cooldown(self.child(), now=self.now)

    def renew(self) -> None:
        """Only now and then does a month end; then for everybody."""
        self.now += timedelta(days=self.dice.choice([0, 0, 0, 9]))
        renew(self.child(), now=self.now)

    def set_terms(self) -> None:
        set_terms(self.child(), now=self.now, monthly_cap=self.dice.choice([None, 300]))

    def mint(self) -> None:
        make_key(self.child(), now=self.now)


def newcomer(parent: Organization, *, now: datetime = NOW) -> Organization:
    return make_organization(
        "Customer",
        parent=parent,
        now=now,
        allowance=20,
        refill_threshold=40,
        refill_amount=50,
        refill_cooldown_seconds=5,
    )


class TestFamily:
    def test_never_deadlocks(self) -> None:
        parent = make_organization("Harbour Reseller", funded=5_000)
        for _ in range(CHILDREN):
            newcomer(parent)
        before = deadlocks()
        until = time.monotonic() + SECONDS
        families = [Family(parent, seed) for seed in range(WORKERS)]

        outcomes = together(*[lambda family=family: family.work(until) for family in families])

        assert of(Exception, outcomes) == []
        assert deadlocks() == before
        done = sum((family.done for family in families), Counter())
        everything = {act.__name__ for act in families[0].acts()}
        assert everything <= set(done), f"never done: {everything - set(done)}"
        moved = set(LedgerEntry.objects.values_list("kind", flat=True).distinct())
        assert {"allocate", "refill", "sweep", "settle", "renew", "lapse"} <= moved
        gone = Wallet.objects.filter(organization__status="archived")
        assert not gone.filter(reserved=0, balance__gt=0).exists()

    def test_would_deadlock_with_the_locks_the_other_way_round(self) -> None:
        parent, child = make_family()
        both_hold_one = Barrier(2, timeout=30)
        before = deadlocks()

        def lock(first: Organization, second: Organization) -> None:
            with transaction.atomic():
                ledger.lock(first.id)
                both_hold_one.wait()
                ledger.lock(second.id)

        outcomes = together(lambda: lock(parent, child), lambda: lock(child, parent))

        (victim,) = of(OperationalError, outcomes)
        assert sqlstate(victim) == "40P01"
        assert deadlocks() == before + 1
        assert wallet_of(parent).reserved == 0
