"""What the Layers document says of credits, sentence by sentence, tried over HTTP.

Each test quotes the sentence that it checks. A reseller, its customer Nordwind, and a sibling of the customer play all the parts; a
reservation stands for a generation.
"""

import re
from typing import Any

import pytest
import time_machine

from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, child_path, details, error, ok
from tests.callers import clock as clock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

EXHAUSTED = (402, "BILLING_EXHAUSTED")


class World:
    """A reseller with 100,000 prepaid credits and two empty customers; each has a key that calls."""

    def __init__(self) -> None:
        self.reseller = f.make_organization("Harbour Reseller", funded=100_000)
        self.nordwind = f.make_organization("Nordwind Games", parent=self.reseller)
        self.sibling = f.make_organization("Südwind Toys", parent=self.reseller)
        self.boss = caller_of(self.reseller)
        self.product = caller_of(self.nordwind)
        self.sibling_product = caller_of(self.sibling)
        self.allocations = 0

    def fund(self, credits: int, child: Organization | None = None) -> Any:
        self.allocations += 1
        key = f"allocation-{self.allocations}"
        return ok(self.boss.allocate(child or self.nordwind, credits, key=key))

    def configure(self, **fields: Any) -> Any:
        return ok(self.boss.configure(self.nordwind, **fields))["config"]

    def generate(self, credits: float) -> None:
        """Work that costs what was expected, start to end."""
        held = ok(self.product.reserve(credits), 201)
        ok(self.product.settle(held["id"], credits))

    def wallet(self, caller: Caller | None = None) -> Any:
        return ok((caller or self.product).get("/credits"))

    def events(self, caller: Caller, **query: Any) -> list[Any]:
        found: list[Any] = ok(caller.get("/credits/events", **query))["items"]
        return found

    def allocations_of(self, caller: Caller) -> list[float]:
        return [item["credits"] for item in self.events(caller, eventType="allocation")]


@pytest.fixture
def world(clock: time_machine.Traveller) -> World:
    return World()


class TestCredits:
    def test_one_wallet_reserved_from_and_settled(self, world: World) -> None:
        """Every organization has one **wallet**; content generation reserves credits when a workflow starts and settles them when it
        finishes."""
        world.fund(100)

        held = ok(world.product.reserve(30), 201)
        started = world.wallet()
        ok(world.product.settle(held["id"], 25))
        finished = world.wallet()

        assert (started["balance"], started["reservedCredits"]) == (100, 30)
        assert (finished["balance"], finished["reservedCredits"]) == (75, 0)


class TestReadingAWallet:
    def test_own_and_childs_report_the_same_numbers(self, world: World) -> None:
        """`GET /v1/credits` returns your own wallet; `GET /v1/organizations/:orgId/credits` returns a child's. Both report the same
        two top-line numbers"""
        world.fund(100)
        ok(world.product.reserve(30), 201)

        own = world.wallet(world.product)
        of_child = ok(world.boss.get(f"{child_path(world.nordwind)}/credits"))

        assert own == of_child
        assert (own["balance"], own["available"]) == (100, 70)
        assert world.wallet(world.boss)["balance"] == 99_900

    def test_balance_is_the_gross_wallet(self, world: World) -> None:
        """**`balance`** — the gross wallet: included credits remaining this period plus the prepaid balance."""
        customer = f.make_organization(allowance=1_000, funded=500)
        f.spend(customer, 400)
        f.reserve(customer, 50)

        wallet = world.wallet(caller_of(customer))

        assert (wallet["includedRemaining"], wallet["prepaidBalance"]) == (600, 500)
        assert wallet["balance"] == 1_100

    def test_available_is_what_can_be_spent_right_now(self, world: World) -> None:
        """**`available`** — what you can actually spend on new work *right now*: `balance` minus credits already **reserved** for
        in-flight generations (`reservedCredits`)."""
        world.fund(100)
        ok(world.product.reserve(30), 201)

        wallet = world.wallet()

        assert wallet["available"] == wallet["balance"] - wallet["reservedCredits"] == 70
        assert error(world.product.reserve(70.000001)) == EXHAUSTED
        assert world.product.reserve(70).status_code == 201

    def test_available_dips_while_work_is_running(self, world: World) -> None:
        """A generation reserves credits the moment its workflow starts and releases them when it settles, so `available` dips below
        `balance` while work is running."""
        world.fund(100)

        held = ok(world.product.reserve(30), 201)
        running = world.wallet()
        ok(world.product.settle(held["id"], 30))
        settled = world.wallet()

        assert (running["available"], running["balance"]) == (70, 100)
        assert (settled["available"], settled["balance"]) == (70, 70)

    def test_the_gross_number_double_counts(self, world: World) -> None:
        """Reserving against the gross number double-counts credits already committed to running jobs, and the reservation will fail
        at the gate."""
        world.fund(100)
        ok(world.product.reserve(30), 201)
        gross, available = world.wallet()["balance"], world.wallet()["available"]

        assert error(world.product.reserve(gross)) == EXHAUSTED
        assert world.product.reserve(available).status_code == 201

    def test_what_available_cannot_cover_is_rejected(self, world: World) -> None:
        """When `available` can't cover a reservation, the generation is rejected with `402 BILLING_EXHAUSTED`."""
        world.fund(100)

        answer = world.product.reserve(101)

        assert error(answer) == EXHAUSTED
        assert world.wallet()["reservedCredits"] == 0


class TestParentAndChildWallets:
    def test_each_child_has_its_own_wallet(self, world: World) -> None:
        """Each child organization has its own isolated wallet."""
        world.fund(100)

        assert world.wallet(world.sibling_product)["balance"] == 0
        assert error(world.sibling_product.reserve(1)) == EXHAUSTED

    def test_spend_never_touches_a_sibling(self, world: World) -> None:
        """A child's spend never touches a sibling's balance"""
        world.fund(100)
        world.fund(50, world.sibling)

        world.generate(80)
        world.product.reserve(30)

        assert world.wallet(world.sibling_product)["balance"] == 50
        assert world.wallet(world.sibling_product)["usedThisPeriod"] == 0

    def test_the_parent_is_the_billing_principal(self, world: World) -> None:
        """and the parent is always the billing principal — children never put a card on file."""
        attempts = [
            world.product.allocate(world.nordwind, 100, key="k-1"),
            world.product.allocate(world.reseller, 100, key="k-2"),
            world.product.post("/credits/recharge", {"credits": 100}, key="k-3"),
            world.product.configure(world.nordwind, refillThreshold=1, refillAmount=100),
        ]

        assert all(400 <= answer.status_code < 500 for answer in attempts)
        assert world.wallet()["balance"] == 0


class TestAllocation:
    def test_a_child_starts_empty(self, world: World) -> None:
        """A child starts empty."""
        made = ok(world.boss.post("/organizations", {"name": "New"}), 201)

        wallet = ok(world.boss.get(f"/organizations/{made['id']}/credits"))

        assert (wallet["balance"], wallet["available"]) == (0, 0)

    def test_you_fund_it_by_allocating(self, world: World) -> None:
        """You fund it by **allocating** credits from your parent wallet down to the child"""
        assert error(world.product.reserve(10)) == EXHAUSTED

        world.fund(100)

        assert world.product.reserve(10).status_code == 201

    def test_moves_that_many_credits(self, world: World) -> None:
        """with `{ "credits": <positive integer> }` moves that many credits out of your parent balance and into the child's."""
        world.fund(1_234)

        assert world.wallet(world.boss)["balance"] == 98_766
        assert world.wallet(world.product)["balance"] == 1_234
        for credits in (0, -1, 1.5, "5"):
            answer = world.boss.allocate(world.nordwind, credits, key="k")
            assert error(answer) == (422, "VALIDATION")

    def test_a_retry_does_not_double_fund(self, world: World) -> None:
        """It's idempotent — send an `Idempotency-Key` so a retry doesn't double-fund."""
        first = ok(world.boss.allocate(world.nordwind, 100, key="k"))
        retry = ok(world.boss.allocate(world.nordwind, 100, key="k"))

        assert retry == first | {"replayed": True}
        assert world.wallet()["balance"] == 100

    def test_the_response_reports_the_childs_numbers(self, world: World) -> None:
        """The response reports the child's post-allocation `balance` and `available`."""
        world.fund(100)
        ok(world.product.reserve(30), 201)

        body = world.fund(50)

        assert (body["balance"], body["available"]) == (150, 120)

    def test_writes_paired_ledger_rows(self, world: World) -> None:
        """Every allocation writes paired ledger rows: a positive `allocation` event on the child's credit ledger and the matching
        debit on your own `/v1/credits/events`."""
        world.fund(100)

        (credit,) = world.events(world.product)
        debit = world.events(world.boss)[0]

        assert (credit["eventType"], credit["credits"]) == ("allocation", 100)
        assert (debit["eventType"], debit["credits"]) == ("allocation", -100)
        assert credit["createdAt"] == debit["createdAt"]

    def test_a_short_parent_is_402(self, world: World) -> None:
        """If your parent wallet is short, the allocate call returns `402 BILLING_EXHAUSTED`"""
        answer = world.boss.allocate(world.nordwind, 100_001, key="k")

        assert error(answer) == EXHAUSTED
        assert world.wallet()["balance"] == 0

    def test_an_archived_child_is_409(self, world: World) -> None:
        """allocating into an archived child returns `409 CONFLICT`."""
        ok(world.boss.delete(child_path(world.nordwind)))

        assert error(world.boss.allocate(world.nordwind, 1, key="k")) == (409, "CONFLICT")

    def test_archiving_reclaims_what_is_not_reserved(self, world: World) -> None:
        """When you archive a child, its unspent **non-reserved** credits are reclaimed to the parent automatically (reported as
        `reclaimedCredits`)."""
        world.fund(100)
        world.generate(15)

        body = ok(world.boss.delete(child_path(world.nordwind)))

        assert body["reclaimedCredits"] == 85
        assert world.wallet(world.boss)["balance"] == 99_985

    def test_archiving_does_not_sweep_what_is_reserved(self, world: World) -> None:
        """Credits reserved for in-flight work are not swept."""
        world.fund(100)
        held = ok(world.product.reserve(30), 201)["id"]

        ok(world.boss.delete(child_path(world.nordwind)))
        left = ok(world.boss.get(f"{child_path(world.nordwind)}/credits"))
        settled = caller_of(world.reseller, acting=world.nordwind).settle(held, 30)

        assert (left["balance"], left["reservedCredits"]) == (30, 30)
        assert ok(settled)["settledCredits"] == 30


class TestCreditConfig:
    def test_lives_in_one_place_for_the_parents_key(self, world: World) -> None:
        """A child's spend governance — its monthly cap and its auto-refill rule — lives in one place: the child's **credit config**,
        which you read and set with your parent (`org:admin`) key."""
        path = f"{child_path(world.nordwind)}/credit-config"

        assert world.boss.get(path).status_code == 200
        assert error(caller_of(world.reseller, "*").get(path)) == (403, "FORBIDDEN_SCOPE")

    def test_get_returns_it_and_patch_sets_it(self, world: World) -> None:
        """`GET /v1/organizations/:orgId/credit-config` returns it; `PATCH …/credit-config` sets it."""
        path = f"{child_path(world.nordwind)}/credit-config"
        body = {"monthlyCreditCap": 5_000, "refillThreshold": 1_000, "refillAmount": 2_000}

        patched = ok(world.boss.patch(path, body))

        assert patched == ok(world.boss.get(path))
        assert patched["config"] == body | {"autoRefillEnabled": True}

    def test_knobs_are_nullable(self, world: World) -> None:
        """All three knobs are in **credits** (not cents), and each is nullable — `null` means "no cap" / "no auto-refill\""""
        world.fund(100)
        world.configure(monthlyCreditCap=10, refillThreshold=50, refillAmount=20)
        assert error(world.product.reserve(11)) == EXHAUSTED  # ten credits, not a thousand

        config = world.configure(monthlyCreditCap=None, refillThreshold=None, refillAmount=None)

        assert set(config.values()) == {None, False}
        assert world.product.reserve(90).status_code == 201
        assert world.allocations_of(world.product) == [100]

    def test_monthly_credit_cap(self, world: World) -> None:
        """Ceiling on the child's spend per billing period. `null` = uncapped."""
        world.fund(100)
        world.configure(monthlyCreditCap=40)

        world.generate(40)

        assert error(world.product.reserve(1)) == EXHAUSTED
        world.configure(monthlyCreditCap=None)
        world.generate(60)
        assert world.wallet()["balance"] == 0

    def test_refill_threshold(self, world: World) -> None:
        """When the child's `available` drops below this, auto-refill fires."""
        world.fund(100)
        world.configure(refillThreshold=60, refillAmount=25)

        ok(world.product.reserve(40), 201)
        at_threshold = world.wallet()["balance"]
        ok(world.product.reserve(1), 201)
        below = world.wallet()["balance"]

        assert (at_threshold, below) == (100, 125)

    def test_refill_amount(self, world: World) -> None:
        """How many credits each auto-refill moves from the parent."""
        world.fund(100)
        world.configure(refillThreshold=60, refillAmount=25)

        ok(world.product.reserve(90), 201)

        assert world.allocations_of(world.product) == [25, 100]
        assert world.wallet(world.boss)["balance"] == 99_875

    def test_auto_refill_enabled(self, world: World) -> None:
        """Read-only, derived: `true` exactly when **both** `refillThreshold` and `refillAmount` are set."""
        assert world.configure(monthlyCreditCap=5)["autoRefillEnabled"] is False
        assert world.configure(refillThreshold=0, refillAmount=1)["autoRefillEnabled"] is True
        cleared = world.configure(refillThreshold=None, refillAmount=None)
        assert cleared["autoRefillEnabled"] is False
        answer = world.boss.configure(world.nordwind, autoRefillEnabled=True)
        assert error(answer) == (422, "VALIDATION")

    def test_the_patch_is_partial(self, world: World) -> None:
        """The PATCH is partial: send only the fields you're changing (a number sets, `null` clears, omitted leaves unchanged)."""
        world.configure(monthlyCreditCap=5, refillThreshold=6, refillAmount=7)

        config = world.configure(monthlyCreditCap=None, refillThreshold=60)

        assert config == {
            "monthlyCreditCap": None,
            "refillThreshold": 60,
            "refillAmount": 7,
            "autoRefillEnabled": True,
        }

    @pytest.mark.parametrize("fields", [{"refillThreshold": 5}, {"refillAmount": 5}])
    def test_both_or_neither(self, world: World, fields: dict[str, Any]) -> None:
        """Auto-refill is **both-or-neither** — after your patch, `refillThreshold` and `refillAmount` must be both set or both null,
        or the call is rejected with `422` (`details.code: REFILL_REQUIRES_THRESHOLD_AND_AMOUNT`)."""
        one_side_set = world.boss.configure(world.nordwind, **fields)
        world.configure(refillThreshold=1, refillAmount=1)
        one_side_cleared = world.boss.configure(world.nordwind, **dict.fromkeys(fields))

        for answer in (one_side_set, one_side_cleared):
            assert answer.status_code == 422
            assert details(answer)["code"] == "REFILL_REQUIRES_THRESHOLD_AND_AMOUNT"

    def test_one_side_where_the_other_is_set(self, world: World) -> None:
        """A one-sided patch is fine when the other side is already set."""
        world.configure(refillThreshold=5, refillAmount=6)

        assert world.configure(refillThreshold=50)["refillThreshold"] == 50
        assert world.configure(refillAmount=60)["refillAmount"] == 60


class TestCaps:
    def test_one_customer_cannot_drain_the_budget(self, world: World) -> None:
        """Set `monthlyCreditCap` (say, **5,000** credits/month) so one customer can't drain the budget you allocated across your
        roster."""
        world.fund(8_000)
        world.configure(monthlyCreditCap=5_000)

        for _ in range(9):
            answer = world.product.reserve(1_000)

        assert error(answer) == EXHAUSTED
        assert world.wallet()["reservedCredits"] == 5_000

    def test_counts_used_and_reserved(self, world: World) -> None:
        """A child generates normally until its period spend (used + reserved) would **exceed** the cap."""
        world.fund(1_000)
        world.configure(monthlyCreditCap=100)
        world.generate(60)
        held = ok(world.product.reserve(30), 201)["id"]

        assert error(world.product.reserve(11)) == EXHAUSTED

        ok(world.product.post(f"/usage/reservations/{held}/release"))
        assert world.product.reserve(40).status_code == 201

    def test_the_check_is_strict(self, world: World) -> None:
        """The check is strict — a child exactly *at* its cap can still place a reservation that lands it on the cap, but not one that
        crosses it."""
        world.fund(1_000)
        world.configure(monthlyCreditCap=100)
        world.generate(60)

        crossing = world.product.reserve(40.000001)
        landing = world.product.reserve(40)
        staying = world.product.reserve(0)
        beyond = world.product.reserve(0.000001)

        assert error(crossing) == EXHAUSTED
        assert (landing.status_code, staying.status_code) == (201, 201)
        assert error(beyond) == EXHAUSTED

    def test_crossing_the_cap_is_402_with_its_reason(self, world: World) -> None:
        """Once a reservation would cross the cap, that generation is rejected with `402 BILLING_EXHAUSTED`
        (`details.reason: "cap"`)."""
        world.fund(1_000)
        world.configure(monthlyCreditCap=100)

        answer = world.product.reserve(101)

        assert error(answer) == EXHAUSTED
        assert details(answer)["reason"] == "cap"

    def test_the_balance_is_untouched(self, world: World) -> None:
        """The child's existing balance is untouched; the cap is about *rate of spend this period*, not *total funds*."""
        world.fund(1_000)
        world.configure(monthlyCreditCap=100)

        world.product.reserve(101)
        funded_beyond_the_cap = world.fund(500)

        assert funded_beyond_the_cap["balance"] == world.wallet()["available"] == 1_500

    def test_never_refilled_past_the_cap(self, world: World) -> None:
        """A capped child is **never** auto-refilled to get past its cap — the cap is authoritative."""
        world.fund(100)
        world.configure(monthlyCreditCap=90, refillThreshold=1_000, refillAmount=2_000)

        answer = world.product.reserve(91)

        assert (error(answer), details(answer)["reason"]) == (EXHAUSTED, "cap")
        assert world.allocations_of(world.product) == [100]

    def test_the_counter_resets_on_the_boundary(
        self, world: World, clock: time_machine.Traveller
    ) -> None:
        """The period counter resets on the normal billing-period boundary."""
        world.fund(1_000)
        world.configure(monthlyCreditCap=100)
        world.generate(100)
        boundary = world.wallet()["currentPeriod"]["end"]

        clock.move_to(f.at("2026-05-31 23:59:59.999999"))
        before = world.product.reserve(1)
        clock.move_to(f.at("2026-06-01"))
        after = world.product.reserve(100)

        assert boundary == "2026-06-01T00:00:00.000Z"
        assert error(before) == EXHAUSTED
        assert after.status_code == 201


class TestAutoRefill:
    def test_a_child_tops_itself_up(self, world: World) -> None:
        """Set `refillThreshold` + `refillAmount` (say, threshold **1,000** / amount **2,000**) and a child tops itself up from the
        parent whenever it runs low — the same parent→child transfer as a manual allocation, no Stripe charge, no new payment path."""
        world.fund(1_500)
        world.configure(refillThreshold=1_000, refillAmount=2_000)

        ok(world.product.reserve(600), 201)

        refilled, allocated = world.events(world.product)
        assert refilled["credits"] == 2_000
        assert refilled.keys() == allocated.keys()
        assert refilled["eventType"] == allocated["eventType"] == "allocation"
        total = world.wallet(world.boss)["balance"] + world.wallet(world.product)["balance"]
        assert total == 100_000

    def test_auto_refill_enabled_reads_true(self, world: World) -> None:
        """With those set, `autoRefillEnabled` reads `true`."""
        assert world.configure(refillThreshold=1_000, refillAmount=2_000)["autoRefillEnabled"]

    def test_fires_from_the_generation_path(self, world: World) -> None:
        """The refill fires from the generation path the moment a child's `available` falls below `refillThreshold`, moving
        `refillAmount` and recording it as an `allocation` event on both ledgers."""
        world.configure(refillThreshold=1_000, refillAmount=2_000)
        world.wallet()
        world.fund(500)
        before = world.allocations_of(world.product)

        ok(world.product.reserve(1), 201)

        assert before == [500]  # neither reading nor funding is the generation path
        assert world.allocations_of(world.product) == [2_000, 500]
        assert world.allocations_of(world.boss) == [-2_000, -500]

    def test_a_burst_tops_the_child_up_once(
        self, world: World, clock: time_machine.Traveller
    ) -> None:
        """A short **cooldown** (a few minutes) means a burst of generations tops the child up **once**, not once per request."""
        world.configure(refillThreshold=1_000, refillAmount=500)

        for _ in range(20):
            ok(world.product.reserve(10), 201)
        burst = world.allocations_of(world.product)
        clock.move_to(f.later(minutes=5))
        ok(world.product.reserve(10), 201)

        assert burst == [500]
        assert world.allocations_of(world.product) == [500, 500]

    def test_an_exhausted_parent_makes_it_a_no_op(self, world: World) -> None:
        """If the **parent** wallet is exhausted, the refill is a no-op: the child stays under-funded and that generation gets
        `402 BILLING_EXHAUSTED`, but siblings are untouched and a later attempt retries once the parent is topped up."""
        world.fund(99_900, world.sibling)
        world.configure(refillThreshold=1_000, refillAmount=2_000)

        denied = world.product.reserve(10)
        sibling = world.sibling_product.reserve(10)
        f.grant(world.reseller, 5_000)
        retried = world.product.reserve(10)

        assert error(denied) == EXHAUSTED
        assert sibling.status_code == 201
        assert world.wallet(world.sibling_product)["balance"] == 99_900
        assert retried.status_code == 201
        assert world.allocations_of(world.product) == [2_000]

    def test_a_short_parent_gives_all_or_nothing(self, world: World) -> None:
        """moving `refillAmount`"""
        world.fund(98_001, world.sibling)
        world.configure(refillThreshold=1_000, refillAmount=2_000)

        assert error(world.product.reserve(10)) == EXHAUSTED
        assert world.wallet(world.boss)["balance"] == 1_999

    def test_over_the_cap_it_is_never_refilled(self, world: World) -> None:
        """A child that is **over its cap** is never refilled — the cap is checked first, so refill can't be used to spend past the
        ceiling."""
        world.fund(100)
        world.generate(50)
        world.configure(monthlyCreditCap=40, refillThreshold=1_000, refillAmount=2_000)

        answer = world.product.reserve(1)

        assert (error(answer), details(answer)["reason"]) == (EXHAUSTED, "cap")
        assert world.allocations_of(world.product) == [100]

    def test_the_config_rides_along_on_the_summary(self, world: World) -> None:
        """The child's current config also rides along on the `GET /v1/organizations/:orgId` summary as `summary.creditConfig`"""
        config = world.configure(monthlyCreditCap=5, refillThreshold=6, refillAmount=7)

        summary = ok(world.boss.get(child_path(world.nordwind)))["summary"]

        assert summary["creditConfig"] == config

    def test_a_child_key_never_sees_or_changes_it(self, world: World) -> None:
        """Credit config is governance the *parent* sets; a child key never sees or changes it."""
        world.fund(100)
        world.configure(monthlyCreditCap=4_321, refillThreshold=87, refillAmount=6_543)
        everything = caller_of(world.nordwind, "*", "org:admin")

        for caller in (world.product, everything):
            held = ok(caller.reserve(1), 201)["id"]
            answers = [
                caller.get("/whoami"),
                caller.get("/credits"),
                caller.get(f"/usage/reservations/{held}"),
                caller.get("/organizations"),
                caller.get(child_path(world.nordwind)),
                caller.get(f"{child_path(world.nordwind)}/credit-config"),
                caller.configure(world.nordwind, monthlyCreditCap=None),
                caller.reserve(5_000),
            ]
            said = b"".join(answer.content for answer in answers).decode()
            # As whole words: an id may have the same digits by chance.
            assert not re.search(r"\b(4321|6543)\b|creditConfig|Cap", said)

        config = ok(world.boss.get(f"{child_path(world.nordwind)}/credit-config"))["config"]
        assert config["monthlyCreditCap"] == 4_321

    def test_invisible_until_a_reservation_is_denied(self, world: World) -> None:
        """From the child's side caps and refills are invisible until a reservation is denied — at which point the signal is always
        `402 BILLING_EXHAUSTED`."""
        world.fund(100)
        world.configure(monthlyCreditCap=50)
        capped = world.product.reserve(10)
        by_the_cap = world.product.reserve(41)
        world.configure(monthlyCreditCap=None, refillThreshold=1_000, refillAmount=200_000)
        free = world.product.reserve(10)
        by_a_refill_that_cannot_be = world.product.reserve(91)

        assert [limit["scope"] for limit in ok(capped, 201)["limits"]] == ["pool"]
        assert [limit["scope"] for limit in ok(free, 201)["limits"]] == ["pool"]
        assert error(by_the_cap) == EXHAUSTED
        assert error(by_a_refill_that_cannot_be) == EXHAUSTED


class TestSeeAlso:
    def test_the_wallet_has_both_new_numbers(self, world: World) -> None:
        """your own wallet (now with `available` + `reservedCredits`)."""
        assert {"available", "reservedCredits"} <= world.wallet().keys()

    def test_the_ledger_has_the_transfers(self, world: World) -> None:
        """your ledger, including the `allocation` events for parent↔child transfers."""
        world.fund(100)
        ok(world.boss.delete(child_path(world.nordwind)))

        assert world.allocations_of(world.boss) == [100, -100]
