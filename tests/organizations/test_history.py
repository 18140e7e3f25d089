"""Who changed what, and when: kept with every change, by whichever service, and after whoever did it is gone."""

import inspect
from types import ModuleType

import pytest
from django.contrib.auth.models import User

from credits import services
from credits.models import CreditConfig
from credits.services import actors
from organizations import services as organizations
from organizations.history import LENGTH
from organizations.models import ApiKey, Group, Membership, Organization
from tests.factories import (
    KEY,
    NOW,
    STAFF,
    later,
    make_family,
    make_key,
    make_organization,
    wallet_of,
)
from tests.usage import people as p
from usage.models import Limit
from usage.services import budgets, controls, groups, profiles, rate_card

pytestmark = pytest.mark.django_db(transaction=True)

VERBS = [
    "create",
    "update",
    "delete",
    "set",
    "add",
    "remove",
    "save",
    "mint",
    "rotate",
    "revoke",
    "suspend",
    "resume",
    "archive",
    "load",
]


def changing(module: ModuleType) -> list[str]:
    """Return the services of a module that are named after a change."""
    found = inspect.getmembers(module, inspect.isfunction)
    ours = [name for name, made in found if not made.__module__.startswith("simple_history")]
    return [name for name in ours if name.split("_")[0] in VERBS]


@pytest.mark.parametrize(
    "module",
    [organizations, services, actors, groups, profiles, budgets, controls, rate_card],
    ids=lambda module: module.__name__,
)
def test_every_service_that_changes_something_is_told_by_whom(module: ModuleType) -> None:
    names = changing(module)

    assert names
    for name in names:
        assert "performed_by" in inspect.signature(getattr(module, name)).parameters, name


class TestOrganization:
    def test_keeps_who_did_what_to_it_from_its_creation_to_its_end(self) -> None:
        organization = services.create_organization(name="One", performed_by=STAFF, now=NOW)
        moments = [later(hours=hour) for hour in range(1, 5)]
        services.update_organization(
            organization=organization, changes={"name": "Two"}, performed_by=KEY, now=moments[0]
        )
        services.suspend(organization=organization, performed_by="staff:ben", now=moments[1])
        services.resume(organization=organization, performed_by="staff:cho", now=moments[2])
        key, _ = make_key(organization)
        services.archive(organization=organization, performed_by="staff:dan", now=moments[3])

        kept = [
            (row.history_date, row.history_change_reason, row.name, row.status)
            for row in Organization.history.order_by("history_id")
        ]
        assert kept == [
            (NOW, STAFF, "One", "active"),
            (moments[0], KEY, "Two", "active"),
            (moments[1], "staff:ben", "Two", "suspended"),
            (moments[2], "staff:cho", "Two", "active"),
            (moments[3], "staff:dan", "Two", "archived"),
        ]
        closed = ApiKey.history.filter(id=key.id).latest()
        assert (closed.history_change_reason, closed.revoked_at) == ("staff:dan", moments[3])

    def test_keeps_nothing_of_what_changed_nothing(self) -> None:
        organization = make_organization()

        services.resume(organization=organization, performed_by=STAFF, now=NOW)
        services.update_organization(
            organization=organization, changes={}, performed_by=STAFF, now=NOW
        )

        assert Organization.history.count() == 1

    def test_keeps_who_made_its_terms_and_who_changed_them(self) -> None:
        organization = services.create_organization(name="One", performed_by=STAFF, now=NOW)

        services.update_terms(
            organization=organization,
            changes={"allowance": 5},
            performed_by=KEY,
            now=later(hours=1),
        )

        new, old = CreditConfig.history.filter(wallet=wallet_of(organization))
        assert (old.history_date, old.history_change_reason) == (NOW, STAFF)
        assert (new.history_date, new.history_change_reason) == (later(hours=1), KEY)

    def test_names_people_in_words_that_outlive_them(self) -> None:
        ben = User.objects.create_user("ben")
        _, child = make_family()
        services.suspend(organization=child, performed_by=f"staff:{ben.username}", now=NOW)

        ben.delete()

        assert Organization.history.filter(history_change_reason="staff:ben").exists()

    def test_cuts_a_name_that_is_too_long_for_it(self) -> None:
        organization = make_organization()

        services.suspend(organization=organization, performed_by="x" * 150, now=NOW)

        assert Organization.history.latest().history_change_reason == "x" * LENGTH


class TestGroup:
    def test_that_is_deleted_keeps_who_did_it_of_all_that_went_with_it(self) -> None:
        organization = make_organization()
        ada = p.make_actor(organization)
        group = p.make_group(organization, "art", ada)
        p.limit(organization, 5, "group", group=group)

        groups.delete_group(group=group, performed_by=STAFF)

        for model in (Group, Membership, Limit):
            gone = model.history.get(history_type="-")
            assert gone.history_change_reason == STAFF
