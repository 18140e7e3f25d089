"""Lists, a page at a time."""

import base64

import pytest
from rest_framework import serializers

from credits.models import LedgerEntry
from organizations.models import Organization
from organizations.pagination import page
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
