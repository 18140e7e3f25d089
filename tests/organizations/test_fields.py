"""What a request may say, to the letter."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.http import QueryDict
from rest_framework import serializers

from organizations import fields, wire
from organizations.fields import (
    CreditsField,
    IdField,
    MetadataField,
    OrganizationTime,
    QueryInteger,
    StrictBoolean,
    StrictChar,
    StrictChoice,
    StrictInteger,
    WalletTime,
    WholeCreditsField,
    ZuluDateTimeField,
)
from organizations.strict import StrictQuery, StrictSerializer

UUID7 = UUID("0198c5a4-1111-7222-8333-444455556666")


def accepts(field: serializers.Field, value: Any) -> bool:
    try:
        field.run_validation(value)
    except serializers.ValidationError:
        return False
    return True


INVISIBLE = [
    *("\x00", "\x07", "\x7f", "\x85", "\u2028", "\u2029"),
    *("\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\u2063", "\ufeff", "\u180e"),
    *("\u061c", "\u200e", "\u200f", "\u202e", "\u2066", "\u2069"),
    *("\ufe00", "\ufe0f", "\U000e0100", "\U000e01ef", "\U000e0001", "\U000e0041", "\U000e007f"),
    *("\u034f", "\u115f", "\u1160", "\u3164", "\uffa0", "\u2800", "\ufffe", "\ufdd0"),
]


class TestStrictSerializer:
    class Body(StrictSerializer):
        name = StrictChar()
        cap = StrictInteger(required=False, allow_null=True)

    def test_names_the_fields_it_does_not_know(self) -> None:
        body = self.Body(data={"name": "a", "nmae": "b"})

        assert not body.is_valid()
        assert set(body.errors) == {"nmae"}

    def test_tells_null_from_absent(self) -> None:
        absent, null = self.Body(data={"name": "a"}), self.Body(data={"name": "a", "cap": None})
        assert absent.is_valid()
        assert null.is_valid()

        assert "cap" not in absent.validated_data
        assert null.validated_data["cap"] is None

    def test_may_ask_for_at_least_one_field(self) -> None:
        class Patch(StrictSerializer):
            at_least_one = True
            cap = StrictInteger(required=False)

        with pytest.raises(serializers.ValidationError, match="At least one field"):
            Patch.read({})
        assert Patch.read({"cap": 0}) == {"cap": 0}


class TestStrictQuery:
    def test_refuses_a_parameter_given_twice(self) -> None:
        with pytest.raises(serializers.ValidationError):
            StrictQuery.of(QueryDict("limit=1&limit=2"))

    def test_refuses_a_parameter_nobody_knows(self) -> None:
        with pytest.raises(serializers.ValidationError):
            StrictQuery.of(QueryDict("limit=1"))


class TestStrictChar:
    @pytest.mark.parametrize(
        "value",
        ["a", "Zoë", "日本語", "👩‍💻", "❤️", "1️⃣", "می‌خواهم", "🇩🇪", "5", " padded "],
    )
    def test_takes_text_as_it_is(self, value: str) -> None:
        assert StrictChar().run_validation(value) == value

    @pytest.mark.parametrize(
        "value",
        [5, 5.0, True, None, [], {}, "", "  ", "a\0", "a\n", "a\x1b[0m", "a\u202eb", "\ud800"],
    )
    def test_refuses_the_rest(self, value: Any) -> None:
        assert not accepts(StrictChar(), value)

    @pytest.mark.parametrize("hidden", INVISIBLE, ids=ascii)
    def test_refuses_what_nobody_sees(self, hidden: str) -> None:
        assert not accepts(StrictChar(), f"a{hidden}b")
        assert not accepts(StrictChar(multiline=True), f"{hidden}é")

    def test_lets_line_breaks_pass_where_they_belong(self) -> None:
        assert accepts(StrictChar(multiline=True), "one\ntwo\tthree")
        assert not accepts(StrictChar(multiline=True), "one\x00")


class TestStrictInteger:
    @pytest.mark.parametrize("value", [0, 1, 2**63 - 1])
    def test_takes_whole_numbers(self, value: int) -> None:
        assert StrictInteger().run_validation(value) == value

    @pytest.mark.parametrize(
        "value", [-1, 2**63, "5", "1_000", "５", " 5 ", True, 5.0, Decimal("1E+3"), Decimal(5), []]
    )
    def test_refuses_the_rest(self, value: Any) -> None:
        assert not accepts(StrictInteger(), value)


class TestStrictBoolean:
    @pytest.mark.parametrize("value", [0, 1, "true", "yes", None, Decimal(1)])
    def test_is_true_or_false_and_nothing_else(self, value: Any) -> None:
        assert StrictBoolean().run_validation(True) is True
        assert not accepts(StrictBoolean(), value)


class TestCreditsField:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (0, "0"),
            (5, "5"),
            (Decimal("0.000001"), "0.000001"),
            (Decimal("1E+3"), "1000"),
            (Decimal("1.5000000"), "1.5"),
            (10**13, "1E+13"),
        ],
    )
    def test_takes_exact_amounts(self, value: Any, expected: str) -> None:
        assert CreditsField().run_validation(value) == Decimal(expected)

    @pytest.mark.parametrize(
        "value",
        [
            "5",
            5.5,
            True,
            None,
            -1,
            Decimal("-0.000001"),
            Decimal("0.0000001"),
            Decimal("1.0000001"),
            Decimal("1E-300"),
            Decimal("1E+300"),
            10**13 + 1,
            Decimal("10000000000000.000001"),
            Decimal("NaN"),
            Decimal("Infinity"),
            [],
            {},
        ],
    )
    def test_refuses_the_rest(self, value: Any) -> None:
        assert not accepts(CreditsField(), value)

    @pytest.mark.parametrize("value", ["", " ", [], {}, False])
    def test_takes_only_null_for_null(self, value: Any) -> None:
        assert CreditsField(allow_null=True).run_validation(None) is None
        assert not accepts(CreditsField(allow_null=True), value)

    def test_may_refuse_nothing(self) -> None:
        assert not accepts(CreditsField(positive=True), 0)
        assert accepts(CreditsField(positive=True), Decimal("0.000001"))

    def test_may_take_negative_amounts(self) -> None:
        field = CreditsField(min_value=-fields.MAX_CREDITS)

        assert field.run_validation(Decimal("-5.5")) == Decimal("-5.5")

    def test_takes_whole_credits_as_decimals(self) -> None:
        assert WholeCreditsField(min_value=1).run_validation(5) == Decimal(5)
        assert type(WholeCreditsField().run_validation(5)) is Decimal
        for value in (0, Decimal("5.0"), 10**13 + 1, "5", True):
            assert not accepts(WholeCreditsField(min_value=1), value)


class TestIdField:
    @pytest.mark.parametrize("text", [f"org_{UUID7}", str(UUID7)])
    def test_reads_an_id_with_or_without_its_prefix(self, text: str) -> None:
        assert IdField("org").run_validation(text) == UUID7

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "5",
            5,
            None,
            f"key_{UUID7}",
            f"org_org_{UUID7}",
            str(UUID7).upper(),
            UUID7.hex,
            f"{{{UUID7}}}",
            f"urn:uuid:{UUID7}",
            f"{UUID7}\n",
            f" {UUID7}",
            "\0",
        ],
    )
    def test_refuses_the_rest(self, value: Any) -> None:
        assert not accepts(IdField("org"), value)

    def test_writes_the_prefix(self) -> None:
        assert IdField("org").to_representation(UUID7) == f"org_{UUID7}"


class TestMetadataField:
    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"k" * 40: "v" * 500},
            {f"k{number}": "" for number in range(50)},
            {"note": "one\ntwo"},
        ],
    )
    def test_takes_text_to_text(self, value: dict[str, str]) -> None:
        assert MetadataField().run_validation(value) == value

    @pytest.mark.parametrize(
        "value",
        [
            [],
            "x",
            {"": "v"},
            {"k" * 41: "v"},
            {"k": "v" * 501},
            {"k": 5},
            {"k": None},
            {"k": {"nested": "v"}},
            {f"k{number}": "" for number in range(51)},
            {f"k{number}": "v" * 500 for number in range(40)},
        ],
    )
    def test_refuses_the_rest(self, value: Any) -> None:
        assert not accepts(MetadataField(), value)

    @pytest.mark.parametrize("hidden", INVISIBLE, ids=ascii)
    def test_refuses_what_nobody_sees(self, hidden: str) -> None:
        assert not accepts(MetadataField(), {f"k{hidden}b": "v"})
        assert not accepts(MetadataField(), {"k": f"v{hidden}b"})

    def test_lets_line_breaks_pass_in_values_only(self) -> None:
        assert accepts(MetadataField(), {"k": "one\n\ttwo"})
        assert not accepts(MetadataField(), {"k\n": "one"})


class TestZuluDateTimeField:
    @pytest.mark.parametrize(
        "text", ["2026-04-01T00:00:00Z", "2026-04-01T00:00:00.1Z", "2026-04-01T00:00:00.123456Z"]
    )
    def test_takes_moments_in_utc(self, text: str) -> None:
        assert ZuluDateTimeField().run_validation(text).tzinfo is UTC

    @pytest.mark.parametrize(
        "value",
        [
            "2026-04-01T00:00:00",
            "2026-04-01T00:00:00+00:00",
            "2026-04-01",
            "2026-02-30T00:00:00Z",
            "2026-04-01T24:00:01Z",
            "0000-01-01T00:00:00Z",
            "２０２６-04-01T00:00:00Z",
            "2026-04-01T00:00:00z",
            " 2026-04-01T00:00:00Z",
            "now",
            5,
            None,
        ],
    )
    def test_refuses_the_rest(self, value: Any) -> None:
        assert not accepts(ZuluDateTimeField(), value)


class TestTimes:
    MOMENT = datetime(2026, 4, 1, 2, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))

    def test_are_written_as_the_wallet_writes_them(self) -> None:
        assert WalletTime().to_representation(self.MOMENT) == "2026-04-01T00:00:00.123Z"

    def test_are_written_as_organizations_write_them(self) -> None:
        text = OrganizationTime().to_representation(self.MOMENT)

        assert text == "2026-04-01T00:00:00.123456+00:00"


class TestQueryInteger:
    @pytest.mark.parametrize(
        "value", ["", "-1", "+1", "1.0", "1e2", "１", "١", " 1", "1_0", "18446744073709551616", 1]
    )
    def test_is_ascii_digits_within_bounds(self, value: Any) -> None:
        assert QueryInteger().run_validation("25") == 25
        assert not accepts(QueryInteger(), value)


class TestWire:
    @pytest.mark.parametrize(
        ("amount", "text"),
        [
            ("5.000000", b"5"),
            ("0.000001", b"0.000001"),
            ("1E+13", b"10000000000000"),
            ("-0.500000", b"-0.5"),
            ("0E-6", b"0"),
            ("9999999999999.999999", b"9999999999999.999999"),
        ],
    )
    def test_writes_amounts_exactly(self, amount: str, text: bytes) -> None:
        assert wire.dumps(Decimal(amount)) == text

    def test_writes_what_has_names_as_a_list_like_any_tuple(self) -> None:
        class Named(NamedTuple):
            amount: Decimal
            text: str

        assert wire.dumps(Named(Decimal("1.50"), "a")) == b'[1.5,"a"]'

    def test_refuses_what_has_no_form(self) -> None:
        with pytest.raises(TypeError):
            wire.dumps({"at": datetime(2026, 4, 1, tzinfo=UTC)})
        with pytest.raises(ValueError, match="float"):
            wire.dumps(float("nan"))


class TestNull:
    """No field takes anything but null for null: null is no limit."""

    @pytest.mark.parametrize(
        "field",
        [
            StrictChar(allow_null=True),
            StrictInteger(allow_null=True),
            StrictBoolean(allow_null=True),
            StrictChoice(["a"], allow_null=True),
            WholeCreditsField(allow_null=True),
            CreditsField(allow_null=True),
            IdField("org", allow_null=True),
            MetadataField(allow_null=True),
            ZuluDateTimeField(allow_null=True),
        ],
        ids=lambda field: type(field).__name__,
    )
    def test_is_null_alone(self, field: serializers.Field) -> None:
        assert field.run_validation(None) is None
        nothings: list[Any] = ["", [], 0.0]
        for value in nothings:
            assert not accepts(field, value)
