"""Work as it was really done: by which model, how, in which units, told as its provider tells it; and what it costs then."""

from decimal import Decimal
from typing import Any

import pytest

from credits.models import Reservation
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, details, error, ok
from tests.callers import clock as clock
from tests.usage import people as p
from tests.usage.test_responses import ANTHROPIC, GOOGLE, OPENAI_CHAT, OPENAI_RESPONSES
from usage.models import AIModel, Rate, UsageEvent
from usage.services import rerating

D = Decimal
RESERVATIONS, EVENTS = "/usage/reservations", "/usage/events"
MILLION = p.MILLION
PRICES = {
    "input_tokens": 1_000_000,
    "output_tokens": 2_000_000,
    "cache_read_tokens": 100_000,
    "cache_write_tokens": 1_250_000,
    "cache_write_1h_tokens": 2_000_000,
    "input_audio_tokens": 5_000_000,
    "cache_audio_read_tokens": 500_000,
    "cache_audio_write_tokens": 6_000_000,
    "cache_audio_write_1h_tokens": 6_000_000,
    "web_searches": 1_000,
}
"""A credit a token that goes in, two for one that comes out, a tenth from the cache; a credit a search."""
FLEX = {"service_tier": "flex"}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000_000)


@pytest.fixture
def backend(organization: Organization) -> Caller:
    return caller_of(organization)


def make_priced(slug: str, prices: dict[str, Any], **fields: Any) -> AIModel:
    model = p.make_model(slug, credits_per_million=None, **fields)
    for unit, amount in prices.items():
        p.set_price(model, amount, unit)
    return model


@pytest.fixture
def large() -> AIModel:
    """A model that sells everything, and at half the price with flex."""
    model = make_priced("large", PRICES)
    p.set_price(model, 500_000, "input_tokens", variant="service_tier=flex")
    p.set_price(model, 1_000_000, "output_tokens", variant="service_tier=flex")
    return model


@pytest.fixture
def small(large: AIModel) -> AIModel:
    """A model of a tenth of its price."""
    return make_priced("small", {"input_tokens": 100_000, "output_tokens": 200_000})


@pytest.fixture
def whisper() -> AIModel:
    return make_priced("whisper", {"audio_seconds": 3_600}, provider="openai")


def hold(backend: Caller, **work: Any) -> str:
    asked = {"model": "large", "inputTokens": 1_000, "maxOutputTokens": 1_000} | work
    asked = {name: value for name, value in asked.items() if value is not None}
    return str(ok(backend.post(RESERVATIONS, asked), 201)["id"])


def settle(backend: Caller, rsv_id: str, **done: Any) -> Any:
    return backend.post(f"{RESERVATIONS}/{rsv_id}/settle", done)


def tell(backend: Caller, **event: Any) -> Any:
    work = {"source": "b", "id": "1", **event}
    (result,) = ok(backend.post(EVENTS, {"events": [work]}))["results"]
    return result


def told(backend: Caller) -> Any:
    (event,) = ok(backend.get(EVENTS))["items"]
    return event


@pytest.mark.usefixtures("large")
class TestResponse:
    @pytest.mark.parametrize(
        ("response", "credits"),
        [
            # 200 × 1 + 800 × 0.1 + 300 × 2, whatever the flavor.
            ({"provider": "openai", "flavor": "chat", "usage": OPENAI_CHAT}, "880"),
            ({"provider": "openai", "flavor": "responses", "usage": OPENAI_RESPONSES}, "880"),
            # 100 × 1 + 60 × 1.25 + 40 × 2 + 800 × 0.1 + 300 × 2 and two searches: its cached tokens are beside its input.
            ({"provider": "anthropic", "usage": ANTHROPIC}, "937"),
            (
                {"provider": "anthropic", "flavor": "default", "id": "msg_1", "usage": ANTHROPIC},
                "937",
            ),
        ],
    )
    def test_is_charged_once_by_its_own_convention(
        self, backend: Caller, response: Any, credits: str
    ) -> None:
        first = hold(backend)

        done = ok(settle(backend, first, response=response))
        result = tell(backend, model="large", response=response)

        assert done["settledCredits"] == result["credits"] == D(credits)
        by_hold, by_itself = UsageEvent.objects.order_by("position")
        assert by_hold.usage == by_itself.usage
        assert result["entryId"] == ok(backend.get(EVENTS, source="b"))["items"][0]["entryId"]

    def test_is_charged_for_audio_among_what_is_cached(self, backend: Caller) -> None:
        response = {"provider": "google", "usage": GOOGLE}

        done = ok(settle(backend, hold(backend), response=response))

        # 400 of audio, 800 read from the cache, of 1,000: as much as there is of it, and 300 come out.
        assert done["settledCredits"] == 200 * 5 + 800 * D("0.1") + 300 * 2

    def test_may_add_up_to_more_than_one_count_may_be(self, backend: Caller) -> None:
        most = 10**9
        usage = {"input_tokens": most, "cache_read_input_tokens": most, "output_tokens": 0}
        response = {"provider": "anthropic", "usage": usage}

        result = tell(backend, model="large", response=response, charge=False)

        assert result["status"] == "accepted"
        assert told(backend)["usage"]["inputTokens"] == 2 * most

    @pytest.mark.parametrize(
        "response",
        [
            # 200 × 1 + 800 × 0.1 + 300 × 2, and three searches.
            {"provider": "openai", "flavor": "chat", "usage": OPENAI_CHAT},
            {
                "provider": "openai",
                "flavor": "responses",
                "id": "resp_1",
                "usage": OPENAI_RESPONSES,
            },
        ],
    )
    def test_is_charged_for_what_is_told_beside_it(self, backend: Caller, response: Any) -> None:
        said = response | {"units": {"webSearches": 3}}

        done = ok(settle(backend, hold(backend), response=said))
        result = tell(backend, model="large", response=said)

        assert done["settledCredits"] == result["credits"] == 883
        by_itself, by_hold = ok(backend.get(EVENTS))["items"]
        assert by_itself["usage"] == by_hold["usage"]
        assert by_hold["usage"]["webSearches"] == 3

    def test_is_refused_for_what_is_told_beside_it_and_has_no_price(
        self, backend: Caller, small: AIModel
    ) -> None:
        rsv_id = hold(backend, model="small")
        response = {"provider": "openai", "flavor": "chat", "usage": OPENAI_CHAT}

        refused = settle(backend, rsv_id, response=response | {"units": {"outputImages": 1}})

        assert error(refused) == (422, "NO_PRICE")
        assert list(details(refused)["fields"]) == ["response"]
        assert ok(settle(backend, rsv_id, response=response))["settledCredits"] == 160

    @pytest.mark.parametrize(
        ("units", "sentence"),
        [
            ({}, 'Counts by unit are expected, like {"webSearches": 1}.'),
            (5, 'Counts by unit are expected, like {"webSearches": 1}.'),
            (None, 'Counts by unit are expected, like {"webSearches": 1}.'),
            ({"searches": 1}, "There is no unit 'searches'."),
            ({"requests": 1}, "There is no unit 'requests'."),
            ({"webSearches": -1}, "webSearches is a whole number from 0 to 1000000000."),
            ({"webSearches": 0.5}, "webSearches is a whole number from 0 to 1000000000."),
            ({"webSearches": "2"}, "webSearches is a whole number from 0 to 1000000000."),
            ({"webSearches": 10**9 + 1}, "webSearches is a whole number from 0 to 1000000000."),
            (
                {"audioSeconds": 1.0000001},
                "audioSeconds is a number from 0 to 1000000000, with up to six decimal places.",
            ),
            ({"outputReasoningTokens": 1}, "The answer counts outputReasoningTokens itself."),
            ({"webSearches": 1, "inputTokens": 5}, "The answer counts inputTokens itself."),
        ],
    )
    def test_is_refused_by_name_for_what_cannot_be_beside_it(
        self, backend: Caller, units: Any, sentence: str
    ) -> None:
        rsv_id = hold(backend)
        response = {"provider": "openai", "flavor": "chat", "usage": OPENAI_CHAT, "units": units}

        refused = settle(backend, rsv_id, response=response)
        result = tell(backend, model="large", response=response)

        assert error(refused) == (422, "VALIDATION")
        assert details(refused)["fields"] == {"response": [f"units: {sentence}"]}
        assert result["reason"] == f"response: units: {sentence}"
        assert ok(backend.get(f"{RESERVATIONS}/{rsv_id}"))["status"] == "open"

    @pytest.mark.parametrize(
        ("response", "sentence"),
        [
            (5, "A provider's answer is expected"),
            ({}, "provider: text"),
            ({"provider": "nobody", "usage": {}}, "provider: Nothing is known"),
            ({"provider": "openai", "usage": OPENAI_CHAT}, "flavor: One of chat"),
            ({"provider": "openai", "flavor": None, "usage": OPENAI_CHAT}, "flavor: text"),
            ({"provider": "anthropic", "usage": {}}, "usage.input_tokens: A number"),
            (
                {"provider": "anthropic", "usage": ANTHROPIC | {"output_tokens": "5"}},
                "usage.output_tokens: A number",
            ),
        ],
    )
    def test_that_says_nothing_is_refused_by_name(
        self, backend: Caller, response: Any, sentence: str
    ) -> None:
        rsv_id = hold(backend)

        refused = settle(backend, rsv_id, response=response)
        result = tell(backend, model="large", response=response)

        assert error(refused) == (422, "VALIDATION")
        (said,) = details(refused)["fields"]["response"]
        assert said.startswith(sentence)
        assert result["status"] == "rejected"
        assert result["reason"].startswith(f"response: {sentence}")
        assert ok(backend.get(f"{RESERVATIONS}/{rsv_id}"))["status"] == "open"

    @pytest.mark.parametrize(
        "other",
        [{"credits": 1}, {"usage": {"inputTokens": 1}}, {"inputTokens": 1, "outputTokens": 1}],
    )
    def test_beside_another_way_of_telling_is_refused(self, backend: Caller, other: Any) -> None:
        both = {"response": {"provider": "anthropic", "usage": ANTHROPIC}, **other}

        refused = settle(backend, hold(backend), **both)
        result = tell(backend, model="large", **both)

        for name, sentences in details(refused)["fields"].items():
            assert name in both
            assert sentences == [
                "Exactly one of credits, token counts, usage and response is expected."
            ]
        assert result["status"] == "rejected"


class TestServed:
    def test_by_another_model_costs_what_that_one_does(
        self, backend: Caller, small: AIModel
    ) -> None:
        rsv_id = hold(backend)
        # What comes later does not count: the prices are those of the reserve.
        p.set_price(small, 7, "output_tokens", since=f.later(minutes=1))

        done = ok(settle(backend, rsv_id, model="small", inputTokens=1_000, outputTokens=100))

        assert done["settledCredits"] == 120
        event = told(backend)
        assert [event["requestedModel"], event["heldModel"], event["model"]] == [
            "large",
            "large",
            "small",
        ]
        assert event["variant"] is None
        assert event["ratedAt"].startswith("2026-01-01")

    def test_by_a_model_where_none_was_named_costs_what_it_does(
        self, backend: Caller, small: AIModel
    ) -> None:
        rsv_id = ok(backend.reserve(50), 201)["id"]

        assert error(settle(backend, rsv_id, inputTokens=10, outputTokens=1)) == (422, "VALIDATION")
        done = ok(settle(backend, rsv_id, model="small", inputTokens=10, outputTokens=1))

        assert done["settledCredits"] == 1.2

    def test_so_costs_what_that_does(self, backend: Caller, large: AIModel) -> None:
        rsv_id = hold(backend)
        usage = {"inputTokens": 1_000, "outputTokens": 100, "webSearches": 1}

        done = ok(settle(backend, rsv_id, usage=usage, variant=FLEX))
        again = ok(settle(backend, rsv_id, usage=usage, variant=FLEX))
        other = settle(backend, rsv_id, usage=usage)

        assert done == again
        assert done["settledCredits"] == 500 + 100 + 1
        assert error(other) == (409, "CONFLICT")
        assert told(backend)["variant"] == FLEX

    def test_is_as_was_asked_unless_it_is_said(self, backend: Caller, large: AIModel) -> None:
        asked = hold(backend, variant=FLEX)
        otherwise = hold(backend, variant=FLEX)

        (listed, _) = ok(backend.get(RESERVATIONS))["items"]
        assert [listed["variant"], listed["maxUnits"]] == [FLEX, None]
        held = {each.credits for each in Reservation.objects.all()}
        # The dearest way to go: an hour in the cache for all audio, and flex for what comes out.
        assert held == {D(1_000 * 6 + 1_000)}
        assert (
            ok(settle(backend, asked, inputTokens=1_000, outputTokens=100))["settledCredits"] == 600
        )
        done = settle(
            backend,
            otherwise,
            inputTokens=1_000,
            outputTokens=100,
            variant={"service_tier": "default"},
        )
        assert ok(done)["settledCredits"] == 1_200

    def test_is_priced_anew_so(
        self, backend: Caller, organization: Organization, small: AIModel
    ) -> None:
        ok(settle(backend, hold(backend), model="small", inputTokens=1_000, outputTokens=100))
        ok(settle(backend, hold(backend), variant=FLEX, inputTokens=1_000, outputTokens=100))
        period = f.wallet_of(organization).period
        assert period is not None
        Rate.objects.filter(model="small").update(amount=300_000)
        Rate.objects.filter(variant="service_tier=flex").update(amount=600_000)

        again = rerating.preview(organization, period, now=f.NOW)

        assert [[each.old, each.new] for each in again] == [[120, 330], [600, 660]]

    def test_in_an_event_costs_what_that_does(self, backend: Caller, large: AIModel) -> None:
        result = tell(backend, model="large", variant=FLEX, inputTokens=1_000, outputTokens=100)

        assert result["credits"] == 600
        event = told(backend)
        assert [event["model"], event["variant"], event["requestedModel"]] == ["large", FLEX, None]

    @pytest.mark.usefixtures("small")
    @pytest.mark.parametrize(
        ("said", "field", "sentence"),
        [
            (
                {"variant": {"service_tier": "priority"}},
                "variant",
                "large has no prices for service_tier=priority.",
            ),
            (
                {"model": "small", "variant": FLEX},
                "variant",
                "small has no prices for service_tier=flex.",
            ),
            ({"model": "nobody"}, "model", "There is no such model."),
            ({"model": "new"}, "model", "new had no price when the work was reserved."),
            ({"variant": "flex"}, "variant", "One way of being served is expected"),
            ({"variant": {}}, "variant", "One way of being served is expected"),
            ({"variant": {"service_tier": 5}}, "variant", "One way of being served is expected"),
            (
                {"variant": {"service_tier": "flex", "processing": "batch"}},
                "variant",
                "One of service_tier=flex and processing=batch is expected",
            ),
        ],
    )
    def test_as_nobody_sells_it_is_refused_and_stays_held(
        self, backend: Caller, said: Any, field: str, sentence: str
    ) -> None:
        p.make_model("new", credits_per_million=1, since=f.later(days=1))
        rsv_id = hold(backend)
        work = {"inputTokens": 1_000, "outputTokens": 100}

        refused = settle(backend, rsv_id, **said, **work)
        result = tell(backend, **({"model": "large"} | said), **work)

        assert error(refused) == (422, "VALIDATION")
        assert details(refused)["fields"][field][0].startswith(sentence)
        assert result["status"] == "rejected"
        assert ok(settle(backend, rsv_id, **work))["settledCredits"] == 1_200

    def test_is_charged_as_any_work_is(self, organization: Organization, small: AIModel) -> None:
        f.set_terms(organization, charge_limit=10_000)
        backend = caller_of(organization)
        rsv_id = hold(backend, model="small")
        work = {"inputTokens": 20_000, "outputTokens": 1}

        assert error(settle(backend, rsv_id, model="large", **work)) == (422, "CHARGE_LIMIT")
        assert ok(settle(backend, rsv_id, **work))["settledCredits"] == 2000.2

    def test_on_a_free_fallback_is_charged_as_far_as_there_is_something(
        self, organization: Organization, small: AIModel
    ) -> None:
        poor = f.make_organization("Poor", funded=50, when_empty="fallback")
        AIModel.objects.filter(pk="small").update(is_fallback=True)
        backend = caller_of(poor)
        rsv_id = hold(backend)

        done = ok(settle(backend, rsv_id, model="large", inputTokens=100, outputTokens=0))

        assert [done["effectiveModel"], done["settledCredits"]] == ["small", 50]
        event = told(backend)
        assert [event["model"], event["listCredits"], event["credits"]] == ["large", 100, 50]
        assert f.wallet_of(poor).balance == 0

    def test_on_a_fallback_without_such_prices_is_at_its_own(
        self, backend: Caller, organization: Organization, small: AIModel
    ) -> None:
        AIModel.objects.filter(pk="small").update(is_fallback=True)
        p.thresholds(organization, downgrade=0)

        rsv_id = hold(backend, variant=FLEX)
        done = ok(settle(backend, rsv_id, inputTokens=1_000, outputTokens=100))

        assert [done["effectiveModel"], done["credits"], done["settledCredits"]] == [
            "small",
            300,
            120,
        ]
        event = told(backend)
        assert [event["requestedModel"], event["heldModel"], event["variant"]] == [
            "large",
            "small",
            None,
        ]

    def test_in_credits_costs_these_and_says_who_served(
        self, backend: Caller, small: AIModel
    ) -> None:
        done = ok(settle(backend, hold(backend), credits=7, model="small"))
        result = tell(backend, credits=3, model="large", variant=FLEX)

        assert [done["settledCredits"], result["credits"]] == [7, 3]
        by_itself, by_hold = ok(backend.get(EVENTS))["items"]
        assert [by_hold["model"], by_hold["heldModel"]] == ["small", "large"]
        assert by_itself["variant"] == FLEX

    def test_on_own_keys_is_not_charged_and_says_what_it_would_cost(
        self, organization: Organization, small: AIModel
    ) -> None:
        Organization.objects.filter(pk=organization.pk).update(byok=True)
        backend = caller_of(organization)

        done = ok(settle(backend, hold(backend), model="small", inputTokens=1_000, outputTokens=0))

        assert [done["settledCredits"], done["entryId"]] == [0, None]
        assert told(backend)["listCredits"] == 100


@pytest.mark.usefixtures("large", "whisper")
class TestMaxUnits:
    def test_are_held_and_never_exceeded(self, backend: Caller) -> None:
        asked = {"model": "whisper", "maxUnits": {"audioSeconds": 60}}

        assert ok(backend.post("/usage/check", asked))["credits"] == 60
        body = ok(
            backend.post_text(RESERVATIONS, '{"model":"whisper","maxUnits":{"audioSeconds":60.5}}'),
            201,
        )
        text = '{"usage":{"audioSeconds":60.123456}}'
        done = ok(backend.post_text(f"{RESERVATIONS}/{body['id']}/settle", text))

        (listed,) = ok(backend.get(RESERVATIONS))["items"]
        assert [listed["variant"], listed["maxUnits"]] == [None, {"audioSeconds": 60.5}]
        assert body["credits"] == D("60.5")
        assert done["settledCredits"] == 60.123456
        assert told(backend)["usage"] == {"audioSeconds": 60.123456}

    def test_are_held_beside_tokens_and_grow(self, backend: Caller) -> None:
        rsv_id = hold(backend, maxUnits={"webSearches": 3})
        path = f"{RESERVATIONS}/{rsv_id}"
        held = 1_000 * 6 + 1_000 * 2

        assert ok(backend.get(path))["credits"] == held + 3
        assert (
            ok(backend.post(f"{path}/grow", {"maxUnits": {"webSearches": 5}}))["credits"]
            == held + 5
        )
        assert (
            ok(backend.post(f"{path}/grow", {"maxUnits": {"webSearches": 1}}))["credits"]
            == held + 5
        )
        both = {"maxOutputTokens": 2_000, "maxUnits": {"webSearches": 6}}
        grown = ok(backend.post(f"{path}/grow", both))
        assert [grown["credits"], grown["maxOutputTokens"]] == [held + 2_000 + 6, 2_000]
        assert (
            ok(backend.post(f"{path}/grow", {"maxOutputTokens": 2_001}))["credits"] == held + 2_008
        )
        usage = {"inputTokens": 1_000, "outputTokens": 2_001, "webSearches": 6}
        assert ok(settle(backend, rsv_id, usage=usage))["settledCredits"] == 1_000 + 4_002 + 6

    def test_leave_of_what_there_is_as_much_output(self, organization: Organization) -> None:
        poor = f.make_organization("Poor", funded=7_000)
        work = {
            "model": "large",
            "inputTokens": 1_000,
            "maxOutputTokens": 1_000,
            "maxUnits": {"webSearches": 10},
        }

        refused = caller_of(poor).post(RESERVATIONS, work)
        held = ok(caller_of(poor).post(RESERVATIONS, work | {"mode": "up_to"}), 201)

        # 7,000 - 6,000 for what goes in - 10 searches
        assert details(refused)["affordableOutputTokens"] == held["maxOutputTokens"] == 495
        assert held["credits"] == 7_000

    @pytest.mark.parametrize("mode", ["exact", "up_to"])
    def test_are_held_whole_or_not_at_all(self, mode: str) -> None:
        poor = caller_of(f.make_organization("Poor", funded=50))
        work = {"model": "whisper", "maxUnits": {"audioSeconds": 51}, "mode": mode}

        refused = poor.post(RESERVATIONS, work)

        assert error(refused) == (402, "BILLING_EXHAUSTED")
        assert details(refused)["affordableCredits"] == 50
        ok(poor.post(RESERVATIONS, work | {"maxUnits": {"audioSeconds": 50}}), 201)

    @pytest.mark.parametrize(
        ("work", "field", "sentence"),
        [
            (
                {"maxUnits": {"codeExecutions": 1}},
                "maxUnits",
                "large has no price for codeExecutions.",
            ),
            ({"maxUnits": {"outputImages": 1}}, "maxUnits", "large has no price for outputImages."),
            (
                {"maxUnits": {"inputAudioTokens": 1}},
                "maxUnits",
                "inputAudioTokens: tokens are asked for by",
            ),
            ({"maxUnits": {"tokens": 1}}, "maxUnits", "There is no unit 'tokens'."),
            ({"maxUnits": {"webSearches": 1.5}}, "maxUnits", "webSearches is a whole number"),
            ({"maxUnits": {"audioSeconds": -1}}, "maxUnits", "audioSeconds is a number from 0"),
            ({"maxUnits": {}}, "maxUnits", 'Counts by unit are expected, like {"webSearches": 1}.'),
            ({"maxUnits": {"webSearches": 1}, "model": None}, "model", "Tokens need a model."),
            ({"variant": {"service_tier": "priority"}}, "variant", "large has no prices for"),
        ],
    )
    def test_without_a_price_are_refused_before_work_begins(
        self, backend: Caller, work: Any, field: str, sentence: str
    ) -> None:
        asked = {"model": "large", "inputTokens": 0, "maxOutputTokens": 1} | work
        asked = {name: value for name, value in asked.items() if value is not None}

        refused = backend.post(RESERVATIONS, asked)

        assert error(refused) == (422, "VALIDATION")
        assert details(refused)["fields"][field][0].startswith(sentence)

    def test_a_hold_in_credits_does_not_grow_by_them(self, backend: Caller) -> None:
        rsv_id = ok(backend.reserve(5), 201)["id"]

        refused = backend.post(f"{RESERVATIONS}/{rsv_id}/grow", {"maxUnits": {"webSearches": 1}})

        assert error(refused) == (422, "VALIDATION")


class TestUnknownPrice:
    """A model of whose searches is known that they cost something, and not how much."""

    @pytest.fixture(autouse=True)
    def unknown(self, large: AIModel) -> None:
        p.set_price(large, None, "web_searches")

    def test_stops_only_what_may_need_it(self, backend: Caller) -> None:
        text = {"model": "large", "inputTokens": 1_000, "maxOutputTokens": 1_000}

        checked = ok(backend.post("/usage/check", text))
        held = ok(backend.post(RESERVATIONS, text), 201)
        searching = text | {"maxUnits": {"webSearches": 1}}
        refused = [backend.post(path, searching) for path in ("/usage/check", RESERVATIONS)]

        assert checked["credits"] == held["credits"] == 1_000 * 6 + 1_000 * 2
        for each in refused:
            assert error(each) == (422, "VALIDATION")
            fields = {"maxUnits": ["large has no price for webSearches."]}
            assert details(each)["fields"] == fields
        grown = backend.post(f"{RESERVATIONS}/{held['id']}/grow", {"maxUnits": {"webSearches": 1}})
        assert error(grown) == (422, "VALIDATION")

    def test_is_never_nothing_when_the_work_is_done(self, backend: Caller) -> None:
        usage = {"inputTokens": 1_000, "outputTokens": 100, "webSearches": 2}
        rsv_id = hold(backend)

        refused = settle(backend, rsv_id, usage=usage)
        result = tell(backend, model="large", usage=usage)

        assert error(refused) == (422, "NO_PRICE")
        assert result["reason"] == "large has no price for webSearches"
        make_priced("other", {"input_tokens": 1, "web_searches": 4_000})
        assert ok(settle(backend, rsv_id, usage=usage))["settledCredits"] == 1_200 + 8
        assert told(backend)["note"] == "2 web searches at the highest price of anthropic"
        p.set_price("large", 5_000, "web_searches")
        assert tell(backend, model="large", usage=usage)["credits"] == 1_200 + 10

    def test_of_what_comes_out_is_asked_for(self, backend: Caller) -> None:
        make_priced("mute", {"input_tokens": 1_000_000, "output_tokens": None})
        said = {"model": "mute", "inputTokens": 10}

        unsaid = backend.post(RESERVATIONS, said)
        asked = backend.post(RESERVATIONS, said | {"maxOutputTokens": 1})

        assert error(unsaid) == error(asked) == (422, "VALIDATION")
        assert list(details(unsaid)["fields"]) == ["maxOutputTokens"]
        said_so = {"maxOutputTokens": ["mute has no price for outputTokens."]}
        assert details(asked)["fields"] == said_so

    @pytest.mark.usefixtures("whisper")
    @pytest.mark.parametrize("door", [RESERVATIONS, "/usage/check"])
    @pytest.mark.parametrize(
        ("work", "field", "sentence"),
        [
            ({"model": "new", "inputTokens": 1}, "model", "new has no price."),
            ({"model": "new", "estimatedCredits": 1}, "model", "new has no price."),
            ({"model": "known", "inputTokens": 1}, "model", "known has no price."),
            ({"model": "known", "maxUnits": {"webSearches": 1}}, "model", "known has no price."),
            (
                {"model": "whisper", "inputTokens": 5},
                "inputTokens",
                "whisper has no price for inputTokens.",
            ),
            (
                {"model": "whisper", "inputTokens": 0, "maxOutputTokens": 5},
                "maxOutputTokens",
                "whisper has no price for outputTokens.",
            ),
            (
                {"model": "cached", "inputTokens": 5, "maxOutputTokens": 5},
                "inputTokens",
                "cached has no price for cacheReadTokens.",
            ),
            (
                {"model": "asked", "inputTokens": 5},
                "model",
                "asked has no price for requests.",
            ),
        ],
    )
    def test_names_what_has_none_and_the_field_that_asks_for_it(
        self, backend: Caller, door: str, work: Any, field: str, sentence: str
    ) -> None:
        make_priced("new", {})
        make_priced("known", {"input_tokens": None})
        make_priced("cached", {"input_tokens": 1, "cache_read_tokens": None, "output_tokens": 1})
        make_priced("asked", {"input_tokens": 1, "requests": None})

        refused = backend.post(door, work)

        assert error(refused) == (422, "VALIDATION")
        assert details(refused)["fields"] == {field: [sentence]}

    def test_of_what_comes_out_is_asked_for_when_a_hold_grows(self, backend: Caller) -> None:
        make_priced("mute", {"input_tokens": 1, "output_tokens": None, "web_searches": 1})
        work = {"model": "mute", "maxUnits": {"webSearches": 5}}
        held = ok(backend.post(RESERVATIONS, work), 201)

        refused = backend.post(f"{RESERVATIONS}/{held['id']}/grow", {"maxOutputTokens": 7})

        assert error(refused) == (422, "VALIDATION")
        said = {"maxOutputTokens": ["mute has no price for outputTokens."]}
        assert details(refused)["fields"] == said


@pytest.mark.usefixtures("large", "whisper")
class TestNoPrice:
    USAGE = {"inputTokens": 1_000, "outputTokens": 100, "codeExecutions": 2}

    def test_leaves_the_hold_until_somebody_says_one(self, backend: Caller) -> None:
        rsv_id = hold(backend)

        refused = settle(backend, rsv_id, usage=self.USAGE)
        result = tell(backend, model="large", usage=self.USAGE)

        assert error(refused) == (422, "NO_PRICE")
        assert details(refused)["fields"] == {"usage": ["large has no price for codeExecutions"]}
        assert result["status"] == "rejected"
        assert result["reason"] == "large has no price for codeExecutions"
        assert ok(backend.get(f"{RESERVATIONS}/{rsv_id}"))["status"] == "open"
        p.set_price("large", 5_000, "code_executions")
        assert ok(settle(backend, rsv_id, usage=self.USAGE))["settledCredits"] == 1_200 + 10
        assert tell(backend, model="large", usage=self.USAGE)["credits"] == 1_210

    def test_of_what_a_price_of_nothing_includes(self, backend: Caller) -> None:
        p.set_price("large", 0, "code_executions")

        done = ok(settle(backend, hold(backend), usage=self.USAGE))

        assert done["settledCredits"] == 1_200
        assert told(backend)["note"] is None

    def test_takes_the_highest_of_its_provider_for_what_it_does_besides(
        self, backend: Caller, organization: Organization
    ) -> None:
        for slug, amount in (("a", 3_000), ("b", 4_000)):
            make_priced(slug, {"input_tokens": 1, "code_executions": amount})
        make_priced("c", {"input_tokens": 1, "code_executions": 9_000}, provider="openai")

        done = ok(settle(backend, hold(backend), usage=self.USAGE))
        result = tell(backend, model="large", usage=self.USAGE)

        assert done["settledCredits"] == result["credits"] == 1_200 + 8
        notes = {event["note"] for event in ok(backend.get(EVENTS))["items"]}
        assert notes == {"2 code executions at the highest price of anthropic"}
        period = f.wallet_of(organization).period
        assert period is not None
        assert not list(rerating.preview(organization, period, now=f.NOW))

    @pytest.mark.parametrize(
        ("usage", "credits"),
        [
            # What is heard is measured twice: it is sold by the second.
            ({"audioSeconds": 60, "inputTokens": 900, "outputTokens": 80}, 60),
            ({"inputAudioSeconds": 30, "outputAudioSeconds": 30}, 60),
            ({"audioSeconds": 60, "inputAudioSeconds": 61}, 60),
        ],
    )
    def test_of_another_measure_of_the_same_is_none_needed(
        self, backend: Caller, usage: Any, credits: int
    ) -> None:
        result = tell(backend, model="whisper", usage=usage)

        assert result["credits"] == credits

    @pytest.mark.parametrize(
        ("model", "work", "missing"),
        [
            ("whisper", {"usage": {"inputTokens": 900}}, "inputTokens"),
            ("whisper", {"inputTokens": 900, "outputTokens": 5}, "inputTokens and outputTokens"),
            ("large", {"usage": {"audioSeconds": 60}}, "audioSeconds"),
            (
                "large",
                {"usage": {"inputTokens": 5, "outputTokens": 5, "outputImages": 2}},
                "outputImages",
            ),
            ("large", {"usage": {"inputTokens": 5, "audioSeconds": 2}}, "audioSeconds"),
            ("whisper", {"usage": {"audioSeconds": 5, "webSearches": 2}}, "webSearches"),
        ],
    )
    def test_is_never_free(self, backend: Caller, model: str, work: Any, missing: str) -> None:
        result = tell(backend, model=model, **work)

        assert result["status"] == "rejected"
        assert result["reason"] == f"{model} has no price for {missing}"

    @pytest.mark.parametrize(
        ("prices", "usage", "sentence"),
        [
            ({"input_tokens": None}, {"inputTokens": 0}, "other has no price"),
            (
                {"input_tokens": 1, "requests": None},
                {"inputTokens": 5},
                "other has no price for requests",
            ),
        ],
    )
    def test_of_a_request_or_of_anything_is_never_free(
        self, organization: Organization, prices: Any, usage: Any, sentence: str
    ) -> None:
        make_priced("other", prices)
        backend = caller_of(organization)
        rsv_id = hold(backend)

        refused = settle(backend, rsv_id, model="other", usage=usage)
        result = tell(backend, model="other", usage=usage)

        assert error(refused) == (422, "NO_PRICE")
        assert details(refused)["fields"] == {"usage": [sentence]}
        assert (result["code"], result["reason"]) == ("NO_PRICE", sentence)
        Organization.objects.filter(pk=organization.pk).update(byok=True)
        own = hold(backend)
        assert ok(settle(backend, own, model="other", usage=usage))["settledCredits"] == 0

    def test_does_not_stop_work_on_own_keys(self, organization: Organization) -> None:
        Organization.objects.filter(pk=organization.pk).update(byok=True)
        backend = caller_of(organization)

        done = ok(settle(backend, hold(backend), usage=self.USAGE))
        result = tell(backend, model="large", usage=self.USAGE)

        assert done["settledCredits"] == result["credits"] == 0
        for event in ok(backend.get(EVENTS))["items"]:
            assert event["note"] == "large has no price for codeExecutions"


@pytest.mark.usefixtures("whisper", "large")
class TestFractions:
    @pytest.mark.parametrize(
        ("text", "credits"),
        [("0.000001", 0.000001), ("1.5", 1.5), ("60.0", 60), ("999.999999", 999.999999)],
    )
    def test_of_seconds_are_charged_exactly(
        self, backend: Caller, text: str, credits: float
    ) -> None:
        usage = f'"model":"whisper","usage":{{"audioSeconds":{text}}}'
        told_twice = [f'{{"source":"b","id":"{id}",{usage}}}' for id in "12"]

        results = ok(backend.post_text(EVENTS, f'{{"events":[{",".join(told_twice)}]}}'))["results"]

        assert [result["credits"] for result in results] == [credits, credits]
        for event in ok(backend.get(EVENTS))["items"]:
            assert event["usage"] == {"audioSeconds": credits}

    @pytest.mark.parametrize(
        ("usage", "sentence"),
        [
            (
                '{"audioSeconds":1.0000001}',
                "audioSeconds is a number from 0 to 1000000000, with up to six",
            ),
            ('{"audioSeconds":"1"}', "audioSeconds is a number"),
            ('{"audioSeconds":true}', "audioSeconds is a number"),
            ('{"audioSeconds":1e10}', "audioSeconds is a number"),
            ('{"inputTokens":1.5}', "inputTokens is a whole number"),
            ('{"webSearches":0.5}', "webSearches is a whole number"),
        ],
    )
    def test_of_other_things_are_refused_by_name(
        self, backend: Caller, usage: str, sentence: str
    ) -> None:
        rsv_id = hold(backend)

        refused = backend.post_text(f"{RESERVATIONS}/{rsv_id}/settle", f'{{"usage":{usage}}}')

        assert error(refused) == (422, "VALIDATION")
        assert details(refused)["fields"]["usage"][0].startswith(sentence)

    def test_are_priced_anew_exactly(self, backend: Caller, organization: Organization) -> None:
        text = '{"events":[{"source":"b","id":"1","model":"whisper","usage":{"audioSeconds":7.123457}}]}'
        ok(backend.post_text(EVENTS, text))
        Rate.objects.filter(model="whisper").update(amount=7_200)
        period = f.wallet_of(organization).period
        assert period is not None

        (again,) = rerating.preview(organization, period, now=f.NOW)

        assert again.new == D("14.246914")


class TestEntries:
    def test_of_told_work_are_of_what_was_charged(self, backend: Caller, large: AIModel) -> None:
        events = [
            {"source": "b", "id": "1", "credits": 5},
            {"source": "b", "id": "2", "credits": 0},
            {"source": "b", "id": "3", "credits": 5, "charge": False},
        ]

        first = ok(backend.post(EVENTS, {"events": events}))["results"]
        again = ok(backend.post(EVENTS, {"events": events}))["results"]

        entry_ids = [result["entryId"] for result in first]
        assert entry_ids[0].startswith("txn_")
        assert entry_ids[1:] == [None, None]
        assert [result["entryId"] for result in again] == entry_ids
        listed = ok(backend.get(EVENTS))["items"]
        assert {event["externalId"]: event["entryId"] for event in listed} == dict(
            zip("123", entry_ids, strict=True)
        )
