"""The credit config in the admin: edited like a form, saved like a request, kept with its history."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from credits.models import CreditConfig
from organizations.models import Organization
from tests.admin.browser import CONFIRMED
from tests.admin.people import client_of
from tests.factories import amounts, archive, make_family, make_organization, set_terms, wallet_of

pytestmark = pytest.mark.django_db(transaction=True)


def url_of(organization: Organization, page: str = "change") -> str:
    return reverse(f"admin:credits_creditconfig_{page}", args=[wallet_of(organization).pk])


def fill_in(client: Client, organization: Organization, **fields: Any) -> dict[str, Any]:
    """Open the page and return what a browser would send: the fields as shown, and as changed."""
    form = client.get(url_of(organization)).context["adminform"].form
    shown = {field.html_name: field.value() for field in form}
    shown |= {field.html_initial_name: field.value() for field in form}
    sent = {name: "" if value is None else str(value) for name, value in shown.items()}
    return sent | CONFIRMED | {name: str(value) for name, value in fields.items()}


def terms_of(organization: Organization) -> CreditConfig:
    return wallet_of(organization).config


class TestEdit:
    def test_changes_the_terms_and_keeps_who_and_what(self, ana: Client) -> None:
        organization = make_organization(monthly_cap=100)

        answer = ana.post(url_of(organization), fill_in(ana, organization, monthly_cap="250.5"))

        assert answer.status_code == 302
        assert str(terms_of(organization).monthly_cap) == "250.500000"
        new, old = CreditConfig.history.filter(wallet=wallet_of(organization))
        assert (str(old.monthly_cap), str(new.monthly_cap)) == ("100.000000", "250.500000")
        assert new.history_change_reason == "staff:ana"

    def test_shows_that_a_moved_anchor_brings_a_part_by_days(self, ana: Client) -> None:
        organization = make_organization(allowance=30)
        data = fill_in(ana, organization, anchored_on="2026-05-11")

        page = ana.post(url_of(organization), {**data, "step": "preview"})

        (shown,) = [e for e in page.context["effects"] if e.what == "The next term brings"]
        assert shown.before == "30 from 2026-06-01 to 2026-07-01"
        assert shown.after == "9.677419 from 2026-06-01 to 2026-06-11, 10 of 31 days"

    def test_cancels_so_that_only_staff_may_undo_it(self, ana: Client) -> None:
        organization = make_organization(allowance=5)

        ana.post(url_of(organization), fill_in(ana, organization, cancel_at_period_end=True))

        terms = terms_of(organization)
        assert (terms.cancel_at_period_end, terms.cancelled_by) == (True, "staff")
        assert "Staff" in ana.get(url_of(organization)).content.decode()

        ana.post(url_of(organization), fill_in(ana, organization, cancel_at_period_end=""))

        terms = terms_of(organization)
        assert (terms.cancel_at_period_end, terms.cancelled_by) == (False, "")

    def test_shows_before_and_after_in_the_history(self, ana: Client) -> None:
        organization = make_organization(monthly_cap=None)
        ana.post(url_of(organization), fill_in(ana, organization, monthly_cap="100"))

        html = ana.get(url_of(organization, "history")).content.decode()

        assert '<span class="before">none</span>' in html
        assert '<span class="after">100</span>' in html
        assert "staff:ana" in html
        assert f"Terms of {organization.name}" in html

    def test_leaves_alone_what_somebody_changed_meanwhile(self, ana: Client) -> None:
        organization = make_organization(monthly_cap=100, recharge_limit=10)
        opened_before = fill_in(ana, organization, monthly_cap="200")
        set_terms(organization, recharge_limit=99, allowance=7)

        ana.post(url_of(organization), opened_before)

        terms = terms_of(organization)
        assert (terms.monthly_cap, terms.recharge_limit, terms.allowance) == amounts(200, 99, 7)

    def test_writes_nothing_when_nothing_was_changed(self, ana: Client) -> None:
        organization = make_organization(monthly_cap=100)

        ana.post(url_of(organization), fill_in(ana, organization))

        assert CreditConfig.history.count() == 1

    @pytest.mark.parametrize(
        ("set_one", "missing"),
        [("refill_threshold", "refill_amount"), ("refill_amount", "refill_threshold")],
    )
    def test_names_the_half_of_a_refill_rule_that_is_missing(
        self, ana: Client, set_one: str, missing: str
    ) -> None:
        organization = make_organization()

        answer = ana.post(url_of(organization), fill_in(ana, organization, **{set_one: "10"}))

        assert dict(answer.context["adminform"].form.errors) == {
            missing: ["Set both the refill threshold and the refill amount, or neither."]
        }
        assert not terms_of(organization).auto_refill_enabled

    def test_accepts_a_whole_refill_rule(self, ana: Client) -> None:
        _, child = make_family()
        data = fill_in(ana, child, refill_threshold="10", refill_amount="50")

        assert ana.post(url_of(child), data).status_code == 302

        assert terms_of(child).auto_refill_enabled

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("monthly_cap", "-1"),
            ("monthly_cap", "NaN"),
            ("monthly_cap", "0.0000001"),
            ("monthly_cap", "1e30"),
            ("allowance", ""),
            ("refill_cooldown_seconds", "-1"),
            ("refill_cooldown_seconds", "99999999999999999999"),
            ("anchored_on", "2026-02-31"),
            ("term", "week"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, ana: Client, field: str, value: str) -> None:
        organization = make_organization()

        answer = ana.post(url_of(organization), fill_in(ana, organization, **{field: value}))

        assert list(answer.context["adminform"].form.errors) == [field]

    def test_refuses_a_refill_of_nothing(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, organization, refill_threshold="0", refill_amount="0")

        answer = ana.post(url_of(organization), data)

        assert list(answer.context["adminform"].form.errors) == ["refill_amount"]

    def test_says_what_empty_and_zero_mean(self, ana: Client) -> None:
        organization = make_organization()

        html = ana.get(url_of(organization)).content.decode()

        assert "Empty: no cap. 0: nothing may be spent." in html

    def test_says_so_when_the_rule_was_broken_by_somebody_else_meanwhile(self, ana: Client) -> None:
        _, child = make_family(refill_threshold=10, refill_amount=50)
        opened_before = fill_in(ana, child, refill_amount="60")
        set_terms(child, refill_threshold=None, refill_amount=None)

        answer = ana.post(url_of(child), opened_before, follow=True)

        assert "Set both" in answer.content.decode()
        assert not terms_of(child).auto_refill_enabled

    def test_is_closed_for_an_archived_organization(self, ana: Client) -> None:
        organization = make_organization(monthly_cap=100)
        data = fill_in(ana, organization, monthly_cap="200")
        archive(organization)

        assert ana.get(url_of(organization)).status_code == 200
        assert ana.post(url_of(organization), data).status_code == 403
        assert terms_of(organization).monthly_cap == 100

    def test_keeps_a_long_name_as_far_as_it_fits(self, transactional_db: None) -> None:
        client = client_of(User.objects.create_superuser("a" * 150))
        organization = make_organization()

        answer = client.post(url_of(organization), fill_in(client, organization, monthly_cap="5"))

        assert answer.status_code == 302
        assert CreditConfig.history.latest().history_change_reason.startswith("staff:aaaa")


class TestHistory:
    def test_is_not_put_back(self, ana: Client) -> None:
        organization = make_organization(monthly_cap=100)
        set_terms(organization, monthly_cap=200)
        old = CreditConfig.history.earliest()
        url = reverse(
            "admin:credits_creditconfig_simple_history",
            args=[wallet_of(organization).pk, old.history_id],
        )

        assert ana.get(url).status_code == 200
        assert ana.post(url, {"monthly_cap": "100"}).status_code == 403
        assert terms_of(organization).monthly_cap == 200


class TestDelete:
    def test_is_refused_and_so_is_adding(self, ana: Client) -> None:
        organization = make_organization(monthly_cap=100)

        assert ana.post(url_of(organization, "delete"), {"post": "yes"}).status_code == 403
        assert ana.post(reverse("admin:credits_creditconfig_add")).status_code == 403
        assert terms_of(organization).monthly_cap == 100
