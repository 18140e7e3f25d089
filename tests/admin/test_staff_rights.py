"""Who may change whom: nobody gives what he has not, touches who has more, or takes an audit away with a person."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from tests.admin.browser import errors_of, fill_in_page
from tests.admin.people import staff_who_may, use
from tests.factories import make_organization
from tests.parallel import at_once

pytestmark = pytest.mark.django_db(transaction=True)

OVER_STAFF = tuple(
    f"auth.{verb}_{model}"
    for model in ("user", "group")
    for verb in ("view", "add", "change", "delete")
)
MONEY = "credits.grant"
VIEW = "credits.view_wallet"


@pytest.fixture
def ben() -> Client:
    """Ben may do everything to users and groups, and see wallets."""
    return staff_who_may(*OVER_STAFF, VIEW)


def permission(name: str) -> Permission:
    app, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def somebody(*permissions: str, name: str = "cleo", **fields: Any) -> User:
    user = User.objects.create_user(name, is_staff=True, password="a good one", **fields)
    user.user_permissions.set([permission(each) for each in permissions])
    return user


def a_group(*permissions: str, name: str = "Helpers") -> Group:
    group = Group.objects.create(name=name)
    group.permissions.set([permission(each) for each in permissions])
    return group


def url_of(row: User | Group, what: str = "change") -> str:
    model = "user" if isinstance(row, User) else "group"
    return reverse(f"admin:auth_{model}_{what}", args=[row.pk])


def password_url(user: User) -> str:
    return reverse("admin:auth_user_password_change", args=[user.pk])


def me() -> User:
    return User.objects.get(username="ben")


class TestRightsOfAnother:
    def test_are_given_by_who_has_them(self, ben: Client) -> None:
        cleo, support = somebody(), a_group(VIEW)
        data = fill_in_page(ben, url_of(cleo), groups=[support.pk])

        ben.post(url_of(cleo), {**data, "user_permissions": [permission("auth.view_user").pk]})

        cleo = User.objects.get(username="cleo")
        assert cleo.get_all_permissions() == {VIEW, "auth.view_user"}

    def test_are_not_given_by_who_has_not(self, ben: Client) -> None:
        cleo, cashiers = somebody(), a_group(MONEY)
        data = fill_in_page(ben, url_of(cleo))
        crafted = {"groups": [cashiers.pk], "user_permissions": [permission(MONEY).pk]}

        page = ben.post(url_of(cleo), {**data, **crafted})

        assert set(errors_of(page)) == {"groups", "user_permissions"}
        assert User.objects.get(username="cleo").get_all_permissions() == set()

    def test_never_become_a_superuser_s(self, ben: Client) -> None:
        cleo = somebody()
        for user in (cleo, me()):
            ben.post(url_of(user), {**fill_in_page(ben, url_of(user)), "is_superuser": "on"})

        assert not User.objects.filter(is_superuser=True).exists()

    def test_are_anything_for_a_superuser(self, ana: Client) -> None:
        cleo = somebody()
        data = fill_in_page(ana, url_of(cleo), is_superuser="on")

        ana.post(url_of(cleo), {**data, "user_permissions": [permission(MONEY).pk]})

        cleo.refresh_from_db()
        assert cleo.is_superuser
        assert cleo.user_permissions.count() == 1

    def test_are_not_touched_by_who_has_less(self, ben: Client) -> None:
        others = [
            somebody(is_superuser=True, name="root"),
            somebody(MONEY, name="cleo"),
            somebody(name="dora"),
            somebody(MONEY, name="off", is_active=False),
        ]
        a_group(MONEY).user_set.add(others[2])
        before = list(User.objects.order_by("id").values())

        for other in others:
            answers = [
                ben.post(url_of(other), {"username": "x", "is_active": ""}),
                ben.get(password_url(other)),
                ben.post(
                    password_url(other), {"password1": "n3w and long", "password2": "n3w and long"}
                ),
            ]
            assert [answer.status_code for answer in answers] == [403, 403, 403], other

        assert list(User.objects.order_by("id").values()) == before

    def test_do_not_hinder_who_has_more(self, ben: Client) -> None:
        cleo = somebody(VIEW)
        data = fill_in_page(ben, url_of(cleo), is_active=None)
        word = {"usable_password": "true", "password1": "n3w and long", "password2": "n3w and long"}

        assert ben.post(url_of(cleo), data).status_code == 302
        assert ben.post(password_url(cleo), word).status_code == 302

        cleo.refresh_from_db()
        assert not cleo.is_active
        assert cleo.check_password("n3w and long")


class TestOwnRights:
    def test_do_not_grow(self, ben: Client) -> None:
        cashiers, own = a_group(MONEY, name="Cashiers"), a_group(VIEW)
        me().groups.add(own)
        crafted = {"user_permissions": [permission(MONEY).pk], "groups": [cashiers.pk, own.pk]}

        ben.post(url_of(me()), {**fill_in_page(ben, url_of(me())), **crafted})
        page = ben.post(url_of(own), {"name": "Helpers", "permissions": [permission(MONEY).pk]})

        assert "permissions" in errors_of(page)
        assert MONEY not in me().get_all_permissions()


class TestGroup:
    def test_gets_what_who_edits_it_has(self, ben: Client) -> None:
        group = a_group()

        ben.post(url_of(group), {"name": "Helpers", "permissions": [permission(VIEW).pk]})

        assert [each.codename for each in group.permissions.all()] == ["view_wallet"]

    def test_is_not_made_with_more(self, ben: Client) -> None:
        data = {"name": "Cashiers", "permissions": [permission(MONEY).pk]}

        for popup in ({}, {"_popup": "1"}):
            assert "permissions" in errors_of(
                ben.post(reverse("admin:auth_group_add"), data | popup)
            )

        assert not Group.objects.filter(name="Cashiers").exists()

    def test_is_not_touched_by_who_has_less(self, ben: Client) -> None:
        cashiers, everybody = a_group(MONEY, name="Cashiers"), a_group(VIEW)
        everybody.user_set.add(somebody(MONEY))

        for group in (cashiers, everybody):
            assert ben.post(url_of(group), {"name": "x"}).status_code == 403
            assert ben.post(url_of(group, "delete"), {"post": "yes"}).status_code == 403

        assert cashiers.permissions.count() == everybody.permissions.count() == 1

    def test_is_deleted_only_when_it_is_empty_and_says_what_it_gave(self, ben: Client) -> None:
        group = a_group(VIEW)
        group.user_set.add(somebody())

        assert ben.post(url_of(group, "delete"), {"post": "yes"}).status_code == 403
        group.user_set.clear()
        assert ben.post(url_of(group, "delete"), {"post": "yes"}).status_code == 302

        assert "Can view wallet → none" in LogEntry.objects.latest("id").change_message


class TestPerson:
    def test_is_never_deleted(self, ana: Client) -> None:
        cleo = somebody()
        listed = reverse("admin:auth_user_changelist")

        assert ana.post(url_of(cleo, "delete"), {"post": "yes"}).status_code == 403
        ana.post(
            listed, {"action": "delete_selected", "_selected_action": [cleo.pk], "post": "yes"}
        )

        assert User.objects.filter(username="cleo").exists()

    def test_takes_no_line_of_the_log_along(self, ana: Client) -> None:
        use(ana, "grant", make_organization(), amount="5")

        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            User.objects.get(username="ana").delete()

        assert LogEntry.objects.filter(user__username="ana").exists()

    def test_keeps_its_name(self, ana: Client) -> None:
        cleo = somebody()

        ana.post(url_of(cleo), {**fill_in_page(ana, url_of(cleo)), "username": "dora"})

        cleo.refresh_from_db()
        assert cleo.username == "cleo"


class TestLog:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE django_admin_log SET change_message = ''",
            "DELETE FROM django_admin_log",
            "TRUNCATE django_admin_log",
        ],
    )
    def test_is_append_only(self, ana: Client, statement: str) -> None:
        use(ana, "grant", make_organization(), amount="5")

        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            connection.cursor().execute(statement)

    def test_tells_what_was_before_and_after(self, ana: Client) -> None:
        cleo = somebody(VIEW)
        data = fill_in_page(ana, url_of(cleo), groups=[a_group().pk], is_superuser="on")

        ana.post(url_of(cleo), {**data, "user_permissions": [permission(MONEY).pk]})

        told = LogEntry.objects.latest("id").get_change_message()
        assert "Superuser status: no → yes" in told
        assert "Groups: none → Helpers" in told
        assert (
            "Can view wallet → Credits | ledger entry | Grant credits, alone up to the amount set for it"
            in told
        )

    def test_names_a_password_without_it(self, ana: Client) -> None:
        word = {"usable_password": "true", "password1": "n3w and long", "password2": "n3w and long"}

        ana.post(password_url(somebody()), word)

        assert LogEntry.objects.latest("id").get_change_message() == "Changed password."


@pytest.mark.race
class TestTwoAtOnce:
    def test_leave_nobody_with_more_than_was_looked_at(self, ben: Client) -> None:
        """A superuser gives Cleo more while Ben saves her page as he saw it: either order, he takes nothing of it away."""
        ana = Client()
        ana.force_login(User.objects.create_superuser("ana"))
        cleo = somebody()
        bens = fill_in_page(ben, url_of(cleo), email="cleo@example.com")
        anas = fill_in_page(ana, url_of(cleo), user_permissions=[permission(MONEY).pk])

        doors = [(ben, bens), (ana, anas)]

        answers = at_once(2, lambda n: doors[n][0].post(url_of(cleo), doors[n][1]).status_code)

        assert answers[0] in (302, 403)
        assert answers[1] == 302
        assert User.objects.get(username="cleo").has_perm(MONEY)


class TestAdd:
    def test_asks_for_a_name_and_a_password(self, ben: Client) -> None:
        page = ben.get(reverse("admin:auth_user_add"))

        asked = {name for fieldset in page.context["adminform"] for name in fieldset.fields}
        assert {"username", "password1", "password2"} <= asked

    def test_makes_somebody_who_may_do_nothing_yet(self, ben: Client) -> None:
        secret = "four words of mine"
        told = {"username": "cleo", "password1": secret, "password2": secret}

        ben.post(reverse("admin:auth_user_add"), {**told, "usable_password": "true"})

        cleo = User.objects.get(username="cleo")
        assert cleo.check_password(secret)
        assert not cleo.is_staff
        assert not cleo.get_all_permissions()
