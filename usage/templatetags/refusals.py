"""How staff read why work was refused: in words, and by its code where the pointer rests."""

from collections.abc import Mapping

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

WORDS: Mapping[str, str] = {
    "shutoff": "shut off",
    "actor_cap": "personal limit",
    "group_cap": "shared budget",
    "entity_budget": "budget of an app",
    "cap": "cap",
    "balance": "too few credits",
    "free_fallback_limit": "unpaid work",
    "entitlement": "not entitled",
    "retired": "model retired",
    "provider": "provider off",
    "tier": "model tier",
}
"""What a reason is called, by its code."""


@register.filter
def reason_words(code: str) -> str:
    """Return what a reason is called, in two or three words."""
    return WORDS.get(code, code.replace("_", " "))


@register.filter
def reason_pill(code: str) -> SafeString:
    """Return a reason as a label. Its code, which the API says and lists find, is told where the pointer rests."""
    return format_html('<span class="pill pill-bad" title="{}">{}</span>', code, reason_words(code))
