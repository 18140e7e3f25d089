"""Fields of money in a form: credits as an exact decimal in plain digits, and the reference of a payment or an order."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from credits.models import MAX_AMOUNT
from organizations.admin.actions import visible

_PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]{1,6})?")


class CreditsInput(UnfoldAdminTextInputWidget):
    """A text input that brings up the digits on a phone. Not `type=number`: browsers round that."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"inputmode": "decimal", "autocomplete": "off", **(attrs or {})})

    def format_value(self, value: Any) -> str | None:
        return (
            f"{value.normalize():f}" if isinstance(value, Decimal) else super().format_value(value)
        )


class CreditsField(forms.DecimalField):
    """Credits as a `Decimal` with at most six places, up to 10¹³.

    Python reads `1e3`, `1_000`, `NaN` and digits of every script; a person of the staff who types one of these has
    mistyped.
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
        text = str(value).strip() if value not in self.empty_values else ""
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
