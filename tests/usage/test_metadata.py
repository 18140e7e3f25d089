"""What callers say of their work beside its cost: at the reserve, at the settle, and with what they tell afterwards."""

from typing import Any

import pytest

from credits.models import Reservation
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, error, ok
from tests.callers import clock as clock
from tests.usage import people
from usage.models import UsageEvent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=100)


@pytest.fixture
def caller(organization: Organization) -> Caller:
    return caller_of(organization)


def settle(caller: Caller, reservation: str, *, key: str | None = None, **body: Any) -> Any:
    return caller.post(f"/usage/reservations/{reservation}/settle", {"credits": 5, **body}, key=key)


class TestSettle:
    def test_merges_its_own_over_that_of_the_reservation(
        self, caller: Caller, organization: Organization
    ) -> None:
        before = {"projectId": "p-1", "stage": "draft", "note": "x"}
        held = ok(caller.reserve(10, metadata=before), 201)["id"]

        ok(settle(caller, held, metadata={"stage": "final", "trace": "t-é", "note": ""}))

        merged = {"projectId": "p-1", "stage": "final", "trace": "t-é"}
        (event,) = ok(caller.get("/usage/events"))["items"]
        assert event["metadata"] == merged
        assert f.entries_of(organization)[-1].metadata == merged
        assert Reservation.objects.get().metadata == before

    def test_keeps_that_of_the_reservation_unless_it_says_something(self, caller: Caller) -> None:
        held = ok(caller.reserve(10, metadata={"a": "b"}), 201)["id"]

        ok(settle(caller, held))

        assert UsageEvent.objects.get().metadata == {"a": "b"}

    def test_can_name_the_project_of_the_ledger(self, caller: Caller) -> None:
        held = ok(caller.reserve(10), 201)["id"]

        ok(settle(caller, held, metadata={"projectId": "p-9"}))

        (line,) = ok(caller.get("/credits/events", projectId="p-9"))["items"]
        assert line["credits"] == -5

    @pytest.mark.parametrize("key", [None, "k"])
    def test_is_part_of_what_a_repeat_says(self, caller: Caller, key: str | None) -> None:
        held = ok(caller.reserve(10), 201)["id"]
        first = ok(settle(caller, held, key=key, metadata={"a": "b"}))

        assert ok(settle(caller, held, key=key, metadata={"a": "b"})) == first
        assert error(settle(caller, held, metadata={"a": "c"})) == (409, "CONFLICT")
        assert error(settle(caller, held)) == (409, "CONFLICT")

    def test_of_both_together_has_a_size(self, caller: Caller) -> None:
        many = {f"k{number}": "v" for number in range(50)}
        held = ok(caller.reserve(10, metadata=many), 201)["id"]

        assert error(settle(caller, held, metadata={"one": "more"})) == (422, "VALIDATION")
        assert error(settle(caller, held, metadata={"a": 5})) == (422, "VALIDATION")
        ok(settle(caller, held, metadata={"k0": "", "one": "more"}))

    def test_goes_along_with_tokens(self, organization: Organization, caller: Caller) -> None:
        model = people.make_model("haiku").slug
        asked = {"model": model, "inputTokens": 10, "maxOutputTokens": 10}
        held = ok(caller.post("/usage/reservations", asked), 201)["id"]
        body = {"inputTokens": 10, "outputTokens": 5, "metadata": {"a": "b"}}

        ok(caller.post(f"/usage/reservations/{held}/settle", body))

        event = UsageEvent.objects.get()
        assert (event.input_tokens, event.output_tokens, event.metadata) == (10, 5, {"a": "b"})


class TestTold:
    def test_keeps_what_is_said_of_each(self, caller: Caller) -> None:
        events = [
            {"source": "job", "id": str(number), "credits": 1}
            | ({} if metadata is None else {"metadata": metadata})
            for number, metadata in enumerate([{"a": "x\\y", "b": "line\nbreak\té"}, {}, None])
        ]

        answer = ok(caller.post("/usage/events", {"events": events}))

        assert [result["status"] for result in answer["results"]] == ["accepted"] * 3
        told = UsageEvent.objects.order_by("position").values_list("metadata", flat=True)
        assert list(told) == [{"a": "x\\y", "b": "line\nbreak\té"}, {}, {}]

    @pytest.mark.undocumented  # one bad event is told of alone, in an answer of 200
    @pytest.mark.parametrize("metadata", [{"a": 5}, {"k" * 41: "v"}, {"k": "v" * 501}, "x", None])
    def test_refuses_what_is_no_metadata(self, caller: Caller, metadata: Any) -> None:
        event = {"source": "job", "id": "1", "credits": 1, "metadata": metadata}

        (result,) = ok(caller.post("/usage/events", {"events": [event]}))["results"]

        assert result["status"] == "rejected"
        assert "metadata" in result["reason"]
