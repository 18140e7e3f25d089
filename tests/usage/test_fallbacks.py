"""Work that the pool cannot pay: on a fallback, paid as far as the balance reaches, and for the rest within a limit of its own."""

from datetime import datetime
from typing import Any

import pytest

from credits.models import Reservation, UsageCounter
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, details, error, ok
from tests.callers import clock as clock
from tests.parallel import at_once
from tests.usage import people as p
from usage import services
from usage.models import AIModel, UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)


def world(*, funded: f.Amount = 3, **terms: Any) -> tuple[Organization, AIModel]:
    """An organization whose pool has 3 credits, and a model of 10 a million tokens; its fallback costs 2."""
    sonnet, _ = p.make_models()
    return f.make_organization(funded=funded, when_empty="fallback", **terms), sonnet


def free_of(organization: Organization, month: str = "2026-05") -> tuple[Any, Any]:
    """Return what of the limit is used and reserved in a month."""
    counter = UsageCounter.objects.get(
        wallet__organization=organization, month=f"{month}-01", actor=None, group=None
    )
    return counter.free_used, counter.free_reserved


def grow(hold: Reservation, millions: int, *, now: datetime = f.NOW) -> Any:
    return services.grow(
        organization=f.owner_of(hold),
        reservation_id=hold.id,
        max_output_tokens=millions * p.MILLION,
        now=now,
    )


class TestReserve:
    def test_holds_and_charges_the_fallback_where_its_price_fits(self) -> None:
        organization, sonnet = world()

        held = p.hold(p.work(organization, millions=1, model=sonnet))
        done = p.settle(held, millions=1)

        assert [held.decision, held.effective_model, held.credits] == ["downgrade", "haiku", 2]
        assert [held.is_charged, held.free_credits, done.settled_credits] == [True, 0, 2]
        assert p.counted(organization, "2026-05") == (2, 0)
        assert free_of(organization) == (0, 0)

    def test_holds_what_is_unreserved_where_it_does_not(self) -> None:
        organization, sonnet = world()

        held = p.hold(p.work(organization, millions=5, model=sonnet))

        assert [held.credits, held.free_credits, held.is_charged] == [3, 7, False]
        assert f.money_of(organization) == f.amounts(3, 3, 0)
        assert free_of(organization) == (0, 7)

    def test_holds_nothing_where_all_is_reserved_or_owed(self) -> None:
        organization, sonnet = world()
        f.reserve(organization, 3)

        first = p.hold(p.work(organization, millions=5, model=sonnet))
        f.settle(f.reserve(organization, 0), 9)
        second = p.hold(p.work(organization, millions=5, model=sonnet))

        for held in (first, second):
            assert [held.credits, held.free_credits] == [0, 10]
        assert f.wallet_of(organization).balance == -6

    def test_in_up_to_holds_the_whole_of_it_too(self) -> None:
        organization, sonnet = world()
        f.reserve(organization, 3)

        held = p.hold(p.work(organization, millions=5, model=sonnet), mode="up_to")

        assert [held.decision, held.credits, held.free_credits] == ["downgrade", 0, 10]
        assert not held.is_charged

    @pytest.mark.parametrize(
        ("terms", "free"),
        [({"free_fallback_limit": 1}, 1), ({"charge_limit": 4}, 4), ({"monthly_cap": 4}, 4)],
    )
    def test_in_up_to_holds_as_much_output_as_all_admit(
        self, terms: dict[str, Any], free: int
    ) -> None:
        organization, sonnet = world(funded=0, **terms)

        held = p.hold(p.work(organization, millions=5, model=sonnet), mode="up_to")

        assert held.estimate is not None
        assert [held.effective_model, held.credits, held.free_credits] == ["haiku", 0, free]
        assert held.estimate["output"] == free * p.MILLION // 2

    def test_spares_nobody_a_cap(self) -> None:
        organization, sonnet = world(monthly_cap=5)

        assert p.refusal(p.work(organization, millions=1, model=sonnet)) == "cap"

    def test_spares_nobody_a_cap_where_the_fallback_costs_more(self) -> None:
        organization, _ = world(funded=0, monthly_cap=5)
        cheap = p.make_model("cheap", credits_per_million=1)

        assert p.refusal(p.work(organization, millions=4, model=cheap)) == "cap"

    def test_spares_nobody_the_shutoff(self) -> None:
        organization, sonnet = world()
        p.thresholds(organization, shutoff=0)

        assert p.refusal(p.work(organization, millions=1, model=sonnet)) == "shutoff"

    def test_needs_a_model(self) -> None:
        organization, _ = world()

        assert p.refusal(p.work(organization, 10)) == "balance"

    def test_lets_nobody_work_for_nothing_by_asking_for_much(self) -> None:
        """The pool is full: whatever is asked for, what is done is charged."""
        organization, sonnet = world(funded=1_000)

        held = p.hold(p.work(organization, millions=5_000, model=sonnet))
        done = p.settle(held, millions=100)

        assert [held.credits, held.free_credits] == [1_000, 9_000]
        assert [done.effective_model, done.settled_credits] == ["haiku", 200]
        assert f.money_of(organization) == f.amounts(800, 0, 800)
        assert free_of(organization) == (0, 0)

    def test_lets_nobody_work_for_nothing_by_holding_all(self) -> None:
        organization, sonnet = world(funded=100)
        all_of_it = f.reserve(organization, 100)

        done = p.settle(p.hold(p.work(organization, millions=10, model=sonnet)), millions=10)
        f.release(all_of_it)

        assert done.settled_credits == 20
        assert f.money_of(organization) == f.amounts(80, 0, 80)

    def test_does_not_fall_back_where_the_terms_say_no(self) -> None:
        organization, sonnet = world(funded=1)
        f.set_terms(organization, when_empty="deny")

        assert p.refusal(p.work(organization, millions=1, model=sonnet)) == "balance"


class TestSettle:
    @pytest.mark.parametrize(("millions", "charged", "unpaid"), [(1, 2, 0), (5, 3, 7), (50, 3, 97)])
    def test_charges_as_far_as_the_balance_reaches_and_counts_the_rest(
        self, millions: int, charged: int, unpaid: int
    ) -> None:
        organization, sonnet = world()
        held = p.hold(p.work(organization, millions=5, model=sonnet))

        done = p.settle(held, millions=millions)
        again = p.settle(held, millions=millions)

        assert done.settled_credits == again.settled_credits == charged
        event = UsageEvent.objects.get()
        assert [event.credits, event.list_credits] == [charged, charged + unpaid]
        assert f.money_of(organization)[:2] == f.amounts(3 - charged, 0)
        assert p.counted(organization, "2026-05") == (charged, 0)
        assert free_of(organization) == (unpaid, 0)

    def test_charges_what_came_meanwhile(self) -> None:
        organization, sonnet = world()
        held = p.hold(p.work(organization, millions=5, model=sonnet))
        f.grant(organization, 100)

        assert p.settle(held, millions=5).settled_credits == 10
        assert free_of(organization) == (0, 0)

    def test_never_makes_or_deepens_a_debt(self) -> None:
        organization, sonnet = world()
        held = p.hold(p.work(organization, millions=5, model=sonnet))
        f.settle(f.reserve(organization, 0), 9)

        assert p.settle(held, millions=5).settled_credits == 0
        assert f.wallet_of(organization).balance == -6
        assert free_of(organization) == (10, 0)

    def test_after_its_expiry_counts_in_the_month_that_held_it(self) -> None:
        organization, sonnet = world()
        held = p.hold(p.work(organization, millions=5, model=sonnet))
        june = f.at("2026-06-02")
        f.expire(organization, now=june)
        assert free_of(organization) == (0, 0)

        done = p.settle(held, millions=5, now=june)

        assert [done.late, done.settled_credits] == [True, 3]
        assert free_of(organization) == (7, 0)

    def test_counts_no_unpaid_work_against_thresholds(self) -> None:
        organization, sonnet = world(funded=0)
        p.thresholds(organization, shutoff=5)
        work = p.work(organization, millions=50, model=sonnet)
        p.settle(p.hold(work), millions=50)

        assert p.hold(work).decision == "downgrade"


class TestLimit:
    """`free_fallback_limit`: of an organization, in a calendar month, at list price."""

    def test_is_10_000_unless_set(self) -> None:
        organization, _ = world()

        assert f.wallet_of(organization).config.free_fallback_limit == 10_000

    def test_is_landed_on_and_never_crossed(self) -> None:
        organization, sonnet = world(funded=0, free_fallback_limit=20)
        five, one = (p.work(organization, millions=n, model=sonnet) for n in (5, 1))
        p.settle(p.hold(five), millions=5)
        held = p.hold(five)

        assert p.refusal(one) == "free_fallback_limit"
        f.release(held)
        assert p.hold(one).free_credits == 2

    @pytest.mark.parametrize(("limit", "is_held"), [(0, False), (None, True)])
    def test_of_0_is_nothing_and_of_null_anything(
        self, limit: f.Amount | None, is_held: bool
    ) -> None:
        organization, sonnet = world(funded=0, free_fallback_limit=limit)

        asked = p.ask(p.work(organization, millions=6_000, model=sonnet))

        assert isinstance(asked, Reservation) is is_held

    def test_begins_anew_with_the_month(self) -> None:
        organization, sonnet = world(funded=0, free_fallback_limit=10)
        five = p.work(organization, millions=5, model=sonnet)
        p.settle(p.hold(five), millions=5)

        assert p.refusal(five) == "free_fallback_limit"
        assert p.hold(five, now=f.at("2026-06-01")).free_credits == 10

    def test_has_room_again_when_a_holds_time_has_passed(self) -> None:
        organization, sonnet = world(funded=0, free_fallback_limit=10)
        five = p.work(organization, millions=5, model=sonnet)
        p.hold(five)

        assert p.refusal(five) == "free_fallback_limit"
        assert p.hold(five, now=f.later(minutes=15)).free_credits == 10

    @pytest.mark.race
    def test_is_kept_by_many_at_once(self) -> None:
        organization, sonnet = world(funded=3, free_fallback_limit=27)
        work = p.work(organization, millions=5, model=sonnet)

        asked = at_once(8, lambda _: p.ask(work))

        held = [each for each in asked if isinstance(each, Reservation)]
        parted = sorted((h.credits, h.free_credits) for h in held)
        assert parted == [f.amounts(0, 10), f.amounts(0, 10), f.amounts(3, 7)]
        assert free_of(organization) == (0, 27)
        for each in held:
            p.settle(each, millions=5)
        assert free_of(organization) == (27, 0)


class TestGrow:
    def test_asks_the_pool_and_the_limit_for_more(self) -> None:
        organization, sonnet = world(free_fallback_limit=10)
        held = p.hold(p.work(organization, millions=2, model=sonnet))
        assert [held.credits, held.free_credits] == [3, 1]

        grown = grow(held, 6)
        denied = grow(held, 7)

        assert [grown.credits, grown.free_credits] == [3, 9]
        assert grown.estimate["output"] == 6 * p.MILLION
        assert denied.reason == "free_fallback_limit"
        assert free_of(organization) == (0, 9)

    def test_holds_what_came_meanwhile(self) -> None:
        organization, sonnet = world()
        held = p.hold(p.work(organization, millions=2, model=sonnet))
        f.grant(organization, 5)

        grown = grow(held, 6)

        assert [grown.credits, grown.free_credits] == [8, 4]
        assert f.money_of(organization) == f.amounts(8, 8, 0)

    def test_to_no_more_than_was_foreseen_changes_nothing(self) -> None:
        organization, sonnet = world()
        held = p.hold(p.work(organization, millions=2, model=sonnet))

        grown = grow(held, 1)

        assert [grown.credits, grown.free_credits] == [3, 1]
        assert grown.estimate["output"] == 2 * p.MILLION

    @pytest.mark.parametrize("row", ["shutoff", "cap"])
    def test_is_spared_no_row(self, row: str) -> None:
        organization, sonnet = world(funded=0)
        held = p.hold(p.work(organization, millions=2, model=sonnet))
        if row == "shutoff":
            p.thresholds(organization, shutoff=0)
        else:
            f.set_terms(organization, monthly_cap=1)

        assert grow(held, 3).reason == row


@pytest.mark.usefixtures("clock")
class TestDoors:
    def ask(self, caller: Caller, path: str = "/usage/reservations") -> Any:
        asked = {"model": "sonnet", "inputTokens": 0, "maxOutputTokens": 5 * p.MILLION}
        return caller.post(path, asked)

    def test_say_which_limit_refuses_and_until_when(self) -> None:
        organization, _ = world(funded=0, free_fallback_limit=9)
        caller = caller_of(organization)

        answer = self.ask(caller)
        checked = ok(self.ask(caller, "/usage/check"))

        assert error(answer) == (402, "BILLING_EXHAUSTED")
        said = details(answer)
        assert said["reason"] == checked["reason"] == "free_fallback_limit"
        assert said["unblocksAt"] is None  # it asks for more than the limit itself
        (limit,) = [each for each in said["limits"] if each["binding"]]
        assert limit == {
            "scope": "free_fallback",
            "id": organization.public_id,
            "cap": 9,
            "used": 0,
            "reserved": 0,
            "remaining": 9,
            "resetsAt": "2026-06-01T00:00:00.000Z",
            "binding": True,
        }

    def test_list_fallbacks_as_available_until_the_limit_is_used_up(self) -> None:
        organization, _ = world(funded=0, free_fallback_limit=10)
        caller = caller_of(organization)

        def available() -> dict[str, bool]:
            return {m["id"]: m["available"] for m in ok(caller.get("/models"))["items"]}

        assert available() == {"haiku": True, "sonnet": False}
        ok(self.ask(caller), 201)
        assert available() == {"haiku": False, "sonnet": False}

    def test_let_a_personal_key_settle_ten_times_what_was_foreseen(self) -> None:
        organization, _ = world(funded=0)
        _, secret = f.make_key(organization, actor=p.make_actor(organization))
        me = Caller(secret)
        held = ok(self.ask(me), 201)

        assert held["credits"] == 0
        assert error(me.settle(held["id"], 100.000001)) == (422, "CHARGE_LIMIT")
        assert ok(me.settle(held["id"], 100))["settledCredits"] == 0
        (event,) = ok(me.get("/usage/events"))["items"]
        assert [event["credits"], event["listCredits"]] == [0, 100]
