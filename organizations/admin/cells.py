"""What lists write into their columns: moments, spans of time, what is unlimited, long texts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.admin import display
from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField, IntegerField, Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from organizations.models import Failure, Finding
from organizations.templatetags.moments import moment as moment


def pill(text: str, tone: str = "quiet") -> SafeString:
    """Return a word as a small coloured label: `good`, `warn`, `bad`, `info` or `quiet`."""
    return format_html('<span class="pill pill-{}">{}</span>', tone, text)


def link(target: Model, text: object = None) -> SafeString:
    """Return a link to the page of a row."""
    url = reverse(
        f"admin:{target._meta.app_label}_{target._meta.model_name}_change", args=[target.pk]
    )
    return format_html('<a class="text-link" href="{}">{}</a>', url, text or target)


UNLIMITED = pill("unlimited")
"""What stands where a cap would."""


def column_of(model: type[Model], name: Any) -> Any:
    """Return a column of a list as it is, or, of a field that holds a moment or a whole number, one that writes it as lists do."""
    try:
        field = model._meta.get_field(name)
    except (FieldDoesNotExist, AttributeError, TypeError):
        return name
    if isinstance(field, DateTimeField):
        return _column(field, moment)
    if isinstance(field, IntegerField) and not field.choices and not field.primary_key:
        return _column(field, count)
    return name


def _column(field: Any, write: Callable[[Any], object]) -> Any:
    def column(row: Model) -> object:
        return write(field.value_from_object(row))

    column.__name__ = field.name
    return display(description=field.verbose_name, ordering=field.name)(column)


def count(number: int | None) -> SafeString | str:
    """Return a number of things for a column of numbers."""
    return "–" if number is None else format_html('<span class="amount">{}</span>', f"{number:,}")


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
