"""The rate card as staff see it: models, and what they cost from when on."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import display
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter

from credits.admin.columns import amount
from credits.admin.edits import EditedAdmin, author
from credits.admin.ledger import Rows
from organizations import clock
from organizations.admin import link, pill
from organizations.admin.actions import sentence
from usage.models import AIModel, Rate
from usage.services import rate_card

TIER_TONES = {"everyday": "quiet", "advanced": "info", "strategic": "warn"}
UNPRICED = "Without input and output prices, work in this band is refused."
COPIED = "Its bands from {} tokens on were copied with the prices they had: look at those too."
FIRST_BAND = "Of the whole card: its first band says it for all."


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


RATE_FIELDS = ("model", "starts_at", "prompt_tokens_from", *rate_card.OF_THE_CARD)
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
        if all(name in cleaned for name in ("model", "starts_at", "prompt_tokens_from")):
            self._fit_the_card(cleaned)
        self._require_whole_prices(cleaned)
        return cleaned

    def _fit_the_card(self, cleaned: dict[str, Any]) -> None:
        """Refuse a band that is there already, or that says otherwise what is of the whole card."""
        rate = Rate(pk=self.instance.pk, **{field: cleaned.get(field) for field in RATE_FIELDS})
        others = {band.prompt_tokens_from: band for band in rate_card.bands_beside(rate)}
        if rate.prompt_tokens_from in others:
            self.add_error("prompt_tokens_from", "The card has a band from there on already.")
        elif rate.prompt_tokens_from:
            first = others.get(0)
            if first is None and "_saveasnew" not in self.data:
                self.add_error("prompt_tokens_from", "Begin with the band from 0 tokens.")
            elif first and (differs := rate_card.disagreement(first, rate)):
                self.add_error(differs[0], sentence(Exception(differs[1])))

    def _require_whole_prices(self, cleaned: dict[str, Any]) -> None:
        """Refuse prices that no work could be charged by."""
        priced = [name for name in ("input", "output") if cleaned.get(name) is not None]
        if len(priced) == 1:
            missing = "output" if priced == ["input"] else "input"
            self.add_error(missing, "A band has both an input and an output price, or neither.")
        for name in ("cached_input", "cache_write", "reasoning"):
            if not priced and cleaned.get(name) is not None:
                self.add_error(name, "It needs an input and an output price beside it.")


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
                    "per_request",
                    ("input_includes_cached", "output_includes_reasoning"),
                )
            },
        ),
    )

    def heading(self, rate: Rate) -> str:
        return str(rate)

    def has_delete_permission(self, request: HttpRequest, obj: Rate | None = None) -> bool:
        """The first band goes last: without it a short prompt would have no price."""
        is_needed = obj is not None and not obj.prompt_tokens_from and rate_card.bands_beside(obj)
        return not is_needed and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Rate, form: Any, change: bool) -> None:
        """Write a band. “Save as new” makes a whole card of it, with the other bands that the old one has."""
        source = None
        if "_saveasnew" in request.POST and request.resolver_match is not None:
            source = Rate.objects.filter(pk=request.resolver_match.kwargs["object_id"]).first()
        others = list(rate_card.bands_beside(source)) if source else []
        super().save_model(request, obj, form, change)
        there = set(rate_card.bands_beside(obj).values_list("prompt_tokens_from", flat=True))
        there.add(obj.prompt_tokens_from)
        copied = [
            band
            for band in others
            if obj.model_id == band.model_id and band.prompt_tokens_from not in there
        ]
        for band in copied:
            band.pk, band.starts_at = None, obj.starts_at
            shared = {name: getattr(obj, name) for name in rate_card.OF_THE_CARD}
            super().store(band, shared, is_new=True, author=author(request), now=clock.now())
        if copied:
            starts = ", ".join(f"{band.prompt_tokens_from:,}" for band in copied)
            self.message_user(request, COPIED.format(starts), messages.WARNING)

    def store(
        self, row: Any, changes: dict[str, Any], *, is_new: bool, author: str, now: datetime
    ) -> None:
        """Write a band; what the first one says of the whole card, the others say from then on too."""
        super().store(row, changes, is_new=is_new, author=author, now=now)
        shared = {name: changes[name] for name in rate_card.OF_THE_CARD if name in changes}
        if shared and not row.prompt_tokens_from:
            for band in rate_card.bands_beside(row):
                super().store(band, shared, is_new=False, author=author, now=now)

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
