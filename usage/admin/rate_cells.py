"""Prices as lists write them into their columns."""

from decimal import Decimal

from django.utils.html import format_html
from django.utils.safestring import SafeString

from credits.templatetags.amounts import credits


def price_cell(amount: Decimal | None) -> SafeString | str:
    """Return a price for a column of numbers, with every digit that says something."""
    return "–" if amount is None else format_html('<span class="amount">{}</span>', credits(amount))
