"""Models that are retired at a moment: no new work from then on, and what was begun or done before is charged."""

from datetime import timedelta
from typing import Any

import pytest

from credits.models import Reservation
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, details, error, ok
from tests.callers import clock as clock
from tests.usage import people as p
from usage import services
from usage.models import AIModel, Denial, UsageEvent
from usage.services import terms
from usage.services.asking import Ask

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

SOON = f.later(hours=1)
BEFORE, AFTER = SOON - timedelta(microseconds=1), SOON
WORK = {"model": "sonnet", "inputTokens": 0, "maxOutputTokens": 1_000_000}


@pytest.fixture
def organization() -> Organization:
    p.make_models()
    return f.make_organization(funded=1_000)


@pytest.fixture
def backend(organization: Organization) -> Caller:
    return caller_of(organization)


def retire(slug: str, at: Any) -> AIModel:
    AIModel.objects.filter(slug=slug).update(retired_at=at)
    return AIModel.objects.get(slug=slug)


def told(id: str, at: Any, **fields: Any) -> dict[str, Any]:
    work = {"source": "gateway", "id": id, "model": "sonnet", "outputTokens": 1_000_000}
    return {**work, "occurredAt": at.isoformat().replace("+00:00", "Z"), **fields}


class TestReserve:
    def test_is_refused_from_the_moment_on(self, organization: Organization) -> None:
        sonnet = retire("sonnet", SOON)
        work = p.work(organization, model=sonnet, millions=1)

        assert isinstance(p.ask(work, now=BEFORE), Reservation)
        assert p.refusal(work, now=AFTER) == "retired"

    def test_says_a_code_of_its_own_and_check_does(self, backend: Caller) -> None:
        retire("sonnet", f.NOW)

        refused = backend.post("/usage/reservations", WORK)
        checked = ok(backend.post("/usage/check", WORK))

        assert error(refused) == (402, "MODEL_RETIRED")
        assert details(refused)["reason"] == "retired"
        assert details(refused)["unblocksAt"] is None
        assert [checked["decision"], checked["code"]] == ["deny", "MODEL_RETIRED"]
        assert Denial.objects.get().message == f"sonnet was retired at {f.NOW:%Y-%m-%d %H:%M} UTC"

    def test_is_refused_by_any_of_its_names(self, backend: Caller) -> None:
        AIModel.objects.filter(slug="sonnet").update(aliases=["fast"], retired_at=f.NOW)

        assert error(backend.post("/usage/reservations", {**WORK, "model": "fast"})) == (
            402,
            "MODEL_RETIRED",
        )

    def test_needs_no_edit_at_the_moment(self, organization: Organization) -> None:
        """Terms that a process keeps end by then, without a version that was raised."""
        sonnet = retire("sonnet", SOON)
        work = p.work(organization, model=sonnet, millions=1)
        p.hold(work, now=BEFORE)
        kept = terms.book_of(organization)

        assert Ask(work, BEFORE).valid_until == SOON
        assert p.refusal(work, now=AFTER) == "retired"
        assert terms.book_of(organization) is kept

    def test_is_admitted_again_once_staff_say_so(self, organization: Organization) -> None:
        sonnet = retire("sonnet", f.NOW)
        work = p.work(organization, model=sonnet, millions=1)
        assert p.refusal(work) == "retired"

        retire("sonnet", None)

        assert p.hold(work).effective_model == "sonnet"


class TestFallback:
    def test_that_is_retired_is_not_downgraded_to(self, organization: Organization) -> None:
        p.thresholds(organization, downgrade=0)
        sonnet = AIModel.objects.get(slug="sonnet")
        retire("haiku", SOON)
        work = p.work(organization, model=sonnet, millions=1)

        assert Ask(work, BEFORE).valid_until == SOON
        assert p.hold(work, now=BEFORE).effective_model == "haiku"
        assert p.hold(work, now=AFTER).effective_model == "sonnet"

    def test_that_is_retired_does_no_free_work(self) -> None:
        sonnet, _ = p.make_models()
        empty = f.make_organization(when_empty="fallback")
        work = p.work(empty, model=sonnet, millions=1)
        assert p.hold(work).effective_model == "haiku"

        retire("haiku", f.NOW)

        assert p.refusal(work) == "balance"

    def test_is_nothing_for_whoever_asks_a_retired_model(self, organization: Organization) -> None:
        p.thresholds(organization, downgrade=0)
        sonnet = retire("sonnet", f.NOW)

        assert p.refusal(p.work(organization, model=sonnet, millions=1)) == "retired"


class TestWorkThatWasBegun:
    def test_settles_at_its_price(self, organization: Organization) -> None:
        sonnet = retire("sonnet", SOON)
        held = p.hold(p.work(organization, model=sonnet, millions=2), now=BEFORE)

        done = p.settle(held, millions=1, now=AFTER)

        assert done.settled_credits == 10

    def test_grows(self, organization: Organization) -> None:
        sonnet = retire("sonnet", SOON)
        held = p.hold(p.work(organization, model=sonnet, millions=1), now=BEFORE)

        grown = services.grow(
            organization=organization,
            reservation_id=held.id,
            max_output_tokens=2 * p.MILLION,
            now=AFTER,
        )

        assert isinstance(grown, Reservation)
        assert grown.credits == 20

    def test_that_a_retired_model_served_is_charged(self, backend: Caller) -> None:
        retire("haiku", f.NOW)
        held = ok(backend.post("/usage/reservations", WORK), 201)

        done = backend.post(
            f"/usage/reservations/{held['id']}/settle",
            {"model": "haiku", "inputTokens": 0, "outputTokens": 1_000_000},
        )

        assert ok(done)["settledCredits"] == 2


class TestEvents:
    def test_are_of_work_that_was_done_before(self, backend: Caller) -> None:
        retire("sonnet", f.later(hours=-1))
        pieces = [told("before", f.later(hours=-2)), told("after", f.later(hours=-1))]

        results = ok(backend.post("/usage/events", {"events": pieces}))["results"]

        assert [each["status"] for each in results] == ["accepted", "rejected"]
        assert results[1]["code"] == "MODEL_RETIRED"
        assert results[1]["reason"].startswith("sonnet was retired at ")
        assert UsageEvent.objects.get().credits == 10

    def test_that_were_booked_are_duplicates_ever_after(self, backend: Caller) -> None:
        piece = told("x", f.NOW)
        ok(backend.post("/usage/events", {"events": [piece]}))
        retire("sonnet", f.NOW)

        (result,) = ok(backend.post("/usage/events", {"events": [piece]}))["results"]

        assert [result["status"], result["credits"]] == ["duplicate", 10]

    @pytest.mark.parametrize(
        ("piece", "code"),
        [
            (told("a", f.NOW, usage={"codeExecutions": 1}), "NO_PRICE"),
            (told("a", f.NOW, outputTokens=900_000_000), "CHARGE_LIMIT"),
            (told("a", f.NOW, model="nothing"), None),
        ],
    )
    def test_that_are_refused_say_a_code_where_there_is_one(
        self, backend: Caller, organization: Organization, piece: dict[str, Any], code: str | None
    ) -> None:
        f.set_terms(organization, charge_limit=100)
        if "usage" in piece:
            del piece["outputTokens"]

        (result,) = ok(backend.post("/usage/events", {"events": [piece]}))["results"]

        assert [result["status"], result.get("code")] == ["rejected", code]


class TestList:
    def test_says_when_and_that_it_is_over(self, backend: Caller) -> None:
        retire("sonnet", f.NOW)
        retire("haiku", SOON)

        models = {each["id"]: each for each in ok(backend.get("/models"))["items"]}

        said = ["available", "reason", "retiredAt"]
        written = f.NOW.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert [models["sonnet"][name] for name in said] == [False, "MODEL_RETIRED", written]
        assert models["haiku"]["available"]
        assert models["haiku"]["retiredAt"] == SOON.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert [each["id"] for each in ok(backend.get("/models", available="false"))["items"]] == [
            "sonnet"
        ]
