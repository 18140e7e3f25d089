"""How staff read amounts."""

from decimal import Decimal

import pytest

from credits.templatetags.amounts import credits, headline, percent_of, signed


class TestCredits:
    @pytest.mark.parametrize(
        ("amount", "shown"),
        [
            ("0", "0"),
            ("0.000000", "0"),
            ("1000", "1,000"),
            ("1E+3", "1,000"),
            ("12.5", "12.50"),
            ("12.000001", "12.000001"),
            ("-3.10", "−3.10"),
            ("9999999999999.999999", "9,999,999,999,999.999999"),
        ],
    )
    def test_shows_every_digit_that_says_something(self, amount: str, shown: str) -> None:
        assert credits(Decimal(amount)) == shown

    def test_shows_nothing_for_none(self) -> None:
        assert credits(None) == ""


class TestSigned:
    def test_shows_the_direction(self) -> None:
        assert [signed(Decimal(n)) for n in (5, -5, 0)] == ["+5", "−5", "0"]


class TestHeadline:
    def test_makes_the_fraction_small(self) -> None:
        assert headline(Decimal("1234.5")) == "1,234<small>.50</small>"


class TestPercentOf:
    @pytest.mark.parametrize(
        ("part", "whole", "percent"),
        [(0, 100, 0), (50, 100, 50), (100, 100, 100), (150, 100, 100), (0, 0, 100), (5, None, 0)],
    )
    def test_is_a_width(self, part: int, whole: int | None, percent: int) -> None:
        assert percent_of(Decimal(part), None if whole is None else Decimal(whole)) == percent

    def test_is_not_full_before_it_is(self) -> None:
        assert percent_of(Decimal("99.999999"), Decimal(100)) == 99
