"""The roles of staff: that each names rights that exist, what a new version adds to them, and who keeps what was split."""

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from config import staff_roles
from config.staff_roles import LOOK, PART_OF, ROLES, bring_up, rights_by_name

pytestmark = pytest.mark.django_db


def rights_of(group: Group) -> set[str]:
    return {
        f"{right.content_type.app_label}.{right.codename}"
        for right in group.permissions.select_related("content_type")
    }


def role(name: str) -> Group:
    return Group.objects.get(name=name)


def everything_but(*rights: str) -> set[str]:
    return rights_by_name().keys() - set(rights)


def test_are_made_by_migrate_with_what_they_take() -> None:
    for name, wanted in ROLES.items():
        assert rights_of(role(name)) == wanted.rights, name


def test_are_told_apart_by_what_they_change() -> None:
    for name, wanted in ROLES.items():
        assert wanted.rights >= LOOK
        assert (wanted.rights == LOOK) == (name == "Viewer")


def test_only_an_administrator_changes_staff() -> None:
    assert [name for name, each in ROLES.items() if "auth.change_user" in each.rights] == [
        "Administrator"
    ]


def test_keep_what_somebody_made_of_them() -> None:
    role("Support").permissions.clear()
    role("Viewer").delete()

    bring_up(everything_but("usage.forgive"))

    assert rights_of(role("Support")) == {"usage.forgive"}
    assert rights_of(role("Viewer")) == LOOK


def test_leave_to_everybody_what_was_part_of_another_right() -> None:
    there = rights_by_name()
    user = User.objects.create_user("ben")
    user.user_permissions.add(there["credits.add_ledgerentry"])
    cashiers = Group.objects.create(name="Cashiers")
    cashiers.permissions.add(there["credits.add_ledgerentry"], there["usage.add_usageevent"])

    bring_up(everything_but(*PART_OF))

    money = {right for right, whole in PART_OF.items() if whole == {"credits.add_ledgerentry"}}
    assert User.objects.get(pk=user.pk).get_all_permissions() == money | {"credits.add_ledgerentry"}
    assert rights_of(cashiers) >= {*money, "usage.forgive", "usage.spend"}
    assert "usage.spend" not in rights_of(role("Viewer"))


def test_are_nothing_before_there_are_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.introspection, "table_names", list)

    assert staff_roles.known_rights() == frozenset()
