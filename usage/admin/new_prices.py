"""“New prices from…”: all prices of a model into a form, what they would do, and then a reason. And taking back what is to come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views import View

from credits.admin.rules import ALREADY, ReasonForm
from credits.models import Catalogue
from credits.templatetags.amounts import credits
from organizations import clock, proposals
from organizations.admin.actions import sentence, staff
from organizations.history import explained
from usage.admin.card import table_of
from usage.admin.price_forms import ROWS, DayForm, initial_of
from usage.models import AIModel, PriceProposal, Rate
from usage.pricing import Price
from usage.services import credit, drift, new_prices, rates
from usage.services.new_prices import ANY_LEAP, NotToCome
from usage.services.price_trials import again_at
from usage.services.rate_card import InvalidRateCard
from usage.services.what_if import ask
from usage.what_if import Changes, TriedCard

CARD = "card"
"""The action by which new prices are proposed."""
CUSTOMERS = 20
"""How many customers the preview names: those for whom most differs."""
SAME = "These are the prices that hold then anyway."


@dataclass(frozen=True)
class TooMuch:
    """Why a change of prices is not for one person alone; empty where it is."""

    said: str
    needs_another: bool


def weigh(before: Sequence[Rate], after: Sequence[Rate], difference: Decimal) -> TooMuch:
    """Return how much a change of prices is, and whether it needs a second person.

    :param before: from which a leap is measured
    :param difference: by how many credits the work of thirty days would differ
    """
    percent, of = new_prices.leap(before, after)
    most, alone = settings.SECOND_PERSON_PRICE_PERCENT, settings.SECOND_PERSON_ABOVE
    said = []
    if of:
        much = "from nothing" if percent == ANY_LEAP else f"by {percent:.0f} %"
        said.append(f"{of.replace('_', ' ')} changes most, {much}")
    if difference:
        more = "more" if difference > 0 else "less"
        said.append(f"the last 30 days would have cost {credits(abs(difference))} credits {more}")
    leaps = bool(before) and most is not None and percent > most
    needs_another = leaps or (alone is not None and abs(difference) > alone)
    return TooMuch("; ".join(said) or "nothing that was charged changes", needs_another)


class NewPricesView(View):
    """Form → effect → confirmation of a card that is to come."""

    model_admin: ModelAdmin | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.has_perm("usage.add_rate"):
            raise PermissionDenied
        self.now = clock.now()
        self.model = get_object_or_404(AIModel, pk=kwargs["object_id"])
        self.is_first = not new_prices.has_begun(self.model, self.now)
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        own = moment_of(request.GET.get("card", ""))
        day = own.date() if own else self._usual_day()
        source = new_prices.card_at(self.model, own or max(self.now, midnight(day)))
        if "list" in request.GET:
            source = drift.listed_cards([self.model.pk], now=self.now).get(self.model.pk, source)
        return self._ask(
            DayForm(now=self.now, is_first=self.is_first, initial={"starts_on": day}),
            ROWS(initial=initial_of(source), prefix="price"),
        )

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        day = DayForm(request.POST, now=self.now, is_first=self.is_first)
        rows = ROWS(request.POST, prefix="price")
        is_valid = day.is_valid() and rows.is_valid()
        step = request.POST.get("step", "preview")
        if not is_valid or step == "edit":
            return self._ask(day, rows)
        self.rates = rows.rates(self.model, day.starts_at)
        self.before = new_prices.card_at(self.model, day.starts_at)
        if _said(self.before) == _said(self.rates):
            if step == "confirm":
                return self._done(messages.INFO, ALREADY)
            rows.non_form_errors().append(SAME)
            return self._ask(day, rows)
        if step == "try":
            return self._try()
        return self._confirm() if step == "confirm" else self._preview()

    def _usual_day(self) -> date:
        return self.now.date() if self.is_first else first_of_next_month(self.now)

    def _preview(self, reason: ReasonForm | None = None) -> HttpResponse:
        again = again_at(self.rates, now=self.now)
        weighed = weigh(self._base(), self.rates, again.difference)
        first = self.rates[0].starts_at
        table = table_of(
            first,
            rates.card_of(self.before) if self.before else None,
            rates.card_of(self.rates),
        )
        return self._page(
            "new_prices_preview.html",
            rows=table,
            starts_at=first,
            replaces=bool(self.before) and self.before[0].starts_at == first,
            again=again,
            met=again.met[:CUSTOMERS],
            more=max(0, len(again.met) - CUSTOMERS),
            weighed=weighed,
            form=reason or ReasonForm(),
            sent=_sent(self.request),
            month=last_month(self.now),
            may_try=self.request.user.has_perm("usage.add_whatif"),
        )

    def _confirm(self) -> HttpResponse:
        reason = ReasonForm(self.request.POST)
        if not reason.is_valid():
            return self._preview(reason)
        why, author = reason.cleaned_data["reason"], staff(self.request.user)
        again = again_at(self.rates, now=self.now)
        with transaction.atomic(), explained(why):
            # Whoever writes prices waits here: so what two forms of one person change is measured together.
            Catalogue.objects.select_for_update(no_key=True).get()
            weighed = weigh(self._base(), self.rates, again.difference)
            if weighed.needs_another:
                return self._propose(weighed, why)
            try:
                new_prices.write_card(card=self.rates, performed_by=author, now=self.now)
            except (InvalidRateCard, NotToCome) as error:
                return self._done(messages.ERROR, sentence(error))
        log_change(self.model_admin, self.request, self.model, f"{_told(self.rates)} Reason: {why}")
        return self._done(messages.SUCCESS, _told(self.rates))

    def _base(self) -> list[Rate]:
        author = staff(self.request.user)
        return new_prices.base_of(self.model, self.rates[0].starts_at, author=author, now=self.now)

    def _propose(self, weighed: TooMuch, why: str) -> HttpResponse:
        asked = PriceProposal(
            action=CARD,
            payload=new_prices.payload_of(self.rates),
            subject=f"New prices of {self.model.name} from {self.rates[0].starts_at:%Y-%m-%d}",
            effect=weighed.said,
            reason=why,
        )
        return propose(self.request, asked, now=self.now)

    def _try(self) -> HttpResponse:
        """Ask a worker for the whole of last month at these prices, refusals included."""
        if not self.request.user.has_perm("usage.add_whatif"):
            raise PermissionDenied
        card = TriedCard(
            self.model.pk,
            self.rates[0].starts_at,
            tuple(
                Price(
                    rate.unit,
                    rate.amount,
                    rate.prompt_tokens_from,
                    rate.variant,
                    rate.hours,
                    rate.at_least,
                )
                for rate in self.rates
            ),
        )
        asked = ask(
            changes=Changes(card=card),
            month=last_month(self.now),
            asked_by=self.request.user.get_username(),
            now=self.now,
        )
        messages.info(self.request, "Asked. The answer stands here as soon as a worker has it.")
        return redirect("admin:usage_whatif_change", asked.pk)

    def _ask(self, day: DayForm, rows: Any) -> HttpResponse:
        a_credit = credit.in_words(credit.current())
        return self._page("new_prices.html", day=day, rows=rows, a_credit=a_credit)

    def _done(self, level: int, text: str) -> HttpResponse:
        messages.add_message(self.request, level, text)
        return redirect("admin:usage_aimodel_change", self.model.pk)

    def _page(self, template: str, **context: Any) -> HttpResponse:
        return page(self.request, self.model_admin, self.model, template, **context)


class TakeBackView(View):
    """Effect → confirmation of deleting a card that is to come."""

    model_admin: ModelAdmin | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.has_perm("usage.delete_rate"):
            raise PermissionDenied
        self.now = clock.now()
        self.model = get_object_or_404(AIModel, pk=kwargs["object_id"])
        starts_at = moment_of(request.GET.get("card", ""))
        if starts_at is None:
            raise Http404
        self.starts_at = starts_at
        self.gone = list(
            Rate.objects.filter(model=self.model, starts_at=starts_at).select_related("model")
        )
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not self.gone or self.starts_at <= self.now:
            raise Http404
        return self._preview(ReasonForm())

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        reason = ReasonForm(request.POST)
        if not self.gone:
            return self._done(messages.INFO, ALREADY)
        if not reason.is_valid():
            return self._preview(reason)
        why = reason.cleaned_data["reason"]
        try:
            with explained(why):
                new_prices.take_back(
                    model=self.model,
                    starts_at=self.starts_at,
                    performed_by=staff(request.user),
                    now=self.now,
                )
        except NotToCome as error:
            return self._done(messages.ERROR, sentence(error))
        told = f"The prices from {self.starts_at:%Y-%m-%d} are taken back: {self.model.name} goes on at those before them."
        log_change(self.model_admin, request, self.model, f"{told} Reason: {why}")
        return self._done(messages.SUCCESS, told)

    def _preview(self, reason: ReasonForm) -> HttpResponse:
        before = Rate.objects.filter(model=self.model, starts_at__lt=self.starts_at)
        first = before.order_by("-starts_at").values_list("starts_at", flat=True).first()
        rest = list(before.filter(starts_at=first).select_related("model")) if first else []
        was = rates.card_of(self.gone)
        table = table_of(self.gone[0].starts_at, was, rates.card_of(rest)) if rest else []
        return page(
            self.request,
            self.model_admin,
            self.model,
            "take_back.html",
            rows=table,
            starts_at=self.starts_at,
            form=reason,
            is_only=not rest,
        )

    def _done(self, level: int, text: str) -> HttpResponse:
        messages.add_message(self.request, level, text)
        return redirect("admin:usage_aimodel_change", self.model.pk)


def page(
    request: HttpRequest, model_admin: Any, model: AIModel, template: str, **context: Any
) -> HttpResponse:
    """Return a page of what is done with a model's prices."""
    context |= {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "original": model,
        "title": "New prices",
        "subtitle": model.name,
        "back": reverse("admin:usage_aimodel_change", args=[model.pk]),
    }
    return TemplateResponse(request, f"admin/usage/aimodel/{template}", context)


def propose(request: HttpRequest, asked: PriceProposal, *, now: datetime) -> HttpResponse:
    """Write a change down for another person, and lead to it."""
    asked.subject, asked.effect = asked.subject[:200], asked.effect[:300]
    asked.proposed_by = request.user.get_username()
    proposal = proposals.propose(asked, now=now)
    messages.warning(
        request,
        f"It is proposed. Nothing changed: another person has to approve it by {proposal.expires_at:%Y-%m-%d %H:%M} UTC.",
    )
    return redirect("admin:usage_priceproposal_change", proposal.pk)


def log_change(model_admin: Any, request: HttpRequest, model: AIModel, text: str) -> None:
    """Write what was done into the log of the admin."""
    model_admin.log_change(request, model, text)


def moment_of(text: str) -> datetime | None:
    """Return the moment that an address says; None where it says none."""
    try:
        found = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        return None
    return found if found is not None and found.tzinfo else None


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def first_of_next_month(now: datetime) -> date:
    return date(now.year + now.month // 12, now.month % 12 + 1, 1)


def last_month(now: datetime) -> date:
    return date(now.year - (now.month == 1), (now.month - 2) % 12 + 1, 1)


def _said(card: Sequence[Rate]) -> set[Any]:
    return {(rate.step, rate.amount, rate.at_least) for rate in card}


def _told(card: Sequence[Rate]) -> str:
    first = card[0]
    return f"{first.model.name} has its new prices from {first.starts_at:%Y-%m-%d}: {len(card)} of them."


def _sent(request: HttpRequest) -> list[tuple[str, str]]:
    of_the_page = {"step", "reason", "csrfmiddlewaretoken"}
    return [
        (name, value)
        for name, values in request.POST.lists()
        if name not in of_the_page
        for value in values
    ]
