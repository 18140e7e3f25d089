"""New prices from a day that is to come: all of the card copied, what they would do, a reason, and a second person for a leap."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from organizations import jobs
from tests import factories as f
from tests.admin.browser import CONFIRMED, fill_in_page
from tests.admin.people import client_of, staff_who_may
from tests.usage import people as p
from usage.models import AIModel, Markup, PriceProposal, Rate, WhatIf
from usage.services import new_prices
from usage.services.new_prices import ANY_LEAP, leap
from usage.services.what_if import WHAT_IF

pytestmark = pytest.mark.django_db(transaction=True)
JUNE = f.at("2026-06-01")


def a_model() -> AIModel:
    model = p.make_model("sonnet")
    p.set_price(model, 250, "input_tokens")
    p.set_price(model, 500, "input_tokens", prompt_tokens_from=200_001)
    p.set_price(model, 125, "input_tokens", variant="processing=batch")
    p.set_price(model, 25, "cache_read_tokens")
    p.set_price(model, 1_000, "output_tokens")
    return model


def url(model: AIModel, what: str = "new-prices") -> str:
    return reverse(f"admin:usage_aimodel_{what}", args=[model.pk])


def filled(
    client: Client, model: AIModel, *, card: str = "", **changes: str | None
) -> dict[str, Any]:
    """Return what the form sends, with amounts changed by their unit: those of the standard way, for any prompt."""
    page = f"{url(model)}?card={card}" if card else url(model)
    data = fill_in_page(client, page)
    data = {name: value[0] if isinstance(value, list) else value for name, value in data.items()}
    for unit, amount in changes.items():
        number = number_of(data, unit)
        if amount is None:
            data[f"price-{number}-gone"] = "on"
        else:
            data[f"price-{number}-amount"] = amount
    return data


def number_of(data: dict[str, Any], unit: str) -> str:
    for name, value in data.items():
        found = re.fullmatch(r"price-(\d+)-unit", name)
        if found and value == unit:
            rest = (data[f"price-{found[1]}-{part}"] for part in ("prompt_tokens_from", "variant"))
            if not any(rest):
                return found[1]
    raise KeyError(unit)


def send(client: Client, model: AIModel, data: dict[str, Any], step: str = "confirm") -> Any:
    return client.post(url(model), {**data, "step": step})


def card_from(model: AIModel, moment: Any) -> dict[tuple[str, int, str], Decimal | None]:
    rows = Rate.objects.filter(model=model, starts_at=moment)
    return {(each.unit, each.prompt_tokens_from, each.variant): each.amount for each in rows}


@pytest.fixture
def bob(transactional_db: None) -> Client:
    """Bob may do everything, too."""
    return client_of(User.objects.create_superuser("bob"))


class TestNewPrices:
    def test_copy_every_band_and_variant_of_the_card(self, ana: Client) -> None:
        model = a_model()

        answer = send(ana, model, filled(ana, model, output_tokens="1200"))

        assert answer.headers["location"] == reverse("admin:usage_aimodel_change", args=["sonnet"])
        assert card_from(model, JUNE) == {
            ("input_tokens", 0, ""): 250,
            ("input_tokens", 200_001, ""): 500,
            ("input_tokens", 0, "processing=batch"): 125,
            ("cache_read_tokens", 0, ""): 25,
            ("output_tokens", 0, ""): 1_200,
        }
        assert card_from(model, p.SINCE)["output_tokens", 0, ""] == 1_000
        assert Rate.objects.filter(starts_at=JUNE).count() == 5

    def test_keep_who_and_why(self, ana: Client) -> None:
        model = a_model()

        send(ana, model, filled(ana, model, output_tokens="1200"))

        made = Rate.history.filter(starts_at=JUNE)
        assert {(row.history_change_reason, row.history_why) for row in made} == {
            ("staff:ana", CONFIRMED["reason"])
        }
        html = ana.get(reverse("admin:usage_aimodel_change", args=["sonnet"])).content.decode()
        assert "staff:ana" in html
        assert "asked for by mail" in html

    def test_take_prices_that_the_card_does_not_have_and_leave_some_out(
        self, ana: Client, settings: Any
    ) -> None:
        settings.SECOND_PERSON_PRICE_PERCENT = None
        model = a_model()
        data = filled(ana, model, cache_read_tokens=None)
        other = {"unit": "web_searches", "amount": "1,000", "variant": "", "hours": ""}
        data |= {f"price-5-{name}": value for name, value in other.items()}

        send(ana, model, data)

        card = card_from(model, JUNE)
        assert card["web_searches", 0, ""] == 1_000
        assert ("cache_read_tokens", 0, "") not in card

    def test_begin_on_the_day_that_is_named(self, ana: Client) -> None:
        model = a_model()

        send(ana, model, {**filled(ana, model, output_tokens="1200"), "starts_on": "2026-12-01"})

        assert len(card_from(model, f.at("2026-12-01"))) == 5

    @pytest.mark.parametrize("day", ["2026-05-10", "2026-01-01", "x", ""])
    def test_begin_on_no_day_that_has_begun(self, ana: Client, day: str) -> None:
        model = a_model()

        answer = send(ana, model, {**filled(ana, model, output_tokens="1200"), "starts_on": day})

        assert answer.context["day"].errors["starts_on"]
        assert Rate.objects.count() == 5

    def test_of_a_model_without_any_may_begin_today(self, ana: Client) -> None:
        model = p.make_model("new", credits_per_million=None)
        data = filled(ana, model)
        said = {0: ("input_tokens", "100"), 1: ("output_tokens", "200")}
        for number, (unit, amount) in said.items():
            data |= {f"price-{number}-unit": unit, f"price-{number}-amount": amount}

        send(ana, model, data)

        assert card_from(model, f.at(f"{f.NOW:%Y-%m-%d}"))["output_tokens", 0, ""] == 200

    def test_that_could_not_be_charged_are_refused_by_name(self, ana: Client) -> None:
        model = a_model()
        data = filled(ana, model)
        for number in range(5):
            if data[f"price-{number}-unit"] == "input_tokens":
                data[f"price-{number}-gone"] = "on"

        answer = send(ana, model, data, "preview")

        assert "of which it is a part" in str(answer.context["rows"].non_form_errors())
        assert "without input_tokens" in answer.content.decode()

    @pytest.mark.parametrize(
        ("said", "sentence"),
        [
            ({"unit": "output_tokens", "amount": "3"}, "has a price of this already"),
            ({"unit": "", "amount": "3"}, "Of which unit is it?"),
            ({"unit": "output_tokens", "amount": "3", "hours": "9-10"}, "hours"),
            ({"unit": "output_tokens", "amount": "-3"}, "greater than or equal to 0"),
            ({"unit": "tokens", "amount": "3"}, "not one of the available choices"),
        ],
    )
    def test_name_the_field_that_is_wrong(
        self, ana: Client, said: dict[str, str], sentence: str
    ) -> None:
        model = a_model()
        data = filled(ana, model) | {f"price-5-{name}": value for name, value in said.items()}

        answer = send(ana, model, data)

        assert sentence in str(answer.context["rows"].errors)
        assert Rate.objects.count() == 5

    def test_that_differ_in_nothing_are_none(self, ana: Client) -> None:
        model = a_model()

        answer = send(ana, model, filled(ana, model), "preview")

        assert "hold then anyway" in answer.content.decode()

    def test_are_set_once_however_often_they_are_sent(self, ana: Client) -> None:
        model = a_model()
        data = filled(ana, model, output_tokens="1200")

        send(ana, model, data)
        again = ana.post(url(model), data, follow=True)

        assert "done once" in again.content.decode()
        assert Rate.objects.filter(starts_at=JUNE).count() == 5
        assert Rate.history.filter(starts_at=JUNE).count() == 5

    def test_save_nothing_before_they_are_confirmed_with_a_reason(self, ana: Client) -> None:
        model = a_model()
        data = filled(ana, model, output_tokens="1200")

        for unsure in ({"step": "preview"}, {"step": "edit"}, {"reason": " "}):
            assert ana.post(url(model), {**data, **unsure}).status_code == 200

        assert Rate.objects.count() == 5

    def test_that_are_to_come_are_changed_as_a_card(self, ana: Client) -> None:
        model = a_model()
        send(ana, model, filled(ana, model, output_tokens="1200"))

        data = filled(ana, model, card="2026-06-01T00:00:00Z", output_tokens="1300")
        send(ana, model, data)

        assert card_from(model, JUNE)["output_tokens", 0, ""] == 1_300
        assert Rate.objects.count() == 10

    def test_are_for_who_has_the_right(self) -> None:
        model = a_model()
        ben = staff_who_may("usage.view_aimodel", "usage.view_rate")

        assert ben.get(url(model)).status_code == 403
        assert ben.post(url(model), CONFIRMED).status_code == 403
        assert ben.get(url(model, "take-back")).status_code == 403
        html = ben.get(reverse("admin:usage_aimodel_change", args=["sonnet"])).content.decode()
        assert "New prices from" not in html


class TestEffect:
    def used(self, model: AIModel, millions: str, *, factor: str = "") -> Any:
        organization = f.make_organization(funded=100_000)
        if factor:
            p.markup(factor, of=organization)
        p.settle(p.hold(p.work(organization, model=model, millions=1)), millions=Decimal(millions))
        return organization

    def preview(self, client: Client, model: AIModel, **changes: Any) -> Any:
        answer = send(client, model, filled(client, model, **changes), "preview")
        assert answer.templates[0].name == "admin/usage/aimodel/new_prices_preview.html"
        return answer

    def test_is_last_month_s_work_customer_by_customer(self, ana: Client) -> None:
        model = p.make_model("sonnet", credits_per_million=10)
        one, other = self.used(model, "1"), self.used(model, "0.5", factor="2")

        answer = self.preview(ana, model, output_tokens="12", input_tokens="12")

        again = answer.context["again"]
        met = {each.organization: (each.pieces, each.was, each.would_be) for each in again.met}
        assert met[other][1] == Decimal(10) * met[one][1] / 10
        for was, would_be in ((each.was, each.would_be) for each in again.met):
            assert would_be == was * Decimal("1.2")
        assert again.is_all
        assert answer.context["weighed"].needs_another is False

    def test_counts_whose_work_would_have_no_price(self, ana: Client) -> None:
        model = p.make_model("sonnet", credits_per_million=10)
        self.used(model, "1")

        answer = self.preview(ana, model, output_tokens="")

        assert answer.context["again"].unpriced == 1
        assert answer.context["again"].difference == 0

    def test_marks_what_changes(self, ana: Client) -> None:
        model = a_model()

        answer = self.preview(ana, model, output_tokens="900", cache_read_tokens=None)

        changes = {
            row.unit: row.cells[1].change for row in answer.context["rows"] if row.cells[1].change
        }
        assert changes == {"output tokens": "cheaper", "cache read tokens": "gone"}

    def test_of_a_whole_month_is_asked_of_a_worker(self, ana: Client) -> None:
        model = p.make_model("sonnet", credits_per_million=10)
        organization = self.used(model, "1")
        with time_machine.travel(f.at("2026-06-03"), tick=False):
            later = client_of(User.objects.get(username="ana"))
            data = filled(later, model, output_tokens="30", input_tokens="30")
            answer = send(later, model, data, "try")
            while jobs.run(WHAT_IF, now=lambda: f.at("2026-06-03"), worker="w"):
                pass

            asked = WhatIf.objects.get()
            part = asked.parts.get(organization=organization)
            assert answer.headers["location"] == reverse(
                "admin:usage_whatif_change", args=[asked.pk]
            )
            assert part.credits_before > 0
            assert part.credits_after == part.credits_before * 3
            assert (
                "prices of sonnet tried" in later.get(answer.headers["location"]).content.decode()
            )
        assert not Rate.objects.filter(starts_at__gt=f.NOW).exists()


class TestTakingBack:
    def test_is_of_what_is_to_come_with_a_reason(self, ana: Client) -> None:
        model = a_model()
        send(ana, model, filled(ana, model, output_tokens="1200"))
        where = f"{url(model, 'take-back')}?card=2026-06-01T00:00:00Z"

        assert "1,200" in ana.get(where).content.decode()
        assert ana.post(where, {"reason": ""}).status_code == 200
        assert Rate.objects.filter(starts_at=JUNE).count() == 5
        assert ana.post(where, CONFIRMED).status_code == 302

        assert not Rate.objects.filter(starts_at=JUNE).exists()
        gone = Rate.history.filter(history_type="-")
        assert {(row.history_change_reason, row.history_why) for row in gone} == {
            ("staff:ana", CONFIRMED["reason"])
        }
        assert "done once" in ana.post(where, CONFIRMED, follow=True).content.decode()

    def test_is_of_nothing_that_is_in_force(self, ana: Client) -> None:
        model = a_model()
        where = f"{url(model, 'take-back')}?card=2026-01-01T00:00:00Z"

        assert ana.get(where).status_code == 404
        answer = ana.post(where, CONFIRMED, follow=True)

        assert "have begun: they stay as they are" in answer.content.decode()
        assert Rate.objects.count() == 5
        assert ana.get(url(model, "take-back")).status_code == 404


class TestSecondPerson:
    def proposed(self, client: Client, model: AIModel, **changes: str) -> PriceProposal:
        answer = send(client, model, filled(client, model, **changes))
        proposal = PriceProposal.objects.latest("proposed_at", "id")
        assert answer.headers["location"] == page_of(proposal)
        return proposal

    def test_is_needed_beyond_the_percentage_up_and_down(self, ana: Client) -> None:
        model = a_model()

        send(ana, model, filled(ana, model, output_tokens="1500"))
        assert card_from(model, JUNE)["output_tokens", 0, ""] == 1_500
        Rate.objects.filter(starts_at=JUNE).delete()
        for amount in ("1500.01", "499"):
            self.proposed(ana, model, output_tokens=amount)

        assert not Rate.objects.filter(starts_at=JUNE).exists()

    def test_is_needed_for_much_money(self, ana: Client, settings: Any) -> None:
        settings.SECOND_PERSON_ABOVE = Decimal("0.5")
        model = p.make_model("sonnet", credits_per_million=10)
        organization = f.make_organization(funded=100)
        p.settle(p.hold(p.work(organization, model=model, millions=1)), millions=1)

        proposal = self.proposed(ana, model, output_tokens="11", input_tokens="11")

        assert "the last 30 days would have cost 1 credits more" in proposal.effect

    def test_is_needed_by_nobody_without_a_limit(self, ana: Client, settings: Any) -> None:
        settings.SECOND_PERSON_PRICE_PERCENT = settings.SECOND_PERSON_ABOVE = None
        model = a_model()

        send(ana, model, filled(ana, model, output_tokens="99999"))

        assert card_from(model, JUNE)["output_tokens", 0, ""] == 99_999

    def test_is_not_avoided_by_pieces(self, ana: Client, bob: Client) -> None:
        model = a_model()
        send(ana, model, filled(ana, model, output_tokens="1400"))
        data = filled(ana, model, card="2026-06-01T00:00:00Z", output_tokens="1900")

        send(ana, model, {**data, "starts_on": "2026-06-02"})
        assert PriceProposal.objects.count() == 1
        send(bob, model, {**data, "starts_on": "2026-06-02"})
        assert card_from(model, f.at("2026-06-02"))["output_tokens", 0, ""] == 1_900

    def test_does_what_was_proposed_and_both_are_named(self, ana: Client, bob: Client) -> None:
        model = a_model()
        proposal = self.proposed(ana, model, output_tokens="2000")

        assert "2,000" in bob.get(page_of(proposal)).content.decode()
        decide(bob, proposal)

        assert card_from(model, JUNE)["output_tokens", 0, ""] == 2_000
        row = Rate.history.filter(starts_at=JUNE).first()
        assert row.history_change_reason == "staff:ana, approved by staff:bob"
        assert row.history_why == CONFIRMED["reason"]
        proposal.refresh_from_db()
        assert (proposal.state, proposal.decided_by) == ("approved", "bob")
        assert Rate.history.filter(starts_at=JUNE).count() == 5


class TestLeap:
    def of(self, model: AIModel, **amounts: int) -> list[Rate]:
        return [
            Rate(model=model, unit=unit, amount=Decimal(amount)) for unit, amount in amounts.items()
        ]

    def test_of_a_part_that_goes_is_that_to_its_whole(self) -> None:
        model = AIModel(slug="m")
        before = self.of(model, input_tokens=100, cache_read_tokens=10)

        assert leap(before, self.of(model, input_tokens=100)) == (Decimal(900), "cache_read_tokens")
        assert leap(before, self.of(model, input_tokens=50, cache_read_tokens=10)) == (
            Decimal(50),
            "input_tokens",
        )
        assert leap(before, before) == (Decimal(0), "")

    def test_from_nothing_is_any(self) -> None:
        model = AIModel(slug="m")

        assert leap(self.of(model, input_tokens=0), self.of(model, input_tokens=1))[0] == ANY_LEAP
        assert leap([], self.of(model, input_tokens=1)) == (Decimal(0), "")

    def test_is_read_back_as_it_was_written(self) -> None:
        model = a_model()
        card = new_prices.card_at(model, f.NOW)

        found = new_prices.rates_in(new_prices.payload_of(card))

        assert {(each.step, each.amount) for each in found} == {
            (each.step, each.amount) for each in card
        }


def page_of(proposal: PriceProposal) -> str:
    return reverse("admin:usage_priceproposal_change", args=[proposal.pk])


def decide(
    client: Client, proposal: PriceProposal, decision: str = "approve", **options: Any
) -> Any:
    where = reverse("admin:usage_priceproposal_decide", args=[proposal.pk])
    return client.post(where, {"decision": decision}, **options)


class TestMarkups:
    """A markup is a price too: what leaps by it needs a second person."""

    def add(self, client: Client, **fields: str) -> Any:
        where = reverse("admin:usage_markup_add")
        since = {"starts_at_0": "2026-06-01", "starts_at_1": "00:00:00"}
        return client.post(where, {**fill_in_page(client, where), **since, **fields})

    def edit(self, client: Client, rule: Any, **fields: str) -> Any:
        where = reverse(f"admin:usage_{rule._meta.model_name}_change", args=[rule.pk])
        return client.post(where, fill_in_page(client, where, **fields))

    def test_up_to_the_percentage_are_one_person_s(self, ana: Client) -> None:
        self.add(ana, factor="1.5")

        assert Markup.objects.get().factor == Decimal("1.5")
        assert not PriceProposal.objects.exists()

    @pytest.mark.parametrize("factor", ["1.51", "0.4", "1000"])
    def test_beyond_it_wait_for_another(self, ana: Client, bob: Client, factor: str) -> None:
        answer = self.add(ana, factor=factor)

        proposal = PriceProposal.objects.get()
        assert answer.headers["location"] == page_of(proposal)
        assert not Markup.objects.exists()
        assert factor in bob.get(page_of(proposal)).content.decode()
        decide(bob, proposal)
        assert Markup.objects.get().factor == Decimal(factor)
        assert Markup.objects.get().starts_at == JUNE
        row = Markup.history.get()
        assert row.history_change_reason == "staff:ana, approved by staff:bob"
        assert row.history_why == CONFIRMED["reason"]

    def test_that_change_or_end_count_as_far_as_they_leap(self, ana: Client, bob: Client) -> None:
        rule = p.markup(2)

        self.edit(ana, rule, factor="3.1")
        proposal = PriceProposal.objects.get()
        rule.refresh_from_db()
        assert rule.factor == 2
        decide(bob, proposal)
        rule.refresh_from_db()
        assert rule.factor == Decimal("3.1")

        where = reverse("admin:usage_markup_delete", args=[rule.pk])
        ana.post(where, {"post": "yes", **CONFIRMED})
        assert Markup.objects.exists()
        decide(bob, PriceProposal.objects.latest("proposed_at", "id"))
        assert not Markup.objects.exists()

    def test_in_pieces_are_measured_from_the_day_before(self, ana: Client) -> None:
        rule = p.markup(1)
        with time_machine.travel(f.NOW + timedelta(days=2), tick=False):
            later = client_of(User.objects.get(username="ana"))
            self.edit(later, rule, factor="1.4")
            self.edit(later, rule, factor="1.9")

            rule.refresh_from_db()
            assert rule.factor == Decimal("1.4")
            assert PriceProposal.objects.count() == 1
        assert ana is not None

    def test_of_a_customer_count_too(self, ana: Client, bob: Client) -> None:
        own = f.make_organization()
        rule = p.markup(1, of=own)

        self.edit(ana, rule, factor="0.1")

        rule.refresh_from_db()
        assert rule.factor == 1
        decide(bob, PriceProposal.objects.get())
        rule.refresh_from_db()
        assert rule.factor == Decimal("0.1")

    def test_that_somebody_else_made_meanwhile_are_not_made_twice(
        self, ana: Client, bob: Client
    ) -> None:
        self.add(ana, factor="3")
        p.markup(1, since=JUNE)

        answer = decide(bob, PriceProposal.objects.get(), follow=True)

        assert "another of the same scope" in answer.content.decode()
        assert Markup.objects.get().factor == 1
