"""Charts of pages, drawn here as SVG: nothing is asked of another host, and nothing waits for a script.

A page gives a chart its days and its series, and writes what it gets back into a panel:

    shown = with_rest(series, total)                        # the largest few, and the rest as one
    chart = stacked(days, shown, label="Credits used a day, by model")
    chart = over_time(days, balances, label="Balance at the end of each day")
    spark = line(values, label="Available, the last 30 days")

Colours are CSS variables (`--c-1` … `--c-7`), so both themes have theirs. Whoever does not see a chart is told its label; all but a spark also have their
figures as a table below them, which opens by keyboard.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from credits.models import ZERO
from credits.templatetags.amounts import aligned, credits

MOST = 6
"""How many series have a colour of their own; the rest share one."""
STEPS = tuple(map(Decimal, ("1", "1.2", "1.5", "2", "2.5", "3", "4", "5", "6", "8", "10")))


AROUND = 3
"""Of a line that is compared with each day is the mean of so many days before and after it, too."""


class Series(NamedTuple):
    """What is stacked: a name, and a value for each day, in credits. What is below zero is drawn as nothing."""

    name: str
    values: Sequence[Decimal]

    @property
    def total(self) -> Decimal:
        return sum(self.values, ZERO)


def with_rest(
    series: Sequence[Series], total: Sequence[Decimal] | None = None, *, most: int = MOST
) -> list[Series]:
    """Return the largest series, and all others as one, called Others.

    :param total: what all of them come to each day, if the series are not all there are
    """
    shown = sorted(series, key=lambda each: (-each.total, each.name))[:most]
    sums = total if total is not None else _sums(series)
    rest = [whole - part for whole, part in zip(sums, _sums(shown), strict=True)] if shown else sums
    return [*shown, Series("Others", rest)] if any(value > 0 for value in rest) else shown


def stacked(
    days: Sequence[date],
    series: Sequence[Series],
    *,
    label: str,
    before: Series | None = None,
) -> SafeString:
    """Return bars of a day each, the series one upon the other, with a legend and the figures as a table.

    :param before: what it is compared with: drawn as a line, of which each day is the mean of the week around it, so that one day of another
        month does not make all bars small
    """
    sums = _sums([each._replace(values=[_shown(v) for v in each.values]) for each in series])
    compared = _smoothed(before.values) if before is not None else []
    top = _round_up(max([*sums, *compared], default=ZERO))
    return format_html(
        '<figure class="plot" style="--axis:{axis}ch"><div class="chart-plot"><span class="chart-top">{top}</span><span class="chart-mid">{half}</span>'
        '<svg viewBox="0 0 {width} 100" preserveAspectRatio="none" role="img" aria-label="{label}">'
        '<path class="chart-grid" d="M0 0H{width}M0 50H{width}M0 100H{width}"/>{columns}{before}</svg></div>'
        '<div class="chart-days" aria-hidden="true">{ends}</div><ul class="legend">{legend}</ul>{table}</figure>',
        axis=max(len(credits(each)) for each in (top, top / 2)),
        top=credits(top),
        half=credits(top / 2),
        width=len(days) * 10,
        label=label,
        columns=format_html_join(
            "", "{}", ((_column(n, days, series, top),) for n in range(len(days)))
        ),
        before=_line(compared, top) if compared else "",
        ends=_ends(days),
        legend=_legend(series, before),
        table=_table(days, series, sums, label),
    )


def over_time(days: Sequence[date], values: Sequence[Decimal], *, label: str) -> SafeString:
    """Return a line of what there was at the end of each day, of debt below nothing, with the figures as a table."""
    highest, lowest = max([*values, ZERO]), min([*values, ZERO])
    top = _round_up(highest) if highest or not lowest else ZERO
    bottom = -_round_up(-lowest) if lowest else ZERO
    height, middle = top - bottom, (top + bottom) / 2
    points = [(n * 10 + 5, _percent(top - value, height)) for n, value in enumerate(values)]
    told = ((f"{day:%-d %b}: {credits(value)}",) for day, value in zip(days, values, strict=True))
    return format_html(
        '<figure class="plot" style="--axis:{axis}ch"><div class="chart-plot"><span class="chart-top">{top}</span><span class="chart-mid">{middle}</span>'
        '<svg viewBox="0 0 {width} 100" preserveAspectRatio="none" role="img" aria-label="{label}">'
        '<path class="chart-grid" d="M0 0H{width}M0 {zero}H{width}M0 100H{width}"/>{days}'
        '<path class="spark-area" d="M5 {zero}L{path}V{zero}Z"/><path class="spark-stroke" d="M{path}"/></svg></div>'
        '<div class="chart-days" aria-hidden="true">{ends}</div>{table}</figure>',
        axis=max(len(credits(each)) for each in (top, middle)),
        top=credits(top),
        middle=credits(middle),
        width=len(values) * 10,
        label=label,
        zero=_percent(top, height),
        path="L".join(f"{x} {y}" for x, y in points),
        days=_days(told),
        ends=_ends(days),
        table=_figures(
            "",
            ((f"{day:%-d %b %Y}", "", aligned(values[n])) for n, day in enumerate(days)),
            last="Balance",
            label=label,
        ),
    )


def _days(told: Iterable[tuple[str]]) -> SafeString:
    """Return what the pointer is told on each day."""
    return format_html_join(
        "",
        '<g class="chart-day"><title>{1}</title><rect x="{0}" y="0" width="10" height="100" class="chart-hit"/></g>',
        ((n * 10, *each) for n, each in enumerate(told)),
    )


def line(values: Sequence[Decimal], *, label: str) -> SafeString:
    """Return a line over days without figures, to stand behind one: its lowest value at the bottom, or zero if that is lower."""
    lowest = min([*values, ZERO])
    span = (max(values, default=ZERO) - lowest) or Decimal(1)
    width = max(1, len(values) - 1)
    at = [f"{n} {_percent(span - value + lowest, span)}" for n, value in enumerate(values)]
    path = "L".join(at)
    return format_html(
        '<svg class="spark-line" viewBox="0 0 {width} 100" preserveAspectRatio="none" role="img" aria-label="{label}">'
        '<path class="spark-area" d="M{path}V100H0Z"/><path class="spark-stroke" d="M{path}"/></svg>',
        width=width,
        label=label,
        path=path or "0 100",
    )


def _column(
    number: int, days: Sequence[date], series: Sequence[Series], top: Decimal
) -> SafeString:
    """Return the bar of a day; the pointer on it, also above it, is told what it comes to."""
    base = ZERO
    parts = []
    for index, each in enumerate(series):
        value = _shown(each.values[number])
        if not value:
            continue
        base += value
        place = (
            number * 10 + 1,
            _percent(top - base, top),
            _percent(value, top),
            _colour(index, each),
        )
        parts.append(place)
    rects = format_html_join("", '<rect x="{}" y="{}" width="8" height="{}" class="{}"/>', parts)
    said = [f"{each.name} {credits(each.values[number])}" for each in series if each.values[number]]
    told = f"{days[number]:%-d %b}: {credits(base)}" + (f" ({', '.join(said)})" if said else "")
    return format_html(
        '<g class="chart-day"><title>{}</title><rect x="{}" y="0" width="10" height="100" class="chart-hit"/>{}</g>',
        told,
        number * 10,
        rects,
    )


def _smoothed(values: Sequence[Decimal]) -> list[Decimal]:
    """Return for each day the mean of the week around it, or of what there is of that."""
    weeks = [values[max(0, n - AROUND) : n + AROUND + 1] for n in range(len(values))]
    return [sum(map(_shown, week), ZERO) / len(week) for week in weeks]


def _line(values: Sequence[Decimal], top: Decimal) -> SafeString:
    """Return a line from the middle of one day to that of the next."""
    at = (f"{n * 10 + 5} {_percent(top - _shown(value), top)}" for n, value in enumerate(values))
    return format_html('<path class="chart-before" d="M{}"/>', "L".join(at))


def _legend(series: Sequence[Series], before: Series | None) -> SafeString:
    rows = [(_colour(n, each), each.name, _short(each.total)) for n, each in enumerate(series)]
    if before is not None:
        rows.append(("dot-line", before.name, _short(before.total)))
    return format_html_join("", '<li><i class="dot {}"></i>{} <b class="num">{}</b></li>', rows)


def _short(amount: Decimal) -> str:
    """Return a total as a legend says it; the table below has every digit where the pointer rests."""
    return credits(round(amount, 2))


def _table(
    days: Sequence[date], series: Sequence[Series], sums: Sequence[Decimal], label: str
) -> SafeString:
    head = format_html_join("", '<th scope="col" class="num">{}</th>', ((s.name,) for s in series))
    rows = (
        (
            f"{day:%-d %b %Y}",
            format_html_join(
                "", '<td class="num">{}</td>', ((aligned(s.values[n]),) for s in series)
            ),
            aligned(sums[n]),
        )
        for n, day in enumerate(days)
        if any(s.values[n] for s in series)
    )
    return _figures(head, rows, last="All", label=label)


def _figures(
    head: SafeString | str, rows: Iterable[tuple[object, ...]], *, last: str, label: str
) -> SafeString:
    """Return the figures of a chart, a row for each day, which open by keyboard."""
    return format_html(
        '<details class="chart-figures"><summary>The figures</summary><div class="scroll" tabindex="0" role="region" aria-label="{}">'
        '<table class="rows"><thead><tr><th scope="col">Day (UTC)</th>{}<th scope="col" class="num">{}</th></tr></thead>'
        "<tbody>{}</tbody></table></div></details>",
        label,
        head,
        last,
        format_html_join("", '<tr><th scope="row">{}</th>{}<td class="num">{}</td></tr>', rows),
    )


def _ends(days: Sequence[date]) -> SafeString:
    """Return the first day, the one in the middle and the last, as an axis has them."""
    shown = [days[0], days[len(days) // 2], days[-1]] if len(days) > 2 else days
    return format_html_join("", "<span>{}</span>", ((f"{day:%-d %b}",) for day in shown))


def _colour(index: int, series: Series) -> str:
    return "c-rest" if series.name == "Others" else f"c-{index % MOST + 1}"


def _sums(series: Sequence[Series]) -> list[Decimal]:
    return [sum(day, ZERO) for day in zip(*(each.values for each in series), strict=True)]


def _shown(value: Decimal) -> Decimal:
    return max(ZERO, value)


def _percent(part: Decimal, whole: Decimal) -> str:
    """Return a part of a height as SVG takes it, in hundredths of the whole."""
    return f"{float(part * 100 / whole):.2f}".rstrip("0").rstrip(".") or "0"


def _round_up(value: Decimal) -> Decimal:
    """Return the end of an axis that holds a value: a round number that is not much larger."""
    if value <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(value.adjusted())
    return next(step * power for step in STEPS if step * power >= value)
