"""What the pages of jobs, failures and findings write into their columns."""

from datetime import datetime, timedelta

from django.utils.html import format_html
from django.utils.safestring import SafeString

from organizations.admin.columns import link
from organizations.models import Failure, Finding


def moment(at: datetime | None) -> str:
    """Return a moment as it stands in a column."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "–"


def duration(span: timedelta) -> str:
    """Return a span of time as people say it: `0.4 s`, `3 min 20 s`, `2 h 5 min`."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def of_the_database(row: Failure | Finding) -> SafeString | str:
    """Return whose work it is as a link, where it is an organization's."""
    return link(row.organization) if row.organization else "the whole database"


def first_line(text: str) -> SafeString:
    """Return the first line of a long text, cut where the column ends; all of it shows when the pointer rests there."""
    line = text.strip().partition("\n")[0]
    return format_html('<span class="clip error-line" title="{}">{}</span>', line, line)


def verbatim(text: str) -> SafeString:
    """Return a long text line by line, as it is."""
    return format_html('<pre class="mono error-text">{}</pre>', text)
