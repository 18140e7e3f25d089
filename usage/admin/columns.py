"""What the pages of usage have in common: how far a cap is used, and links to several rows."""

from collections.abc import Sequence
from decimal import Decimal

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from credits.models import ZERO
from credits.templatetags.amounts import credits, percent_of
from organizations.admin import link
from organizations.models import Actor, Group, Organization
from usage.models import Limit


def meter(used: Decimal, cap: Decimal | None, reserved: Decimal = ZERO) -> SafeString:
    """Return a bar of what is used and reserved of a cap, and the same in words; only words without a cap."""
    held = f", {credits(reserved)} reserved" if reserved else ""
    if cap is None:
        return format_html('<span class="amount">{}</span> used{}, no cap', credits(used), held)
    return format_html(
        '<span class="bar bar-small"><i class="bar-{}" style="width:{}%"></i>'
        '<i class="bar-held" style="width:{}%"></i></span>'
        '<span class="amount">{} of {}{}</span>',
        tone(used + reserved, cap),
        percent_of(used, cap),
        percent_of(reserved, cap),
        credits(used),
        credits(cap),
        held,
    )


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
    return link(limit, "no limit" if limit.cap is None else credits(limit.cap))


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
