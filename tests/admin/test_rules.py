"""Rules in the admin: none is saved without its effect, a reason and a confirmation, whichever it is and however its page is reached."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group as StaffGroup
from django.contrib.auth.models import User
from django.core import serializers
from django.db import transaction
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from credits.admin.rules import RuleAdmin, Unconfirmed
from credits.models import CreditConfig, Rehearsal, Wallet
from organizations.models import (
    Actor,
    AlertRule,
    BudgetWarning,
    Group,
    Import,
    Organization,
    UsageProfile,
)
from tests.admin.browser import CONFIRMED, fill_in_page
from tests.admin.people import fill_in, send, staff_who_may
from tests.admin.test_refusals import refuse
from tests.factories import make_organization, wallet_of
from tests.parallel import at_once
from tests.usage import people as p
from usage.admin import again
from usage.models import AIModel, CustomerPrice, Limit, Markup, Rate, Thresholds, WhatIf
from usage.services import terms as kept_terms
from usage.services import what_if
from usage.services.trials import Trial

pytestmark = pytest.mark.django_db(transaction=True)

OTHERWISE: dict[type[Model], str] = {
    User: "who may do what: each save is asked for the password, and kept with before and after",
    StaffGroup: "the same",
    Organization: "its pages are actions",
    WhatIf: "a question: whatever it asks changes nothing",
    Rehearsal: "a dry run: it is asked for, and run by a button that says what it will do",
    Import: "a file: it is looked at, and carried out by a button that says what it will make",
}
"""What staff may change otherwise than as a rule, and why."""
APPROVES = (
    "organizations.approve",
    "organizations.view_proposal",
    "organizations.view_organization",
    "credits.change_creditconfig",
)
UNCONFIRMED: dict[str, Any] = {"step": None, "reason": None}


def page(row: Model, what: str = "change") -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_{what}"
    return reverse(name, args=[row.pk])


def terms() -> CreditConfig:
    return wallet_of(make_organization(monthly_cap=100)).config


def of_somebody(make: Callable[[Organization], Model]) -> Callable[[], Model]:
    return lambda: make(make_organization())


def a_rate() -> Rate:
    """Make a rate of what is refused: it is the only one that gets a price."""
    sonnet, _ = p.make_models()
    return p.set_price(sonnet, None, "web_searches")


EDITS: dict[type[Model], tuple[Callable[[], Model], dict[str, Any]]] = {
    CreditConfig: (terms, {"monthly_cap": "7"}),
    Thresholds: (of_somebody(lambda own: p.thresholds(own, shutoff=9)), {"shutoff": "7"}),
    BudgetWarning: (of_somebody(p.budget_warning), {"budget": "7"}),
    AlertRule: (AlertRule.objects.get, {"near_cap_percent": "70"}),
    Limit: (of_somebody(lambda own: p.limit(own, 9, "actor_default")), {"cap": "7"}),
    UsageProfile: (
        of_somebody(lambda own: p.make_profile(own, "trainee", cap=9)),
        {"credit_cap_per_month": "7"},
    ),
    Actor: (of_somebody(p.make_actor), {"active": None}),
    Group: (of_somebody(lambda own: p.make_group(own, "atlas")), {"name": "Another"}),
    AIModel: (lambda: a_rate().model, {"name": "Another"}),
    Rate: (a_rate, {"amount": "7"}),
    Markup: (p.markup, {"factor": "2.5"}),
    CustomerPrice: (of_somebody(lambda own: p.markup(of=own)), {"factor": "2.5"}),
    PeriodicTask: (PeriodicTask.objects.order_by("name").first, {"enabled": None}),
}
"""For each kind of rule: a row, and what somebody changes on its page."""


def kept(row: Model) -> str:
    return str(serializers.serialize("json", type(row)._default_manager.filter(pk=row.pk)))


def request_of(user: User) -> Any:
    request = RequestFactory().post("/")
    request.user = user
    return request


class TestEveryRule:
    def test_that_staff_may_change_is_one_of_these(self, ana: Client) -> None:
        request = request_of(User.objects.get())
        editable = {
            model: page
            for model, page in admin.site._registry.items()
            if page.has_add_permission(request) or page.has_change_permission(request)
        }

        rules = {model for model, page in editable.items() if isinstance(page, RuleAdmin)}
        assert editable.keys() - rules == OTHERWISE.keys()
        assert {
            model for model in rules if admin.site._registry[model].has_change_permission(request)
        } == EDITS.keys()

    def test_is_written_in_one_way(self) -> None:
        for rules in admin.site._registry.values():
            assert not rules.list_editable
            if isinstance(rules, RuleAdmin):
                assert type(rules).save_model is RuleAdmin.save_model, rules
                assert type(rules).delete_model is RuleAdmin.delete_model, rules

    @pytest.mark.parametrize("kind", EDITS)
    def test_saves_nothing_before_it_is_confirmed(self, ana: Client, kind: type[Model]) -> None:
        make, change = EDITS[kind]
        row = make()
        before = kept(row)
        data = fill_in_page(ana, page(row), **change)

        for unsure in ({"step": ""}, {"step": "preview"}, {"reason": ""}, {"reason": " "}):
            answer = ana.post(page(row), {**data, **unsure})
            assert answer.templates[0].name == "admin/rule_preview.html"
            assert any(effect.changes for effect in answer.context["effects"])
        ana.post(page(row), {**data, "step": "edit"})
        assert kept(row) == before

        assert ana.post(page(row), data).status_code == 302
        assert kept(row) != before
        assert "Reason: asked for by mail" in LogEntry.objects.latest("id").get_change_message()

    @pytest.mark.parametrize("kind", [kind for kind in EDITS if hasattr(kind, "history")])
    def test_keeps_why_in_its_history(self, ana: Client, kind: type[Any]) -> None:
        make, change = EDITS[kind]
        row = make()

        ana.post(page(row), fill_in_page(ana, page(row), **change))

        last = kind.history.latest()
        assert (last.history_change_reason, last.history_why) == ("staff:ana", "asked for by mail")
        assert "asked for by mail" in ana.get(page(row, "history")).content.decode()

    @pytest.mark.parametrize("kind", EDITS)
    def test_is_refused_by_its_page_s_own_door_too(self, ana: Client, kind: type[Model]) -> None:
        row = EDITS[kind][0]()
        rules = admin.site._registry[kind]
        request = request_of(User.objects.get())
        form = rules.get_form(request, row, change=True)(instance=row)
        form.cleaned_data, form.changed_data = {}, ["anything"]

        with pytest.raises(Unconfirmed):
            rules.save_model(request, row, form, True)
        with pytest.raises(Unconfirmed):
            rules.delete_model(request, row)


class TestPreview:
    def effects(
        self, client: Client, row: Model, **change: Any
    ) -> dict[str, tuple[str, str, bool]]:
        answer = client.post(page(row), fill_in_page(client, page(row), step="preview", **change))
        return {
            each.what: (each.before, each.after, each.is_harsher)
            for each in answer.context["effects"]
        }

    def test_spells_out_empty_and_zero(self, ana: Client) -> None:
        row = terms()

        cap = self.effects(ana, row, monthly_cap="0")["Monthly cap"]
        none = self.effects(ana, row, monthly_cap="")["Monthly cap"]

        assert cap[:2] == ("100", "0: nothing may be spent")
        assert none[:2] == ("100", "no cap")

    def test_says_of_a_cap_what_is_used_held_and_left(self, ana: Client) -> None:
        organization = make_organization(funded=500, monthly_cap=100)
        p.use(p.work(organization, 30), 30)
        row = wallet_of(organization).config

        shown = self.effects(ana, row, monthly_cap="30")

        assert shown["Used and reserved in this period"][:2] == ("30", "30")
        assert shown["Left of the cap"] == ("70", "0", True)
        assert shown["New work"] == ("not stopped by the cap", "refused by the cap", True)

    def test_names_the_people_whom_a_limit_would_stop(self, ana: Client) -> None:
        organization = make_organization(funded=500)
        ada, _ = (p.make_actor(organization, name) for name in ("Ada", "Ben"))
        p.use(p.work(organization, 30, actor=ada), 30)
        row = p.limit(organization, 100, "actor_default")

        shown = self.effects(ana, row, cap="20")

        assert shown["People who can spend no more this month"] == ("0 of 2", "1 of 2: Ada", True)

    def test_counts_who_loses_a_tier(self, ana: Client) -> None:
        organization = make_organization()
        profile = p.make_profile(organization, "trainee", cap=9)
        p.make_actor(organization, "Ada", profile=profile)

        shown = self.effects(ana, profile, allowed_model_tiers=["everyday"])

        assert shown["People who may use advanced models"] == ("1 of 1: Ada", "0 of 1", True)
        assert shown["Whom it concerns"][0].startswith("1 people")

    def test_says_of_thresholds_what_happens_to_work_today(self, ana: Client) -> None:
        organization = make_organization(funded=500)
        p.use(p.work(organization, 30), 30)
        row = p.thresholds(organization, downgrade=50, shutoff=90)

        shown = self.effects(ana, row, downgrade="10", shutoff="25")

        assert shown["Settled this month"][0] == "30"
        assert shown["New work"] == ("as asked", "shut off until the month ends", True)

    def test_says_of_a_person_who_leaves_what_happens(self, ana: Client) -> None:
        ada = p.make_actor(make_organization(), "Ada")

        shown = self.effects(ana, ada, active=None)

        assert shown["Active"][:2] == ("yes", "no")
        assert shown["Spends"] == ("up to the cap", "nothing more", True)

    def test_prices_the_last_month_again(self, ana: Client) -> None:
        organization = make_organization(funded=500)
        sonnet, _ = p.make_models()
        p.settle(p.hold(p.work(organization, model=sonnet, millions=1)), millions=1)
        rate = p.set_price(sonnet, None, "web_searches")

        shown = self.effects(ana, rate, amount="20")

        assert shown["Amount"][:2] == ("refused", "20")
        assert shown["Looked at"][0] == "1 pieces of work of 1 organizations"
        before, after, is_harsher = shown["Costs by the prices of now"]
        assert (before, is_harsher) == (after, False)

    def test_changes_nothing_and_says_so_in_amber(self, ana: Client) -> None:
        row = terms()

        html = ana.post(
            page(row), fill_in_page(ana, page(row), step="preview", monthly_cap="1")
        ).content.decode()

        assert "op-harsher" in html
        assert "Harsher than before" in html
        row.refresh_from_db()
        assert row.monthly_cap == 100


def by_button(slug: str, **fields: Any) -> Callable[[Client, Actor], Any]:
    """Return how to come to the preview of an action."""

    def come(client: Client, ada: Actor) -> Any:
        named = {name: str(value).format(ada=ada.public_id) for name, value in fields.items()}
        data = fill_in(client, slug, ada.organization, **named)
        return send(client, slug, ada.organization, data, step="preview")

    return come


def by_page(make: Callable[[Actor], Model], **change: Any) -> Callable[[Client, Actor], Any]:
    """Return how to come to the preview of a change of a row."""

    def come(client: Client, ada: Actor) -> Any:
        row = page(make(ada))
        return client.post(row, fill_in_page(client, row, step="preview", **change))

    return come


def with_profile(ada: Actor) -> Model:
    profile = p.make_profile(ada.organization, "trainee", cap=90)
    Actor.objects.filter(pk=ada.pk).update(profile=profile)
    return profile


def by_deleting(client: Client, ada: Actor) -> Any:
    row = p.limit(ada.organization, 100, "actor", actor=ada)
    p.limit(ada.organization, 25, "actor_default")
    return client.get(page(row, "delete"))


def by_adding(client: Client, ada: Actor) -> Any:
    new = (
        f"{reverse('admin:usage_limit_add')}?organization={ada.organization_id}&scope=actor_default"
    )
    return client.post(new, fill_in_page(client, new, step="preview", cap="25"))


class TestMonthAgain:
    """What the month's work would have come to by the rule, as a what-if answers it."""

    HARSHER: ClassVar[dict[str, Callable[[Client, Actor], Any]]] = {
        "set the cap": by_button("set-cap", monthly_cap="25"),
        "set the limit": by_button("set-limit", whose="{ada}", cap="25"),
        "terms": by_page(lambda ada: wallet_of(ada.organization).config, monthly_cap="25"),
        "limit": by_page(lambda ada: p.limit(ada.organization, 90, "actor", actor=ada), cap="25"),
        "thresholds": by_page(lambda ada: p.thresholds(ada.organization, shutoff=90), shutoff="20"),
        "profile": by_page(with_profile, credit_cap_per_month="25"),
        "a limit that goes": by_deleting,
        "a limit that comes": by_adding,
    }

    @pytest.fixture
    def ada(self) -> Actor:
        ada = p.make_actor(make_organization(funded=500, monthly_cap=400), "Ada")
        for _ in range(3):
            p.use(p.work(ada.organization, 10, actor=ada), 10)
        return ada

    def again(self, preview: Any) -> dict[str, tuple[str, str, bool]]:
        return {
            each.what: (each.before, each.after, each.is_harsher)
            for each in preview.context["effects"]
            if each.whose.endswith("the work of May again")
        }

    @pytest.mark.parametrize("way", HARSHER)
    def test_says_whose_work_would_have_been_refused(
        self, ana: Client, ada: Actor, way: str
    ) -> None:
        preview = self.HARSHER[way](ana, ada)

        assert self.again(preview) == {
            "Comes to": ("30", "20", False),
            "Refused that was done": ("none", "1, since 10 May: Ada 1", True),
        }
        assert "the work of May again" in preview.content.decode()

    def test_says_what_would_have_been_done(self, ana: Client, ada: Actor) -> None:
        limit = p.limit(ada.organization, 30, "actor", actor=ada)
        refuse(ada.organization, 15, actor=ada)

        preview = by_page(lambda _: limit, cap="50")(ana, ada)

        assert self.again(preview) == {
            "Comes to": ("30", "45", False),
            "Done that was refused": ("none", "1, since 10 May: Ada 1", False),
        }

    def test_keeps_nothing_and_changes_nothing(self, ana: Client, ada: Actor) -> None:
        self.HARSHER["set the cap"](ana, ada)

        assert not WhatIf.objects.exists()
        assert wallet_of(ada.organization).config.monthly_cap == 400
        assert kept_terms.current(ada.organization).config.monthly_cap == 400

    @pytest.mark.parametrize("way", ["set the cap", "terms", "limit"])
    def test_keeps_nobody_from_the_wallet_meanwhile(
        self, ana: Client, ada: Actor, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        found = []

        @transaction.atomic
        def lock(_: int) -> Wallet:
            return Wallet.objects.select_for_update(nowait=True).get(organization=ada.organization)

        def watched(trial: Trial) -> None:
            found.extend(at_once(1, lock))
            go_through(trial)

        go_through = Trial.go_through
        monkeypatch.setattr(Trial, "go_through", watched)

        self.HARSHER[way](ana, ada)

        assert found == [wallet_of(ada.organization)]

    def test_leaves_much_work_to_a_what_if(
        self, ana: Client, ada: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(what_if, "GONE_THROUGH", 3)

        preview = self.HARSHER["set the cap"](ana, ada)

        assert self.again(preview) == {"By the rules then": (*again.TOO_MUCH, False)}

    def test_is_nothing_where_nothing_was_done(self, ana: Client) -> None:
        idle = p.make_actor(make_organization(monthly_cap=400))

        assert self.again(self.HARSHER["set the cap"](ana, idle)) == {}

    def test_stands_where_a_second_person_decides(
        self, ana: Client, ada: Actor, settings: Any
    ) -> None:
        settings.SECOND_PERSON_ABOVE = Decimal(10)
        data = fill_in(ana, "set-cap", ada.organization, monthly_cap="5000")
        asked = send(ana, "set-cap", ada.organization, data)

        page = staff_who_may(*APPROVES).get(asked["Location"])

        told = {each.what: (each.before, each.after) for each in page.context["shown"].effects}
        assert told["Comes to"] == ("30", "30")


class TestConfirmation:
    def test_is_done_once_however_often_it_is_sent(self, ana: Client) -> None:
        row = terms()
        data = fill_in_page(ana, page(row), monthly_cap="7")

        answers = [ana.post(page(row), data, follow=True) for _ in range(3)]

        assert row.history.count() == 2
        assert "Monthly cap: 100 → 7." in answers[0].content.decode()
        assert "done once, not again" in answers[2].content.decode()

    def test_leads_back_to_where_somebody_came_from(self, ana: Client) -> None:
        row = terms()
        data = fill_in_page(ana, page(row), monthly_cap="7")
        here = page(row) + "?next=/admin/organizations/organization/"

        assert ana.post(here, data).headers["location"] == "/admin/organizations/organization/"

    @pytest.mark.parametrize("elsewhere", ["https://example.com/", "//example.com", "javascript:1"])
    def test_leads_nowhere_else(self, ana: Client, elsewhere: str) -> None:
        row = terms()
        data = fill_in_page(ana, page(row), monthly_cap="7")

        answer = ana.post(f"{page(row)}?next={elsewhere}", data)

        assert answer.headers["location"] == reverse("admin:credits_creditconfig_changelist")

    def test_back_keeps_what_was_typed(self, ana: Client) -> None:
        row = terms()
        data = fill_in_page(ana, page(row), monthly_cap="7")

        answer = ana.post(page(row), {**data, "step": "edit"})

        form = answer.context["adminform"].form
        assert form["monthly_cap"].value() == "7"
        assert not form.errors


class TestDelete:
    def test_shows_its_effect_first_and_needs_a_reason(self, ana: Client) -> None:
        organization = make_organization(funded=500)
        ada = p.make_actor(organization, "Ada")
        p.use(p.work(organization, 30, actor=ada), 30)
        row = p.limit(organization, 100, "actor", actor=ada)
        p.limit(organization, 10, "actor_default")

        shown = ana.get(page(row, "delete"))
        unsure = ana.post(page(row, "delete"), {"post": "yes", "step": "confirm"})

        effects = {each.what: each.after for each in shown.context["effects"]}
        assert effects["People who can spend no more this month"] == "1 of 1: Ada"
        assert unsure.context["form"].errors
        assert Limit.objects.filter(pk=row.pk).exists()

        ana.post(page(row, "delete"), {"post": "yes", **CONFIRMED})
        assert not Limit.objects.filter(pk=row.pk).exists()
        assert Limit.history.latest().history_why == "asked for by mail"
