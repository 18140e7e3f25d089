"""Lists, a page at a time."""

import base64
from typing import Any

import pytest
from django.db.models import Q
from rest_framework import serializers

from credits.models import LedgerEntry
from organizations import pagination
from organizations.models import Organization
from organizations.pagination import page
from tests import factories as f
from tests.organizations.people import organization

pytestmark = pytest.mark.django_db


class TestPage:
    def test_has_no_cursor_when_everything_fits(self) -> None:
        for number in range(3):
            organization(f"o{number}")

        rows, cursor = page(Organization.objects.all(), limit=3)

        assert [row.name for row in rows] == ["o2", "o1", "o0"]
        assert cursor is None

    def test_goes_on_where_it_stopped_although_rows_arrive(self) -> None:
        for number in range(4):
            organization(f"o{number}")
        first, cursor = page(Organization.objects.all(), limit=2)
        organization("late")

        second, end = page(Organization.objects.all(), limit=2, cursor=cursor)

        assert [row.name for row in first + second] == ["o3", "o2", "o1", "o0"]
        assert end is None

    @pytest.mark.parametrize(
        "cursor",
        [
            "",
            "x",
            "é",
            "\0",
            "=",
            "AAAA",
            "%00",
            base64.urlsafe_b64encode(b"id:5\0").decode(),
            base64.urlsafe_b64encode(b"id:-1").decode(),
            base64.urlsafe_b64encode(b"id:1_0").decode(),
            base64.urlsafe_b64encode(b"id:" + b"9" * 60).decode().rstrip("="),
            base64.urlsafe_b64encode(b"number:5").decode().rstrip("="),
            base64.urlsafe_b64encode(b"Organization:id:5").decode().rstrip("="),
        ],
    )
    def test_refuses_a_cursor_it_did_not_make(self, cursor: str) -> None:
        with pytest.raises(serializers.ValidationError):
            page(Organization.objects.all(), limit=2, cursor=cursor)

    def test_refuses_a_cursor_of_another_list(self) -> None:
        """One of actors names an id too, and one of a ledger a number."""
        for number in range(2):
            organization(f"o{number}")
        _, cursor = page(Organization.objects.all(), limit=1, list_name="Partners")

        with pytest.raises(serializers.ValidationError, match="Not a cursor"):
            page(Organization.objects.all(), limit=1, cursor=cursor, list_name="Customers")
        with pytest.raises(serializers.ValidationError, match="Not a cursor"):
            page(LedgerEntry.objects.all(), limit=1, cursor=cursor, by="number")


def names(*, limit: int = 2, **how: Any) -> list[list[str]]:
    """Return the names on each page, one after the other to the end."""
    pages, cursor = [], None
    while True:
        rows, cursor = page(Organization.objects.all(), limit=limit, cursor=cursor, **how)
        pages.append([row.name for row in rows])
        if cursor is None:
            return pages


class TestOrder:
    def test_may_be_that_of_several_columns(self) -> None:
        moments = [f.later(days=day) for day in (0, 1, 1, 0, 1)]
        for number, moment in enumerate(moments):
            organization(f"o{number}")
            Organization.objects.filter(name=f"o{number}").update(created_at=moment)

        found = names(by=("created_at", "id"))

        assert found == [["o4", "o2"], ["o1", "o3"], ["o0"]]

    def test_may_begin_with_the_lowest(self) -> None:
        for number in range(3):
            organization(f"o{number}")

        assert names(by=("created_at", "id"), ascending=True) == [["o0", "o1"], ["o2"]]


class TestEither:
    def test_merges_what_is_one_or_the_other(self) -> None:
        for number in range(6):
            organization(f"o{number}")

        found = names(either=[Q(name=name) for name in ("o5", "o3", "o0", "o9")])

        assert found == [["o5", "o3"], ["o0"]]


class TestSifted:
    @pytest.fixture(autouse=True)
    def few_are_looked_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pagination, "LOOKED_AT", 4)

    def test_ends_a_page_where_it_looked_at_enough(self) -> None:
        for number in range(10):
            organization(f"o{number}")

        assert names(sifted=Q(name="o0")) == [[], [], ["o0"]]

    def test_misses_none_and_repeats_none(self) -> None:
        for number in range(12):
            organization(f"o{number:02}")
        wanted = [f"o{number:02}" for number in (11, 10, 9, 8, 4, 0)]

        found = names(sifted=Q(name__in=wanted))

        assert found == [["o11", "o10"], ["o09", "o08"], ["o04"], ["o00"]]

    def test_has_no_cursor_when_everything_was_looked_at(self) -> None:
        for number in range(3):
            organization(f"o{number}")

        assert names(sifted=Q(name="o9")) == [[]]
