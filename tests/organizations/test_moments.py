"""Moments as text: whatever RFC 3339 writes is read, and one form is written."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from organizations import moments

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)


class TestRead:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2026-05-10T12:00:00Z", NOON),
            ("2026-05-10T12:00:00+00:00", NOON),
            ("2026-05-10T12:00:00-00:00", NOON),
            ("2026-05-10T12:00:00.000000+00:00", NOON),
            ("2026-05-10t12:00:00z", NOON),
            ("2026-05-10T17:30:00+05:30", NOON),
            ("2026-05-09T12:01:00-23:59", NOON),
            ("2026-05-10T12:00:00.5Z", NOON + timedelta(milliseconds=500)),
            ("2026-05-10T12:00:00.123456Z", NOON + timedelta(microseconds=123_456)),
            ("2026-05-10T12:00:00.123456789Z", NOON + timedelta(microseconds=123_456)),
            (f"2026-05-10T12:00:00.{'0' * 70}1+00:00", NOON),
            ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
            ("2017-01-01T05:29:60.9+05:30", datetime(2017, 1, 1, tzinfo=UTC)),
        ],
    )
    def test_takes_any_offset_and_any_fraction(self, text: str, moment: datetime) -> None:
        found = moments.read(text)

        assert found == moment
        assert found.tzinfo is UTC

    def test_takes_whatever_it_writes(self) -> None:
        assert moments.read(moments.write(NOON)) == NOON

    @pytest.mark.parametrize(
        "text",
        [
            *("", "now", "2026-05-10", "2026-05-10T12:00:00", "2026-05-10T12:00Z", 5, None, True),
            *("2026-05-10 12:00:00Z", "2026-05-10T12:00:00 00:00", "2026-05-10T12:00:00+0000"),
            *("2026-05-10T12:00:00.Z", "2026-05-10T12:00:00,5Z", " 2026-05-10T12:00:00Z"),
            *("2026-02-30T00:00:00Z", "2026-05-10T24:00:01Z", "2026-05-10T12:60:00Z"),
            *("2026-05-10T12:00:60Z", "2026-05-10T23:59:60Z", "2026-05-31T23:59:61Z"),
            *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"),
            *("2026-05-10T12:00:00+24:00", "2026-05-10T12:00:00+05:60", "9999-12-31T23:59:60Z"),
            *(
                "２０２６-05-10T12:00:00Z",
                "2026-05-10T12:00:00Z\n",
                f"2026-05-10T12:00:00.{'0' * 99}Z",
            ),
        ],
    )
    def test_takes_nothing_else(self, text: Any) -> None:
        with pytest.raises(moments.NoMoment):
            moments.read(text)


class TestWrite:
    def test_says_milliseconds_in_utc(self) -> None:
        moment = datetime(2026, 5, 10, 14, 0, 0, 123_999, timezone(timedelta(hours=2)))

        assert moments.write(moment) == "2026-05-10T12:00:00.123Z"
