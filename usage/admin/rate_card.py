"""The rate card as staff see it: models, and what they cost from when on."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter

from credits.admin.columns import amount
from credits.admin.edits import EditedAdmin
from credits.admin.ledger import Rows
from organizations import clock
from organizations.admin import link, pill
from usage.models import AIModel, Rate

TIER_TONES = {"everyday": "quiet", "advanced": "info", "strategic": "warn"}
UNPRICED = "Without input and output prices, work in this band is refused."
FIRST_BAND = "Read from the first band of the card."


class ModelForm(forms.ModelForm):
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("is_fallback"):
            others = AIModel.objects.filter(provider=cleaned.get("provider"), is_fallback=True)
            other = others.exclude(pk=self.instance.pk).first()
            if other is not None:
                self.add_error(
                    "is_fallback", f"{other} is that of {other.provider}: take it off that first."
                )
        return cleaned


class Prices:
    """The columns of a rate: where its band begins, and what it costs."""

    @display(description="Prompts from")
    def band(self, rate: Rate) -> SafeString | str:
        return f"{rate.prompt_tokens_from:,} tokens" if rate.prompt_tokens_from else "any length"

    @display(description="Input")
    def input_shown(self, rate: Rate) -> SafeString | str:
        return amount(rate.input)

    @display(description="Cached input")
    def cached_shown(self, rate: Rate) -> SafeString | str:
        return amount(rate.cached_input)

    @display(description="Output")
    def output_shown(self, rate: Rate) -> SafeString | str:
        return amount(rate.output)

    @display(description="Per request")
    def per_request_shown(self, rate: Rate) -> SafeString | str:
        return amount(rate.per_request)


COLUMNS = ("band", "input_shown", "cached_shown", "output_shown", "per_request_shown")


class RateRows(Prices, Rows):
    model = Rate
    verbose_name_plural = "Its prices, credits per million tokens"
    hide_title = True
    fields = ("since", *COLUMNS)
    readonly_fields = fields
    ordering = ("-starts_at", "prompt_tokens_from")

    @display(description="Since (UTC)")
    def since(self, rate: Rate) -> SafeString:
        return link(rate, f"{rate.starts_at:%Y-%m-%d %H:%M}")


@admin.register(AIModel)
class AIModelAdmin(EditedAdmin):
    """Models that work can run on."""

    form = ModelForm
    list_display = ("slug", "name", "provider", "tier_shown", "fallback")
    list_filter = ("provider", "tier", "is_fallback")
    ordering = ("provider", "slug")
    search_fields = ("slug", "name", "provider")
    search_help_text = "Id, name or provider"
    fields = ("slug", "name", "provider", "tier", "is_fallback")
    inlines = (RateRows,)
    help_texts = {
        "slug": "What requests call it. It cannot be changed afterwards.",
        "provider": "As organizations enable it.",
        "tier": "Actors use the tiers that their profiles allow; a fallback is for everybody.",
    }

    def heading(self, model: AIModel) -> str:
        return model.name

    def get_readonly_fields(self, request: HttpRequest, obj: AIModel | None = None) -> Any:
        return ("slug",) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: AIModel | None) -> Any:
        return self.inlines if obj else ()

    @display(description="Tier", ordering="tier")
    def tier_shown(self, model: AIModel) -> SafeString:
        return pill(model.tier, TIER_TONES[model.tier])

    @display(description="Fallback")
    def fallback(self, model: AIModel) -> SafeString | str:
        return pill(f"of {model.provider}", "good") if model.is_fallback else "–"


class RateForm(forms.ModelForm):
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        names = ("model", "starts_at", "prompt_tokens_from")
        if all(name in cleaned for name in names):
            same = Rate.objects.filter(**{name: cleaned[name] for name in names})
            if same.exclude(pk=self.instance.pk).exists():
                self.add_error("prompt_tokens_from", "The card has a band from there on already.")
        return cleaned


@admin.register(Rate)
class RateAdmin(Prices, EditedAdmin):
    """Prices, each from a moment on and for prompts from a length on."""

    form = RateForm
    list_display = ("model", "starts_at", "state", *COLUMNS)
    list_filter = (("model", AutocompleteSelectFilter), ("starts_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("model",)
    ordering = ("model", "-starts_at", "prompt_tokens_from")
    search_fields = ("model__slug", "model__name")
    search_help_text = "Id or name of a model"
    autocomplete_fields = ("model",)
    save_as = True
    deletable = True
    help_texts = {
        "starts_at": "In UTC. All bands of a model with one beginning are its card from then on.",
        "prompt_tokens_from": "The band begins at prompts of so many tokens, cached ones included.",
        "input": UNPRICED,
        "output": UNPRICED,
        "cached_input": "Empty: as input.",
        "cache_write": "Empty: as input.",
        "reasoning": "Empty: as output.",
        "per_request": FIRST_BAND,
        "per_unit": FIRST_BAND,
        "input_includes_cached": f"The provider's input count contains the cached tokens. {FIRST_BAND}",
        "output_includes_reasoning": f"The provider's output count contains the reasoning tokens. {FIRST_BAND}",
    }
    fieldsets: ClassVar[Any] = (
        (
            None,
            {
                "fields": ("model", "starts_at", "prompt_tokens_from"),
                "description": "A change acts on work that is reserved, or told, after it. Holds that are open keep the prices "
                "they were reserved at, and settle by them. For new prices add a card with a later "
                "beginning: “Save as new”.",
            },
        ),
        (
            "Credits per million tokens",
            {"fields": (("input", "output"), ("cached_input", "cache_write"), "reasoning")},
        ),
        (
            "Of the whole card",
            {
                "fields": (
                    ("per_request", "per_unit"),
                    ("input_includes_cached", "output_includes_reasoning"),
                )
            },
        ),
    )

    def heading(self, rate: Rate) -> str:
        return str(rate)

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
