"""Pages of what cannot be taken back name what they are about, and their last button does; what was made is one click away."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credits.models import LedgerEntry
from organizations.models import ApiKey, Organization
from tests import factories as f
from tests.admin.people import fill_in, send, url_of, use
from tests.usage import people as p
from usage import services
from usage.admin.key_use import holds_today
from usage.models import UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=100)


def html(answer: Any) -> str:
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def said(client: Client, answer: Any) -> str:
    """Return the message of the page that an action leads to."""
    (message,) = client.get(answer.headers["location"]).context["messages"]
    return str(message)


class TestKey:
    @pytest.mark.parametrize(
        ("action", "verb"), [("revoke-key", "Revoke"), ("rotate-key", "Rotate")]
    )
    def test_is_at_the_head_and_on_the_last_button(
        self, ana: Client, organization: Organization, action: str, verb: str
    ) -> None:
        f.make_key(organization, name="another")
        key, _ = f.make_key(organization, name="gateway")
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=f.NOW - timedelta(hours=2))

        form = ana.get(url_of(action, organization), {"api_key": str(key.pk)})
        data = fill_in(ana, action, organization, api_key=str(key.pk))
        preview = send(ana, action, organization, data, step="preview")

        for page in (form, preview):
            assert page.context["card"].title == "gateway"
            assert ("Last used", "2026-05-10 10:00 UTC") in page.context["card"].facts
            assert f"{key.prefix}_…" in html(page)
        assert f">{verb} {key.prefix}…</button>" in html(preview)

    def test_says_how_many_holds_it_opened_today(self, organization: Organization) -> None:
        key, _ = f.make_key(organization)
        for back in (timedelta(), timedelta(hours=1), timedelta(days=1)):
            work = p.work(organization, 1)
            services.reserve(work, performed_by=key.public_id, now=f.NOW - back)
        f.reserve(organization, 1)

        assert holds_today(key, now=f.NOW) == "2"

    def test_of_another_organization_is_not_shown(
        self, ana: Client, organization: Organization
    ) -> None:
        key, _ = f.make_key(f.make_organization("Other"), name="theirs")

        for named in (str(key.pk), "x", ""):
            answer = ana.get(url_of("revoke-key", organization), {"api_key": named})
            assert answer.context["card"] is None
            assert "theirs" not in html(answer)

    def test_asks_whether_it_leaked(self, ana: Client, organization: Organization) -> None:
        key, _ = f.make_key(organization)

        seen = html(ana.get(url_of("rotate-key", organization), {"api_key": str(key.pk)}))

        assert "Routine: the old one works for 24 hours more" in seen
        assert "Leaked: the old one stops now" in seen
        assert seen.count('type="radio"') == 2

    def test_has_a_secret_that_can_be_copied_and_a_way_to_it(
        self, ana: Client, organization: Organization
    ) -> None:
        answer = use(ana, "mint-key", organization, name="gateway", scopes=["usage:write"])

        key = ApiKey.objects.get(name="gateway")
        secret = answer.context["secret"]
        assert f'data-copy="{secret}" aria-label="Copy the secret"' in html(answer)
        assert reverse("admin:organizations_apikey_change", args=[key.pk]) in html(answer)


class TestEntry:
    def test_is_at_the_head_and_on_the_last_button(
        self, ana: Client, organization: Organization
    ) -> None:
        entry = f.grant(organization, 40)
        f.reverse(entry, amount=10)
        data = fill_in(ana, "reverse", organization, entry=str(entry.pk))

        preview = send(ana, "reverse", organization, data, step="preview")

        card = preview.context["card"]
        assert card.title == f"#{entry.number} grant, +40 credits"
        assert ("Taken back", "10") in card.facts
        assert f">Reverse entry #{entry.number}</button>" in html(preview)

    def test_that_was_made_is_one_click_away(self, ana: Client, organization: Organization) -> None:
        answer = use(ana, "grant", organization, amount="5")

        entry = LedgerEntry.objects.latest("number")
        page = reverse("admin:credits_ledgerentry_change", args=[entry.pk])
        assert said(ana, answer) == (
            f"5 credits granted to {organization.name}. "
            f'<a class="text-link" href="{page}">Look at it</a>'
        )

    def test_escapes_what_somebody_is_called(self, ana: Client) -> None:
        evil = f.make_organization("<b>x")

        assert "&lt;b&gt;x" in said(ana, use(ana, "grant", evil, amount="5"))

    def test_that_was_taken_back_looks_so_everywhere(
        self, ana: Client, organization: Organization
    ) -> None:
        entry = f.grant(organization, 40)
        back = f.reverse(entry)
        f.grant(organization, 5)
        mark = f'<a class="pill pill-bad" href="/admin/credits/ledgerentry/{back.pk}/change/">reversed</a>'

        pages = [
            reverse("admin:credits_ledgerentry_changelist"),
            reverse("admin:credits_ledgerentry_change", args=[entry.pk]),
            reverse("admin:credits_billingperiod_change", args=[entry.period_id]),
        ]

        for page in pages:
            seen = html(ana.get(page))
            assert seen.count(mark) == 1, page
            assert seen.count("taken-back") >= 1, page


class TestEvent:
    def test_is_at_the_head(self, ana: Client, organization: Organization) -> None:
        p.use(p.work(organization, 7), 7)
        event = UsageEvent.objects.get()

        answer = ana.get(url_of("reverse-event", organization), {"event": str(event.pk)})

        assert answer.context["card"].note == event.public_id
