"""Our own endpoints for the path of a request: check, reservations in tokens, events, models; and personal keys."""

import base64
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from credits.models import LedgerEntry, Reservation
from organizations import services as organizations
from organizations import wire
from organizations.models import Actor, Organization
from organizations.services import OrganizationSuspended
from tests import factories as f
from tests.callers import Caller, caller_of, details, error, ok
from tests.callers import clock as clock
from tests.usage import people as p
from usage import services
from usage.models import AIModel, Denial, UsageEvent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

MILLION = 1_000_000
RESERVATIONS = "/usage/reservations"


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


@pytest.fixture
def backend(organization: Organization) -> Caller:
    return caller_of(organization)


@pytest.fixture
def sonnet() -> AIModel:
    return p.make_models()[0]


@pytest.fixture
def ada(organization: Organization) -> Actor:
    return p.make_actor(organization)


def personal(actor: Actor, *scopes: str) -> Caller:
    organization = actor.organization
    _, secret = f.make_key(organization, scopes=scopes or ["*"], actor=actor)
    return Caller(secret)


def tokens(**fields: Any) -> dict[str, Any]:
    """A million tokens in and at most two out, on sonnet: 30 credits."""
    return {"model": "sonnet", "inputTokens": MILLION, "maxOutputTokens": 2 * MILLION} | fields


@pytest.mark.usefixtures("sonnet")
class TestReserveInTokens:
    def test_holds_the_price_of_the_estimate(self, backend: Caller) -> None:
        held = ok(backend.post(RESERVATIONS, tokens()), 201)

        assert [held["credits"], held["maxOutputTokens"]] == [30, 2 * MILLION]
        assert [held["requestedModel"], held["effectiveModel"]] == ["sonnet", "sonnet"]
        assert [held["decision"], held["byok"]] == ["allow", False]
        assert held["ratedAt"] == "2026-01-01T00:00:00.000Z"

    def test_needs_no_output_of_a_model_whose_output_costs_nothing(self, backend: Caller) -> None:
        p.set_price(p.make_model("embedding", credits_per_million=None), 2, "input_tokens")
        work = {"model": "embedding", "inputTokens": MILLION}

        held = [
            ok(backend.post(RESERVATIONS, work | most), 201)
            for most in ({}, {"maxOutputTokens": 0})
        ]

        assert [hold["credits"] for hold in held] == [2, 2]
        real = {"inputTokens": MILLION, "outputTokens": 0}
        done = ok(backend.post(f"{RESERVATIONS}/{held[0]['id']}/settle", real))
        assert done["settledCredits"] == 2

    @pytest.mark.parametrize("most", [{}, {"maxOutputTokens": 0}])
    def test_needs_the_output_of_a_model_whose_output_costs(
        self, backend: Caller, most: dict[str, int]
    ) -> None:
        answer = backend.post(RESERVATIONS, {"model": "sonnet", "inputTokens": MILLION} | most)

        assert error(answer)[0] == 422
        assert list(details(answer)["fields"]) == ["maxOutputTokens"]

    def test_settles_the_real_tokens(self, backend: Caller, ada: Actor) -> None:
        held = ok(backend.post(RESERVATIONS, tokens(actorId=ada.public_id)), 201)
        real = {"inputTokens": MILLION, "cachedInputTokens": MILLION // 2, "outputTokens": 7}

        done = ok(backend.post(f"{RESERVATIONS}/{held['id']}/settle", real))
        again = ok(backend.post(f"{RESERVATIONS}/{held['id']}/settle", real))
        other = backend.post(f"{RESERVATIONS}/{held['id']}/settle", real | {"outputTokens": 8})

        assert done == again
        assert [done["status"], done["settledCredits"]] == ["settled", 15.00007]
        assert error(other) == (409, "CONFLICT")
        assert UsageEvent.objects.get().output_tokens == 7

    def test_holds_enough_for_a_prompt_that_is_written_to_a_cache(
        self, backend: Caller, organization: Organization
    ) -> None:
        p.set_price("sonnet", "12.5", "cache_write_tokens")
        p.set_price("sonnet", 20, "output_reasoning_tokens")
        held = ok(backend.post(RESERVATIONS, tokens()), 201)
        real = {
            "inputTokens": 0,
            "cacheWriteTokens": MILLION,
            "outputTokens": 2 * MILLION,
            "reasoningTokens": 2 * MILLION,
        }

        done = ok(backend.post(f"{RESERVATIONS}/{held['id']}/settle", real))

        assert [held["credits"], done["settledCredits"]] == [52.5, 52.5]

    def test_buys_output_with_what_the_dearest_input_leaves(
        self, backend: Caller, organization: Organization
    ) -> None:
        p.set_price("sonnet", "12.5", "cache_write_tokens")
        f.set_terms(organization, monthly_cap=15)

        held = ok(backend.post(RESERVATIONS, tokens(mode="up_to")), 201)

        assert [held["credits"], held["maxOutputTokens"]] == [15, MILLION // 4]

    def test_grows_by_the_dearest_way_too(self, backend: Caller) -> None:
        p.set_price("sonnet", "12.5", "cache_write_tokens")
        held = ok(backend.post(RESERVATIONS, tokens()), 201)

        grown = ok(
            backend.post(f"{RESERVATIONS}/{held['id']}/grow", {"maxOutputTokens": 3 * MILLION})
        )

        assert [held["credits"], grown["credits"]] == [32.5, 42.5]

    def test_charges_counts_that_contradict_each_other_and_notes_it(
        self, backend: Caller, organization: Organization
    ) -> None:
        held = ok(backend.post(RESERVATIONS, tokens()), 201)
        real = {"inputTokens": 1_000, "outputTokens": 6_000, "reasoningTokens": 6_001}

        done = ok(backend.post(f"{RESERVATIONS}/{held['id']}/settle", real))
        again = ok(backend.post(f"{RESERVATIONS}/{held['id']}/settle", real))

        assert done == again
        assert done["settledCredits"] == 0.07  # 7,000 tokens at 10 a million
        (event,) = ok(backend.get("/usage/events"))["items"]
        assert event["note"] == "6001 reasoning tokens of 6000 output tokens"
        assert [event["outputTokens"], event["reasoningTokens"]] == [6_000, 6_001]

    def test_charges_told_counts_that_contradict_each_other_and_notes_it(
        self, backend: Caller
    ) -> None:
        AIModel.objects.filter(slug="sonnet").update(input_includes_cached=True)
        told = {
            "source": "job",
            "id": "1",
            "model": "sonnet",
            "inputTokens": MILLION,
            "cachedInputTokens": MILLION + 1,
            "outputTokens": 0,
        }

        (result,) = ok(backend.post("/usage/events", {"events": [told]}))["results"]

        assert [result["status"], result["credits"]] == ["accepted", 10]
        (event,) = ok(backend.get("/usage/events"))["items"]
        assert event["note"] == "1000001 cached tokens of 1000000 input tokens"

    def test_notes_nothing_where_the_counts_agree(self, backend: Caller) -> None:
        held = ok(backend.post(RESERVATIONS, tokens()), 201)
        real = {"inputTokens": 1, "outputTokens": 6, "reasoningTokens": 6}
        ok(backend.post(f"{RESERVATIONS}/{held['id']}/settle", real))

        (event,) = ok(backend.get("/usage/events"))["items"]

        assert event["note"] is None

    @pytest.mark.parametrize("most", [{}, {"maxOutputTokens": 0}])
    def test_need_no_output_where_only_what_goes_in_is_sold(
        self, backend: Caller, most: dict[str, int]
    ) -> None:
        p.set_price(p.make_model("vectors", credits_per_million=None), 10, "input_tokens")
        work = {"model": "vectors", "inputTokens": MILLION, **most}

        checked = ok(backend.post("/usage/check", work))
        held = ok(backend.post(RESERVATIONS, work), 201)
        done = backend.post(
            f"{RESERVATIONS}/{held['id']}/settle", {"usage": {"inputTokens": MILLION}}
        )

        assert [checked["decision"], checked["credits"], held["credits"]] == ["allow", 10, 10]
        assert ok(done)["settledCredits"] == 10

    def test_need_a_limit_of_output_where_it_costs(self, backend: Caller) -> None:
        refused = backend.post(RESERVATIONS, {"model": "sonnet", "inputTokens": 1})

        assert error(refused) == (422, "VALIDATION")
        assert details(refused)["fields"] == {
            "maxOutputTokens": ["It is required: what comes out of this model costs."]
        }

    def test_grows_while_streaming(self, backend: Caller) -> None:
        held = ok(backend.post(RESERVATIONS, tokens()), 201)

        grown = ok(
            backend.post(f"{RESERVATIONS}/{held['id']}/grow", {"maxOutputTokens": 3 * MILLION})
        )
        same = ok(backend.post(f"{RESERVATIONS}/{held['id']}/grow", {"maxOutputTokens": 1}))

        assert [grown["credits"], grown["maxOutputTokens"]] == [40, 3 * MILLION]
        assert [same["credits"], same["maxOutputTokens"]] == [40, 3 * MILLION]

    def test_holds_what_fits_and_says_how_many_tokens_that_buys(
        self, backend: Caller, organization: Organization
    ) -> None:
        f.set_terms(organization, monthly_cap=15)

        held = ok(backend.post(RESERVATIONS, tokens(mode="up_to")), 201)

        assert [held["credits"], held["maxOutputTokens"]] == [15, MILLION // 2]

    def test_says_what_would_be_affordable(
        self, backend: Caller, organization: Organization
    ) -> None:
        f.set_terms(organization, monthly_cap=15)

        refused = backend.post(RESERVATIONS, tokens())

        assert error(refused) == (402, "BILLING_EXHAUSTED")
        said = details(refused)
        assert [said["reason"], said["affordableCredits"]] == ["cap", 15]
        assert said["affordableOutputTokens"] == MILLION // 2
        assert said["unblocksAt"] is None  # all of it is more than the cap itself

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"model": "gpt-99"}, "model"),
            ({"entity": "nobody"}, "entity"),
            ({"estimatedCredits": 5}, "estimatedCredits"),
            ({"maxOutputTokens": 0}, "maxOutputTokens"),
            ({"inputTokens": -1}, "inputTokens"),
            ({"inputTokens": "5"}, "inputTokens"),
            ({"inputTokens": True}, "inputTokens"),
            ({"entityType": "app"}, "entityId"),
            ({"entityId": "x"}, "entityType"),
            ({"entityType": "team", "entityId": "x"}, "entityType"),
            ({"resourceType": "app_storage"}, "resourceType"),
            ({"mode": "most"}, "mode"),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, backend: Caller, fields: dict[str, Any], named: str
    ) -> None:
        refused = backend.post(RESERVATIONS, tokens(**fields))

        assert error(refused) == (422, "VALIDATION")
        assert named in details(refused)["fields"]

    @pytest.mark.parametrize("missing", ["model", "inputTokens", "maxOutputTokens"])
    def test_needs_all_of_model_and_both_counts(self, backend: Caller, missing: str) -> None:
        body = tokens()
        del body[missing]

        refused = backend.post(RESERVATIONS, body)

        assert error(refused) == (422, "VALIDATION")
        assert missing in details(refused)["fields"]

    def test_of_tokens_needs_a_model_at_settle_too(self, backend: Caller) -> None:
        held = ok(backend.reserve(5), 201)

        refused = backend.post(
            f"{RESERVATIONS}/{held['id']}/settle", {"inputTokens": 1, "outputTokens": 1}
        )

        assert error(refused) == (422, "VALIDATION")

    def test_refuses_a_model_without_a_price(self, backend: Caller) -> None:
        p.make_model("new", credits_per_million=None)

        assert error(backend.post(RESERVATIONS, tokens(model="new"))) == (422, "VALIDATION")


@pytest.mark.usefixtures("sonnet")
class TestDenials:
    @pytest.mark.parametrize(
        ("fields", "code", "reason"),
        [
            ({"ai_enabled": False}, "AI_NOT_CONFIGURED", "entitlement"),
            ({"entitled_until": f.NOW}, "AI_NOT_CONFIGURED", "entitlement"),
            ({"enabled_providers": ["openai"]}, "MODEL_NOT_ENABLED", "provider"),
        ],
    )
    def test_of_an_organization_say_their_code(
        self, organization: Organization, fields: dict[str, Any], code: str, reason: str
    ) -> None:
        Organization.objects.filter(pk=organization.pk).update(**fields)
        backend = caller_of(organization)

        refused = backend.post(RESERVATIONS, tokens())
        checked = ok(backend.post("/usage/check", tokens()))

        assert error(refused) == (402, code)
        assert details(refused)["reason"] == reason
        assert [checked["decision"], checked["code"], checked["reason"]] == ["deny", code, reason]

    def test_are_kept_once_a_minute_for_each_actor_and_reason(
        self, backend: Caller, organization: Organization, ada: Actor, clock: time_machine.Traveller
    ) -> None:
        f.set_terms(organization, monthly_cap=0)
        for _ in range(3):
            assert error(backend.post(RESERVATIONS, tokens(actorId=ada.public_id)))[0] == 402
        assert error(backend.reserve(1))[0] == 402
        clock.move_to(f.later(minutes=1))
        assert error(backend.reserve(1))[0] == 402

        kept = [(denial.actor, denial.reason) for denial in Denial.objects.order_by("id")]
        assert kept == [(ada, "cap"), (None, "cap"), (None, "cap")]

    def test_of_growth_are_kept_too(
        self, backend: Caller, organization: Organization, ada: Actor
    ) -> None:
        held = ok(backend.post(RESERVATIONS, tokens(actorId=ada.public_id)), 201)["id"]
        p.limit(organization, 40, "actor", actor=ada)

        refused = backend.post(f"{RESERVATIONS}/{held}/grow", {"estimatedCredits": 41})

        assert error(refused) == (402, "BILLING_EXHAUSTED")
        kept = Denial.objects.get()
        assert [kept.actor, kept.reason, kept.model] == [ada, "actor_cap", "sonnet"]
        assert kept.needed == 11

    def test_leave_the_idempotency_key_free(
        self, backend: Caller, organization: Organization
    ) -> None:
        f.set_terms(organization, monthly_cap=1)
        first = backend.post(RESERVATIONS, tokens(), key="k")
        f.set_terms(organization, monthly_cap=None)

        assert error(first)[0] == 402
        assert ok(backend.post(RESERVATIONS, tokens(), key="k"), 201)["credits"] == 30


@pytest.mark.usefixtures("sonnet")
class TestCheck:
    def test_answers_what_a_reservation_would_be_and_holds_nothing(
        self, backend: Caller, organization: Organization
    ) -> None:
        checked = ok(backend.post("/usage/check", tokens()))
        nothing = f.money_of(organization)
        held = ok(backend.post(RESERVATIONS, tokens()), 201)

        same = ("decision", "credits", "requestedModel", "effectiveModel", "ratedAt")
        assert {name: checked[name] for name in same} == {name: held[name] for name in same}
        left = [body["limits"][1]["remaining"] for body in (checked, held)]
        assert left == [1_000, 1_000 - held["credits"]]
        assert nothing == f.amounts(1_000, 0, 1_000)
        assert [checked["code"], checked["reason"]] == [None, None]

    def test_answers_200_when_it_denies(self, backend: Caller, organization: Organization) -> None:
        f.set_terms(organization, monthly_cap=15)

        checked = ok(backend.post("/usage/check", tokens()))

        assert [checked["decision"], checked["code"]] == ["deny", "BILLING_EXHAUSTED"]
        assert [checked["reason"], checked["affordableOutputTokens"]] == ["cap", MILLION // 2]

    def test_fires_no_refill(self) -> None:
        parent, child = f.make_family(refill_threshold=10, refill_amount=50)

        checked = ok(caller_of(child).post("/usage/check", {"estimatedCredits": 5}))

        assert checked["decision"] == "allow"
        assert [f.money_of(parent)[0], f.money_of(child)[0]] == [1_000, 0]

    def test_tells_a_child_nothing_of_its_cap(self) -> None:
        _, child = f.make_family(monthly_cap=3)

        checked = ok(caller_of(child).post("/usage/check", {"estimatedCredits": 5}))

        assert [checked["reason"], checked["affordableCredits"]] == ["cap", None]
        assert [limit["scope"] for limit in checked["limits"]] == ["pool"]
        assert checked["unblocksAt"] is None


@pytest.mark.usefixtures("sonnet")
class TestEvents:
    def tell(self, caller: Caller, *events: dict[str, Any]) -> list[Any]:
        results: list[Any] = ok(caller.post("/usage/events", {"events": list(events)}))["results"]
        return results

    def test_are_charged_each_once_for_ever(
        self, backend: Caller, organization: Organization, ada: Actor
    ) -> None:
        one = {"source": "batch", "id": "1", "credits": 2.5, "actorId": ada.public_id}
        two = {"source": "batch", "id": "2", "model": "sonnet", "outputTokens": MILLION}

        first = self.tell(backend, one, two, one)
        again = self.tell(backend, two)

        assert [result["status"] for result in first] == ["accepted", "accepted", "duplicate"]
        assert [result["credits"] for result in first] == [2.5, 10, 2.5]
        entry_id = LedgerEntry.objects.get(kind="settle").public_id
        duplicate = {"status": "duplicate", "credits": 10, "entryId": entry_id}
        assert again == [{"source": "batch", "id": "2", **duplicate}]
        assert {result["entryId"] for result in first} == {entry_id}
        assert f.money_of(organization)[0] == Decimal("987.5")
        assert f.wallet_of(organization).head_number == 2
        assert p.counted(organization, "2026-05", actor=ada)[0] == 2.5

    def test_go_into_debt_rather_than_be_denied(self, organization: Organization) -> None:
        f.set_terms(organization, monthly_cap=0)
        backend = caller_of(organization)

        (result,) = self.tell(backend, {"source": "b", "id": "1", "credits": 1_200})

        assert result["status"] == "accepted"
        assert f.money_of(organization) == f.amounts(-200, 0, 0)

    def test_are_rejected_where_they_cost_more_than_work_may(
        self, backend: Caller, organization: Organization
    ) -> None:
        f.set_terms(organization, charge_limit=20)
        event = {"source": "b", "model": "sonnet"}

        results = self.tell(
            backend,
            {"source": "b", "id": "1", "credits": 20},
            {"source": "b", "id": "2", "credits": 20.000001},
            event | {"id": "3", "outputTokens": 2 * MILLION},
            event | {"id": "4", "outputTokens": 2 * MILLION + 1},
        )

        assert [r["status"] for r in results] == ["accepted", "rejected", "accepted", "rejected"]
        assert results[1]["reason"] == "20.000001 credits: one piece of work may cost 20 at most"
        assert f.money_of(organization)[0] == 960

    @pytest.mark.parametrize("whose", ["own", "parent's"])
    def test_are_refused_if_a_suspension_came_after_the_door(self, whose: str) -> None:
        parent, child = f.make_family()
        f.suspend(child if whose == "own" else parent)
        told = services.Told("gateway", "1", f.NOW, credits=Decimal(1))

        with pytest.raises(OrganizationSuspended):
            services.record(organization=child, told=[told], performed_by=f.KEY, now=f.NOW)
        assert not UsageEvent.objects.exists()

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"model": "gpt-99", "inputTokens": 1}, "unknown model"),
            (
                {"credits": 1, "actorId": "act_01900000-0000-7000-8000-000000000000"},
                "unknown actor",
            ),
            ({"credits": 1, "entity": "nobody"}, "unknown entity"),
            ({"credits": 1, "occurredAt": "2026-05-10T12:05:01Z"}, "ahead"),
            ({"credits": 1, "occurredAt": "2026-04-30T23:59:59Z"}, "before the previous"),
            ({"credits": 1, "source": "reservation"}, "reserved"),
            ({"model": "old", "inputTokens": 1}, "no price"),
        ],
    )
    def test_are_rejected_one_by_one_with_a_reason(
        self, backend: Caller, organization: Organization, fields: dict[str, Any], reason: str
    ) -> None:
        p.make_model("old", credits_per_million=None)
        good = {"source": "b", "id": "good", "credits": 1}

        results = self.tell(backend, {"source": "b", "id": "bad"} | fields, good)

        assert [result["status"] for result in results] == ["rejected", "accepted"]
        assert reason in results[0]["reason"]
        assert f.money_of(organization)[0] == 999

    def test_are_priced_and_counted_when_they_happened(
        self, backend: Caller, organization: Organization, sonnet: AIModel
    ) -> None:
        f.renew(organization, now=f.at("2026-06-02"))
        p.set_rate(sonnet, 99, since=f.at("2026-05-20"))
        with time_machine.travel(f.at("2026-06-02"), tick=False):
            may = {"source": "b", "id": "1", "model": "sonnet", "outputTokens": MILLION}
            (result,) = self.tell(backend, may | {"occurredAt": "2026-05-19T00:00:00Z"})

        assert result["credits"] == 10
        assert p.counted(organization, "2026-05")[0] == 10
        assert [period.used for period in f.periods_of(organization)] == [10, 0]

    def test_say_their_moment_with_any_offset(self, backend: Caller) -> None:
        at = "2026-05-10T13:30:00+02:00"
        told = {"source": "b", "id": "1", "credits": 1, "occurredAt": at}

        self.tell(backend, told)

        (listed,) = ok(backend.get("/usage/events", since=at))["items"]
        assert listed["occurredAt"] == "2026-05-10T11:30:00.000Z"
        assert ok(backend.get("/usage/events", until="2026-05-10T13:29:59+02:00"))["items"] == []

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ({"credits": Decimal("0.1234567")}, "credits: At most six decimal places are allowed."),
            ({"credits": "1"}, "credits: "),
            ({"credits": True}, "credits: "),
            ({"credits": -1}, "credits: "),
            ({"credits": 10**13 + 1}, "credits: "),
            ({"credits": None}, "credits: "),
            ({}, "credits: Exactly one of credits, token counts, usage and response"),
            ({"credits": 1, "inputTokens": 1}, "inputTokens: Exactly one of credits"),
            ({"outputTokens": 1}, "model: Tokens need a model."),
            ({"model": "sonnet", "outputTokens": 1.5}, "outputTokens: "),
            ({"model": "sonnet", "outputTokens": 10**9 + 1}, "outputTokens: "),
            ({"credits": 1, "model": 5}, "model: "),
            ({"credits": 1, "actorId": "act_"}, "actorId: "),
            ({"credits": 1, "entity": ["a"]}, "entity: "),
            ({"credits": 1, "entityType": "app"}, "entityId: "),
            ({"credits": 1, "entityType": "app", "entityId": "a\u200bb"}, "entityId: "),
            ({"credits": 1, "entityType": "app", "entityId": " a"}, "entityId: A name that others"),
            ({"credits": 1, "entityType": "table", "entityId": "a"}, "entityType: "),
            ({"credits": 1, "resourceType": "fun"}, "resourceType: "),
            ({"credits": 1, "occurredAt": "2026-05-10"}, "occurredAt: A time with an offset"),
            ({"credits": 1, "occurredAt": "2026-02-30T00:00:00Z"}, "occurredAt: "),
            ({"credits": 1, "cost": 1}, "cost: This field is not known here."),
            ({"credits": "1", "cost": 1, "model": 5}, "cost: "),
            ({"credits": 1, "occurredAt": "2027-05-10T12:00:00Z"}, "occurredAt is more than"),
            ({"credits": 1, "model": "nobody's"}, "unknown model"),
            ({"credits": 100_001}, "may cost 100000 at most"),
        ],
    )
    @pytest.mark.usefixtures("sonnet")
    def test_with_a_fault_keep_nothing_from_the_others(
        self, backend: Caller, organization: Organization, fault: dict[str, Any], reason: str
    ) -> None:
        """Whatever is wrong with one of them, the others are charged."""
        good = [{"source": "b", "id": name, "credits": 1} for name in ("first", "last")]
        bad = {"source": "b", "id": "bad", **fault}
        text = wire.dumps({"events": [good[0], bad, good[1]]}).decode()

        results = ok(backend.post_text("/usage/events", text))["results"]

        assert [result["id"] for result in results] == ["first", "bad", "last"]
        assert [result["status"] for result in results] == ["accepted", "rejected", "accepted"]
        assert reason in results[1]["reason"]
        assert UsageEvent.objects.count() == 2
        assert f.wallet_of(organization).balance == 998

    @pytest.mark.parametrize(
        ("item", "named"),
        [
            ({"id": "1", "credits": 1}, (None, "1")),
            ({"source": "b", "credits": 1}, ("b", None)),
            ({"source": "b", "id": "", "credits": 1}, ("b", None)),
            ({"source": "b", "id": "x" * 129, "credits": 1}, ("b", None)),
            ({"source": 5, "id": "a\u200b", "credits": 1}, (None, None)),
            *(zip((None, 5, "text", [], [{}], True), [(None, None)] * 6, strict=True)),
        ],
    )
    def test_are_told_by_their_place_what_is_wrong_with_their_names(
        self, backend: Caller, item: Any, named: tuple[str | None, str | None]
    ) -> None:
        good = {"source": "b", "id": "good", "credits": 1}

        first, second = self.tell(backend, item, good)

        assert (first["source"], first["id"], first["status"]) == (*named, "rejected")
        assert first["reason"]
        assert second["status"] == "accepted"

    def test_are_told_of_a_few_of_many_faults(self, backend: Caller) -> None:
        (result,) = self.tell(backend, {f"n{n}": 1 for n in range(100)})

        assert result["reason"].count("This field is not known here.") == 5
        assert result["reason"].endswith("; and 95 more")

    @pytest.mark.parametrize(
        "text",
        [
            '{"events":[]}',
            '{"events":{}}',
            '{"events":[{"source":"b","id":"1","credits":1}],"more":1}',
            '{"events":[{"source":"b","id":"1","credits":1,"credits":2}]}',
            '{"events":[{"source":"b","id":"1","credits":NaN}]}',
            '{"events":[{"source":"b","id":"1","credits":1}',
        ],
    )
    def test_are_refused_together_where_the_request_itself_is_wrong(
        self, backend: Caller, text: str
    ) -> None:
        """What is no JSON, or is wrong around the pieces, belongs to none of them."""
        refused = backend.post_text("/usage/events", text)

        assert refused.status_code in (400, 422)
        assert not UsageEvent.objects.exists()

    def test_come_1000_at_a_time_and_not_one_more(self, backend: Caller) -> None:
        many = [{"source": "b", "id": str(n), "credits": 0.001} for n in range(1_001)]

        assert len(self.tell(backend, *many[:1_000])) == 1_000
        assert error(backend.post("/usage/events", {"events": many})) == (422, "VALIDATION")

    def test_are_listed_newest_first_and_filtered(
        self, backend: Caller, ada: Actor, clock: time_machine.Traveller
    ) -> None:
        self.tell(backend, {"source": "a", "id": "1", "credits": 1, "actorId": ada.public_id})
        clock.move_to(f.later(hours=1))
        self.tell(backend, {"source": "b", "id": "2", "credits": 2})

        everything = ok(backend.get("/usage/events"))["items"]
        hers = ok(backend.get("/usage/events", actorId=ada.public_id))["items"]
        later = ok(backend.get("/usage/events", since="2026-05-10T12:30:00Z"))["items"]

        assert [event["externalId"] for event in everything] == ["2", "1"]
        assert [event["externalId"] for event in hers] == ["1"]
        assert [event["externalId"] for event in later] == ["2"]


class TestModels:
    def test_are_told_a_page_at_a_time(self, organization: Organization) -> None:
        slugs = sorted(["a", "a:b", "a|b", "gpt-é", "z" * 80, *(f"m{n}" for n in range(30))])
        for slug in slugs:
            p.make_model(slug, credits_per_million=None)
        hidden = p.make_model("m00", provider="openai", is_fallback=True)
        Organization.objects.filter(pk=organization.pk).update(enabled_providers=["anthropic"])
        backend = caller_of(organization)

        told: list[str] = []
        cursor: dict[str, str] = {}
        pages = 0
        while pages == 0 or cursor:
            said = ok(backend.get("/models", limit=3, **cursor))
            told += [model["id"] for model in said["items"]]
            cursor = {"cursor": said["nextCursor"]} if said["nextCursor"] else {}
            pages += 1

        assert hidden.slug not in told
        assert sorted(told) == slugs
        assert len(set(told)) == len(told)
        assert pages == 12
        assert len(ok(backend.get("/models"))["items"]) == 25

    @pytest.mark.parametrize("place", ["AIModel:slug:a\0b", "Actor:slug:a", "AIModel:slug"])
    def test_begin_a_page_after_what_is_a_place_of_theirs(
        self, organization: Organization, place: str
    ) -> None:
        cursor = base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")

        refused = caller_of(organization).get("/models", cursor=cursor)

        assert error(refused) == (422, "VALIDATION")

    def test_say_why_they_are_not_available(self, organization: Organization, ada: Actor) -> None:
        p.make_models()
        p.make_model("opus", tier="strategic")
        p.make_model("new", credits_per_million=None)
        p.make_model("soon", since=f.later(minutes=1))
        p.set_price(p.make_model("turbo", credits_per_million=None), None, since=f.NOW)
        p.make_model("gpt", provider="openai")
        p.make_model("gpt-mini", provider="openai", is_fallback=True)
        Organization.objects.filter(pk=organization.pk).update(enabled_providers=["anthropic"])

        listed = ok(caller_of(organization).get("/models", actorId=ada.public_id))["items"]

        assert {model["id"]: model["reason"] for model in listed} == {
            "sonnet": None,
            "haiku": None,
            "opus": "TIER_NOT_ALLOWED",
            "new": "UNPRICED",
            "soon": "UNPRICED",
            "turbo": "UNPRICED",
            "gpt": "MODEL_NOT_ENABLED",
        }
        assert [model["id"] for model in listed] == sorted(model["id"] for model in listed)
        haiku = listed[1]
        assert [price["credits"] for price in haiku.pop("prices")] == ["2", "2"]
        assert haiku == {
            "id": "haiku",
            "name": "Haiku",
            "provider": "anthropic",
            "tier": "everyday",
            "fallback": True,
            "aliases": [],
            "available": True,
            "reason": None,
            "ratedAt": "2026-01-01T00:00:00.000Z",
            "retiredAt": None,
        }


@pytest.mark.usefixtures("sonnet")
class TestTooMuch:
    """What cannot be true is refused, with the field that says it and the numbers; nothing changes."""

    def fields(self, answer: Any, *, code: str = "CHARGE_LIMIT") -> dict[str, list[str]]:
        assert error(answer) == (422, code)
        named: dict[str, list[str]] = details(answer)["fields"]
        return named

    @pytest.mark.parametrize("path", [RESERVATIONS, "/usage/check"])
    def test_is_named_by_its_field_before_the_work(
        self, backend: Caller, organization: Organization, path: str
    ) -> None:
        f.set_terms(organization, charge_limit=20)

        by_credits = self.fields(backend.post(path, {"estimatedCredits": 21}))
        by_tokens = self.fields(backend.post(path, tokens()))

        sentence = "credits: one piece of work may cost 20 at most"
        assert by_credits == {"estimatedCredits": [f"21 {sentence}"]}
        assert by_tokens == {"maxOutputTokens": [f"30 {sentence}"]}
        assert f.money_of(organization) == f.amounts(1_000, 0, 1_000)

    def test_is_named_by_its_field_after_it(
        self, backend: Caller, organization: Organization
    ) -> None:
        held = ok(backend.post(RESERVATIONS, tokens()), 201)
        path = f"{RESERVATIONS}/{held['id']}"
        f.set_terms(organization, charge_limit=20)
        used = {"inputTokens": MILLION, "outputTokens": 3 * MILLION}

        assert list(self.fields(backend.settle(held["id"], 10**13))) == ["credits"]
        assert list(self.fields(backend.post(f"{path}/settle", used))) == ["outputTokens"]
        more = self.fields(backend.post(f"{path}/grow", {"maxOutputTokens": 3 * MILLION}))
        assert more == {"maxOutputTokens": ["40 credits: one piece of work may cost 20 at most"]}
        assert f.money_of(organization) == f.amounts(1_000, 30, 970)
        assert ok(backend.settle(held["id"], 30))["settledCredits"] == 30

    def test_in_up_to_is_as_much_output_as_one_piece_of_work_may_cost(
        self, backend: Caller, organization: Organization
    ) -> None:
        f.set_terms(organization, charge_limit=15)

        held = ok(backend.post(RESERVATIONS, tokens(mode="up_to")), 201)
        f.set_terms(organization, charge_limit=10)
        refused = self.fields(backend.post(RESERVATIONS, tokens(mode="up_to")))

        assert [held["credits"], held["maxOutputTokens"]] == [15, MILLION // 2]
        assert "buy no output" in refused["maxOutputTokens"][0]

    def test_is_a_hundred_thousand_credits_unless_staff_say_otherwise(
        self, backend: Caller, organization: Organization
    ) -> None:
        first, second = (ok(backend.reserve(1), 201)["id"] for _ in range(2))

        assert list(self.fields(backend.settle(first, 100_000.000001))) == ["credits"]
        assert ok(backend.settle(first, 100_000))["settledCredits"] == 100_000
        f.set_terms(organization, charge_limit=None)
        assert ok(backend.settle(second, 10**12))["settledCredits"] == 10**12

    def test_is_nobodys_business_where_nothing_is_charged(
        self, backend: Caller, organization: Organization
    ) -> None:
        Organization.objects.update(byok=True)
        f.set_terms(organization, charge_limit=1)

        held = ok(backend.post(RESERVATIONS, tokens()), 201)

        assert ok(backend.settle(held["id"], 30))["settledCredits"] == 0

    def test_is_more_than_ten_times_what_a_personal_key_held(
        self, ada: Actor, organization: Organization, backend: Caller
    ) -> None:
        me = personal(ada)
        first, second = (ok(me.reserve(3), 201)["id"] for _ in range(2))

        refused = self.fields(me.settle(first, 30.000001))

        assert refused["credits"] == [
            "30.000001 credits: a personal key settles at most 10 times the 3 that it held"
        ]
        assert f.wallet_of(organization).reserved == 6
        assert ok(me.settle(first, 30))["settledCredits"] == 30
        assert ok(backend.settle(second, 31))["settledCredits"] == 31

    def test_is_anything_where_a_personal_key_held_nothing(
        self, ada: Actor, organization: Organization
    ) -> None:
        me = personal(ada)

        for body in ({"estimatedCredits": 0}, {"estimatedCredits": 0, "model": "sonnet"}):
            for path in (RESERVATIONS, "/usage/check"):
                assert self.fields(me.post(path, body), code="VALIDATION") == {
                    "estimatedCredits": ["0 credits: a personal key holds what its work may cost"]
                }
        Organization.objects.update(byok=True)
        assert ok(me.reserve(0), 201)["byok"] is True


class TestFreeWork:
    """Work whose rate card says 0."""

    @pytest.fixture
    def organization(self) -> Organization:
        organization = f.make_organization(funded=5)
        p.use(p.work(organization, 5), 15)
        p.make_model("free", credits_per_million=0)
        return organization

    def ask(self, **fields: Any) -> dict[str, Any]:
        return {"model": "free", "inputTokens": 100, "maxOutputTokens": 100} | fields

    def test_is_admitted_in_debt(self, backend: Caller, organization: Organization) -> None:
        held = ok(backend.post(RESERVATIONS, self.ask()), 201)
        path = f"{RESERVATIONS}/{held['id']}"
        grown = ok(backend.post(f"{path}/grow", {"maxOutputTokens": 900}))
        done = ok(backend.post(f"{path}/settle", {"inputTokens": 100, "outputTokens": 900}))

        assert ok(backend.post("/usage/check", self.ask()))["decision"] == "allow"
        assert [held["credits"], done["settledCredits"]] == [0, 0]
        assert [held["maxOutputTokens"], grown["maxOutputTokens"]] == [100, 900]
        assert f.money_of(organization) == f.amounts(-10, 0, 0)
        assert [m["available"] for m in ok(backend.get("/models"))["items"]] == [True]

    def test_is_not_what_was_estimated_to_cost_nothing(self, backend: Caller) -> None:
        for fields in ({}, {"model": "free"}):
            assert error(backend.reserve(0, **fields)) == (402, "BILLING_EXHAUSTED")

    def test_is_refused_by_a_cap_of_0(self, backend: Caller, organization: Organization) -> None:
        f.set_terms(organization, monthly_cap=0)

        answer = backend.post(RESERVATIONS, self.ask())

        assert error(answer) == (402, "BILLING_EXHAUSTED")
        assert details(answer)["reason"] == "cap"

    def test_is_held_by_a_personal_key(self, ada: Actor) -> None:
        me = personal(ada)

        held = ok(me.post(RESERVATIONS, self.ask()), 201)

        assert held["credits"] == 0
        assert error(me.settle(held["id"], 1)) == (422, "CHARGE_LIMIT")
        assert ok(me.settle(held["id"], 0))["settledCredits"] == 0


@pytest.mark.usefixtures("sonnet")
class TestPersonalKey:
    def test_is_its_actor(self, ada: Actor, organization: Organization) -> None:
        p.limit(organization, 5, "actor", actor=ada)
        me = personal(ada)

        held = ok(me.reserve(5), 201)

        assert error(me.reserve(1)) == (402, "BILLING_EXHAUSTED")
        assert held["limits"][0]["id"] == ada.public_id
        assert ok(me.settle(held["id"], 2))["settledCredits"] == 2
        assert [event["credits"] for event in ok(me.get("/usage/events"))["items"]] == [2]

    def test_speaks_for_nobody_else(self, ada: Actor, organization: Organization) -> None:
        bob = p.make_actor(organization, "Bob")
        me = personal(ada)
        foreign = p.hold(p.work(organization, 1, actor=bob))

        assert error(me.reserve(1, actorId=bob.public_id)) == (403, "FORBIDDEN_SCOPE")
        assert error(me.get("/models", actorId=bob.public_id)) == (403, "FORBIDDEN_SCOPE")
        assert error(me.get(f"{RESERVATIONS}/{foreign.public_id}")) == (404, "NOT_FOUND")
        assert error(me.settle(foreign.public_id, 1)) == (404, "NOT_FOUND")

    def test_does_not_leave_its_entity_group(self, ada: Actor, organization: Organization) -> None:
        acme = p.make_group(organization, "acme", ada, kind="entity")
        other = p.make_group(organization, "other", kind="entity")
        me = personal(ada)

        for path in (RESERVATIONS, "/usage/check"):
            for named in ("other", "nobody"):
                answer = me.post(path, {"estimatedCredits": 10, "entity": named})
                assert error(answer) == (403, "FORBIDDEN_SCOPE")
        ok(me.reserve(10, entity="acme"), 201)
        ok(me.reserve(10), 201)

        assert p.counted(organization, "2026-05", group=acme) == f.amounts(0, 20)
        assert p.counted(organization, "2026-05", group=other) == f.amounts(0, 0)

    def test_of_an_actor_without_an_entity_group_names_none(
        self, ada: Actor, organization: Organization
    ) -> None:
        p.make_group(organization, "acme", kind="entity")
        p.make_group(organization, "design", ada)

        for named in ("acme", "design"):
            assert error(personal(ada).reserve(1, entity=named)) == (403, "FORBIDDEN_SCOPE")

    def test_spends_from_no_budget_of_an_app(
        self, ada: Actor, organization: Organization, backend: Caller
    ) -> None:
        named = {"entityType": "app", "entityId": "dashboard"}
        me = personal(ada)

        assert error(me.reserve(1, **named)) == (403, "FORBIDDEN_SCOPE")
        check = me.post("/usage/check", {"estimatedCredits": 1, **named})
        assert error(check) == (403, "FORBIDDEN_SCOPE")
        assert p.counted(organization, "2026-05", resource_type="app") == f.amounts(0, 0)
        ok(backend.reserve(1, actorId=ada.public_id, **named), 201)

    def test_repeats_requests_by_names_of_its_own(
        self, ada: Actor, organization: Organization, backend: Caller
    ) -> None:
        bob = p.make_actor(organization, "Bob")
        callers = [personal(ada), personal(bob), personal(bob), backend]

        held = [ok(caller.reserve(10, key="request-1"), 201) for caller in callers]
        again = [ok(caller.reserve(10, key="request-1"), 201) for caller in callers]

        assert again == held
        assert len({hold["id"] for hold in held}) == 4
        assert f.wallet_of(organization).reserved == 40
        actors = Reservation.objects.order_by("id").values_list("actor", flat=True)
        assert list(actors) == [ada.id, bob.id, bob.id, None]
        for caller, hold in zip(callers, held, strict=True):
            assert ok(caller.settle(hold["id"], 10, key="settle-1"))["settledCredits"] == 10

    def test_gets_its_own_denial_where_a_colleague_got_a_hold(
        self, ada: Actor, organization: Organization, backend: Caller
    ) -> None:
        bob = p.make_actor(organization, "Bob")
        p.limit(organization, 0, "actor", actor=bob)
        ok(personal(ada).reserve(10, key="y"), 201)
        ok(backend.reserve(10, key="z"), 201)

        assert error(personal(bob).reserve(10, key="y")) == (402, "BILLING_EXHAUSTED")
        assert error(personal(bob).reserve(10, key="z")) == (402, "BILLING_EXHAUSTED")

    def test_carries_on_with_its_names_when_it_is_rotated(
        self, ada: Actor, organization: Organization
    ) -> None:
        first, secret = f.make_key(organization, actor=ada)
        held = ok(Caller(secret).reserve(10, key="request-1"), 201)

        second, secret = organizations.rotate_key(key=first, now=f.NOW)
        assert ok(Caller(secret).reserve(10, key="request-1"), 201) == held
        _, secret = organizations.rotate_key(key=second, now=f.NOW)
        assert ok(Caller(secret).reserve(10, key="request-1"), 201) == held
        assert f.wallet_of(organization).reserved == 10

    def test_takes_no_name_of_the_organization(
        self, ada: Actor, organization: Organization, backend: Caller
    ) -> None:
        child = f.make_organization(parent=organization)
        ok(personal(ada).reserve(10, key="order-1"), 201)

        ok(backend.allocate(child, 5, key="order-1"))

        assert f.wallet_of(child).balance == 5

    def test_is_told_nothing_of_what_others_asked(
        self, ada: Actor, organization: Organization, backend: Caller
    ) -> None:
        ok(backend.reserve(10, key="request-1"), 201)

        ok(personal(ada).reserve(11, key="request-1"), 201)
        bobs = p.make_actor(organization, "Bob").public_id
        speaks_for_bob = personal(ada).reserve(10, key="request-1", actorId=bobs)

        assert error(speaks_for_bob) == (403, "FORBIDDEN_SCOPE")

    def test_acts_in_no_other_organization(self, ada: Actor, organization: Organization) -> None:
        child = f.make_organization(parent=organization)
        me = personal(ada, "*", "org:admin")
        elsewhere = Caller(me.secret, acting=child)

        assert error(elsewhere.reserve(1)) == (403, "FORBIDDEN_SCOPE")
        assert error(elsewhere.get("/models")) == (403, "FORBIDDEN_SCOPE")

    @pytest.mark.parametrize(
        "path", ["/whoami", "/credits", "/credits/events", "/actors", "/groups"]
    )
    def test_opens_nothing_else(self, ada: Actor, path: str) -> None:
        assert error(personal(ada).get(path)) == (403, "FORBIDDEN_SCOPE")

    def test_tells_no_events(self, ada: Actor) -> None:
        event = {"source": "me", "id": "1", "credits": 1}

        assert error(personal(ada).post("/usage/events", {"events": [event]}))[0] == 403

    def test_opens_nothing_once_its_actor_left(self, ada: Actor) -> None:
        me = personal(ada)
        p.set_active(ada, False)

        assert error(me.reserve(1)) == (401, "UNAUTHENTICATED")

    def test_is_minted_for_an_actor_of_the_organization(
        self, backend: Caller, organization: Organization, ada: Actor
    ) -> None:
        path = f"/organizations/{organization.public_id}/api-keys"
        stranger = p.make_actor(f.make_organization("Stranger"))
        body = {"name": "mine", "scopes": ["usage:write"]}

        made = ok(backend.post(path, body | {"actorId": ada.public_id}), 201)

        assert made["actorId"] == ada.public_id
        assert ok(Caller(made["secret"]).reserve(1), 201)["credits"] == 1
        assert error(backend.post(path, body | {"actorId": stranger.public_id}))[0] == 404


class TestRecharge:
    def test_buys_up_to_the_limit_of_the_period(self, organization: Organization) -> None:
        f.set_terms(organization, recharge_limit=100)
        backend = caller_of(organization)

        bought = ok(backend.post("/credits/recharge", {"credits": 60}, key="a"))
        replayed = ok(backend.post("/credits/recharge", {"credits": 60}, key="a"))
        more = backend.post("/credits/recharge", {"credits": 41}, key="b")

        assert [bought["credits"], bought["balance"]] == [60, 1_060]
        assert replayed == bought
        assert error(more) == (422, "VALIDATION")
        assert ok(backend.get("/credits/events"))["items"][0]["eventType"] == "purchase"

    def test_is_off_unless_staff_set_it(self, backend: Caller) -> None:
        refused = backend.post("/credits/recharge", {"credits": 1}, key="a")

        assert error(refused) == (422, "VALIDATION")

    def test_needs_a_key_and_a_root(self, backend: Caller) -> None:
        _, child = f.make_family(recharge_limit=100)

        keyless = backend.post("/credits/recharge", {"credits": 1})
        below = caller_of(child).post("/credits/recharge", {"credits": 1}, key="a")

        assert error(keyless) == (400, "IDEMPOTENCY_REQUIRED")
        assert error(below) == (422, "VALIDATION")


class TestActors:
    def test_are_made_changed_listed_and_let_go(self, backend: Caller) -> None:
        made = ok(
            backend.post(
                "/actors", {"name": "Ada", "email": "ada@acme.example", "externalId": "u-1"}
            ),
            201,
        )
        path = f"/actors/{made['id']}"

        changed = ok(backend.patch(path, {"name": "Ada L.", "profile": "premium"}))
        listed = ok(backend.get("/actors", externalId="u-1"))["items"]
        gone = ok(backend.delete(path))

        assert [made["kind"], made["profile"], made["active"]] == ["user", None, True]
        assert [changed["name"], changed["profile"]] == ["Ada L.", "premium"]
        assert listed == [changed]
        assert gone["active"] is False
        assert ok(backend.get("/actors", active="true"))["items"] == []

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"name": ""}, "name"),
            ({"kind": "robot"}, "kind"),
            ({"email": "nobody"}, "email"),
            ({"profile": "nothing"}, "profile"),
            ({"active": 1}, "active"),
            ({"organizationId": "x"}, "organizationId"),
        ],
    )
    def test_name_the_field_that_is_wrong(
        self, backend: Caller, fields: dict[str, Any], named: str
    ) -> None:
        refused = backend.post("/actors", {"name": "Ada"} | fields)

        assert error(refused) == (422, "VALIDATION")
        assert named in details(refused)["fields"]

    def test_have_an_external_id_of_their_own(self, backend: Caller) -> None:
        ok(backend.post("/actors", {"name": "Ada", "externalId": "u-1"}), 201)

        again = backend.post("/actors", {"name": "Bob", "externalId": "u-1"})

        assert error(again) == (409, "CONFLICT")

    def test_of_others_do_not_exist(self, backend: Caller) -> None:
        stranger = p.make_actor(f.make_organization("Stranger"))

        assert error(backend.get(f"/actors/{stranger.public_id}")) == (404, "NOT_FOUND")
        assert error(backend.reserve(1, actorId=stranger.public_id)) == (404, "NOT_FOUND")


class TestGroups:
    def test_are_made_changed_filled_and_deleted(self, backend: Caller, ada: Actor) -> None:
        body = {"kind": "entity", "key": "acme", "name": "Acme"}
        made = ok(backend.post("/groups", body), 201)
        member = f"/api/v1/groups/{made['id']}/members/{ada.public_id}"

        filled = ok(backend.client.put(member))
        emptied = ok(backend.client.delete(member))
        renamed = ok(backend.patch(f"/groups/{made['id']}", {"name": "Acme Inc."}))
        gone = ok(backend.delete(f"/groups/{made['id']}"))

        assert [filled["memberIds"], emptied["memberIds"]] == [[ada.public_id], []]
        assert renamed["name"] == "Acme Inc."
        assert gone == {"id": made["id"], "deleted": True}
        assert error(backend.get(f"/groups/{made['id']}")) == (404, "NOT_FOUND")

    def test_that_work_was_counted_against_stay(
        self, backend: Caller, organization: Organization, ada: Actor
    ) -> None:
        acme = p.make_group(organization, "acme", ada, kind="entity")
        p.use(p.work(organization, 1, actor=ada), 1)

        assert error(backend.delete(f"/groups/{acme.public_id}")) == (409, "CONFLICT")

    def test_of_entities_carry_no_profile(self, backend: Caller) -> None:
        body = {"kind": "entity", "key": "acme", "name": "Acme", "profile": "premium"}

        assert error(backend.post("/groups", body)) == (422, "VALIDATION")

    def test_take_an_actor_of_one_entity_group_into_no_second(
        self, backend: Caller, organization: Organization, ada: Actor
    ) -> None:
        p.make_group(organization, "acme", ada, kind="entity")
        other = p.make_group(organization, "other", kind="entity")
        member = f"/api/v1/groups/{other.public_id}/members/{ada.public_id}"

        assert error(backend.client.put(member)) == (409, "CONFLICT")
