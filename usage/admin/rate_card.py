"""The rate card as staff see it: models, and what they cost from when on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.contrib.postgres.fields import ArrayField
from django.db.models import DecimalField, Exists, Field, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.views import View
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.widgets import UnfoldAdminTextInputWidget

from credits.admin.edits import EditedAdmin
from credits.templatetags.amounts import credits
from organizations import clock
from organizations.admin import pill
from organizations.admin.actions import Figure, sentence
from organizations.admin.change_lists import ChipList
from organizations.admin.windows import WindowFilter
from usage.admin.card import PER, main_prices, order_of
from usage.admin.drift import AcceptView, DriftFilter, told
from usage.admin.model_page import page_of
from usage.admin.new_prices import NewPricesView, TakeBackView
from usage.admin.price_forms import TWICE, PriceField
from usage.admin.rate_cells import price_cell
from usage.admin.today import model_today, price_today
from usage.models import AIModel, Rate
from usage.services import credit, drift, names, new_prices, rate_card, rates
from usage.units import INPUT, OUTPUT, UNITS

TIER_TONES = {"everyday": "quiet", "advanced": "info", "strategic": "warn"}


class ModelForm(forms.ModelForm):
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        self._require_own_names(cleaned)
        if cleaned.get("is_fallback"):
            others = AIModel.objects.filter(provider=cleaned.get("provider"), is_fallback=True)
            other = others.exclude(pk=self.instance.pk).first()
            if other is not None:
                self.add_error(
                    "is_fallback", f"{other} is that of {other.provider}: take it off that first."
                )
        return cleaned

    def _require_own_names(self, cleaned: dict[str, Any]) -> None:
        """Refuse what another model is called by."""
        slug, aliases = cleaned.get("slug", self.instance.slug), cleaned.get("aliases")
        if slug and aliases is not None:
            problem = names.taken(AIModel(slug=slug, aliases=aliases))
            if problem is not None:
                self.add_error("aliases", f"{problem}.")


class Prices:
    """The columns of a rate: what it is of, where its band begins, and what it costs."""

    @display(description="Prompts from")
    def band(self, rate: Rate) -> SafeString | str:
        return f"{rate.prompt_tokens_from:,} tokens" if rate.prompt_tokens_from else "any length"

    @display(description="Unit", ordering="unit")
    def unit_shown(self, rate: Rate) -> SafeString | str:
        return rate.unit.replace("_", " ")

    @display(description="Credits")
    def amount_shown(self, rate: Rate) -> SafeString | str:
        return price_cell(rate.amount)

    @display(description="For")
    def per(self, rate: Rate) -> SafeString | str:
        per = UNITS[rate.unit].per
        return "an hour" if per == HOUR else f"{per:,}"

    @display(description="When")
    def condition(self, rate: Rate) -> SafeString | str:
        return ", ".join(each for each in (rate.variant, rate.hours) if each) or "–"


HOUR = 3_600
COLUMNS = ("unit_shown", "band", "condition", "amount_shown", "per")
ORDER = ("-starts_at", "unit", "variant", "hours", "prompt_tokens_from")


class ModelList(ChipList):
    """Models, each with what it costs now and when that changes: read for the page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows, now = list(self.result_list), clock.now()
        cards = rates.cards_of(rows)
        for model in rows:
            model.prices = main_prices(model, cards, now)
            ahead = [starts_at for starts_at, _ in cards[model.slug] if starts_at > now]
            model.changes_at = min(ahead, default=None)
        beside = drift.compared([model.pk for model in rows], now=now)
        for model in rows:
            model.compared = beside[model.pk]
        self.result_list: Any = rows


@admin.register(AIModel)
class AIModelAdmin(EditedAdmin):
    """Models that work can run on."""

    form = ModelForm
    list_display = (
        "slug",
        "name",
        "provider",
        "tier_shown",
        "input_shown",
        "output_shown",
        "others_shown",
        "to_come",
        "the_list",
        "fallback",
        "retired_at",
    )
    list_filter = ("provider", "tier", "is_fallback", DriftFilter)
    ordering = ("provider", "slug")
    search_fields = ("slug", "name", "provider")
    search_help_text = "Id, name or provider"
    fields = (
        "slug",
        "name",
        "provider",
        "tier",
        "is_fallback",
        "aliases",
        "retired_at",
        ("input_includes_cached", "output_includes_reasoning"),
    )
    change_form_outer_before_template = "admin/usage/aimodel/card.html"
    formfield_overrides: ClassVar[dict[Any, Any]] = {
        ArrayField: {"widget": UnfoldAdminTextInputWidget}
    }
    help_texts = {
        "slug": "What requests call it. It cannot be changed afterwards.",
        "provider": "As organizations enable it.",
        "aliases": "With commas between them. Dated snapshots of what the price list knows are known anyway.",
        "tier": "Actors use the tiers that their profiles allow; a fallback is for everybody.",
        "retired_at": "In UTC. From then on it does no new work, and nobody falls back to it; work that is under way, or was done "
        "before, is charged. Empty: it is not retired.",
    }
    empty_means: ClassVar[Mapping[str, str]] = {"retired_at": "never"}

    def impact(self, row: AIModel, *, now: datetime) -> list[Figure]:
        return model_today(row, now=now)

    def heading(self, model: AIModel) -> str:
        return model.name

    def get_readonly_fields(self, request: HttpRequest, obj: AIModel | None = None) -> Any:
        return ("slug",) if obj else ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChipList]:
        return ModelList

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, type[View]] = {
            "new-prices": NewPricesView,
            "take-back": TakeBackView,
            "accept-difference": AcceptView,
        }
        own = [
            path(
                f"<path:object_id>/{what}/",
                self.admin_site.admin_view(view.as_view(model_admin=self)),
                name=f"usage_aimodel_{what}",
            )
            for what, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        model = context["original"]
        if model is not None:
            shown = page_of(request, model, now=clock.now())
            context |= {**shown, "tone": TIER_TONES[model.tier]}
            context["media"] += shown["calculator"]["form"].media
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="A million in")
    def input_shown(self, model: Any) -> SafeString | str:
        return price_cell(model.prices.get(INPUT))

    @display(description="A million out")
    def output_shown(self, model: Any) -> SafeString | str:
        return price_cell(model.prices.get(OUTPUT))

    @display(description="Besides")
    def others_shown(self, model: Any) -> str:
        others = sorted({*model.prices} - {INPUT, OUTPUT}, key=order_of)
        if not model.prices:
            return "no price"
        if {INPUT, OUTPUT} & {*model.prices} or not others:
            return f"{len(others)} more" if others else "–"
        unit, amount = others[0], model.prices[others[0]]
        said = "refused" if amount is None else credits(amount)
        return f"{said} {PER[UNITS[unit].per]} {unit.replace('_', ' ')}"

    @display(description="New prices from")
    def to_come(self, model: Any) -> SafeString | str:
        return pill(f"{model.changes_at:%-d %b %Y}", "info") if model.changes_at else "–"

    @display(description="Price list")
    def the_list(self, model: Any) -> SafeString | str:
        return told(model.compared)

    @display(description="Tier", ordering="tier")
    def tier_shown(self, model: AIModel) -> SafeString:
        return pill(model.tier, TIER_TONES[model.tier])

    @display(description="Fallback")
    def fallback(self, model: AIModel) -> SafeString | str:
        return pill(f"of {model.provider}", "good") if model.is_fallback else "–"


class RateForm(forms.ModelForm):
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk is None and all(
            name in cleaned for name in (*OF_STEP, "model", "starts_at")
        ):
            self._fit_the_card(cleaned)
        return cleaned

    def _fit_the_card(self, cleaned: dict[str, Any]) -> None:
        """Refuse all but the price of what a card that has begun charges nothing for: other prices come with a card of their own."""
        fields = ("model", "starts_at", "amount", *OF_STEP)
        rate = Rate(**{field: cleaned.get(field) for field in fields})
        others = list(rate_card.beside(rate).select_related("model"))
        problem = rate_card.problem_of([rate, *others])
        if any(rate.step == other.step for other in others):
            self.add_error("unit", TWICE)
        elif not others or rate.starts_at > clock.now():
            self.add_error("starts_at", NO_CARD)
        elif problem:
            self.add_error("unit", sentence(Exception(problem)))
        elif not new_prices.is_missing(rate, others):
            self.add_error("unit", CHARGED)


NO_CARD = (
    "No card that is in force, or was, begins then. New prices begin on the page of the model."
)
CHARGED = "Work of it is charged by another price of the card: what was charged stays as it is. New prices begin on the page of the model."
OF_STEP = ("unit", "variant", "hours", "prompt_tokens_from")


@admin.register(Rate)
class RateAdmin(Prices, EditedAdmin):
    """Prices, each of a unit, from a moment on and for prompts from a length on."""

    form = RateForm
    formfield_overrides: ClassVar[dict[Any, Any]] = {
        DecimalField: {"form_class": PriceField, "widget": PriceField.widget}
    }
    list_display = ("model", "starts_at", "state", *COLUMNS)
    list_filter = (
        ("model", AutocompleteSelectFilter),
        ("starts_at", WindowFilter),
        "unit",
    )
    list_filter_submit = True
    list_select_related = ("model",)
    ordering = ("model", *ORDER)
    search_fields = ("model__slug", "model__name")
    search_help_text = "Id or name of a model"
    autocomplete_fields = ("model",)
    empty_means = {"amount": "refused", "variant": "standard", "hours": "the rest of the day"}
    zero_means = {"amount": "0: free", "prompt_tokens_from": "any length"}
    help_texts = {
        "starts_at": "In UTC. All prices of a model with one beginning are its card from then on.",
        "unit": "What is a part of another and has no price of its own costs as much as its whole.",
        "prompt_tokens_from": "The price is for prompts of at least so many tokens, cached ones included.",
        "variant": "For this way of being served, like processing=batch. Empty: for all that have no price of their own.",
        "hours": "In these hours (UTC), like 16:30-00:30. Empty: the rest of the day.",
        "amount": "Credits for a million tokens, characters; a thousand requests, searches, pages, images; an hour. Empty: it is refused.",
        "at_least": "So many are charged where there are fewer, but some.",
    }
    fieldsets: ClassVar[Any] = (
        (
            None,
            {
                "fields": ("model", "starts_at"),
                "description": "What is in force stays as it is: other prices are a card that is to come, on the page of the model. "
                "Here is said what something costs that has no price, and is refused: it is charged from now on, and what was "
                "refused goes through when it is told again.",
            },
        ),
        (
            "What costs how much",
            {"fields": (("unit", "amount"), ("prompt_tokens_from", "at_least"))},
        ),
        ("Only when", {"fields": (("variant", "hours"),)}),
    )

    def formfield_for_dbfield(
        self, db_field: Field, request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "amount":
            field.help_text += f" A credit is {credit.in_words(credit.current())}."
        return field

    def impact(self, row: Rate, *, now: datetime) -> list[Figure]:
        return price_today(row.model, max(row.starts_at, now), now=now)

    def heading(self, rate: Rate) -> str:
        return str(rate)

    def has_change_permission(self, request: HttpRequest, obj: Rate | None = None) -> bool:
        """Only what is refused gets a price: what charges work, or will, is a card's."""
        may: bool = super().has_change_permission(request, obj)
        return may and (obj is None or obj.amount is None)

    def get_readonly_fields(self, request: HttpRequest, obj: Rate | None = None) -> Any:
        return ("model", "starts_at", *OF_STEP) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rate]:
        rows: QuerySet[Rate] = super().get_queryset(request)
        now = clock.now()
        newer = Rate.objects.filter(
            model=OuterRef("model"), starts_at__gt=OuterRef("starts_at"), starts_at__lte=now
        )
        return rows.annotate(is_superseded=Exists(newer))

    @display(description="State")
    def state(self, rate: Any) -> SafeString:
        if rate.starts_at > clock.now():
            return pill("to come", "info")
        return pill("superseded") if rate.is_superseded else pill("in force", "good")
