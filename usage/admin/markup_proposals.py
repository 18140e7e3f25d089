"""Markups that leap: by how much a change of one is, and what waits for a second person to do it."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from credits.admin.rules import Change, plainly
from organizations import clock
from organizations.admin.actions import Effect, staff
from organizations.history import LENGTH, sign
from organizations.proposals import WINDOW
from usage.admin import new_prices
from usage.models import CustomerPrice, Markup, MarkupRule, PriceProposal
from usage.pricing import EXACT

MARKUP, CUSTOMER_PRICE = "markup", "customer price"
MODELS: dict[str, type[Markup] | type[CustomerPrice]] = {
    MARKUP: Markup,
    CUSTOMER_PRICE: CustomerPrice,
}
NONE = Decimal(1)


def leap_of(rule: Any, *, is_deleted: bool, author: str, now: datetime) -> Decimal:
    """Return by how many percent a markup changes what it is of, from what its author did not set in the last day."""
    before, own = _before(rule, author, now)
    after = before if is_deleted else rule.factor
    if is_deleted:
        before = rule.factor
    elif own is not None:
        before = own
    return EXACT.divide(abs(after - before) * 100, before)


def words_of(percent: Decimal) -> str:
    """Return that a leap needs a second person, in words; nothing where it does not."""
    most = settings.SECOND_PERSON_PRICE_PERCENT
    return "" if most is None or percent <= most else f"prices change by {percent:.0f} %"


def propose(request: HttpRequest, change: Change, reason: str, effect: str) -> HttpResponse:
    """Write a change of a markup down for another person, and lead to it."""
    rule = change.row
    kind = CUSTOMER_PRICE if isinstance(rule, CustomerPrice) else MARKUP
    asked = PriceProposal(
        action=kind,
        payload={
            "id": rule.pk,
            "is_deleted": change.form is None,
            "fields": _fields(rule),
        },
        subject=f"{change.verb} {kind}: {rule}",
        effect=effect,
        reason=reason,
    )
    return new_prices.propose(request, asked, now=clock.now())


def show(kind: str, payload: Mapping[str, Any]) -> list[Effect]:
    """Return what a proposed change would do to a rule as it is now."""
    row = MODELS[kind].objects.filter(pk=payload["id"]).first() if payload["id"] else None
    was = _fields(row) if row else {}
    if payload["is_deleted"]:
        return [Effect("", kind.capitalize(), "there" if row else "–", "deleted")]
    return [
        Effect(
            "",
            name.removesuffix("_id").replace("_", " ").capitalize(),
            _said(was, name),
            _said(payload["fields"], name),
        )
        for name in payload["fields"]
    ]


def do(kind: str, payload: Mapping[str, Any], performed_by: str) -> None:
    """Do what was proposed.

    :raises ObjectDoesNotExist: if the rule is gone
    :raises IntegrityError: if there is another of the same scope and moment by now
    """
    model: Any = MODELS[kind]
    row = model.objects.get(pk=payload["id"]) if payload["id"] else model()
    sign(row, performed_by=performed_by)
    if payload["is_deleted"]:
        row.delete()
        return
    fields = payload["fields"]
    for name, value in fields.items():
        setattr(row, name, value)
    row.starts_at = datetime.fromisoformat(fields["starts_at"])
    row.factor = Decimal(fields["factor"])
    row.save()


def _fields(rule: MarkupRule) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "provider": rule.provider,
        "model_id": rule.model_id,
        "starts_at": rule.starts_at.isoformat(),
        "factor": f"{rule.factor.normalize():f}",
    }
    if isinstance(rule, CustomerPrice):
        fields["organization_id"] = str(rule.organization_id)
    return fields


def _said(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return plainly(value) if value not in (None, "") else "–"


def _before(rule: Any, author: str, now: datetime) -> tuple[Decimal, Decimal | None]:
    """Return what would hold of its scope without a rule, and what it was itself: as far as its author did not set it of late."""
    history = type(rule).history
    lately = history.filter(history_change_reason=author[:LENGTH], history_date__gt=now - WINDOW)
    mine = set(lately.values_list("id", flat=True))
    earlier = _of_same(rule).filter(starts_at__lte=rule.starts_at).exclude(pk=rule.pk)
    previous = earlier.exclude(pk__in=mine).order_by("-starts_at").first()
    own = None
    if rule.pk is not None:
        newest = history.filter(id=rule.pk).order_by("-history_date", "-history_id")
        # What somebody else set, or what was there a day ago.
        own = newest.exclude(pk__in=lately.values("pk")).values_list("factor", flat=True).first()
    return previous.factor if previous else NONE, own


def _of_same(rule: Any) -> QuerySet[Any]:
    same = {"provider": rule.provider, "model": rule.model_id}
    if isinstance(rule, CustomerPrice):
        same["organization"] = rule.organization_id
    rows: QuerySet[Any] = type(rule)._default_manager.filter(**same)
    return rows


def author_of(request: HttpRequest) -> str:
    """Return who asks, as histories name them."""
    return staff(request.user)
