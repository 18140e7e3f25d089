"""Reading told work in one pass: whatever is read plainly is what the serializer reads field by field, and it refuses all the rest."""

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from rest_framework import serializers

from organizations.strict import StrictSerializer
from usage.serializers.events import Misread, TellEvents, ToldEvent

ACTOR = "01900000-0000-7000-8000-000000000000"
WHOLE: dict[str, Any] = {"source": "gateway", "id": "1", "credits": 1}
TEXTS: list[Any] = [
    *("a", "a b", " a", "a ", " ", "", "a" * 64, "a" * 65, "a" * 128, "a" * 129, "ä", "a\tb"),
    *("a\u200bb", "\x7f", 5, None, True, ["a"], {}, Decimal("1.5")),
]
NUMBERS: list[Any] = [
    *(0, 1, -1, 10**9, 10**9 + 1, 10**13, 10**13 + 1, 2**63, "1", "", None, True, False, [1], {}),
    *map(Decimal, ("1.5", "0.000001", "0.0000001", "1.0000000", "-0.5", "1E+3", "1E+13", "1E+14")),
    *map(Decimal, ("10000000000000.1", "-0", "0E-8", "9999999999999.999999", "1E-300")),
]
WORDS: list[Any] = ["ai", "agent_run", "app", "dataset", "AI", "", None, 1, True, [], {}]
IDS: list[Any] = [ACTOR, f"act_{ACTOR}", f"org_{ACTOR}", ACTOR.upper(), "", "act_", None, 1, []]
TIMES: list[Any] = [
    *("2026-05-10T12:00:00Z", "2026-05-10T12:00:00.123456Z", "2026-05-10T12:00:00+00:00"),
    *("2026-05-10t12:00:00.1234567z", "2026-05-10T12:00:00 00:00"),
    *("2026-05-10", "2026-13-10T12:00:00Z", "0001-01-01T00:00:00Z", "", None, 5, True, []),
]
VALUES: dict[str, list[Any]] = {
    **dict.fromkeys(["source", "id", "model", "entity", "entityId"], TEXTS),
    **dict.fromkeys(["inputTokens", "outputTokens", "reasoningTokens", "credits"], NUMBERS),
    **dict.fromkeys(["resourceType", "entityType"], WORDS),
    "actorId": IDS,
    "occurredAt": TIMES,
    "unknown": [1],
}


def slowly(data: Any) -> Any:
    """Return what any other serializer makes of a piece of work; of what it refuses, what is wrong."""
    return outcome(lambda: StrictSerializer.run_validation(ToldEvent(), data))


def read(data: Any) -> Any:
    return outcome(lambda: ToldEvent().run_validation(data))


def outcome(validate: Callable[[], Any]) -> Any:
    try:
        found = validate()
    except serializers.ValidationError as error:
        return error.detail
    # 1 and Decimal(1) are equal, and not the same.
    return {name: (type(value), value) for name, value in found.items()}


class TestToldEvent:
    @pytest.mark.parametrize("name", VALUES)
    def test_reads_each_value_of_a_field_as_the_field_does(self, name: str) -> None:
        for value in VALUES[name]:
            told = WHOLE | {name: value}
            if name.endswith("Tokens"):
                told = {"source": "gateway", "id": "1", "model": "sonnet", name: value}

            assert read(told) == slowly(told), value

    @pytest.mark.parametrize("pieces", [600, pytest.param(3_000, marks=pytest.mark.slow)])
    def test_reads_whole_pieces_of_work_as_its_fields_do(self, pieces: int) -> None:
        dice = Random(1)
        for _ in range(pieces):
            names = dice.sample(sorted(VALUES), dice.randint(0, 6))
            told = {name: dice.choice(VALUES[name][:6]) for name in names}
            told = dice.choice([{}, WHOLE, {"source": "s", "id": "1", "model": "m"}]) | told

            assert read(told) == slowly(told), told

    @pytest.mark.parametrize("data", [None, 1, "text", [], [WHOLE], True])
    def test_is_an_object(self, data: Any) -> None:
        assert read(data) == slowly(data)

    def test_is_read_plainly_where_it_is_plain(self) -> None:
        """Otherwise a thousand take as long as they ever did, and nothing else would show it."""
        tokens = {"inputTokens": 1, "outputTokens": 2, "model": "gpt-4o", "actorId": f"act_{ACTOR}"}
        for told in (
            WHOLE | {"credits": Decimal("0.25"), "entity": "Team A"},
            {"source": "gateway", "id": "1", "occurredAt": "2026-05-10T12:00:00Z"} | tokens,
            WHOLE | {"resourceType": "agent_run", "entityType": "app", "entityId": "a-1"},
        ):
            assert ToldEvent()._read(told) is not None


class TestTellEvents:
    def test_says_which_event_is_wrong_and_what_of_it(self) -> None:
        wrong = WHOLE | {"credits": "1"}
        shape = TellEvents(data={"events": [WHOLE, wrong, WHOLE]})

        assert shape.is_valid()
        first, second, third = shape.validated_data["events"]
        assert second == Misread("gateway", "1", "credits: A valid number is required.")
        assert first == third == ToldEvent().run_validation(WHOLE)
