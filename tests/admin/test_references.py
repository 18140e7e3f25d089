"""References in the admin: in every form of money, on the page of an entry, in search, and moved by staff."""

import pytest
from django.test import Client
from django.urls import reverse

from credits.models import LedgerEntry
from tests.admin.people import fill_in, send, staff_who_may, url_of, use
from tests.admin.test_actions import errors
from tests.admin.test_corrections import html, page_of_entry
from tests.factories import (
    adjust,
    entries_of,
    grant,
    make_family,
    make_organization,
    money_of,
    move_reference,
    recharge,
)

pytestmark = pytest.mark.django_db(transaction=True)


def found(client: Client, text: str) -> list[str]:
    page = client.get(reverse("admin:credits_ledgerentry_changelist"), {"q": text})
    return [str(entry) for entry in page.context["cl"].result_list]


class TestForms:
    @pytest.mark.parametrize("action", ["grant", "adjust", "recharge"])
    def test_book_a_payment_once(self, ana: Client, action: str) -> None:
        organization = make_organization(recharge_limit=100)

        for _ in range(2):
            use(ana, action, organization, amount="40", reference="pay-1")

        assert money_of(organization)[0] == 40
        page = ana.get(page_of_entry(entries_of(organization)[0])).content.decode()
        assert "Nothing moved: txn_" in page
        assert "pay-1" in page

    def test_allocate_an_order_once(self, ana: Client) -> None:
        _, child = make_family(funded=100)

        for _ in range(2):
            use(ana, "allocate", child, amount="40", reference="order-1")

        assert money_of(child)[0] == 40

    def test_take_a_refund_back_once(self, ana: Client) -> None:
        organization = make_organization()
        entry = grant(organization, 40)

        for _ in range(2):
            use(ana, "reverse", organization, entry=str(entry.pk), reference="back-1")

        assert [e.reference for e in entries_of(organization)] == ["", "back-1"]

    def test_say_what_the_reference_means(self, ana: Client) -> None:
        organization = make_organization(funded=10)
        entry = grant(organization, 40, reference="pay-1")
        data = fill_in(ana, "grant", organization, amount="41", reference="pay-1")

        (said,) = errors(send(ana, "grant", organization, data))["reference"]

        assert said.startswith(f"Reference pay-1 is that of {entry.public_id}: grant of 40 credits")

    @pytest.mark.parametrize("text", ["pay-1 ", " ", "pay\u202e-1", "x" * 256])
    def test_refuse_what_nobody_sees(self, ana: Client, text: str) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount="41", reference=text)

        assert list(errors(send(ana, "grant", organization, data))) == ["reference"]


class TestSearch:
    def test_finds_an_entry_by_its_reference_whatever_that_looks_like(self, ana: Client) -> None:
        organization = make_organization(funded=10)
        for text in ("pay 1", "0198c5a4-0000-7000-8000-000000000000", "txn_1"):
            entry = grant(organization, 5, reference=text)

            assert found(ana, text) == [str(entry)]

    def test_finds_what_a_reference_meant_before_it_was_moved(self, ana: Client) -> None:
        organization = make_organization(recharge_limit=100)
        squatter = grant(organization, 5, reference="pay-1")
        move_reference(squatter, "pay-1-void")
        bought = recharge(organization, 40, reference="pay-1")

        assert found(ana, "pay-1") == [str(bought), str(squatter)]
        assert found(ana, "pay-1-void") == [str(squatter)]


class TestMoveReference:
    def test_is_offered_where_a_payment_may_be_behind_it(self, ana: Client) -> None:
        organization = make_organization(allowance=10, funded=5)
        renewal, gift = entries_of(organization)

        url = url_of("move-reference", organization)

        assert f"{url}?entry={gift.pk}" in html(ana, page_of_entry(gift))
        assert url not in html(ana, page_of_entry(renewal))

    def test_moves_it_and_shows_who_did_and_why(self, ana: Client) -> None:
        organization = make_organization()
        entry = grant(organization, 5, reference="pay-1")

        answer = use(
            ana, "move-reference", organization, entry=str(entry.pk), reference="pay-1-void"
        )

        assert answer.headers["location"] == page_of_entry(entry)
        page = html(ana, page_of_entry(entry))
        assert "pay-1 → pay-1-void by staff:ana on 2026-05-10 12:00 UTC: asked for by mail" in page
        assert LedgerEntry.objects.get().current_reference.text == "pay-1-void"

    def test_says_what_has_it_already(self, ana: Client) -> None:
        organization = make_organization()
        entry = grant(organization, 5, reference="pay-1")
        adjust(organization, 5, reference="pay-2")
        data = fill_in(ana, "move-reference", organization, entry=str(entry.pk), reference="pay-2")

        assert list(errors(send(ana, "move-reference", organization, data))) == ["reference"]

    def test_needs_the_permission_to_post(self) -> None:
        organization = make_organization(funded=5)
        ben = staff_who_may("credits.view_ledgerentry")

        assert ben.get(url_of("move-reference", organization)).status_code == 403
