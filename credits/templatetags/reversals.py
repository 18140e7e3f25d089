"""How an entry looks that was taken back: struck through, with a label that leads to the entry that did."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from credits.templatetags.amounts import credits

register = template.Library()


@register.filter
def is_reversed(entry: Any) -> bool:
    """Whether all of a ledger entry was taken back: of one that says in `taken_back` how much was."""
    taken_back = getattr(entry, "taken_back", None)
    return taken_back is not None and abs(taken_back) >= abs(entry.amount)


@register.filter
def reversed_mark(entry: Any) -> SafeString | str:
    """Return a label that says that an entry was taken back, or how much of it, and leads to the reversal; nothing for others."""
    taken_back = getattr(entry, "taken_back", None)
    if taken_back is None:
        return ""
    text = "reversed" if is_reversed(entry) else f"{credits(abs(taken_back))} reversed"
    url = reverse("admin:credits_ledgerentry_change", args=[entry.taken_back_by])
    return format_html(' <a class="pill pill-bad" href="{}">{}</a>', url, text)
