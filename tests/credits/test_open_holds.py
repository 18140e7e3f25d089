"""How many holds may be open at once: of an organization, and of each actor."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from credits.models import Reservation
from credits.services import TooManyHolds
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, details, error, ok
from tests.callers import clock as clock
from tests.parallel import at_once
from tests.usage import people as p

pytestmark = pytest.mark.django_db(transaction=True)


def crowded(organization: Organization, **options: Any) -> TooManyHolds:
    denial = f.refused(organization, 0, **options)
    assert isinstance(denial, TooManyHolds)
    return denial


class TestReserve:
    def test_stops_at_as_many_as_the_terms_say_also_of_no_credits(self) -> None:
        organization = f.make_organization(open_holds_limit=3)
        first = f.reserve(organization, 0, ttl=timedelta(minutes=1))
        f.reserve(organization, 0)
        f.reserve(organization, 0)

        denial = crowded(organization)

        assert denial.reason == "open_holds"
        assert str(denial) == "3 holds of the organization are open, and no more may be"
        assert [denial.unblocks_at, denial.wait] == [first.expires_at, 60]
        assert Reservation.objects.count() == f.wallet_of(organization).open_holds == 3

    @pytest.mark.parametrize("end", ["settle", "release", "expire"])
    def test_goes_on_when_one_ends(self, end: str) -> None:
        organization = f.make_organization(funded=10, open_holds_limit=1)
        held = f.reserve(organization, 1)
        now = f.NOW
        if end == "settle":
            f.settle(held, 1)
        elif end == "release":
            f.release(held)
        else:  # nobody has swept it
            now = f.later(minutes=15)

        assert f.reserve(organization, 1, now=now).status == "open"
        crowded(organization, now=now)

    def test_counts_a_hold_once_whatever_becomes_of_it(self) -> None:
        organization = f.make_organization(funded=10)
        held = f.reserve(organization, 1)
        f.grow(held, 2)
        f.expire(organization, now=f.later(minutes=15))
        f.settle(held, 2, now=f.later(minutes=16))

        assert f.wallet_of(organization).open_holds == 0

    @pytest.mark.parametrize(("limit", "is_held"), [(0, False), (None, True), (10_000, True)])
    def test_of_0_is_nothing_and_of_null_any_number(self, limit: int | None, is_held: bool) -> None:
        organization = f.make_organization(open_holds_limit=limit)

        assert isinstance(f.try_to_reserve(organization, 0), Reservation) is is_held

    def test_allows_10_000_unless_the_terms_say_otherwise(self) -> None:
        terms = f.wallet_of(f.make_organization()).config

        assert [terms.open_holds_limit, terms.actor_open_holds_limit] == [10_000, 10_000]

    @pytest.mark.race
    def test_stops_many_at_once_at_the_same_number(self) -> None:
        organization = f.make_organization(open_holds_limit=5)

        outcomes = at_once(8, lambda _: f.try_to_reserve(organization, 0))

        assert sum(isinstance(each, Reservation) for each in outcomes) == 5
        assert f.wallet_of(organization).open_holds == 5


@pytest.mark.usefixtures("clock")
class TestActors:
    @pytest.fixture
    def organization(self) -> Organization:
        return f.make_organization(funded=100, actor_open_holds_limit=2)

    def test_have_a_limit_each(
        self, organization: Organization, clock: time_machine.Traveller
    ) -> None:
        ada, bob = p.make_actor(organization, "Ada"), p.make_actor(organization, "Bob")
        _, secret = f.make_key(organization, actor=ada)
        me, backend = Caller(secret), caller_of(organization)
        ok(me.reserve(1, expiresInSeconds=60), 201)
        ok(backend.reserve(0, actorId=ada.public_id), 201)

        answers = [me.reserve(1), backend.reserve(1, actorId=ada.public_id)]

        for answer in answers:
            assert error(answer) == (429, "RATE_LIMITED")
            assert answer["Retry-After"] == "60"
            assert details(answer)["reason"] == "open_holds"
            assert details(answer)["unblocksAt"] == "2026-05-10T12:01:00.000Z"
        checked = ok(me.post("/usage/check", {"estimatedCredits": 1}))
        assert [checked["decision"], checked["code"]] == ["deny", "RATE_LIMITED"]
        ok(backend.reserve(1, actorId=bob.public_id), 201)
        ok(backend.reserve(1), 201)
        clock.move_to(f.later(minutes=1))
        ok(me.reserve(1), 201)

    def test_have_it_too_where_nothing_is_charged(self, organization: Organization) -> None:
        ada = p.make_actor(organization)
        Organization.objects.update(byok=True)
        work = p.work(organization, 1, actor=ada)

        p.hold(work)
        p.hold(work)

        assert p.refusal(work) == "open_holds"
