"""The page of a model: its rate card, the calculator, its cards by their dates, and the markups that apply to it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from usage.admin.calculator import calculator
from usage.admin.card import Column, card_of, versions_of
from usage.admin.drift import drift_of
from usage.admin.new_prices import moment_of
from usage.models import AIModel, CustomerPrice, Markup, MarkupRule, Rate
from usage.services import credit

CUSTOMERS = 20
"""How many customer prices stand on the page."""


class Version(NamedTuple):
    """A card of a model, who wrote it, and why."""

    column: Column
    prices: int
    who: str
    why: str


class Button(NamedTuple):
    """What can be done with the card of a model."""

    title: str
    icon: str
    url: str


class Applied(NamedTuple):
    """A markup that applies to a model."""

    organization: Any
    scope: str
    factor: Any
    starts_at: datetime
    url: str
    history: str


def page_of(request: HttpRequest, model: AIModel, *, now: datetime) -> dict[str, Any]:
    """Return what the page of a model shows above its form."""
    card = card_of(model, now=now, also=moment_of(request.GET.get("shown", "")))
    found: dict[str, Any] = {
        "card": card,
        "a_credit": credit.in_words(credit.current()),
        "is_marked_up": any(column.is_marked_up for column in card.columns),
        "versions": _versions(model, now),
        "calculator": calculator(model, request.GET, now=now),
        "markups": _markups(request, model),
        "buttons": _buttons(request, model),
        "may_write": request.user.has_perm("usage.add_rate"),
        **drift_of(model, now=now),
        "may_accept": request.user.has_perm("usage.change_rate"),
        "may_take_back": request.user.has_perm("usage.delete_rate"),
        "may_mark_up": request.user.has_perm("usage.add_markup"),
        "new_markup": f"{reverse('admin:usage_markup_add')}?model={model.pk}",
        "markups_url": reverse("admin:usage_markup_changelist"),
    }
    if request.user.has_perm("usage.view_customerprice"):
        where = reverse("admin:usage_customerprice_changelist")
        found["customers_url"] = f"{where}?model__slug__exact={model.pk}"
    return found


def _versions(model: AIModel, now: datetime) -> list[Version]:
    made: dict[datetime, tuple[str, str]] = {}
    written = Rate.history.filter(model_id=model.pk, history_type="+").order_by("history_id")
    for starts_at, who, why in written.values_list(
        "starts_at", "history_change_reason", "history_why"
    ):
        made[starts_at] = (who or "–", why)
    return [
        Version(column, prices, *made.get(column.starts_at, ("–", "")))
        for column, prices in versions_of(model, now=now)
    ]


def _markups(request: HttpRequest, model: AIModel) -> list[Applied]:
    """Return the rules that multiply the prices of a model: for everybody, then customers', as far as they may be seen."""
    of_it = Q(model=model) | Q(model=None, provider__in=["", model.provider])
    found: list[Applied] = []
    if request.user.has_perm("usage.view_markup"):
        rules = Markup.objects.filter(of_it)
        found += _applied(rules.order_by("model", "provider", "-starts_at"))
    if request.user.has_perm("usage.view_customerprice"):
        own = CustomerPrice.objects.filter(model=model).select_related("organization")
        found += _applied(own.order_by("-id")[:CUSTOMERS])
    return found


def _applied(rules: Sequence[MarkupRule] | Any) -> list[Applied]:
    return [
        Applied(
            getattr(rule, "organization", None),
            rule.scope,
            rule.factor,
            rule.starts_at,
            _page(rule, "change"),
            _page(rule, "history"),
        )
        for rule in rules
    ]


def _page(rule: MarkupRule, what: str) -> str:
    return reverse(f"admin:usage_{rule._meta.model_name}_{what}", args=[rule.pk])


def _buttons(request: HttpRequest, model: AIModel) -> list[Button]:
    rates = f"{reverse('admin:usage_rate_changelist')}?model__slug__exact={model.pk}"
    work = f"{reverse('admin:usage_usageevent_changelist')}?model__slug__exact={model.pk}"
    new = reverse("admin:usage_aimodel_new-prices", args=[model.pk])
    found = [("usage.add_rate", Button("New prices from…", "add_circle", new))]
    found += [("usage.view_rate", Button("All rates", "table_rows", rates))]
    found += [("usage.view_usageevent", Button("Its work", "bolt", work))]
    return [button for right, button in found if request.user.has_perm(right)]
