"""How staff read moments: in their own zone, and in UTC where the pointer rests."""

from datetime import UTC, datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

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
