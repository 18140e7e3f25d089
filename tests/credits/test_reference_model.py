"""Random lives of a family, on the database and on a model of it at once: after every step they agree to the last digit."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from credits import services
from credits.ledger import InsufficientCredits
from credits.models import Reservation
from credits.models import Wallet as StoredWallet
from organizations.models import Actor, Organization
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests import database
from tests import factories as f
from tests.books import findings
from tests.credits.comparing import kept, noted, seen, shown, written
from tests.credits.reference import Books
from tests.credits.reference_wallet import FOREVER, Terms

BEGINNING = datetime.fromisoformat("2026-01-20T12:00:00+00:00")
MICROSECOND = timedelta(microseconds=1)
NAMES = ("parent", "child", "sibling")
ERRORS = (
    InsufficientCredits,
    OrganizationArchived,
    OrganizationSuspended,
    StoredWallet.DoesNotExist,
    services.AlreadySettled,
    services.HasActiveChildren,
    services.NotARoot,
    services.RechargeLimitReached,
    services.RefillRequiresThresholdAndAmount,
    services.ReservationClosed,
)
FIELDS = {
    # term of the model: field of the code
    "cap": "monthly_cap",
    "threshold": "refill_threshold",
    "refill": "refill_amount",
    "cooldown": "refill_cooldown_seconds",
    "allowance": "allowance",
    "per_user": "allowance_per_user",
    "seat_limit": "seat_limit",
    "first_full": "first_term_full",
    "yearly": "term",
    "anchored_on": "anchored_on",
    "rollover": "rollover_limit",
    "overdraft": "overdraft_limit",
    "recharge_limit": "recharge_limit",
    "cancelled": "cancel_at_period_end",
}

ANCHORS = [date(2026, 5, 1), date(2026, 11, 15), date(2024, 2, 29), date(2026, 1, 31)]
TERMS: dict[str, Callable[[Random], Any]] = {
    "cap": lambda dice: dice.choice([None, None, None, Decimal(dice.randint(0, 200))]),
    "cooldown": lambda dice: dice.choice([0, 60, 300]),
    "allowance": lambda dice: dice.choice([Decimal(0), amount(dice)]),
    "per_user": lambda dice: dice.choice([Decimal(0), amount(dice)]),
    "seat_limit": lambda dice: dice.choice([None, None, 1, 3]),
    "first_full": lambda dice: dice.random() < 0.5,
    "yearly": lambda dice: dice.random() < 0.3,
    "anchored_on": lambda dice: dice.choice(ANCHORS),
    "rollover": lambda dice: Decimal(dice.choice([0, 5, 1_000])),
    "overdraft": lambda dice: dice.choice(
        [Decimal(0), Decimal(0), Decimal(dice.randint(1, 30)), None]
    ),
    "recharge_limit": lambda dice: Decimal(dice.choice([0, 50])),
    "cancelled": lambda dice: dice.random() < 0.2,
}


def amount(dice: Random) -> Decimal:
    """Return a few whole credits, or some with all six places."""
    if dice.random() < 0.6:
        return Decimal(dice.randint(1, 40))
    return Decimal(dice.randint(1, 60_000_000)) / 1_000_000


def refill_rule(dice: Random) -> tuple[Decimal, Decimal] | tuple[None, None]:
    if dice.random() < 0.3:
        return None, None
    return Decimal(dice.choice([0, 3, 10, 25])), amount(dice)


def lifetime(dice: Random) -> timedelta:
    return timedelta(seconds=dice.choice([60, 900, 900, 86_400]))


def some_terms(dice: Random) -> Terms:
    threshold, refill = refill_rule(dice)
    chosen = {name: draw(dice) for name, draw in TERMS.items()}
    return Terms(threshold=threshold, refill=refill, **chosen)


def in_the_code(changes: dict[str, Any]) -> dict[str, Any]:
    """Translate terms of the model into fields of the code."""
    fields = {FIELDS[name]: value for name, value in changes.items()}
    if "term" in fields:
        fields["term"] = "year" if fields["term"] else "month"
    return fields


VERBS = {
    # how often of 100
    "reserve": 25,
    "settle": 16,
    "grow": 6,
    "release": 4,
    "extend": 3,
    "expire": 3,
    "grant": 3,
    "allocate": 5,
    "reclaim": 3,
    "adjust": 3,
    "recharge": 2,
    "change": 5,
    "join": 3,
    "leave": 2,
    "upgrade": 2,
    "end_cooldown": 3,
    "renew": 1,
    "suspend": 1,
    "resume": 2,
    "archive": 1,
    "wait": 9,
    "wait_for_something": 5,
}
SECONDS = [1, 60, 60, 300, 300, 900, 25_000, 260_000, 4_000_000]


class Family(RuleBasedStateMachine):
    """A parent and two children. Every step does one thing to both worlds and compares what they answer.

    What a step does comes from dice, thrown by a number of hypothesis and the number of the step: left alone, hypothesis likes to do
    the same thing again and again. What fails is printed step by step, and reproduced by the blob.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGINNING
        self.steps = 0
        self.books = Books()
        self.organizations: dict[str, Organization] = {}
        self.reservations: list[tuple[str, Reservation]] = []
        self.users: dict[str, list[Actor]] = {name: [] for name in NAMES}

    @initialize(seed=st.integers(0, 2**32 - 1))
    def begin(self, seed: int) -> None:
        dice = Random(seed)
        for member in NAMES:
            terms = some_terms(dice)
            parent = None if member == "parent" else "parent"
            self.books.create(member, terms, self.now, parent)
            self.organizations[member] = services.create_organization(
                name=member,
                parent=self.organizations.get("parent"),
                now=self.now,
                **in_the_code(vars(terms)),
            )
            self.grant(member, Decimal(dice.randint(1, 80)), priority=50, days=None)

    @rule(seed=st.integers(0, 2**32 - 1))
    def step(self, seed: int) -> None:
        self.steps += 1
        dice = Random(f"{seed}, {self.steps}")
        (verb,) = dice.choices(list(VERBS), weights=list(VERBS.values()))
        member = dice.choice([*NAMES, "child", "child"])
        note(f"{self.steps}: {self.now:%Y-%m-%d %H:%M:%S.%f} {member} {verb}")
        if verb == "reserve":
            mode = dice.choice(["exact", "exact", "up_to"])
            self.reserve(member, amount(dice), lifetime(dice), mode)
        elif verb in {"settle", "grow", "extend", "release"}:
            self.go_on(verb, dice)
        elif verb == "grant":
            days = dice.choice([None, 1, 10, 40])
            self.grant(member, amount(dice), priority=dice.choice([10, 50]), days=days)
        elif verb in {"allocate", "recharge"}:
            getattr(self, verb)(member, amount(dice))
        elif verb == "reclaim":
            self.reclaim(member, dice.choice([None, amount(dice)]))
        elif verb == "adjust":
            self.adjust(member, dice.choice([1, -1]) * amount(dice))
        elif verb == "upgrade":
            self.upgrade(member, amount(dice), dice.choice([Decimal(0), amount(dice)]))
        elif verb == "change":
            self.change(member, self.changes(dice))
        elif verb == "wait":
            self.now += timedelta(seconds=dice.choice(SECONDS))
        elif verb == "wait_for_something":
            self.wait_for_something(member, dice)
        else:
            getattr(self, verb)(member)

    def go_on(self, verb: str, dice: Random) -> None:
        """Do something with a hold: mostly with an open one."""
        if not self.reservations:
            return
        holds = [
            self.books.wallets[member].holds[n] for n, (member, _) in enumerate(self.reservations)
        ]
        still_open = [number for number, hold in enumerate(holds) if hold.status == "open"]
        number = dice.choice(still_open * 5 + list(range(len(holds))))
        if verb == "settle":
            self.settle(number, dice.choice([holds[number].credits, Decimal(0), amount(dice)]))
        elif verb == "grow":
            self.grow(number, amount(dice))
        elif verb == "extend":
            self.extend(number, lifetime(dice))
        else:
            self.release(number)

    def changes(self, dice: Random) -> dict[str, Any]:
        if dice.random() < 0.6:
            name = dice.choice(sorted(TERMS))
            return {name: TERMS[name](dice)}
        threshold, refill = refill_rule(dice)
        one_sided = dice.random() < 0.3
        return {"threshold": threshold} | ({} if one_sided else {"refill": refill})

    def wait_for_something(self, member: str, dice: Random) -> None:
        """Wait until just before, at, or just after a moment at which something is due."""
        wallet = self.books.as_of(member, self.now)
        moments = [hold.expires_at for hold in wallet.holds.values() if hold.status == "open"]
        moments += [moment for moment in (wallet.cooldown_ends_at, wallet.retry_at) if moment]
        moments += [lot.expires_at for lot in wallet.lots if lot.expires_at != FOREVER]
        ahead = [moment for moment in moments if moment > self.now]
        off_by = dice.choice([-MICROSECOND, timedelta(0), MICROSECOND])
        self.now = max(self.now, min([*ahead, wallet.period_ends_at]) + off_by)

    # Each verb, in both worlds

    def grant(self, member: str, credits: Decimal, *, priority: int, days: int | None) -> None:
        ends = None if days is None else self.now + timedelta(days=days)
        self.compare(
            member,
            lambda: self.books.grant(member, credits, self.now, priority, ends),
            lambda: f.grant(
                self.organizations[member],
                credits,
                now=self.now,
                priority=priority,
                expires_at=ends,
            ),
        )

    def adjust(self, member: str, credits: Decimal) -> None:
        self.compare(
            member,
            lambda: self.books.adjust(member, credits, self.now),
            lambda: f.adjust(self.organizations[member], credits, now=self.now),
        )

    def recharge(self, member: str, credits: Decimal) -> None:
        self.compare(
            member,
            lambda: self.books.recharge(member, credits, self.now),
            lambda: f.recharge(self.organizations[member], credits, now=self.now),
        )

    def allocate(self, member: str, credits: Decimal) -> None:
        self.compare(
            member,
            lambda: self.books.allocate(member, credits, self.now),
            lambda: f.allocate(self.organizations[member], credits, now=self.now),
        )

    def reclaim(self, member: str, credits: Decimal | None) -> None:
        self.compare(
            member,
            lambda: self.books.reclaim(member, credits, self.now),
            lambda: f.reclaim(self.organizations[member], credits, now=self.now),
        )

    def reserve(self, member: str, credits: Decimal, ttl: timedelta, mode: str) -> None:
        number, up_to = len(self.reservations), mode == "up_to"
        outcome = self.compare(
            member,
            lambda: self.books.reserve(member, number, credits, self.now, ttl=ttl, up_to=up_to),
            lambda: f.try_to_reserve(
                self.organizations[member], credits, now=self.now, ttl=ttl, mode=mode
            ),
        )
        if isinstance(outcome, Reservation):
            self.reservations.append((member, outcome))

    def grow(self, number: int, credits: Decimal) -> None:
        member, reservation = self.reservations[number]
        self.compare(
            member,
            lambda: self.books.grow(member, number, credits, self.now),
            lambda: f.try_to_grow(reservation, credits, now=self.now),
        )

    def extend(self, number: int, ttl: timedelta) -> None:
        member, reservation = self.reservations[number]
        self.compare(
            member,
            lambda: self.books.extend(member, number, ttl, self.now),
            lambda: f.extend(reservation, now=self.now, seconds=ttl.total_seconds()).expires_at,
        )

    def settle(self, number: int, cost: Decimal) -> None:
        member, reservation = self.reservations[number]
        self.compare(
            member,
            lambda: self.books.settle(member, number, cost, self.now),
            lambda: f.settle(reservation, cost, now=self.now),
        )

    def release(self, number: int) -> None:
        member, reservation = self.reservations[number]
        self.compare(
            member,
            lambda: self.books.release(member, number, self.now),
            lambda: f.release(reservation, now=self.now).status,
        )

    def expire(self, member: str) -> None:
        self.compare(
            member,
            lambda: self.books.expire(member, self.now),
            lambda: f.expire(self.organizations[member], now=self.now),
        )

    def end_cooldown(self, member: str) -> None:
        self.compare(
            member,
            lambda: self.books.end_cooldown(member, self.now),
            lambda: f.end_refill_cooldown(self.organizations[member], now=self.now),
        )

    def renew(self, member: str) -> None:
        self.compare(
            member,
            lambda: self.books.renew(member, self.now),
            lambda: f.renew(self.organizations[member], now=self.now),
        )

    def suspend(self, member: str) -> None:
        self.compare(
            member,
            lambda: self.books.set_status(member, "suspended", self.now),
            lambda: f.suspend(self.organizations[member], now=self.now).status,
        )

    def resume(self, member: str) -> None:
        self.compare(
            member,
            lambda: self.books.set_status(member, "active", self.now),
            lambda: f.resume(self.organizations[member], now=self.now).status,
        )

    def archive(self, member: str) -> None:
        self.compare(
            member,
            lambda: self.books.archive(member, self.now),
            lambda: f.archive(self.organizations[member], now=self.now).reclaimed_credits,
        )

    def join(self, member: str) -> None:
        made = self.compare(
            member,
            lambda: self.books.join(member, self.now),
            lambda: services.create_actor(
                organization=self.organizations[member], name="Ada", now=self.now
            ),
        )
        if isinstance(made, Actor):
            self.users[member].append(made)

    def leave(self, member: str) -> None:
        if not self.users[member]:
            return
        left = self.compare(
            member,
            lambda: self.books.leave(member, self.now),
            lambda: services.update_actor(
                actor=self.users[member][0], changes={"active": False}, now=self.now
            ),
        )
        if isinstance(left, Actor):
            self.users[member].pop(0)

    def upgrade(self, member: str, allowance: Decimal, per_user: Decimal) -> None:
        self.compare(
            member,
            lambda: self.books.upgrade(member, allowance, per_user, self.now),
            lambda: f.upgrade(
                self.organizations[member],
                allowance=allowance,
                allowance_per_user=per_user,
                now=self.now,
            ),
        )

    def change(self, member: str, changes: dict[str, Any]) -> None:
        self.compare(
            member,
            lambda: self.books.change_terms(member, changes, self.now),
            lambda: f.set_terms(self.organizations[member], now=self.now, **in_the_code(changes)),
        )

    # Comparing

    def compare(
        self, member: str, in_model: Callable[[], object], in_code: Callable[[], object]
    ) -> object:
        """Do one thing in both worlds: they must answer the same, and the wallets it may touch be the same."""
        expected = self.books.run(in_model)
        outcome = answer(in_code)
        note(f"  {expected}")
        assert seen(outcome) == expected
        for touched in {member, "parent"}:
            reading = services.wallet_as_of(self.organizations[touched], now=self.now)
            assert shown(reading) == kept(self.books.as_of(touched, self.now)), touched
        return outcome

    def teardown(self) -> None:
        """At the end of a life, post all that is due, and compare everything that was ever written."""
        for member in self.organizations:
            self.expire(member)
        for member, organization in self.organizations.items():
            assert written(organization) == noted(self.books.wallets[member]), member
        assert findings() == []
        database.empty()


def answer(command: Callable[[], object]) -> object:
    """Return what a command answers, or the name of the error that it raises."""
    try:
        return command()
    except ERRORS as error:
        return type(error).__name__


def run(*, lives: int, steps: int, derandomize: bool) -> None:
    run_state_machine_as_test(
        Family,
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db(transaction=True)
class TestReferenceModel:
    def test_agrees_with_the_code(self) -> None:
        """The same lives every time: what it found once is found again."""
        run(lives=12, steps=40, derandomize=True)

    @pytest.mark.slow
    def test_agrees_with_the_code_in_many_other_lives(self) -> None:
        run(lives=400, steps=80, derandomize=False)
