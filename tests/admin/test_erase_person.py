"""Erasing a person by a button; and what the log of the admin forgets of one, which otherwise only grows."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client

from organizations.models import Actor, ApiKey, Organization
from tests import factories as f
from tests.admin.people import fill_in, send, staff_who_may, url_of, use
from tests.admin.test_actions import effects
from tests.admin.test_usage_actions import page_of_actor
from tests.usage import people as p
from tests.usage.test_erase_actor import NAMES, named_in

pytestmark = pytest.mark.django_db(transaction=True)


def log(row: Actor | ApiKey, text: str) -> None:
    """Write into the log of the admin what its pages write of a change."""
    ana = User.objects.get(username="ana")
    LogEntry.objects.log_actions(ana.pk, [row], 2, change_message=text, single_object=True)


class TestConsole:
    @pytest.fixture
    def organization(self) -> Organization:
        return f.make_organization(funded=100)

    def test_erases_with_a_reason(self, ana: Client, organization: Organization) -> None:
        use(ana, "new-actor", organization, name="Quintessa", email=NAMES[1])
        actor = Actor.objects.get()
        log(actor, f"was {NAMES[1]}")
        data = {"name": "Quintessa's", "actor": str(actor.pk), "scopes": ["usage:write"]}
        use(ana, "mint-key", organization, **data)
        log(ApiKey.objects.get(), "was Quintessa's")

        answer = use(ana, "erase-person", organization, actor=str(actor.pk), reason="ticket 7")

        assert answer.headers["location"] == page_of_actor(actor)
        assert named_in() == set()
        said = LogEntry.objects.filter(object_id=str(organization.pk)).latest("id").change_message
        assert said == f"{actor.public_id} is erased. Reason: ticket 7"
        last = Actor.history.latest("history_id")
        assert (last.name, last.history_change_reason) == ("erased", "staff:ana")

    def test_shows_what_it_changes(self, ana: Client, organization: Organization) -> None:
        actor = p.make_actor(organization, "Quintessa")
        f.make_key(organization, scopes=["usage:write"], actor=actor)
        data = fill_in(ana, "erase-person", organization, actor=str(actor.pk))

        page = send(ana, "erase-person", organization, data, step="preview")

        shown = effects(page)
        assert shown[actor.public_id, "Name"] == ("Quintessa", "erased")
        assert shown[actor.public_id, "Personal keys that open something"] == ("1", "0")
        assert shown[organization.name, "Active users"] == ("1", "0")
        assert "btn-danger" in page.content.decode()
        assert Actor.objects.get().name == "Quintessa"

    def test_is_offered_to_who_may_change_actors(
        self, ana: Client, organization: Organization
    ) -> None:
        actor = p.make_actor(organization)
        ben = staff_who_may("organizations.view_actor", "organizations.view_organization")

        link = f"{url_of('erase-person', organization)}?actor={actor.pk}"
        assert link in ana.get(page_of_actor(actor)).content.decode()
        assert link not in ben.get(page_of_actor(actor)).content.decode()
        assert ben.get(url_of("erase-person", organization)).status_code == 403


class TestLog:
    @pytest.mark.parametrize(
        "change",
        [
            "object_repr = 'Ben', change_message = ''",
            "object_repr = 'erased', change_message = '', user_id = user_id + 1",
            "object_repr = 'erased', change_message = '', action_flag = 1",
        ],
    )
    def test_forgets_nothing_else_of_who_is_erased(self, ana: Client, change: str) -> None:
        actor = p.make_actor(f.make_organization())
        log(actor, "said")
        Actor.objects.update(name="erased", active=False)

        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            connection.cursor().execute(f"UPDATE django_admin_log SET {change}")

    def test_forgets_nothing_of_who_is_not_erased(self, ana: Client) -> None:
        actor = p.make_actor(f.make_organization())
        log(actor, "said")

        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            connection.cursor().execute(
                "UPDATE django_admin_log SET object_repr = 'erased', change_message = ''"
            )
