"""What the pages of usage have in common: how far a cap is used, and links to several rows."""

from collections.abc import Sequence
from decimal import Decimal

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from credits.templatetags.amounts import credits
from organizations.admin import link
from organizations.models import Actor, Group, Organization
from usage.models import Limit


def tone(taken: Decimal, cap: Decimal) -> str:
    """Return how a bar looks: worth a look from four fifths on, bad when nothing is left."""
    if taken >= cap:
        return "bad"
    return "warn" if taken * 5 >= cap * 4 else "good"


def linked(rows: Sequence[Model]) -> SafeString | str:
    """Return links to rows, one after the other."""
    links = [link(row) for row in rows]
    return format_html(", ".join(["{}"] * len(links)), *links) if links else "–"


def cap_link(limit: Limit) -> SafeString:
    """Return a limit's cap as the way to its page."""
    return link(limit, "unlimited" if limit.cap is None else credits(limit.cap))


def set_one(organization: Organization, scope: str, subject: Actor | Group) -> SafeString:
    """Return the way to a first limit of a subject that has none."""
    return format_html(
        'none · <a class="text-link" href="{}?organization={}&scope={}&{}={}">Set one</a>',
        reverse("admin:usage_limit_add"),
        organization.pk,
        scope,
        scope,
        subject.pk,
    )
