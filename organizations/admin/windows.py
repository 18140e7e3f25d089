"""A window of time in the filters of lists, in UTC: from a moment on, and before another. A day alone begins it, or ends with it."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.utils import parse_date_str, parse_datetime_str

DAY = timedelta(days=1)


class WindowFilter(RangeDateTimeFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        since, until = self._moment("from"), self._moment("to", whole_days=1)
        if since is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": since})
        if until is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__lt": until})
        return queryset

    def _moment(self, side: str, *, whole_days: int = 0) -> datetime | None:
        """Return what is asked for on a side; None if nothing is, or no moment.

        :param whole_days: how many days a day without a time is counted on
        """
        day, at = (self.used_parameters.get(f"{self.parameter_name}_{side}_{n}") for n in (0, 1))
        if day and at:
            moment: datetime | None = parse_datetime_str(f"{day} {at}")
            return moment and moment.replace(tzinfo=UTC)
        found = parse_date_str(day) if day else None
        try:
            begins_at = found and datetime.combine(found, time(), tzinfo=UTC)
            return begins_at + whole_days * DAY if begins_at else None
        except OverflowError:
            return None
