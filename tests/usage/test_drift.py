"""Drift: where our cards charge otherwise than the public price list, what is none, and what somebody accepted."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from organizations import jobs
from organizations.models import Finding
from tests import factories as f
from tests.admin.browser import fill_in_page
from tests.admin.people import client_of, staff_who_may
from tests.usage import people as p
from usage import tasks
from usage.models import AcceptedDifference, AIModel, Rate
from usage.services import drift, price_list, rate_card
from usage.services.drift import COMPARE, compared

pytestmark = pytest.mark.django_db(transaction=True)
MINI = "gpt-4o-mini"


@pytest.fixture(autouse=True)
def still_time() -> Iterable[None]:
    with time_machine.travel(f.NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture
def ana(transactional_db: None) -> Client:
    return client_of(User.objects.create_superuser("ana"))


def load(*slugs: str) -> None:
    rate_card.load(price_list.read(since=date(2026, 1, 1), credit_usd=Decimal("0.01"), only=slugs))


def mini() -> AIModel:
    """Make a model that the list has, as it has it."""
    load(MINI)
    return AIModel.objects.get(slug=MINI)


def set_amount(amount: Any, unit: str = "cache_read_tokens", variant: str = "") -> None:
    Rate.objects.filter(model=MINI, unit=unit, variant=variant).update(amount=amount)


def sentences() -> list[str]:
    return [each.sentence for each in compared([MINI], now=f.NOW)[MINI].differences]


def found() -> dict[str, str]:
    """Run the daily job, and return what it found."""
    run = jobs.run(COMPARE, now=lambda: f.NOW, worker="w")
    assert run is not None
    return dict(Finding.objects.filter(job=run.job).values_list("subject", "detail"))


class TestDifference:
    def test_is_none_of_what_was_loaded(self) -> None:
        mini()

        assert sentences() == []
        assert compared([MINI], now=f.NOW)[MINI].is_listed

    def test_is_said_with_both_prices(self) -> None:
        mini()
        set_amount(75)

        assert sentences() == ["cache read tokens: the list says 7.5, yours 75"]

    def test_is_none_of_a_markup(self) -> None:
        model = mini()
        p.markup(2)
        p.markup(3, model=model)

        assert sentences() == []

    def test_of_a_price_that_is_missing_is_that_to_its_whole(self) -> None:
        mini()
        Rate.objects.filter(model=MINI, unit="cache_read_tokens", variant="").delete()

        assert sentences() == ["cache read tokens: the list says 7.5, yours 15"]

    def test_is_none_of_what_one_side_does_not_sell(self) -> None:
        mini()
        Rate.objects.filter(model=MINI).exclude(variant="").delete()
        Rate.objects.filter(model=MINI, unit="web_searches").delete()
        p.set_price(MINI, 9, "code_executions")

        assert sentences() == []

    def test_is_none_of_what_is_refused(self) -> None:
        mini()
        set_amount(None, "web_searches")

        assert sentences() == []

    def test_is_by_the_card_that_is_in_force(self) -> None:
        mini()
        for unit in ("input_tokens", "output_tokens"):
            p.set_price(MINI, 1, unit, since=f.NOW + timedelta(days=1))
        assert sentences() == []

        for unit in ("input_tokens", "output_tokens"):
            p.set_price(MINI, 1, unit, since=f.NOW - timedelta(days=1))
        assert "input tokens: the list says 15, yours 1" in sentences()

    def test_is_none_of_a_model_that_the_list_does_not_have(self) -> None:
        p.make_model("our-own")

        assert compared(["our-own"], now=f.NOW)["our-own"] == (False, [])


class TestAccepted:
    def accept(self, reason: str = "as agreed") -> None:
        differences = compared([MINI], now=f.NOW)[MINI].open
        drift.accept(differences, reason=reason, accepted_by="staff:ana", now=f.NOW)

    def test_differences_are_told_no_more(self) -> None:
        mini()
        set_amount(75)
        assert list(found()) == [MINI]

        self.accept()

        assert found() == {}
        assert sentences() == ["cache read tokens: the list says 7.5, yours 75"]

    def test_differences_are_told_again_once_a_side_changes(self) -> None:
        mini()
        set_amount(75)
        self.accept()

        set_amount(76)
        assert list(found()) == [MINI]
        set_amount(75)
        AcceptedDifference.objects.update(listed=8)
        assert list(found()) == [MINI]

    def test_differences_are_accepted_anew(self) -> None:
        mini()
        set_amount(75)
        self.accept()
        set_amount(76)

        self.accept("for another reason")

        assert AcceptedDifference.objects.get().reason == "for another reason"
        assert found() == {}


class TestDailyJob:
    def test_reports_each_model_that_differs(self) -> None:
        mini()
        set_amount(75)
        set_amount(1, "output_tokens")

        assert found() == {
            MINI: "cache read tokens: the list says 7.5, yours 75\n"
            "output tokens: the list says 60, yours 1"
        }

    def test_changes_no_price(self) -> None:
        mini()
        set_amount(75)
        before = list(Rate.objects.order_by("pk").values_list("pk", "amount"))

        found()

        assert list(Rate.objects.order_by("pk").values_list("pk", "amount")) == before

    def test_reports_no_model_that_is_retired(self) -> None:
        model = mini()
        set_amount(75)
        model.retired_at = f.NOW
        model.save()

        assert found() == {}

    def test_is_rung_for_every_day(self) -> None:
        row = PeriodicTask.objects.get(name="compare prices")

        assert row.task == tasks.compare_prices.name
        assert (row.crontab.hour, row.crontab.minute) == ("4", "25")
        assert COMPARE in tasks.ALL_DAY

    def test_does_it(self) -> None:
        mini()
        set_amount(75)

        tasks.compare_prices()

        assert Finding.objects.get().check_name == drift.CHECK


class TestConsole:
    def page(self, what: str = "change") -> str:
        return reverse(f"admin:usage_aimodel_{what}", args=[MINI])

    def test_says_on_the_model_s_page_what_differs(self, ana: Client) -> None:
        mini()
        assert "Every price that both sell is the list" in ana.get(self.page()).content.decode()

        set_amount(75)
        html = ana.get(self.page()).content.decode()

        assert "Accept these differences…" in html
        assert "7.50" in html

    def test_says_it_in_the_list_and_finds_those_that_differ(self, ana: Client) -> None:
        mini()
        p.make_model("our-own")
        set_amount(75)
        found()
        where = reverse("admin:usage_aimodel_changelist")

        assert "dearer" in ana.get(where).content.decode()
        shown = ana.get(f"{where}?drift=differs").context["cl"].result_list
        assert [model.pk for model in shown] == [MINI]
        assert list(ana.get(f"{where}?drift=accepted").context["cl"].result_list) == []

    def test_accepts_with_a_reason(self, ana: Client) -> None:
        mini()
        set_amount(75)
        where = self.page("accept-difference")
        data = fill_in_page(ana, where, step="accept", reason="as agreed with Acme")

        assert ana.post(where, {**data, "reason": ""}).status_code == 200
        assert not AcceptedDifference.objects.exists()
        answer = ana.post(where, data, follow=True)

        row = AcceptedDifference.objects.get()
        assert (row.accepted_by, row.reason) == ("staff:ana", "as agreed with Acme")
        assert (row.own, row.listed) == (Decimal(75), Decimal("7.5"))
        assert "as agreed with Acme" in answer.content.decode()
        listed = ana.get(reverse("admin:usage_accepteddifference_changelist")).content.decode()
        assert "as agreed with Acme" in listed

    def test_accepts_only_what_was_shown(self, ana: Client) -> None:
        mini()
        set_amount(75)
        where = self.page("accept-difference")
        data = fill_in_page(ana, where, step="accept", reason="as agreed")
        set_amount(750)

        answer = ana.post(where, data, follow=True)

        assert "not what was shown any more" in answer.content.decode()
        assert not AcceptedDifference.objects.exists()

    def test_tells_again(self, ana: Client) -> None:
        mini()
        set_amount(75)
        TestAccepted().accept()

        ana.post(self.page("accept-difference"), {"step": "again"})

        assert not AcceptedDifference.objects.exists()

    def test_accepts_for_who_may_change_prices(self) -> None:
        mini()
        set_amount(75)
        ben = staff_who_may("usage.view_aimodel", "usage.view_rate")

        assert ben.post(self.page("accept-difference"), {"step": "accept"}).status_code == 403
        assert "Accept these" not in ben.get(self.page()).content.decode()

    def test_fills_the_form_of_new_prices_with_what_the_list_says(self, ana: Client) -> None:
        mini()
        set_amount(75)

        rows = ana.get(f"{self.page('new-prices')}?list=1").context["rows"]

        said = {
            (form["unit"].value(), form["variant"].value()): form["amount"].value()
            for form in rows.there
        }
        assert said["cache_read_tokens", ""] == Decimal("7.5")

    def test_leads_from_a_finding_to_the_model(self, ana: Client) -> None:
        mini()
        set_amount(75)
        found()

        html = ana.get(reverse("admin:organizations_finding_changelist")).content.decode()

        assert self.page() in html
        assert "the list says 7.5, yours 75" in html
