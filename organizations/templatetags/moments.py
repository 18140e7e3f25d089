"""How staff read moments: in their own zone, and in UTC where the pointer rests."""

from datetime import UTC, datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from organizations import clock

register = template.Library()


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """Return a moment as it stands in a column: the browser shows it in the reader's zone, and UTC where the pointer rests."""
    if at is None:
        return "–"
    utc = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return format_html(
        '<time datetime="{}Z" title="{} UTC">{}</time>', utc.replace(" ", "T"), utc, utc
    )


@register.filter
def clock_time(at: datetime) -> SafeString:
    """Return a moment for a sentence: the time alone where it is of today, with its day otherwise; the browser says it in the reader's zone."""
    utc = at.astimezone(UTC)
    is_today = utc.date() == clock.now().astimezone(UTC).date()
    shown = f"{utc:%H:%M:%S}" if is_today else f"{utc:%-d %b, %H:%M:%S}"
    return format_html(
        '<time datetime="{}Z" title="{} UTC" data-short>{}</time>',
        f"{utc:%Y-%m-%dT%H:%M:%S}",
        f"{utc:%Y-%m-%d %H:%M:%S}",
        shown,
    )
