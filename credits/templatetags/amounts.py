"""How staff read credits: `12,345.5`; and how wide a bar they make."""

from decimal import ROUND_DOWN, Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def credits(amount: Decimal | None) -> str:
    """Return an amount as people read it, with every digit that says something; nothing for none."""
    if amount is None:
        return ""
    whole, _, fraction = f"{abs(amount):,f}".partition(".")
    fraction = fraction.rstrip("0")
    shown = f"{whole}.{fraction:0<2}" if fraction else whole
    return f"−{shown}" if amount < 0 else shown


@register.filter
def headline(amount: Decimal) -> SafeString:
    """Return an amount as a large figure, whose fraction is smaller: what counts is seen first."""
    whole, dot, fraction = credits(amount).partition(".")
    return format_html("{}<small>{}{}</small>", whole, dot, fraction)


@register.filter
def signed(amount: Decimal) -> str:
    """Return an amount with its sign, also when it is positive: a movement."""
    return f"+{credits(amount)}" if amount > 0 else credits(amount)


@register.filter
def plain(amount: Decimal | None) -> str:
    """Return an amount in the digits that a form takes; nothing for none."""
    return "" if amount is None else f"{amount.normalize():f}"


@register.filter
def percent_of(part: Decimal, whole: Decimal | None) -> int:
    """Return a part as whole percent of the whole, between 0 and 100: the width of a bar. Never rounded up to full."""
    if not whole:
        return 100 if whole is not None and part >= 0 else 0
    share = (part * 100 / whole).to_integral_value(ROUND_DOWN)
    return int(max(Decimal(0), min(Decimal(100), share)))
