"""Charts of pages: what is drawn how high, and what whoever does not see it is told."""

from datetime import date
from decimal import Decimal

import pytest

from usage.admin.charts import Series, line, over_time, stacked, with_rest

DAYS = [date(2026, 5, day) for day in (1, 2, 3)]


def series(name: str, *values: int) -> Series:
    return Series(name, [Decimal(value) for value in values])


class TestStacked:
    def test_puts_one_upon_the_other(self) -> None:
        chart = stacked(DAYS, [series("a", 6, 0, 0), series("b", 2, 4, 0)], label="x")

        assert '<rect x="1" y="25" width="8" height="75" class="c-1"/>' in chart
        assert '<rect x="1" y="0" width="8" height="25" class="c-2"/>' in chart
        assert '<rect x="11" y="50" width="8" height="50" class="c-2"/>' in chart
        assert chart.count('class="c-') == 3

    def test_has_its_figures_as_a_table(self) -> None:
        chart = stacked(DAYS, [series("a", 6, 0, 0), series("b", 2, 4, 0)], label="By model")

        assert 'role="img" aria-label="By model"' in chart
        assert "<title>1 May: 8 (a 6, b 2)</title>" in chart
        assert (
            '<th scope="row">1 May 2026</th><td class="num">6.00</td><td class="num">2.00</td>'
            in chart
        )
        assert "3 May 2026" not in chart

    def test_draws_nothing_below_zero(self) -> None:
        chart = stacked(DAYS[:1], [series("a", -5), series("b", 1)], label="x")

        assert 'class="c-1"/>' not in chart
        assert '<rect x="1" y="0" width="8" height="100" class="c-2"/>' in chart

    def test_is_drawn_where_nothing_was_used(self) -> None:
        assert "<svg" in stacked(DAYS, [], label="x")

    def test_escapes_what_somebody_wrote(self) -> None:
        assert "<b>" not in stacked(DAYS[:1], [series("<b>", 1)], label='"><b>')

    @pytest.mark.parametrize(
        ("highest", "top"), [("1300", "1,500"), ("25", "25"), ("0.03", "0.03"), ("0", "1")]
    )
    def test_ends_its_axis_at_a_round_figure(self, highest: str, top: str) -> None:
        chart = stacked(DAYS[:1], [Series("a", [Decimal(highest)])], label="x")

        assert f'<span class="chart-top">{top}</span>' in chart


class TestCompared:
    """Bars beside what was used before."""

    def test_is_a_line_of_the_mean_of_the_week_around_each_day(self) -> None:
        week = [date(2026, 5, day) for day in range(1, 8)]
        own, before = series("a", *[4] * 7), series("before", 0, 0, 0, 28, 0, 0, 0)

        chart = stacked(week, [own], label="x", before=before)

        # 28 of one day are 7, 5.6, 4.67 or 4 a day of the days around it.
        assert '<span class="chart-top">8</span>' in chart
        assert (
            'class="chart-before" d="M5 12.5L15 30L25 41.67L35 50L45 41.67L55 30L65 12.5"' in chart
        )
        assert '>before <b class="num">28</b>' in chart


class TestWithRest:
    def test_keeps_the_largest_and_adds_up_the_others(self) -> None:
        shown = with_rest([series("a", 1, 1), series("b", 9, 0), series("c", 0, 3)], most=1)

        assert shown == [series("b", 9, 0), series("Others", 1, 4)]

    def test_takes_what_is_missing_from_the_total(self) -> None:
        shown = with_rest([series("a", 1, 1)], [Decimal(3), Decimal(1)])

        assert shown == [series("a", 1, 1), series("Others", 2, 0)]

    def test_has_no_others_where_there_are_none(self) -> None:
        assert with_rest([series("a", 1)], [Decimal(1)]) == [series("a", 1)]


class TestOverTime:
    def test_is_a_line_with_its_figures_as_a_table(self) -> None:
        chart = over_time(DAYS, [Decimal(0), Decimal(50), Decimal("99.5")], label="Balance")

        assert 'role="img" aria-label="Balance"' in chart
        assert '<path class="spark-stroke" d="M5 100L15 50L25 0.5"/>' in chart
        assert '<span class="chart-top">100</span><span class="chart-mid">50</span>' in chart
        assert "<title>2 May: 50</title>" in chart
        assert '<th scope="row">1 May 2026</th><td class="num">0.00</td>' in chart
        assert '<th scope="row">3 May 2026</th><td class="num">99.50</td>' in chart

    def test_has_debt_below_nothing(self) -> None:
        chart = over_time(DAYS, [Decimal(60), Decimal(0), Decimal(-20)], label="x")

        assert '<path class="spark-stroke" d="M5 0L15 75L25 100"/>' in chart
        assert "M0 75H30" in chart
        assert "<title>3 May: −20</title>" in chart

    @pytest.mark.parametrize("held", [0, -5, 5])
    def test_is_drawn_of_what_never_changes(self, held: int) -> None:
        assert "<svg" in over_time(DAYS, [Decimal(held)] * 3, label="x")


class TestLine:
    def test_goes_from_the_bottom_to_the_highest(self) -> None:
        assert 'd="M0 100L1 50L2 0"' in line([Decimal(n) for n in (0, 5, 10)], label="x")

    def test_reaches_below_zero_where_there_is_debt(self) -> None:
        assert 'd="M0 100L1 0"' in line([Decimal(-5), Decimal(5)], label="x")

    def test_is_drawn_of_no_days(self) -> None:
        assert "<svg" in line([], label="x")
