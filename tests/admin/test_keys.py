"""Keys in the admin: nobody gives away with one what they may not do here, and whoever did something is named."""

from collections.abc import Iterable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from credits import services
from organizations import scopes
from organizations.admin.delegation import NEEDED, delegable_scopes
from organizations.models import ApiKey, Organization
from tests.admin.people import fill_in, send, staff_who_may, url_of, use
from tests.callers import Caller, caller_of, ok
from tests.factories import NOW, later, make_family, make_key, make_organization

pytestmark = pytest.mark.django_db(transaction=True)

ADD, CHANGE = "organizations.add_apikey", "organizations.change_apikey"


def somebody_for(*named: str, also: Iterable[str] = ()) -> Client:
    """Return a client of somebody with the rights that these scopes take, and with those over keys."""
    rights = {right for scope in named for right in NEEDED[scope]}
    return staff_who_may(*{ADD, CHANGE, *rights, *also})


def offered(client: Client, organization: Organization, field: str) -> list[str]:
    form = client.get(url_of("mint-key", organization)).context["form"]
    return [value for value, _ in form.fields[field].choices]


class TestNeeded:
    def test_names_rights_that_exist(self, transactional_db: None) -> None:
        rows = Permission.objects.values_list("content_type__app_label", "codename")
        exist = {f"{app}.{codename}" for app, codename in rows}

        assert {right for needed in NEEDED.values() for right in needed} <= exist
        assert NEEDED.keys() == scopes.ALL_SCOPES
        assert all(NEEDED.values())


class TestMint:
    def test_by_whoever_may_only_that_gives_nothing(self) -> None:
        organization = make_organization()
        client = staff_who_may(ADD)
        data = fill_in(client, "mint-key", organization, name="x")

        for scope in sorted(scopes.KNOWN):
            page = send(client, "mint-key", organization, {**data, "scopes": [scope]})
            assert list(page.context["form"].errors) == ["scopes"]
        assert offered(client, organization, "scopes") == []
        assert not ApiKey.objects.exists()

    @pytest.mark.parametrize("scope", sorted(scopes.ALL_SCOPES))
    def test_takes_every_right_behind_a_scope(self, scope: str) -> None:
        organization = make_organization()
        client = somebody_for(scope)

        use(client, "mint-key", organization, name="x", scopes=[scope])

        assert ApiKey.objects.get().scopes == [scope]
        ben = User.objects.get()
        assert scope in delegable_scopes(ben)
        for right in NEEDED[scope]:
            app, codename = right.split(".")
            held = ben.user_permissions.get(content_type__app_label=app, codename=codename)
            ben.user_permissions.remove(held)
            assert scope not in delegable_scopes(User.objects.get())
            ben.user_permissions.add(held)

    def test_of_everything_takes_the_rights_of_all_four(self) -> None:
        organization = make_organization()
        client = somebody_for(*scopes.DATA_SCOPES)

        use(client, "mint-key", organization, name="x", scopes=["*"])

        assert set(offered(client, organization, "scopes")) >= {"*", *scopes.DATA_SCOPES}
        assert scopes.ORG_ADMIN not in offered(client, organization, "scopes")

    def test_offers_other_rates_to_whoever_may_change_the_organization(self) -> None:
        organization = make_organization()
        some = somebody_for(scopes.CREDITS_READ)
        more = staff_who_may(ADD, "organizations.change_organization", name="more")

        assert offered(some, organization, "tier") == ["standard"]
        assert offered(more, organization, "tier") == ["standard", "pilot", "partner"]

    def test_refuses_an_end_that_has_passed(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "mint-key", organization, name="x", scopes=["*"])
        data |= {"expires_at_0": f"{NOW:%Y-%m-%d}", "expires_at_1": f"{NOW:%H:%M:%S}"}

        page = send(ana, "mint-key", organization, data)

        assert list(page.context["form"].errors) == ["expires_at"]
        assert not ApiKey.objects.exists()


class TestRotate:
    @pytest.mark.parametrize("scope", sorted(scopes.KNOWN))
    def test_yields_no_secret_of_a_key_that_opens_more(self, scope: str) -> None:
        organization = make_organization()
        key, _ = make_key(organization, scopes=[scope])
        client = staff_who_may(CHANGE)
        data = fill_in(client, "rotate-key", organization, api_key=str(key.pk))

        for step in ("preview", "confirm"):
            page = send(client, "rotate-key", organization, data, step=step)
            assert list(page.context["form"].errors) == ["api_key"]
            assert "secret" not in page.context
        assert ApiKey.objects.get() == key

    def test_is_open_to_whoever_may_do_what_the_key_opens(self) -> None:
        organization = make_organization()
        key, _ = make_key(organization, scopes=["credits:read", "usage:read"])

        page = use(
            somebody_for("credits:read", "usage:read"),
            "rotate-key",
            organization,
            api_key=str(key.pk),
        )

        assert page.context["secret"]

    def test_of_a_leaked_key_stops_the_old_one_now(self, ana: Client) -> None:
        organization = make_organization()
        old, text = make_key(organization)

        page = use(ana, "rotate-key", organization, api_key=str(old.pk), leaked="leaked")

        assert Caller(text).get("/whoami").status_code == 401
        assert ok(Caller(page.context["secret"]).get("/whoami"))

    def test_as_a_routine_lets_the_old_one_work_for_a_day(self, ana: Client) -> None:
        organization = make_organization()
        old, text = make_key(organization)

        use(ana, "rotate-key", organization, api_key=str(old.pk))

        old.refresh_from_db()
        assert old.grace_until == later(days=1)
        assert ok(Caller(text).get("/whoami"))


class TestRevoke:
    def test_is_not_bounded_by_what_one_may_do(self) -> None:
        organization = make_organization()
        key, text = make_key(organization, scopes=["*", "org:admin"])

        use(staff_who_may(CHANGE), "revoke-key", organization, api_key=str(key.pk))

        assert Caller(text).get("/whoami").status_code == 401

    def test_closes_what_the_key_minted_if_asked(self, ana: Client) -> None:
        organization = make_organization()
        key, text = make_key(organization)
        path = f"/organizations/{organization.public_id}/api-keys"
        ok(Caller(text).post(path, {"name": "x", "scopes": ["manage"]}), 201)
        bystander = caller_of(organization)

        page = ana.get(reverse("admin:organizations_apikey_change", args=[key.pk]))
        minted = ApiKey.objects.get(minted_by=key.public_id)
        assert f"/admin/organizations/apikey/{minted.pk}/change/" in page.content.decode()

        use(ana, "revoke-key", organization, api_key=str(key.pk), and_minted="on")

        assert ApiKey.objects.filter(revoked_at__isnull=True).count() == 1
        assert ok(bystander.get("/whoami"))


class TestHistory:
    def history(self, client: Client, row: Organization | ApiKey) -> str:
        url = reverse(f"admin:organizations_{row._meta.model_name}_history", args=[row.pk])
        return client.get(url).content.decode()

    def test_of_an_organization_says_who_changed_what_from_what_to_what(self, ana: Client) -> None:
        parent, child = make_family()
        boss, _ = make_key(parent, scopes=["org:admin"])
        services.update_organization(
            organization=child, changes={"name": "Renamed"}, performed_by=boss.public_id, now=NOW
        )
        use(ana, "suspend", child)

        html = self.history(ana, child)

        assert boss.public_id in html
        assert '<span class="before">Nordwind Games</span>' in html
        assert '<span class="after">Renamed</span>' in html
        assert '<span class="before">active</span>' in html
        assert '<span class="after">suspended</span>' in html
        assert "staff:ana" in html
        assert "Reason: asked for by mail" in html

    def test_of_a_key_says_who_had_it_minted_rotated_and_revoked(self, ana: Client) -> None:
        organization = make_organization()
        use(ana, "mint-key", organization, name="gateway", scopes=["*"])
        old = ApiKey.objects.get()
        use(ana, "rotate-key", organization, api_key=str(old.pk), leaked="leaked")
        new = ApiKey.objects.exclude(pk=old.pk).get()
        use(ana, "revoke-key", organization, api_key=str(new.pk))

        reasons = ApiKey.history.values_list("history_change_reason", flat=True)

        assert set(reasons) == {"staff:ana"}
        assert {key.minted_by for key in ApiKey.objects.all()} == {"staff:ana"}
        html = self.history(ana, organization)
        for told in ("minted: *", "rotated, because it leaked", "revoked"):
            assert told in html
        assert "staff:ana" in self.history(ana, old)
        page = ana.get(reverse("admin:organizations_apikey_change", args=[old.pk]))
        assert "staff:ana" in page.content.decode()

    def test_shows_an_old_version_of_a_key(self, ana: Client) -> None:
        make_key(make_organization())
        version = ApiKey.history.earliest()
        url = reverse("admin:organizations_apikey_simple_history", args=[version.id, version.pk])

        seen = ana.get(url).content.decode()

        history = reverse("admin:organizations_apikey_history", args=[version.id])
        assert seen.count(f'href="{history}"') > 1
        assert "actionDropdownOpen" not in seen
        assert "Nothing is put back from here." in seen

    def test_puts_nothing_back(self, ana: Client) -> None:
        organization = make_organization()
        use(ana, "suspend", organization)
        first = Organization.history.earliest()
        url = reverse(
            "admin:organizations_organization_simple_history",
            args=[organization.pk, first.history_id],
        )

        assert ana.get(url).status_code == 200
        assert ana.post(url, {"status": "active"}).status_code == 403

    def test_is_closed_to_whoever_may_not_see_the_row(self) -> None:
        organization = make_organization()
        key, _ = make_key(organization)
        client = staff_who_may("credits.view_wallet")

        for row in (organization, key):
            url = reverse(f"admin:organizations_{row._meta.model_name}_history", args=[row.pk])
            assert client.get(url).status_code == 403


class TestPage:
    def url(self, key: ApiKey) -> str:
        return reverse("admin:organizations_apikey_change", args=[key.pk])

    def test_of_a_key_stops_it(self) -> None:
        key, _ = make_key(make_organization(), name="gateway")
        client = staff_who_may("organizations.view_apikey", "organizations.change_apikey")

        html = client.get(self.url(key)).content.decode()

        assert "Rotate gateway…" in html
        assert f"revoke-key/?api_key={key.pk}" in html

    def test_offers_nothing_of_a_key_that_is_revoked_or_to_who_may_not(self) -> None:
        key, _ = make_key(make_organization(), name="gateway")
        looking = staff_who_may("organizations.view_apikey", name="eve")
        client = staff_who_may("organizations.view_apikey", "organizations.change_apikey")

        seen = looking.get(self.url(key)).content.decode()
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=NOW)
        revoked = client.get(self.url(key)).content.decode()

        for html in (seen, revoked):
            assert "Revoke gateway" not in html
            assert "Rotate gateway" not in html
