"""How staff read credits: to two decimals in lists and cards, all six where the pointer rests and on a row's own page; and how wide a bar they make."""

import re
from decimal import ROUND_DOWN, Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

CENT = Decimal("0.01")
MORE = re.compile(r"(\d\.\d\d)\d+")
"""The decimals of an amount, of which two are shown."""


@register.filter("exact")
def credits(amount: Decimal | None) -> str:
    """Return an amount as people read it in a sentence, with every digit that says something; nothing for none."""
    if amount is None:
        return ""
    whole, _, fraction = f"{abs(amount):,f}".partition(".")
    fraction = fraction.rstrip("0")
    shown = f"{whole}.{fraction:0<2}" if fraction else whole
    return f"−{shown}" if amount < 0 else shown


def two_places(amount: Decimal) -> tuple[str, str]:
    """Return an amount with two decimals, cut rather than rounded, so that nobody reads more than there is; and the digits that were cut."""
    cut = amount.quantize(CENT, ROUND_DOWN)
    sign = "−" if amount < 0 else ""
    rest = f"{abs(amount):.6f}"[-4:].rstrip("0")
    return f"{sign}{abs(cut):,.2f}", rest


def cell(amount: Decimal, *, tone: str = "", sign: bool = False) -> SafeString:
    """Return an amount for a column of numbers: two decimals in a list, and the rest on a row's own page and where the pointer rests."""
    shown, rest = two_places(amount)
    plus = "+" if sign and amount > 0 else ""
    if not rest:
        return format_html('<span class="amount{}">{}{}</span>', tone, plus, shown)
    return format_html(
        '<span class="amount{}" title="{}{}">{}{}<i class="rest">{}</i></span>',
        tone,
        plus,
        credits(amount),
        plus,
        shown,
        rest,
    )


@register.filter
def in_brief(text: str) -> SafeString | str:
    """Return what was written of amounts for a column, each cut after two decimals; all of it where the pointer rests."""
    short = MORE.sub(r"\1", text)
    return text if short == text else format_html('<span title="{}">{}</span>', text, short)


@register.filter
def aligned(amount: Decimal | None) -> SafeString | str:
    """Return an amount for a column of a table: always to two decimals, so that one point stands below the other; nothing for none."""
    if amount is None:
        return ""
    short, rest = two_places(amount)
    return format_html('<span title="{}">{}</span>', credits(amount), short) if rest else short


@register.filter
def aligned_signed(amount: Decimal) -> SafeString | str:
    """Return the same with its sign, also when it is positive: a movement."""
    return format_html("{}{}", "+" if amount > 0 else "", aligned(amount))


@register.filter("credits")
def shown(amount: Decimal | None) -> SafeString | str:
    """Return an amount for a card or a sentence: whole as it is, otherwise to two decimals; nothing for none."""
    if amount is None:
        return ""
    short, rest = two_places(amount)
    if not rest:
        return credits(amount)
    return format_html('<span title="{}">{}</span>', credits(amount), short)


@register.filter
def headline(amount: Decimal) -> SafeString:
    """Return an amount as a large figure, whose fraction is smaller: what counts is seen first."""
    short, rest = two_places(amount)
    whole, dot, fraction = (short if rest else credits(amount)).partition(".")
    if not rest:
        return format_html("{}<small>{}{}</small>", whole, dot, fraction)
    return format_html(
        '<span title="{}">{}<small>{}{}</small></span>', credits(amount), whole, dot, fraction
    )


@register.filter("exactly_signed")
def signed(amount: Decimal) -> str:
    """Return an amount with its sign, also when it is positive: a movement."""
    return f"+{credits(amount)}" if amount > 0 else credits(amount)


@register.filter("signed")
def shown_signed(amount: Decimal) -> SafeString | str:
    """Return the same for a card or a table."""
    return format_html("{}{}", "+" if amount > 0 else "", shown(amount))


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
