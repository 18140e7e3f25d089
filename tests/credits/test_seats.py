"""Seats: a share of the allowance for as many users as were ever active at one moment of a term."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import services
from credits.services.reading import wallet_of
from organizations.models import Actor, Organization
from organizations.sheet import lines
from tests import factories as f
from tests.callers import caller_of, ok
from tests.callers import clock as clock
from tests.parallel import at_once
from tests.usage.people import make_actor, set_active

pytestmark = pytest.mark.django_db(transaction=True)
JUNE = f.at("2026-06-01")


def seats_of(organization: Organization) -> list[int]:
    """Return the seats of each billing period, first one first."""
    return [period.seats for period in f.periods_of(organization)]


def shares_of(organization: Organization) -> Decimal:
    return f.wallet_of(organization).allowance_remaining


def hire(organization: Organization, *names: str, now: datetime = f.NOW) -> list[Actor]:
    return [make_actor(organization, name, now=now) for name in names]


def change(actor: Actor, *, now: datetime = f.NOW, **changes: Any) -> Actor:
    return services.update_actor(actor=actor, changes=changes, now=now)


class TestSeat:
    def test_that_was_freed_brings_nothing_to_who_takes_it(self) -> None:
        organization = f.make_organization(allowance_per_user=50)

        for number in range(20):
            (actor,) = hire(organization, f"User {number}")
            set_active(actor, False)

        assert seats_of(organization) == [1]
        assert f.lines_of(organization) == [("renew", 50, 0)]

    def test_is_one_for_each_who_is_active_at_the_same_moment(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        ana, ben, cleo = hire(organization, "Ana", "Ben", "Cleo")

        set_active(ana, False)
        set_active(ben, False)
        hire(organization, "Dora", "Emil", "Fay")

        assert seats_of(organization) == [4]
        assert shares_of(organization) == 200
        assert cleo.active

    def test_is_named_with_its_actor_in_the_ledger(self) -> None:
        organization = f.make_organization(allowance_per_user=50)

        _, ben = hire(organization, "Ana", "Ben")

        entry, grant = f.entries_of(organization)[-1], f.grants_of(organization)[-1]
        assert (entry.kind, entry.reason) == ("renew", f"seat 2: {ben.public_id}")
        assert (grant.source, grant.seat, grant.expires_at) == ("allowance", 2, JUNE)

    def test_is_not_taken_by_an_agent_until_it_is_a_user(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        robot = make_actor(organization, "Robot", kind="agent")

        before = seats_of(organization)
        change(robot, kind="user")

        assert (before, seats_of(organization)) == ([0], [1])
        change(robot, kind="agent")
        change(robot, kind="user")
        assert seats_of(organization) == [1]

    def test_is_not_taken_by_who_was_there_already(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        (ana,) = hire(organization, "Ana")

        change(ana, name="Ana Lind", active=True, kind="user")

        assert seats_of(organization) == [1]

    def test_of_a_new_term_is_that_of_who_is_there(self) -> None:
        organization = f.make_organization(allowance=100, allowance_per_user=50)
        ana, ben, _ = hire(organization, "Ana", "Ben", "Cleo")
        set_active(ana, False)
        set_active(ben, False)

        f.renew(organization, now=JUNE)

        assert seats_of(organization) == [3, 1]
        assert shares_of(organization) == 150
        set_active(ana, True, now=f.at("2026-06-02"))
        assert shares_of(organization) == 200

    def test_of_a_year_lasts_the_year(self) -> None:
        organization = f.make_organization(
            allowance_per_user=50, term="year", anchored_on=date(2026, 5, 10)
        )
        (ana,) = hire(organization, "Ana")
        set_active(ana, False, now=f.at("2026-07-01"))

        hire(organization, "Ben", now=f.at("2026-08-11"))
        hire(organization, "Cleo", now=f.at("2026-09-11"))

        assert seats_of(organization) == [1, 1, 1, 1, 2]
        assert shares_of(organization) == 100

    def test_taken_late_is_of_the_term_that_began_meanwhile(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        hire(organization, "Ana")

        hire(organization, "Ben", now=f.at("2026-06-10"))

        assert seats_of(organization) == [1, 2]
        assert f.lines_of(organization) == [
            ("renew", 50, 0),
            ("lapse", -50, 0),
            ("renew", 50, 1),
            ("renew", 50, 1),
        ]

    def test_brings_what_a_share_was_when_the_term_began(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        hire(organization, "Ana")
        f.set_terms(organization, allowance_per_user=80)

        hire(organization, "Ben")
        in_may = shares_of(organization)
        f.renew(organization, now=JUNE)

        assert in_may == 100
        assert shares_of(organization) == 160

    def test_is_not_counted_where_no_share_is_brought(self) -> None:
        organization = f.make_organization(allowance=10)

        hire(organization, "Ana", "Ben")

        assert seats_of(organization) == [0]
        assert f.lines_of(organization) == [("renew", 10, 0)]


class TestSeatLimit:
    def test_ends_the_shares(self) -> None:
        organization = f.make_organization(allowance_per_user=50, seat_limit=2)

        hire(organization, "Ana", "Ben", "Cleo")
        in_may = shares_of(organization)
        f.renew(organization, now=JUNE)

        assert seats_of(organization) == [2, 2]
        assert in_may == shares_of(organization) == 100

    def test_of_nothing_brings_nothing(self) -> None:
        organization = f.make_organization(allowance_per_user=50, seat_limit=0)

        hire(organization, "Ana")

        assert f.lines_of(organization) == []

    def test_that_rises_brings_the_shares_of_who_is_there_at_once(self) -> None:
        organization = f.make_organization(allowance_per_user=50, seat_limit=1)
        ana, *_ = hire(organization, "Ana", "Ben", "Cleo", "Dora")
        set_active(ana, False)

        f.set_terms(organization, seat_limit=10)

        assert seats_of(organization) == [3]
        entry, grant = f.entries_of(organization)[-1], f.grants_of(organization)[-1]
        assert (entry.amount, entry.performed_by) == (Decimal(100), f.STAFF)
        assert (entry.reason, grant.seat) == ("seats 2 to 3: another seat limit", 3)

    def test_that_falls_takes_nothing_until_the_next_term(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        hire(organization, "Ana", "Ben", "Cleo")

        f.set_terms(organization, seat_limit=1)
        in_may = shares_of(organization)
        f.set_terms(organization, seat_limit=2)
        hire(organization, "Dora")
        still = shares_of(organization)
        f.renew(organization, now=JUNE)

        assert (in_may, still) == f.amounts(150, 150)
        assert seats_of(organization) == [3, 2]
        assert shares_of(organization) == 100

    def test_moved_up_and_down_brings_nothing_twice(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        hire(organization, "Ana", "Ben")

        for limit in (0, 5, 1, None):
            f.set_terms(organization, seat_limit=limit)

        assert f.lines_of(organization) == [("renew", 50, 0)] * 2


class TestCancelled:
    def test_term_has_no_seats(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        hire(organization, "Ana")
        f.set_terms(organization, cancel_at_period_end=True)

        f.renew(organization, now=JUNE)
        hire(organization, "Ben", now=JUNE + timedelta(days=1))
        f.set_terms(organization, seat_limit=9, now=JUNE + timedelta(days=1))

        assert seats_of(organization) == [1, 0]
        assert f.lines_of(organization) == [("renew", 50, 0), ("lapse", -50, 0)]


class TestCounting:
    def test_of_many_users_makes_no_rows(self) -> None:
        organization = f.make_organization(allowance_per_user=2)
        few = hire(organization, "Ana")
        f.renew(organization, now=JUNE)
        with CaptureQueriesContext(connection) as for_few:
            f.renew(organization, now=f.at("2026-07-01"))
        stamps = {"created_at": f.NOW, "updated_at": f.NOW}
        Actor.objects.bulk_create(
            Actor(organization=organization, name=f"User {n}", **stamps) for n in range(4_999)
        )

        with CaptureQueriesContext(connection) as for_many:
            f.renew(organization, now=f.at("2026-08-01"))

        counts = [each["sql"] for each in for_many if "organizations_actor" in (each["sql"] or "")]
        assert len(for_many) == len(for_few)
        assert [sql.count("COUNT(") for sql in counts] == [1]
        assert seats_of(organization)[-1] == 5_000
        assert shares_of(organization) == 10_000
        assert few

    @pytest.mark.race
    def test_misses_nobody_who_comes_at_the_same_moment(self) -> None:
        organization = f.make_organization(allowance_per_user=50)

        at_once(20, lambda n: make_actor(organization, f"User {n}"))

        assert seats_of(organization) == [20]
        assert shares_of(organization) == 1_000
        assert [grant.seat for grant in f.grants_of(organization)] == list(range(1, 21))

    @pytest.mark.race
    def test_counts_nobody_twice_who_comes_and_goes(self) -> None:
        organization = f.make_organization(allowance_per_user=50)

        def come_and_go(number: int) -> None:
            for _ in range(5):
                set_active(make_actor(organization, f"User {number}"), False)

        at_once(6, come_and_go)

        (seats,) = seats_of(organization)
        assert 1 <= seats <= 6
        assert shares_of(organization) == seats * 50


class TestThroughTheApi:
    def test_users_who_are_made_and_deleted_bring_one_share(
        self, clock: time_machine.Traveller
    ) -> None:
        organization = f.make_organization(allowance_per_user=50)
        caller = caller_of(organization)

        for number in range(10):
            made = ok(caller.post("/actors", {"kind": "user", "name": f"User {number}"}), 201)
            ok(caller.delete(f"/actors/{made['id']}"))

        assert seats_of(organization) == [1]
        assert f.money_of(organization)[0] == 50

    def test_who_is_patched_takes_a_seat(self, clock: time_machine.Traveller) -> None:
        organization = f.make_organization(allowance_per_user=50)
        caller = caller_of(organization)
        made = ok(caller.post("/actors", {"kind": "user", "name": "Ana", "active": False}), 201)

        seats = []
        for change in ({"name": "Ana L."}, {"active": True}, {"active": False}, {"active": True}):
            ok(caller.patch(f"/actors/{made['id']}", change))
            seats += seats_of(organization)

        assert seats == [0, 1, 1, 1]
        assert f.money_of(organization)[0] == 50


class TestStatement:
    def test_says_how_many_seats_and_what_each_brought(self) -> None:
        organization = f.make_organization(allowance_per_user="12.5")
        hire(organization, "Ana", "Ben")
        f.renew(organization, now=JUNE)
        hire(organization, "Cleo", now=JUNE)

        may, june = f.periods_of(organization)

        assert [said(may), said(june)] == [("2", "12.500000"), ("3", "12.500000")]


def said(period: Any) -> tuple[str, str]:
    """Return the seats and the share in the download of a statement."""
    period.wallet = wallet_of(period.wallet.organization)
    text = "".join(lines(services.statement_rows(period)))
    rows = dict(line.split(",", 1) for line in text.splitlines() if line.count(",") == 1)
    return rows["seats"], rows["share"]
