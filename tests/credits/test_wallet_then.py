"""What a wallet was at a moment: the very answer that a read of that moment gave, whatever was posted since."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from credits import services
from credits.ledger import InsufficientCredits
from credits.models import LedgerEntry, Reservation
from credits.reconcile import CHECKS, reconcile
from credits.serializers import CreditsShape
from organizations.jobs import Found
from organizations.models import Organization
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests import factories as f
from tests.books import CLOCK
from tests.callers import caller_of, child_path, details, error, ok
from tests.callers import clock as clock
from tests.factories import NOW, at, later

pytestmark = pytest.mark.django_db(transaction=True)
REFUSED = (
    InsufficientCredits,
    OrganizationArchived,
    OrganizationSuspended,
    services.AlreadyReversed,
    services.AlreadySettled,
    services.HasActiveChildren,
    services.NotReversible,
    services.RechargeLimitReached,
    services.ReservationClosed,
)
END = timedelta(days=400)


def shown(organization: Organization, *, now: datetime) -> dict[str, Any]:
    """Return what a read at `now` answers."""
    return dict(CreditsShape(services.wallet_as_of(current(organization), now=now)).data)


def shown_then(organization: Organization, then: datetime, *, now: datetime) -> dict[str, Any]:
    """Return what a read at `now` answers of a moment before."""
    reading = services.wallet_then(current(organization), then=then, now=now)
    return dict(CreditsShape(reading).data)


def current(organization: Organization) -> Organization:
    return Organization.objects.get(pk=organization.pk)


def leaps() -> list[Found]:
    """Return what the audit says of clocks that leapt."""
    return reconcile({CLOCK: CHECKS[CLOCK]})


class World:
    """A parent and a child to whom random things happen, one after another, with reads between them."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now = NOW
        self.parent = f.make_organization("Parent", funded=500, recharge_limit=50, allowance=40)
        self.child = f.make_organization(
            parent=self.parent,
            allowance=self.dice.choice([0, 60]),
            allowance_per_user=7,
            rollover_limit=self.dice.choice([0, 15]),
            term=self.dice.choice(["month", "year"]),
            refill_threshold=5,
            refill_amount=20,
            overdraft_limit=self.dice.choice([0, 30]),
        )
        self.seen: list[tuple[Organization, datetime, dict[str, Any]]] = []

    def live(self, steps: int) -> None:
        for _ in range(steps):
            self.pass_time()
            self.look()
            self.pass_time()
            try:
                self.dice.choice(self.happenings)()
            except REFUSED:
                continue

    def end(self) -> None:
        """Archive the child while holds of it are open, and look on while they end one after another."""
        f.resume(current(self.child), now=self.now)
        f.adjust(current(self.child), 100, now=self.now)
        for hours in (1, 5, 11):
            f.reserve(current(self.child), 20, now=self.now, ttl=timedelta(hours=hours))
        self.now += timedelta(minutes=1)
        f.archive(current(self.child), now=self.now)
        for _ in range(4):
            self.now += timedelta(hours=3)
            self.look()
        self.pass_time()
        f.settle(Reservation.objects.order_by("-id")[0], 15, now=self.now)
        self.pass_time()
        self.look()

    def pass_time(self) -> None:
        span = self.dice.choice([0.01, 0.1, 1, 5, 24, 24 * 8])
        self.now += timedelta(hours=span * self.dice.random(), microseconds=1)

    def look(self) -> None:
        for organization in (self.parent, self.child):
            self.seen.append((organization, self.now, shown(organization, now=self.now)))

    @property
    def happenings(self) -> list[Callable[[], Any]]:
        return [
            *[self.reserve] * 6,
            *[self.settle] * 5,
            *[self.grow, self.extend] * 3,
            *[self.grant, self.allocate, self.reverse] * 2,
            self.release,
            self.adjust,
            self.recharge,
            self.charge_again,
            self.suspend,
            self.resume,
            *[self.new_user] * 2,
            self.new_terms,
            self.upgrade,
            self.renew,
        ]

    @property
    def one(self) -> Organization:
        return current(self.dice.choice([self.parent, self.child]))

    def amount(self) -> int:
        return self.dice.randint(1, 40)

    def hold(self) -> Reservation | None:
        """Pick a hold that is open, or only recently was."""
        holds = Reservation.objects.filter(status__in=["open", "expired"]).order_by("-id")[:8]
        return self.dice.choice(list(holds)) if holds else None

    def reserve(self) -> None:
        ttl = timedelta(minutes=self.dice.choice([1, 15, 600, 1_440]))
        f.try_to_reserve(self.one, self.amount(), now=self.now, ttl=ttl)

    def settle(self) -> None:
        if (hold := self.hold()) is not None:
            f.settle(hold, self.amount(), now=self.now)

    def release(self) -> None:
        if (hold := self.hold()) is not None:
            f.release(hold, now=self.now)

    def grow(self) -> None:
        if (hold := self.hold()) is not None:
            f.try_to_grow(hold, hold.credits + self.amount(), now=self.now)

    def extend(self) -> None:
        if (hold := self.hold()) is not None:
            f.extend(hold, now=self.now, hours=self.dice.choice([1, 20]))

    def grant(self) -> None:
        days = self.dice.choice([None, 1, 10, 40])
        expires_at = None if days is None else self.now + timedelta(days=days)
        f.grant(self.one, self.amount(), now=self.now, expires_at=expires_at)

    def upgrade(self) -> None:
        allowance, per_user = self.amount() + 30, self.amount()
        f.upgrade(self.one, allowance=allowance, allowance_per_user=per_user, now=self.now)

    def adjust(self) -> None:
        f.adjust(self.one, self.dice.choice([-3, 5]), now=self.now)

    def recharge(self) -> None:
        f.recharge(self.parent, self.amount(), now=self.now)

    def allocate(self) -> None:
        f.allocate(current(self.child), self.amount(), now=self.now)

    def reverse(self) -> None:
        entries = LedgerEntry.objects.order_by("-posted_at")[:12]
        f.reverse(self.dice.choice(list(entries)), now=self.now)

    def charge_again(self) -> None:
        charges = LedgerEntry.objects.filter(kind="settle", reversed_by=None)
        charge = charges.order_by("?").first()
        if charge is None:
            return
        f.charge_again(charge, self.amount(), now=self.now)

    def suspend(self) -> None:
        f.suspend(current(self.child), now=self.now)

    def resume(self) -> None:
        f.resume(current(self.child), now=self.now)

    def new_user(self) -> None:
        services.create_actor(organization=current(self.child), name="Ada", now=self.now)

    def new_terms(self) -> None:
        f.set_terms(current(self.child), now=self.now, allowance=self.amount())

    def renew(self) -> None:
        f.renew(self.one, now=self.now)

    def archive(self) -> None:
        f.archive(current(self.child), now=self.now)


class TestWalletThen:
    @pytest.mark.parametrize(
        ("seed", "steps"),
        [(2, 60), *(pytest.param(seed, 120, marks=pytest.mark.slow) for seed in range(3, 8))],
    )
    def test_is_what_a_read_of_that_moment_answered(self, seed: int, steps: int) -> None:
        world = World(seed)
        world.live(steps)
        world.end()

        for organization, then, answer in world.seen:
            assert shown_then(organization, then, now=world.now) == answer, (seed, then)
        for organization, then, answer in world.dice.sample(world.seen, 5):
            assert shown_then(organization, then, now=world.now + END) == answer, (seed, then)

    def test_knows_a_hold_before_it_grew(self) -> None:
        one = f.make_organization(funded=100)
        hold = f.reserve(one, 10)
        f.grow(hold, 25, now=later(minutes=5))

        before = services.wallet_then(one, then=later(minutes=4), now=later(minutes=6))
        after = services.wallet_then(one, then=later(minutes=5), now=later(minutes=6))

        assert (before.wallet.reserved, after.wallet.reserved) == f.amounts(10, 25)

    def test_counts_what_the_calendar_posted_late_as_if_it_were_in_time(self) -> None:
        one = f.make_organization(allowance=10, rollover_limit=4)
        f.renew(one, now=at("2026-08-20"))

        july = services.wallet_then(one, then=at("2026-07-01"), now=at("2026-08-21"))

        assert july.period.starts_at == at("2026-07-01")
        assert (july.wallet.balance, july.included) == f.amounts(14, 14)

    def test_counts_a_lapse_by_hand_when_it_was_posted(self) -> None:
        """What a reversal returned to a grant that had ended was never there in between."""
        one = f.make_organization()
        f.grant(one, 10, expires_at=later(days=1))
        work = f.spend(one, 10)
        charge = LedgerEntry.objects.get(reservation=work)
        f.reverse(charge, now=later(days=10))

        between = services.wallet_then(one, then=later(days=5), now=later(days=11))

        assert between.wallet.balance == 0

    def test_counts_by_number_what_waited_for_the_lock(self) -> None:
        """The request that came first got the lock second."""
        one = f.make_organization(funded=1_000)
        first, second = (f.reserve(one, n, now=later(seconds=1)) for n in (100, 10))
        f.settle(second, 10, now=later(seconds=5, milliseconds=20))
        f.settle(first, 100, now=later(seconds=5))

        between = services.wallet_then(
            one, then=later(seconds=5, milliseconds=10), now=later(hours=1)
        )
        after = services.wallet_then(one, then=later(minutes=30), now=later(hours=1))

        assert (between.wallet.balance, between.wallet.reserved) == f.amounts(1_000, 110)
        assert (after.wallet.balance, after.wallet.reserved) == f.amounts(890, 0)
        assert [e.posted_at for e in f.entries_of(one)[-2:]] == [
            later(seconds=5, milliseconds=20)
        ] * 2

    def test_does_not_show_the_next_term_before_its_boundary(self) -> None:
        """Work that was sent in May waited for the lock while somebody turned the month: it was posted in June."""
        one = f.make_organization(allowance=1_000, anchored_on=at("2026-05-01").date())
        hold = f.reserve(one, 100, now=at("2026-05-31 23:59"))
        f.set_terms(one, allowance=400)
        f.renew(one, now=at("2026-06-01 00:00:01"))
        f.settle(hold, 100, now=at("2026-05-31 23:59:59"))

        may = services.wallet_then(one, then=at("2026-05-31 23:59:59.5"), now=at("2026-06-20"))
        june = services.wallet_then(one, then=at("2026-06-01 00:00:01"), now=at("2026-06-20"))

        assert (may.wallet.balance, may.wallet.reserved, may.included) == f.amounts(
            1_000, 100, 1_000
        )
        assert (june.wallet.balance, june.wallet.reserved, june.included) == f.amounts(300, 0, 400)

    def test_goes_by_number_after_a_clock_had_leapt(self) -> None:
        """Then two entries say 13:00 and 12:01; what came later by its number is what was left."""
        one = f.make_organization(funded=10)
        f.grant(one, 5, now=later(hours=1))
        f.grant(one, 1, now=later(minutes=2))

        def balance(then: datetime) -> Decimal:
            return services.wallet_then(current(one), then=then, now=later(hours=2)).wallet.balance

        assert [e.posted_at for e in f.entries_of(one)] == [NOW, later(hours=1), later(minutes=2)]
        assert [balance(later(minutes=n)) for n in (1, 2, 59, 60)] == [10, 16, 16, 16]
        assert [e.subject for e in leaps()] == [
            f"entry 3 of wallet {one.wallet.id} ({f.entries_of(one)[-1].id})"
        ]
        f.renew(one, now=at("2026-07-01"))
        assert leaps() == []

    def test_writes_nothing(self) -> None:
        one = f.make_organization(allowance=10)
        before = f.wallet_of(one)

        services.wallet_then(one, then=at("2026-07-02"), now=at("2026-08-20"))

        assert f.wallet_of(one).head_number == before.head_number
        assert len(f.periods_of(one)) == 1

    def test_names_the_entry_that_was_the_last(self) -> None:
        one = f.make_organization(funded=10)
        f.grant(one, 1, now=later(minutes=1))

        reading = services.wallet_then(one, then=NOW, now=later(minutes=2))

        assert reading.wallet.head_number == 1


@pytest.mark.usefixtures("clock")
class TestAsOf:
    def test_answers_what_was_answered_then(self, clock: time_machine.Traveller) -> None:
        one = f.make_organization(funded=10)
        caller = caller_of(one)
        before = ok(caller.get("/credits"))
        f.spend(one, 4, now=later(hours=1))
        clock.move_to(later(hours=2))

        body = ok(caller.get("/credits", asOf=NOW.isoformat()))

        assert body == before
        assert body != ok(caller.get("/credits"))

    def test_takes_any_offset(self, clock: time_machine.Traveller) -> None:
        one = f.make_organization(funded=10)
        f.spend(one, 4, now=later(hours=1))
        clock.move_to(later(hours=2))

        body = ok(caller_of(one).get("/credits", asOf="2026-05-10T14:30:00+02:00"))

        assert body["balance"] == 10

    def test_of_a_child_is_for_its_parent(self, clock: time_machine.Traveller) -> None:
        parent, child = f.make_family()
        f.allocate(child, 7, now=later(hours=1))
        clock.move_to(later(hours=2))

        body = ok(caller_of(parent).get(f"{child_path(child)}/credits", asOf=NOW.isoformat()))

        assert body["balance"] == 0

    @pytest.mark.parametrize(
        ("moment", "problem"),
        [
            ("2026-05-10T12:00:00", "A time with an offset is expected"),
            ("2026-05-10", "A time with an offset is expected"),
            ("2026-05-10T12:00:00 02:00", "a + is written %2B"),
            ("2026-02-30T12:00:00Z", "A time with an offset is expected"),
            ("yesterday", "A time with an offset is expected"),
            ("2026-05-10T12:00:01Z", "in the future: it is 2026-05-10T12:00:00Z"),
            ("2026-05-10T11:59:59.999999Z", "before the wallet was made"),
            ("0001-01-01T00:00:00+14:00", "A time with an offset is expected"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, moment: str, problem: str) -> None:
        one = f.make_organization(funded=10)

        answer = caller_of(one).get("/credits", asOf=moment)

        assert error(answer) == (422, "VALIDATION")
        assert problem in details(answer)["fields"]["asOf"][0]
