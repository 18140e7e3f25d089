"""Fields of money in a form: credits as an exact decimal in plain digits, and the reference of a payment or an order."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from credits.models import MAX_AMOUNT
from organizations.admin.actions import visible

_PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]{1,6})?")
_GROUPED = re.compile(
    r"[+-]?[0-9]{1,3}(?:(?P<by>[,_ '’\u00a0\u2009\u202f])[0-9]{3})(?:(?P=by)[0-9]{3})*(\.[0-9]+)?"
)
"""Thousands, grouped by the same sign throughout. `1,5` is none: whoever writes so means one and a half, and is asked again."""
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?[eE]\+?[0-9]{1,2}")


def digits(text: str) -> str:
    """Return an amount as it was pasted, `1,000`, `1 000`, `1_000` or `1e6`, in plain digits; what is none as it is."""
    if _GROUPED.fullmatch(text):
        return re.sub(r"[^0-9.+-]", "", text)
    return f"{Decimal(text):f}" if _SCIENTIFIC.fullmatch(text) else text


class CreditsInput(UnfoldAdminTextInputWidget):
    """A text input that brings up the digits on a phone. Not `type=number`: browsers round that."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(
            {"inputmode": "decimal", "autocomplete": "off", "suffix": "credits", **(attrs or {})}
        )

    def format_value(self, value: Any) -> str | None:
        return (
            f"{value.normalize():f}" if isinstance(value, Decimal) else super().format_value(value)
        )


class CreditsField(forms.DecimalField):
    """Credits as a `Decimal` with at most six places, up to 10¹³.

    Thousands may be grouped, and powers of ten written as spreadsheets do. Python reads `1_0`, `NaN` and digits of every
    script too; a person of the staff who types one of these has mistyped.
    """

    widget = CreditsInput
    plain = _PLAIN
    default_error_messages = {
        "invalid": "An amount like 1250 or 0.5 is expected, with at most six decimal places."
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"max_digits": 20, "decimal_places": 6, "max_value": MAX_AMOUNT, **options}
        )

    def to_python(self, value: Any) -> Any:
        text = digits(str(value).strip()) if value not in self.empty_values else ""
        if text and not self.plain.fullmatch(text):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(text)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {}


class IntoDebtField(forms.BooleanField):
    """Whether more may be taken back than there is."""

    def __init__(self) -> None:
        super().__init__(
            label="Into debt",
            required=False,
            widget=UnfoldBooleanWidget,
            help_text="A chargeback: take also what is spent, or held for work that runs. From those credits first, then the other prepaid "
            "ones, then the allowance; the rest becomes debt.",
        )


class ReferenceField(forms.CharField):
    """The id of a payment or an order, kept to the letter: so spaces that nobody sees are refused, not cut off."""

    def __init__(self, **options: Any) -> None:
        usual = {"required": False, "max_length": 255, "strip": False, "validators": [visible]}
        super().__init__(**{"widget": UnfoldAdminTextInputWidget(), **usual, **options})

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if text != text.strip():
            raise forms.ValidationError("It begins or ends with a space.")
        return text
