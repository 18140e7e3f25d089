"""The form of a whole card: a row for each price that there is, and some for others."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BaseFormSet, formset_factory
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from credits.admin.forms import CreditsField, CreditsInput
from organizations.admin.actions import visible
from usage.admin.card import PER, order_of
from usage.models import AIModel, Rate, require_hours
from usage.services import rate_card
from usage.units import UNITS

OTHERS = 3
"""How many empty rows there are for prices that the card does not have yet."""
MOST = 200
"""How many prices a card has at most."""
TWICE = "The card has a price of this already."


class PriceField(CreditsField):
    """What many of a unit cost: with as many places as a price list has."""

    plain = re.compile(r"[+-]?[0-9]+(\.[0-9]{1,20})?")
    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "An amount like 1250 or 0.5 is expected."
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": 34, "decimal_places": 20, **options})


class DayForm(forms.Form):
    """From which day on."""

    starts_on = forms.DateField(
        label="From",
        widget=UnfoldAdminDateWidget,
        help_text="They hold from midnight UTC of this day, for work that is reserved, or told to have been done, from then on.",
    )

    def __init__(self, *args: Any, now: datetime, is_first: bool, **kwargs: Any) -> None:
        self.now, self.is_first = now, is_first
        super().__init__(*args, **kwargs)

    def clean_starts_on(self) -> date:
        day: date = self.cleaned_data["starts_on"]
        if day < self.now.date() or (day == self.now.date() and not self.is_first):
            raise ValidationError("A day that is to come: what has begun stays as it is.")
        return day

    @property
    def starts_at(self) -> datetime:
        return datetime.combine(self.cleaned_data["starts_on"], time(), UTC)


class PriceRow(forms.Form):
    """One price of a card. A row without unit is none."""

    unit = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    amount = PriceField(required=False, min_value=0, label="Credits", widget=CreditsInput)
    prompt_tokens_from = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=2_000_000_000,
        label="Prompts from",
        widget=UnfoldAdminTextInputWidget({"inputmode": "numeric", "placeholder": "any length"}),
    )
    variant = forms.CharField(
        required=False,
        max_length=40,
        validators=[visible],
        label="Served",
        widget=UnfoldAdminTextInputWidget({"placeholder": "standard"}),
    )
    hours = forms.CharField(
        required=False,
        max_length=11,
        label="Hours (UTC)",
        widget=UnfoldAdminTextInputWidget({"placeholder": "all day"}),
    )
    at_least = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=2_000_000_000,
        widget=forms.HiddenInput,
    )
    gone = forms.BooleanField(required=False, label="Leave out")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        unit = self.fields["unit"]
        assert isinstance(unit, forms.ChoiceField)
        unit.choices = UNIT_CHOICES
        self.fields["amount"].widget.attrs.pop("suffix", None)

    def clean_hours(self) -> str:
        hours: str = self.cleaned_data["hours"]
        if hours:
            require_hours(hours)
        return hours

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("unit") and cleaned.get("amount") is not None:
            self.add_error("unit", "Of which unit is it?")
        return cleaned

    @property
    def known(self) -> dict[str, Any] | None:
        """What the row is of, in words, where it is one that the card has."""
        unit = self["unit"].value()
        if not unit or unit not in UNITS or not self.is_there:
            return None
        start = self["prompt_tokens_from"].value()
        return {
            "unit": unit.replace("_", " "),
            "per": PER[UNITS[unit].per],
            "start": int(start) if str(start or "").isdigit() else 0,
            "variant": self["variant"].value(),
            "hours": self["hours"].value(),
        }

    is_there = False


UNIT_CHOICES = [
    ("", "–"),
    *((unit, unit.replace("_", " ")) for unit in sorted(UNITS, key=order_of)),
]


class PriceRows(BaseFormSet):
    """All prices of a card."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.is_there = index is not None and index < self.initial_form_count()

    @property
    def there(self) -> list[Any]:
        return [form for form in self.forms if form.is_there]

    @property
    def others(self) -> list[Any]:
        return [form for form in self.forms if not form.is_there]

    def rates(self, model: AIModel, starts_at: datetime) -> list[Rate]:
        """Return what was filled in as rates, not saved."""
        return list(self._rates(model, starts_at))

    def _rates(self, model: AIModel, starts_at: datetime) -> Iterator[Rate]:
        # A new band is charged for as much at least as the others of its unit are.
        least = {
            form.cleaned_data.get("unit"): form.cleaned_data.get("at_least") for form in self.there
        }
        for form in self.forms:
            said = form.cleaned_data
            if said.get("unit") and not said.get("gone"):
                yield Rate(
                    model=model,
                    starts_at=starts_at,
                    unit=said["unit"],
                    prompt_tokens_from=said["prompt_tokens_from"] or 0,
                    variant=said["variant"],
                    hours=said["hours"],
                    amount=said["amount"],
                    at_least=said["at_least"] or least.get(said["unit"]) or 0,
                )

    def clean(self) -> None:
        if any(form.errors for form in self.forms):
            return
        seen = set()
        for form in self.forms:
            said = form.cleaned_data
            step = tuple(
                said.get(name) or "" for name in ("unit", "variant", "hours", "prompt_tokens_from")
            )
            if not said.get("unit") or said.get("gone"):
                continue
            if step in seen:
                form.add_error("unit", TWICE)
            seen.add(step)
        if any(form.errors for form in self.forms):
            raise ValidationError(TWICE)
        found = self.rates(AIModel(), datetime.min.replace(tzinfo=UTC))
        problem = rate_card.problem_of(found) if found else "A card has at least one price"
        if problem is not None:
            raise ValidationError(f"{problem[:1].upper()}{problem[1:]}.")


ROWS: Any = formset_factory(
    PriceRow,
    formset=PriceRows,
    extra=OTHERS,
    max_num=MOST,
    absolute_max=MOST,
    validate_max=True,
)


def initial_of(card: Sequence[Rate]) -> list[dict[str, Any]]:
    """Return the prices of a card as the form shows them: wholes before their parts."""
    ordered = sorted(
        card,
        key=lambda rate: (order_of(rate.unit), rate.prompt_tokens_from, rate.variant, rate.hours),
    )
    return [
        {
            "unit": rate.unit,
            "amount": rate.amount,
            "prompt_tokens_from": rate.prompt_tokens_from or None,
            "variant": rate.variant,
            "hours": rate.hours,
            "at_least": rate.at_least or None,
        }
        for rate in ordered
    ]
