"""What the admin does for many at once: forgiving everybody, releasing stuck holds, taking back from a child."""

from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from credits import services
from credits.models import Reservation, UsageCounter
from organizations.models import Organization
from tests import factories as f
from tests.admin.people import fill_in, page_of, send, staff_who_may, url_of, use
from tests.admin.test_actions import effects, errors
from tests.usage import people as p
from usage.models import UsageEvent
from usage.services import events

pytestmark = pytest.mark.django_db(transaction=True)
HOLDS = reverse("admin:credits_reservation_changelist")


@pytest.fixture(autouse=True)
def _stopped_clock() -> object:
    with time_machine.travel(f.NOW, tick=False) as traveller:
        yield traveller


class TestForgiveEverybody:
    @pytest.fixture
    def organization(self) -> Organization:
        organization = f.make_organization(funded=100)
        for name, amount in (("Ana", 5), ("Ben", 3), ("Cem", 0)):
            actor = p.make_actor(organization, name)
            if amount:
                p.use(p.work(organization, amount, actor=actor), amount)
        return organization

    def left(self, organization: Organization) -> dict[str, Decimal]:
        rows = UsageCounter.objects.filter(
            wallet__organization=organization, actor__isnull=False
        ).select_related("actor")
        return {row.actor.name: row.used for row in rows if row.actor}

    def test_shows_each_person_and_forgives_all(
        self, ana: Client, organization: Organization
    ) -> None:
        assert (
            url_of("forgive-all", organization) in ana.get(page_of(organization)).content.decode()
        )
        data = fill_in(ana, "forgive-all", organization)

        page = send(ana, "forgive-all", organization, data, step="preview")
        send(ana, "forgive-all", organization, data)
        send(ana, "forgive-all", organization, data)

        shown = effects(page)
        assert shown["Used this month", "1. Ana"] == ("5", "0")
        assert shown["Used this month", "2. Ben"] == ("3", "0")
        assert self.left(organization) == {"Ana": 0, "Ben": 0}
        assert UsageEvent.objects.filter(source=events.FORGIVEN).count() == 2
        assert f.money_of(organization)[0] == 92

    def test_of_each_at_most(self, ana: Client, organization: Organization) -> None:
        use(ana, "forgive-all", organization, amount="4")

        assert self.left(organization) == {"Ana": 1, "Ben": 0}

    def test_only_a_group(self, ana: Client, organization: Organization) -> None:
        ben = organization.actors.get(name="Ben")
        group = p.make_group(organization, "team", ben)
        group_page = reverse("admin:organizations_group_change", args=[group.pk])
        assert url_of("forgive-all", organization) in ana.get(group_page).content.decode()

        answer = use(ana, "forgive-all", organization, group=str(group.pk))

        assert answer.headers["location"] == group_page
        assert self.left(organization) == {"Ana": 5, "Ben": 0}

    def test_is_all_or_nothing(
        self, ana: Client, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "FORGIVEN_AT_ONCE", 1)
        data = fill_in(ana, "forgive-all", organization)

        page = send(ana, "forgive-all", organization, data)

        assert "more than 1 people" in str(errors(page)).lower()
        assert self.left(organization) == {"Ana": 5, "Ben": 3}

    def test_nobody_used_anything(self, ana: Client) -> None:
        organization = f.make_organization()
        data = fill_in(ana, "forgive-all", organization)

        assert errors(send(ana, "forgive-all", organization, data))


class TestReleaseHolds:
    @pytest.fixture
    def organization(self) -> Organization:
        organization = f.make_organization(funded=100)
        for hours, amount in ((5, 1), (3, 2), (1, 4)):
            f.reserve(
                organization, amount, now=f.later(hours=-hours), ttl=services.MAX_TIME_TO_LIVE
            )
        return organization

    def open_ones(self, organization: Organization) -> list[Decimal]:
        rows = Reservation.objects.filter(wallet__organization=organization, status="open")
        return list(rows.order_by("created_at").values_list("credits", flat=True))

    def test_those_that_are_old_enough(self, ana: Client, organization: Organization) -> None:
        assert (
            url_of("release-holds", organization) in ana.get(page_of(organization)).content.decode()
        )
        data = fill_in(ana, "release-holds", organization, older_than="2")

        page = send(ana, "release-holds", organization, data, step="preview")
        send(ana, "release-holds", organization, data)

        shown = effects(page)
        assert shown["Open holds that are meant", "How many"] == ("2", "0")
        assert shown["Open holds that are meant", "Credits"] == ("3", "0")
        assert shown[organization.name, "Reserved"] == ("7", "4")
        assert self.open_ones(organization) == [4]
        wallet = f.wallet_of(organization)
        assert (wallet.reserved, wallet.open_holds) == (Decimal(4), 1)

    def test_in_portions_the_oldest_first(
        self, ana: Client, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("credits.services.holds.RELEASED_AT_ONCE", 2)
        data = fill_in(ana, "release-holds", organization, older_than="0")

        answer = ana.post(
            url_of("release-holds", organization), {**data, "step": "confirm"}, follow=True
        )

        assert "Still open: 1" in answer.content.decode()
        assert self.open_ones(organization) == [4]

    @pytest.mark.parametrize("fields", [{}, {"holds": "no-id"}, {"older_than": "-1"}])
    def test_asks_which(
        self, ana: Client, organization: Organization, fields: dict[str, str]
    ) -> None:
        data = fill_in(ana, "release-holds", organization, **fields)

        assert errors(send(ana, "release-holds", organization, data))

    def test_is_for_who_may(self, organization: Organization) -> None:
        ben = staff_who_may("credits.view_reservation")

        assert ben.get(url_of("release-holds", organization)).status_code == 403


class TestReclaim:
    def test_from_the_page_of_the_parent_all_that_may_leave(self, ana: Client) -> None:
        parent, child = f.make_family(funded=100)
        f.allocate(child, 30)
        f.reserve(child, 10)
        assert url_of("reclaim", child) in ana.get(page_of(parent, "children")).content.decode()
        assert url_of("reclaim", child) in ana.get(page_of(child)).content.decode()

        use(ana, "reclaim", child)

        assert (f.money_of(parent)[0], f.money_of(child)[0]) == (Decimal(90), Decimal(10))

    def test_so_much(self, ana: Client) -> None:
        parent, child = f.make_family(funded=100)
        f.allocate(child, 30)

        use(ana, "reclaim", child, amount="5")

        assert f.money_of(parent)[0] == 75
