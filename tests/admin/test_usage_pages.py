"""The pages of usage: that each opens with rows, what it shows and finds, and that nobody writes what is only to be seen."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from credits.models import Reservation, UsageCounter
from organizations.models import Actor, Group, Organization, UsageProfile
from tests.admin.people import page_of, staff_who_may
from tests.admin.test_pages import first, found, list_of, page, queries_of
from tests.factories import KEY, NOW, at, make_key, make_organization
from tests.usage.people import (
    ask,
    hold,
    limit,
    make_actor,
    make_group,
    make_models,
    make_profile,
    markup,
    set_price,
    settle,
    thresholds,
    use,
    work,
)
from usage import services
from usage.models import (
    AIModel,
    CustomerPrice,
    Denial,
    Limit,
    Markup,
    Rate,
    RollupMark,
    Thresholds,
    UsageEvent,
    UsageRollup,
)
from usage.pricing import Tokens
from usage.services import denials, rollups

pytestmark = pytest.mark.django_db(transaction=True)

GROWING: list[type[Model]] = [UsageEvent, Denial, UsageCounter, UsageRollup]
VIEW_ONLY: list[type[Model]] = [*GROWING, RollupMark]
EDITED: list[type[Model]] = [
    Thresholds,
    Limit,
    UsageProfile,
    Actor,
    Group,
    AIModel,
    Rate,
    Markup,
    CustomerPrice,
]


def world() -> Organization:
    """Make a row of every kind, and return the organization that most of them belong to."""
    sonnet, _ = make_models()
    organization = make_organization(funded=10_000, allowance_per_user=30)
    ada, bot = make_actor(organization, "Ada"), make_actor(organization, "Bot", kind="agent")
    make_profile(organization, "own", cap=5)
    markup(since=at("2027-01-01"))
    markup(of=organization, since=at("2027-01-01"))
    make_group(organization, "team", ada, bot)
    acme = make_group(organization, "acme", ada, kind="entity")
    thresholds(organization, downgrade=800, shutoff=1_200)
    limit(organization, 500, "actor", actor=ada)
    limit(organization, 600, "group", group=acme)
    limit(organization, 700, "resource", resource_type="app", resource_id="crm")
    limit(organization, 0, "actor_default")
    use(work(organization, 100, actor=ada, resource_type="app", resource_id="crm"), 90)
    settle(hold(work(organization, actor=ada, model=sonnet, millions=2)), millions=1)
    hold(work(organization, 40, actor=ada))
    refuse(organization, ada)
    make_key(organization, actor=ada, name="Ada's")
    services.forgive(
        organization=organization,
        actor=ada,
        credits=Decimal(10),
        reason="a loop",
        performed_by=KEY,
        now=NOW,
    )
    rollups.roll_up(organization=organization, now=NOW)
    return organization


def refuse(organization: Organization, actor: Actor) -> None:
    """Ask for more than is left, and keep the denial."""
    what = work(organization, 5_000, actor=actor)
    denied = ask(what)
    assert isinstance(denied, services.Denied)
    denials.record(what, denied, now=NOW)


class TestEveryPage:
    def test_opens_with_rows(self, ana: Client) -> None:
        world()

        answers: dict[str, int] = {}
        for model in [*VIEW_ONLY, *EDITED]:
            urls = [list_of(model), page(model, "history", first(model).pk)]
            urls += [page(model, "change", row.pk) for row in model._default_manager.all()]
            answers |= {url: ana.get(url).status_code for url in urls}

        assert set(answers.values()) == {200}, answers

    def test_is_closed_to_staff_without_its_permission(self) -> None:
        world()
        client = staff_who_may()

        for model in [*VIEW_ONLY, *EDITED]:
            assert client.get(list_of(model)).status_code == 403, model
            assert client.get(page(model, "change", first(model).pk)).status_code == 403, model

    def test_has_no_action_on_many_rows(self, ana: Client) -> None:
        world()

        # People and refusals have a bar for those that are selected.
        for model in {*VIEW_ONLY, *EDITED} - {Actor, Denial}:
            assert 'name="action"' not in ana.get(list_of(model)).content.decode(), model


class TestViewOnly:
    @pytest.mark.parametrize("model", VIEW_ONLY)
    def test_is_not_written_by_post(self, ana: Client, model: type[Model]) -> None:
        world()
        row = first(model)
        before = list(model._default_manager.order_by("pk").values())

        answers = [
            ana.post(page(model, "add"), {"credits": "1"}),
            ana.post(page(model, "change", row.pk), {"credits": "1"}),
            ana.post(page(model, "delete", row.pk), {"post": "yes"}),
        ]
        ana.post(list_of(model), {"action": "delete_selected", "_selected_action": [row.pk]})

        assert [answer.status_code for answer in answers] == [403, 403, 403]
        assert list(model._default_manager.order_by("pk").values()) == before


def more_of_everything() -> None:
    for number in range(3):
        organization = make_organization(f"More {number}", funded=5_000, allowance_per_user=5)
        ada = make_actor(organization, f"Ada {number}")
        make_profile(organization, "own", cap=5)
        make_group(organization, "acme", ada, kind="entity")
        thresholds(organization, shutoff=900)
        limit(organization, 500, "actor", actor=ada)
        use(work(organization, 10, actor=ada), 9)
        refuse(organization, ada)
        rollups.roll_up(organization=organization, now=NOW)


class TestLists:
    def test_ask_as_often_for_many_rows_as_for_few(self, ana: Client) -> None:
        world()
        few = {model: len(queries_of(ana, list_of(model))) for model in [*VIEW_ONLY, *EDITED]}
        more_of_everything()

        many = {model: len(queries_of(ana, list_of(model))) for model in few}

        assert many == few
        # Of models their prices are shown, with the markups on them.
        assert many.pop(AIModel) < 19
        assert max(many.values()) < 14, many

    def test_never_count_what_only_grows(self, ana: Client) -> None:
        world()

        for model in GROWING:
            queries = queries_of(ana, list_of(model))

            assert not [sql for sql in queries if "COUNT(" in sql and model._meta.db_table in sql]

    def test_find_an_event_by_its_ids(self, ana: Client) -> None:
        world()
        event = UsageEvent.objects.get(model_id="sonnet")
        assert event.reservation is not None

        for text in (
            event.public_id,
            str(event.id),
            event.external_id,
            event.reservation.public_id,
        ):
            assert found(ana, UsageEvent, text) == [event]

    def test_find_rows_by_whose_they_are(self, ana: Client) -> None:
        organization = world()
        ada = Actor.objects.get(name="Ada")

        for model in (UsageEvent, Denial, UsageCounter, Limit):
            for text in (organization.public_id, ada.public_id, "nordwind", "ada"):
                assert found(ana, model, text), (model, text)
            assert found(ana, model, "nobody") == [], model

    def test_filter_events(self, ana: Client) -> None:
        world()

        for query, count in (
            ({"month": "2026-05-01"}, 3),
            ({"month": "2026-04-01"}, 0),
            ({"month": "'; --"}, 3),
            ({"work_type": "agent_run"}, 0),
            ({"work_type": "ai"}, 3),
            ({"forgiven": "yes"}, 1),
            ({"forgiven": "no"}, 2),
            ({"model__slug__exact": "sonnet"}, 1),
            ({"late__exact": "1"}, 0),
        ):
            rows = ana.get(list_of(UsageEvent), query).context["cl"].result_list

            assert len(rows) == count, query

    def test_go_through_the_days_of_denials(self, ana: Client) -> None:
        world()

        day = {"created_at__year": "2026", "created_at__month": "5", "created_at__day": "11"}

        assert not ana.get(list_of(Denial), day).context["cl"].result_list
        assert "2026" in ana.get(list_of(Denial)).content.decode()

    @pytest.mark.parametrize("text", ["\0", "%", "act_", "evt_" + "0" * 36, "x" * 5_000])
    def test_survive_any_search(self, ana: Client, text: str) -> None:
        for model in (UsageEvent, Actor, Limit, Denial):
            assert ana.get(list_of(model), {"q": text}).status_code == 200


class TestAutocomplete:
    def ask(self, client: Client, **query: str) -> list[str]:
        answer = client.get(
            reverse("admin:autocomplete"),
            {"app_label": "usage", "model_name": "limit", "field_name": "actor", **query},
        )
        assert answer.status_code == 200
        return [row["text"] for row in answer.json()["results"]]

    def test_offers_only_what_the_organization_has(self, ana: Client) -> None:
        ada = make_actor(make_organization(), "Ada")
        make_actor(make_organization("Other"), "Adam")

        assert self.ask(ana, term="ad", organization=str(ada.organization_id)) == ["Ada"]
        assert self.ask(ana, term="ad", organization="x") == []
        assert len(self.ask(ana, term="ad")) == 2

    @pytest.mark.parametrize(
        "url",
        [
            lambda org: f"/admin/usage/limit/add/?organization={org.pk}&scope=actor",
            lambda org: f"/admin/organizations/group/add/?organization={org.pk}",
            lambda org: f"/admin/organizations/organization/{org.pk}/forgive/?actor=x",
            lambda org: f"/admin/organizations/organization/{org.pk}/mint-key/",
        ],
    )
    def test_is_asked_for_that_organization(
        self, ana: Client, url: Callable[[Organization], str]
    ) -> None:
        organization = make_organization()

        html = ana.get(url(organization)).content.decode()

        assert f"/admin/autocomplete/?organization={organization.pk}" in html


class TestOrganization:
    def test_shows_the_month_against_its_thresholds(self, ana: Client) -> None:
        organization = world()

        context = ana.get(page_of(organization)).context

        controls = context["controls"]
        assert (controls.used, controls.downgrade, controls.shutoff) == (100, 800, 1_200)
        assert context["thresholds"] == {"ends_at": 1_200, "tone": "good", "tick": 800}

    @pytest.mark.parametrize(
        ("used", "downgrade", "shutoff", "bar"),
        [
            (100, None, None, None),
            (799, 800, None, {"ends_at": 800, "tone": "good", "tick": None}),
            (800, 800, 1_200, {"ends_at": 1_200, "tone": "warn", "tick": 800}),
            (50, None, 50, {"ends_at": 50, "tone": "bad", "tick": None}),
        ],
    )
    def test_colours_the_bar_by_the_threshold_that_is_reached(
        self, ana: Client, used: int, downgrade: Any, shutoff: Any, bar: Any
    ) -> None:
        organization = make_organization(funded=2_000)
        use(work(organization, used), used)
        thresholds(organization, downgrade=downgrade, shutoff=shutoff)

        assert ana.get(page_of(organization)).context["thresholds"] == bar

    def test_shows_who_used_what_of_which_cap(self, ana: Client) -> None:
        organization = world()

        context = ana.get(page_of(organization, "people")).context

        def shares(name: str) -> list[Any]:
            return [(str(s.subject), s.used, s.reserved, s.cap) for s in context[name]]

        assert shares("top_actors") == [("Ada", 90, 40, 500)]
        assert shares("entity_groups") == [("Acme", 100, 40, 600)]
        assert [(b.subject.resource_id, b.used, b.cap) for b in context["budgets"]] == [
            ("crm", 90, 700)
        ]

    def test_lists_the_last_events_and_denials(self, ana: Client) -> None:
        organization = world()

        usage, refusals, people = (
            ana.get(page_of(organization, tab)) for tab in ("usage", "refusals", "people")
        )

        assert [event.credits for event, _, _ in usage.context["events"]] == [-10, 10, 90]
        assert [denial.reason for denial in refusals.context["denials"]] == ["actor_cap"]
        html = "".join(answer.content.decode() for answer in (usage, refusals, people))
        for row in (
            *UsageEvent.objects.all(),
            *Denial.objects.all(),
            *Limit.objects.filter(slug=None, scope="resource"),
        ):
            assert page(type(row), "change", row.pk) in html

    def test_escapes_what_customers_wrote(self, ana: Client) -> None:
        organization = make_organization(funded=100)
        evil = make_actor(organization, "<script>alert(1)</script>")
        make_group(organization, "<b>", evil, kind="entity")
        use(work(organization, 5, actor=evil), 5)
        refuse(organization, evil)

        urls = [page_of(organization), page(Actor, "change", evil.pk), list_of(Actor)]
        urls += [list_of(UsageEvent), list_of(Denial), list_of(UsageCounter)]
        for url in urls:
            assert "<script>alert" not in ana.get(url).content.decode(), url


class TestEvent:
    def test_shows_what_was_asked_held_and_served(self, ana: Client) -> None:
        sonnet, _ = make_models()
        set_price(sonnet, 5, "output_tokens", variant="service_tier=flex")
        organization = make_organization(funded=100)
        asked = work(organization, millions=1, model=sonnet, variant="service_tier=flex")
        held = hold(asked)
        services.settle(
            organization=organization,
            reservation_id=held.id,
            tokens=Tokens(output=1_000),
            model="haiku",
            performed_by=KEY,
            now=NOW,
        )

        event = UsageEvent.objects.get(reservation=held)
        shown = ana.get(page(UsageEvent, "change", event.pk)).content.decode()

        assert "sonnet → sonnet, service_tier: flex" in shown
        assert "as standard" in shown
        assert "haiku" in shown
        assert event.credits == Decimal("0.002")


class TestHold:
    def test_shows_the_units_that_it_is_for_and_was_settled_with(self, ana: Client) -> None:
        sonnet, _ = make_models()
        set_price(sonnet, 5, "web_searches")
        organization = make_organization(funded=100)
        asked = work(organization, millions=1, model=sonnet, units={"web_searches": 3})
        held = hold(asked)
        services.settle(
            organization=organization,
            reservation_id=held.id,
            usage={"output_tokens": 1_000, "web_searches": 2},
            metadata={"trace": "1"},
            performed_by=KEY,
            now=NOW,
        )

        shown = ana.get(page(Reservation, "change", held.pk)).content.decode()

        assert "output 1000000, web searches 3" in shown
        assert "web searches 2, output tokens 1000" in shown


class TestDenial:
    def test_shows_the_limits_of_its_moment(self, ana: Client) -> None:
        world()

        html = ana.get(page(Denial, "change", first(Denial).pk)).content.decode()

        assert "refuses" in html
        assert '<td class="num">500.00</td>' in html
