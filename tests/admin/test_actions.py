"""The buttons: each does its service once, shows its effect before, and says in words why not."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from credits.admin.actions import ACTIONS as MONEY
from credits.admin.family_actions import ACTIONS as FAMILIES
from credits.admin.status_actions import ACTIONS as STATUSES
from credits.admin.upgrade_action import ACTIONS as UPGRADES
from credits.models import LedgerEntry
from organizations.admin.key_actions import ACTIONS as KEYS
from organizations.models import ApiKey, IdempotencyKey, Organization
from tests.admin.people import (
    client_of,
    fill_in,
    page_of,
    send,
    staff_who_may,
    url_of,
    use,
)
from tests.callers import caller_of, ok
from tests.factories import (
    amounts,
    archive,
    entries_of,
    grant,
    grants_of,
    later,
    make_family,
    make_key,
    make_organization,
    money_of,
    reserve,
    spend,
    wallet_of,
)
from usage.admin.edit_action import ACTIONS as EDITS
from usage.admin.sandbox_actions import ACTIONS as SANDBOXES

pytestmark = pytest.mark.django_db(transaction=True)

Data = dict[str, Any]


def effects(page: Any) -> dict[tuple[str, str], tuple[str, str]]:
    """Return what a preview shows to change: `{(whose, what): (before, after)}`."""
    shown = page.context["effects"]
    return {(e.whose, e.what): (e.before, e.after) for e in shown if e.changes}


def errors(page: Any) -> dict[str, list[str]]:
    return dict(page.context["form"].errors)


class TestGrant:
    def test_funds_the_wallet_through_the_service(self, ana: Client) -> None:
        organization = make_organization()

        answer = use(ana, "grant", organization, amount="12.5", priority="10")

        assert answer.headers["location"] == page_of(organization)
        (entry,) = entries_of(organization)
        assert (entry.amount, entry.reason) == (amounts("12.5")[0], "asked for by mail")
        assert entry.performed_by == "staff:ana"
        assert grants_of(organization)[0].priority == 10

    def test_ends_when_the_form_says(self, ana: Client) -> None:
        organization = make_organization()

        use(ana, "grant", organization, amount="5", expires_at_0="2026-06-01", expires_at_1="12:00")

        expires_at = grants_of(organization)[0].expires_at
        assert expires_at is not None
        assert expires_at.isoformat() == "2026-06-01T12:00:00+00:00"

    def test_happens_once_when_confirmed_twice(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount="7")

        first = send(ana, "grant", organization, data)
        second = send(ana, "grant", organization, {**data, "amount": "7.000"})

        assert (first.status_code, second.status_code) == (302, 302)
        assert money_of(organization)[0] == 7
        assert "It was done once, not again." in ana.get(page_of(organization)).content.decode()

    def test_has_names_that_no_api_key_can_take(self, ana: Client) -> None:
        organization = make_organization(funded=100)
        data = fill_in(ana, "grant", organization, amount="7")
        for name in (str(data["once"]), f"staff-{data['once']}"):
            ok(caller_of(organization).reserve(1, key=name), 201)

        answer = send(ana, "grant", organization, data)

        assert answer.status_code == 302
        assert money_of(organization)[0] == 107

    def test_asks_again_when_the_form_is_sent_with_other_values(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount="7")
        send(ana, "grant", organization, data)

        page = send(ana, "grant", organization, {**data, "amount": "8"})

        assert "already used, with other values" in page.content.decode()
        assert page.context["form"]["once"].value() != data["once"]
        assert money_of(organization)[0] == 7

    def test_names_the_date_that_has_passed(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount="5")
        data |= {"expires_at_0": "2026-05-01", "expires_at_1": "00:00"}

        page = send(ana, "grant", organization, data, step="preview")

        assert errors(page) == {"expires_at": ["Expires 2026-05-01 00:00 UTC, which has passed."]}

    @pytest.mark.parametrize(
        "amount",
        [
            "",
            "0",
            "-1",
            "NaN",
            "Infinity",
            "1,5",
            "1_0",
            "0.0000001",
            "٣",
            "10000000000001",
        ],
    )
    def test_refuses_what_is_not_an_amount(self, ana: Client, amount: str) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount=amount)

        for step in ("preview", "confirm"):
            assert list(errors(send(ana, "grant", organization, data, step=step))) == ["amount"]

        assert entries_of(organization) == []

    def test_wants_a_reason(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount="5", reason=" ")

        assert list(errors(send(ana, "grant", organization, data))) == ["reason"]

    def test_refuses_an_archived_organization_in_words(self, ana: Client) -> None:
        organization = make_organization()
        archive(organization)
        data = fill_in(ana, "grant", organization, amount="5")

        page = send(ana, "grant", organization, data)

        assert errors(page) == {"__all__": [f"{organization.public_id.capitalize()} is archived."]}


class TestPreview:
    def test_shows_the_numbers_before_and_after(self, ana: Client) -> None:
        organization = make_organization(funded=1_000)
        data = fill_in(ana, "grant", organization, amount="250.5")

        page = send(ana, "grant", organization, data, step="preview")

        whose = organization.name
        assert effects(page) == {
            (whose, "Balance"): ("1,000", "1,250.50"),
            (whose, "Available"): ("1,000", "1,250.50"),
        }
        assert "1,250.50" in page.content.decode()

    def test_does_nothing(self, ana: Client) -> None:
        organization = make_organization(funded=1_000)
        data = fill_in(ana, "grant", organization, amount="250.5")

        send(ana, "grant", organization, data, step="preview")

        assert money_of(organization)[0] == 1_000
        assert not IdempotencyKey.objects.exists()
        assert not LogEntry.objects.exists()

    def test_carries_the_form_on_to_the_confirmation(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount="5", reason="a “gift”")
        data |= {"expires_at_0": "2026-07-01", "expires_at_1": "08:30"}

        page = send(ana, "grant", organization, data, step="preview").content.decode()

        for name in ("once", "amount", "priority", "expires_at_0", "expires_at_1", "reason"):
            assert f'name="{name}"' in page
        assert str(data["once"]) in page

    def test_goes_back_to_the_form_as_it_was(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount="5")

        page = send(ana, "grant", organization, data, step="edit")

        assert page.templates[0].name == "admin/action_form.html"
        assert page.context["form"]["amount"].value() == "5"
        assert page.context["form"]["once"].value() == str(data["once"])

    def test_shows_the_debt_that_a_grant_pays_first(self, ana: Client) -> None:
        organization = make_organization(overdraft_limit=None)
        spend(organization, 30)
        data = fill_in(ana, "grant", organization, amount="50")

        page = send(ana, "grant", organization, data, step="preview")

        assert effects(page)[organization.name, "Debt"] == ("30", "0")
        assert effects(page)[organization.name, "Balance"] == ("−30", "20")


class TestAdjust:
    def test_takes_credits_away(self, ana: Client) -> None:
        organization = make_organization(funded=10)

        use(ana, "adjust", organization, amount="-4")

        assert money_of(organization)[0] == 6
        assert entries_of(organization)[-1].kind == LedgerEntry.Kind.ADJUST

    def test_says_how_much_is_there(self, ana: Client) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 8)
        data = fill_in(ana, "adjust", organization, amount="-5")

        page = send(ana, "adjust", organization, data, step="preview")

        assert errors(page) == {"amount": ["2 available, 5 needed."]}

    def test_refuses_zero(self, ana: Client) -> None:
        organization = make_organization(funded=10)
        data = fill_in(ana, "adjust", organization, amount="0")

        assert list(errors(send(ana, "adjust", organization, data))) == ["amount"]

    def test_ends_the_debt_of_an_archived_organization(self, ana: Client) -> None:
        organization = make_organization(overdraft_limit=None)
        spend(organization, 30)
        archive(organization)

        use(ana, "adjust", organization, amount="30")

        assert money_of(organization)[0] == 0


class TestAllocate:
    def test_moves_from_the_parent_and_shows_both_sides(self, ana: Client) -> None:
        parent, child = make_family(funded=1_000)
        data = fill_in(ana, "allocate", child, amount="300")

        page = send(ana, "allocate", child, data, step="preview")
        send(ana, "allocate", child, data)

        assert effects(page)[parent.name, "Balance"] == ("1,000", "700")
        assert effects(page)[child.name, "Balance"] == ("0", "300")
        assert (money_of(parent)[0], money_of(child)[0]) == amounts(700, 300)
        assert entries_of(child)[-1].reason == "asked for by mail"

    def test_says_what_the_parent_can_give(self, ana: Client) -> None:
        _, child = make_family(funded=100)
        data = fill_in(ana, "allocate", child, amount="300")

        page = send(ana, "allocate", child, data)

        assert errors(page) == {"amount": ["100 transferable, 300 needed."]}

    def test_is_not_for_an_organization_without_a_parent(self, ana: Client) -> None:
        organization = make_organization(funded=100)
        data = fill_in(ana, "allocate", organization, amount="3")

        page = send(ana, "allocate", organization, data)

        assert "has no parent" in errors(page)["__all__"][0]


class TestRecharge:
    def test_buys_up_to_the_limit(self, ana: Client) -> None:
        organization = make_organization(recharge_limit=100)

        use(ana, "recharge", organization, amount="60")
        data = fill_in(ana, "recharge", organization, amount="60")
        page = send(ana, "recharge", organization, data)

        assert money_of(organization)[0] == 60
        assert errors(page) == {"amount": ["60 of 100 recharged, 60 more asked for."]}


class TestSuspend:
    def test_is_undone_by_resume(self, ana: Client) -> None:
        organization = make_organization()

        use(ana, "suspend", organization)
        status = wallet_of(organization).organization.status
        use(ana, "resume", organization)

        assert status == Organization.Status.SUSPENDED
        assert wallet_of(organization).organization.status == Organization.Status.ACTIVE

    def test_of_a_parent_shows_on_the_page_of_its_child(self, ana: Client) -> None:
        parent, child = make_family()

        use(ana, "suspend", parent)

        assert "suspended, as its parent" in ana.get(page_of(child)).content.decode()

    def test_shows_the_status_before_and_after(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "suspend", organization)

        page = send(ana, "suspend", organization, data, step="preview")

        assert effects(page) == {(organization.name, "Status"): ("Active", "Suspended")}

    def test_is_in_the_history_with_its_reason(self, ana: Client) -> None:
        organization = make_organization()

        use(ana, "suspend", organization, reason="invoice 118 is unpaid")

        shown = ana.get(reverse("admin:organizations_organization_history", args=[organization.id]))
        assert "invoice 118 is unpaid" in shown.content.decode()
        (entry,) = LogEntry.objects.filter(object_id=str(organization.id))
        assert entry.user.get_username() == "ana"
        assert entry.change_message == (
            f"{organization.name} is suspended. Reason: invoice 118 is unpaid"
        )


class TestArchive:
    def test_returns_the_credits_and_revokes_the_keys(self, ana: Client) -> None:
        parent, child = make_family(funded=0)
        grant(child, 40)
        make_key(child)

        use(ana, "archive", child)

        assert wallet_of(child).organization.status == Organization.Status.ARCHIVED
        assert money_of(parent)[0] == 40
        assert ApiKey.objects.get().revoked_at is not None

    def test_says_that_children_are_in_the_way(self, ana: Client) -> None:
        parent, _ = make_family()
        data = fill_in(ana, "archive", parent)

        page = send(ana, "archive", parent, data)

        assert "has children that are not archived" in errors(page)["__all__"][0]


class TestMint:
    def test_shows_the_secret_once(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "mint-key", organization, name="gateway", scopes=["*"])

        first = send(ana, "mint-key", organization, data)
        second = send(ana, "mint-key", organization, data)

        key = ApiKey.objects.get()
        assert f"{key.prefix}_" in first.content.decode()
        assert "no-store" in first.headers["cache-control"]
        assert second.context["secret"] is None
        assert "its secret was shown then" in second.content.decode()

    def test_keeps_the_secret_nowhere(self, ana: Client) -> None:
        organization = make_organization()

        page = use(ana, "mint-key", organization, name="gateway", scopes=["*"])

        secret = page.context["secret"].rsplit("_", 1)[1]
        kept = [*IdempotencyKey.objects.values_list("body"), *LogEntry.objects.values_list()]
        assert secret not in str(kept)
        assert secret not in ana.get(page_of(organization)).content.decode()

    def test_gives_what_the_form_says(self, ana: Client) -> None:
        organization = make_organization()

        use(
            ana,
            "mint-key",
            organization,
            name="gateway",
            scopes=["credits:read", "org:admin"],
            tier="pilot",
        )

        key = ApiKey.objects.get()
        assert (key.scopes, key.env) == (["credits:read", "org:admin"], "live")
        assert key.rate_limit_tier == "pilot"


class TestRotate:
    def test_makes_a_successor(self, ana: Client) -> None:
        organization = make_organization()
        key, _ = make_key(organization)

        page = use(ana, "rotate-key", organization, api_key=str(key.id))

        key.refresh_from_db()
        assert key.superseded_by is not None
        assert page.context["secret"].startswith(key.superseded_by.prefix)

    def test_is_chosen_on_the_page(self, ana: Client) -> None:
        organization = make_organization()
        key, _ = make_key(organization)

        page = ana.get(url_of("rotate-key", organization), {"api_key": str(key.id)})

        assert page.context["form"]["api_key"].value() == str(key.id)

    def test_finds_no_key_of_somebody_else(self, ana: Client) -> None:
        organization = make_organization()
        foreign, _ = make_key(make_organization("Somebody else"))
        data = fill_in(ana, "rotate-key", organization, api_key=str(foreign.id))

        assert list(errors(send(ana, "rotate-key", organization, data))) == ["api_key"]


class TestRevoke:
    def test_closes_the_key_and_says_so_twice(self, ana: Client) -> None:
        organization = make_organization()
        key, _ = make_key(organization)
        data = fill_in(ana, "revoke-key", organization, api_key=str(key.id))

        answers = [send(ana, "revoke-key", organization, data).status_code for _ in range(2)]

        key.refresh_from_db()
        assert key.revoked_at is not None
        assert answers == [302, 302]


class TestEdit:
    def test_changes_what_is_known(self, ana: Client) -> None:
        organization = make_organization()

        use(
            ana,
            "edit",
            organization,
            name="New name",
            billing_email="pay@example.org",
            metadata='{"plan": "gold"}',
        )

        organization.refresh_from_db()
        assert (organization.name, organization.billing_email) == ("New name", "pay@example.org")
        assert organization.metadata == {"plan": "gold"}

    def test_changes_the_external_id(self, ana: Client) -> None:
        make_organization(external_id="acme-7")
        organization = make_organization()

        use(ana, "edit", organization, external_id="acme-8")
        taken = send(
            ana, "edit", organization, fill_in(ana, "edit", organization, external_id="acme-7")
        )

        organization.refresh_from_db()
        assert organization.external_id == "acme-8"
        assert list(taken.context["form"].errors) == ["external_id"]
        use(ana, "edit", organization, external_id="")
        organization.refresh_from_db()
        assert organization.external_id is None

    def test_removes_what_is_no_longer_there(self, ana: Client) -> None:
        organization = make_organization()
        use(ana, "edit", organization, metadata='{"plan": "gold", "region": "north"}')

        use(ana, "edit", organization, metadata='{"region": "south"}')

        organization.refresh_from_db()
        assert organization.metadata == {"region": "south"}

    @pytest.mark.parametrize(
        "metadata", ["[1]", '{"a": 1}', "{", '{"a": "\\u0000"}', "[" * 5_000, "0"]
    )
    def test_refuses_what_is_not_metadata(self, ana: Client, metadata: str) -> None:
        organization = make_organization()
        data = fill_in(ana, "edit", organization, metadata=metadata)

        assert list(errors(send(ana, "edit", organization, data))) == ["metadata"]

    def test_refuses_a_name_that_turns_text_around(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "edit", organization, name="Acme\u202egnp")

        assert list(errors(send(ana, "edit", organization, data))) == ["name"]


PERMISSIONS = {
    action.slug: action.permission
    for action in (*MONEY, *FAMILIES, *UPGRADES, *STATUSES, *KEYS, *EDITS, *SANDBOXES)
}


class TestUpgrade:
    def test_shows_what_comes_at_once(self, ana: Client) -> None:
        organization = make_organization(allowance=100, allowance_per_user=5)
        data = fill_in(ana, "upgrade", organization, allowance="131")

        page = send(ana, "upgrade", organization, data, step="preview")

        assert (data["allowance_per_user"], money_of(organization)[0]) == amounts(5, 100)
        assert effects(page) == {
            (organization.name, "Allowance"): ("100", "131"),
            (organization.name, "The next term brings"): (
                "100 from 2026-06-01 to 2026-07-01",
                "131 from 2026-06-01 to 2026-07-01",
            ),
            (organization.name, "Allowance left"): ("100", "122"),
            (organization.name, "Balance"): ("100", "122"),
            (organization.name, "Available"): ("100", "122"),
        }
        days = [e for e in page.context["effects"] if e.what.startswith("Days left")]
        assert [effect.after for effect in days] == ["22 of 31"]

    def test_with_the_next_term_brings_nothing_today(self, ana: Client) -> None:
        organization = make_organization(allowance=100)
        data = fill_in(ana, "upgrade", organization, allowance="131", starts="boundary")

        page = send(ana, "upgrade", organization, data, step="preview")
        send(ana, "upgrade", organization, data)

        assert (organization.name, "Balance") not in effects(page)
        assert effects(page)[organization.name, "The next term brings"][1].startswith("131 from")
        assert wallet_of(organization).config.allowance == 131
        assert money_of(organization)[0] == 100

    def test_changes_the_terms_and_funds_the_rest_of_the_term(self, ana: Client) -> None:
        organization = make_organization(allowance=100)

        answer = use(ana, "upgrade", organization, allowance="131")

        assert answer.headers["location"] == page_of(organization)
        entry = entries_of(organization)[-1]
        assert (entry.kind, entry.performed_by) == ("renew", "staff:ana")
        assert (entry.amount, entry.reason) == (
            amounts(22)[0],
            "asked for by mail (22 of 31 days)",
        )
        config = wallet_of(organization).config
        assert config.allowance == 131
        assert config.history.latest().history_change_reason == "staff:ana"

    def test_downwards_funds_nothing(self, ana: Client) -> None:
        organization = make_organization(allowance=100)

        use(ana, "upgrade", organization, allowance="40")

        assert "No credits came at once" in ana.get(page_of(organization)).content.decode()
        assert money_of(organization)[0] == 100

    @pytest.mark.parametrize("field", ["allowance", "allowance_per_user"])
    def test_refuses_what_is_no_allowance(self, ana: Client, field: str) -> None:
        organization = make_organization(allowance=100)
        data = fill_in(ana, "upgrade", organization) | {field: "-1"}

        assert list(errors(send(ana, "upgrade", organization, data))) == [field]


class TestEveryAction:
    @pytest.mark.parametrize("action", PERMISSIONS)
    def test_is_closed_to_staff_without_its_permission(self, action: str) -> None:
        _, child = make_family()
        others = {*PERMISSIONS.values(), "organizations.view_organization"}
        client = staff_who_may(*(others - {PERMISSIONS[action]}))

        assert client.get(url_of(action, child)).status_code == 403
        assert client.post(url_of(action, child), {"step": "confirm"}).status_code == 403

    @pytest.mark.parametrize("action", PERMISSIONS)
    def test_opens_with_its_permission(self, action: str) -> None:
        _, child = make_family()
        client = staff_who_may(PERMISSIONS[action])

        assert client.get(url_of(action, child)).status_code == 200

    def test_sends_strangers_to_the_login(self) -> None:
        _, child = make_family()

        for action in PERMISSIONS:
            assert "/login/" in Client().get(url_of(action, child)).headers["location"]

    def test_needs_the_token_of_a_form(self) -> None:
        organization = make_organization()
        client = client_of(User.objects.create_superuser("ana"), enforce_csrf_checks=True)
        data = fill_in(client, "grant", organization, amount="5")

        assert send(client, "grant", organization, data).status_code == 403
        assert entries_of(organization) == []

    def test_does_nothing_without_its_key(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount="5")

        for once in ("", "k", "x" * 300):
            page = send(ana, "grant", organization, {**data, "once": once})
            assert list(errors(page)) == ["once"]

    def test_is_404_for_an_unknown_organization(self, ana: Client) -> None:
        assert ana.get(url_of("grant", Organization(id=uuid4()))).status_code == 404

    def test_says_what_to_do_when_the_database_does_not_answer(
        self, ana: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount="5")
        with monkeypatch.context() as patch:
            patch.setattr("credits.services.grant", _raise_busy)

            page = send(ana, "grant", organization, data)

        assert "it happens once" in page.content.decode()
        assert page.context["form"]["once"].value() == str(data["once"])
        assert send(ana, "grant", organization, data).status_code == 302
        assert money_of(organization)[0] == 5

    def test_is_at_the_moment_of_its_door(self, ana: Client) -> None:
        organization = make_organization()

        use(ana, "grant", organization, amount="5")

        assert entries_of(organization)[0].posted_at == later()


def _raise_busy(**options: Any) -> None:
    raise OperationalError("canceling statement due to lock timeout")
