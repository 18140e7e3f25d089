"""The calculator beside a rate card: counts in, credits out with the lines of the sum, by the arithmetic that charges."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from credits.admin.forms import digits
from organizations.admin.actions import sentence
from organizations.admin.forms import ForgivingSelect
from organizations.models import Organization
from usage.admin.card import PER, order_of
from usage.counts import NAMES, missing_whole
from usage.models import AIModel, CustomerPrice, Rate
from usage.pricing import Counts, Unpriced
from usage.services.asking import Left
from usage.services.calculating import Calculated, calculate
from usage.units import FRACTIONAL, INPUT, OUTPUT, UNITS

MOST = 1_000_000_000
COUNT = "count-"
STANDARD = "standard"


class CountField(forms.DecimalField):
    """How much of a unit: whole, or of seconds with parts."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "A count like 1800 is expected."}

    def to_python(self, value: Any) -> Any:
        return super().to_python(digits(str(value).strip()) if value else value)


class CalculatorForm(forms.Form):
    """How much of each unit, served how, when, and for whom."""

    variant = forms.ChoiceField(required=False, label="Served", widget=UnfoldAdminSelectWidget)
    at = forms.DateTimeField(
        required=False,
        label="When (UTC)",
        widget=UnfoldAdminTextInputWidget({"placeholder": "now, or 2026-12-01 09:00"}),
    )
    organization = forms.ModelChoiceField(
        Organization.objects.all(),
        required=False,
        label="For",
        empty_label="Whoever has no prices of their own",
        help_text="Empty: whoever has no prices of their own.",
    )

    def __init__(self, data: Any, *, units: Sequence[str], variants: Sequence[str]) -> None:
        super().__init__(data)
        self.units = units
        served = self.fields["variant"]
        assert isinstance(served, forms.ChoiceField)
        served.choices = [("", STANDARD), *((each, each) for each in variants)]
        whom = self.fields["organization"]
        assert isinstance(whom, forms.ModelChoiceField)
        whom.widget = ForgivingSelect(CustomerPrice._meta.get_field("organization"), admin.site)
        whom.widget.choices = whom.choices
        for unit in units:
            self.fields[f"{COUNT}{unit}"] = CountField(
                required=False,
                min_value=0,
                max_value=MOST,
                max_digits=16,
                decimal_places=6 if unit in FRACTIONAL else 0,
                label=unit.replace("_", " ").capitalize(),
                widget=UnfoldAdminTextInputWidget({"inputmode": "decimal", "autocomplete": "off"}),
            )
        self.order_fields([f"{COUNT}{unit}" for unit in units])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        gap = missing_whole(self.counts)
        if gap is not None:
            part, whole = gap
            self.add_error(f"{COUNT}{part}", f"It is a part of the {whole.replace('_', ' ')}.")
        return cleaned

    @property
    def counts(self) -> Counts:
        """What was filled in, by unit."""
        found = {unit: self.cleaned_data.get(f"{COUNT}{unit}") for unit in self.units}
        return {
            unit: count if unit in FRACTIONAL else int(count)
            for unit, count in found.items()
            if count is not None
        }


def calculator(model: AIModel, query: Any, *, now: datetime) -> dict[str, Any]:
    """Return the form of the calculator, and what it came to if something was asked."""
    steps = Rate.objects.filter(model=model).values_list("unit", "variant").distinct()
    known, variants = zip(*steps, strict=True) if steps else ((), ())
    units = sorted({*known} & NAMES.keys(), key=order_of) or [INPUT, OUTPUT]
    is_asked = any(name.startswith(COUNT) for name in query)
    form = CalculatorForm(
        query if is_asked else None, units=units, variants=sorted({*variants} - {""})
    )
    context: dict[str, Any] = {"form": form, "is_asked": is_asked, "wide": ("at", "organization")}
    if is_asked and form.is_valid():
        try:
            context |= _answer(model, form, now)
        except (Unpriced, Left) as error:
            context["problem"] = sentence(error)
    return context


def _answer(model: AIModel, form: CalculatorForm, now: datetime) -> dict[str, Any]:
    data = form.cleaned_data
    found: Calculated = calculate(
        model=model,
        usage=form.counts,
        variant=data["variant"],
        organization=data["organization"],
        moment=data["at"] or now,
    )
    lines = [
        {
            "unit": line.unit.replace("_", " "),
            "count": f"{line.share:,f}" if isinstance(line.share, Decimal) else f"{line.share:,}",
            "amount": line.amount,
            "per": PER[UNITS[line.unit].per],
            "credits": line.credits,
        }
        for line in sorted(found.bill.lines, key=lambda line: order_of(line.unit))
    ]
    return {
        "lines": lines,
        "total": found.bill.total,
        "note": found.bill.note,
        "factor": None if found.factor == 1 else found.factor,
    }
