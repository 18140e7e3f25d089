"""Markups: by what the amounts of a card are multiplied, for everybody or for one customer. Rules stay rules: no rate is rewritten."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import simplejson
from django.db import transaction

from credits.models import Catalogue
from organizations.history import UNSAID, sign
from organizations.models import Organization
from usage.models import AIModel, CustomerPrice, Markup
from usage.pricing import RateCard
from usage.services.rate_card import Change, Kind

OWN, OF_PARENT, OF_ALL = range(3)
"""Whose a rule is: the nearest counts, whatever it is of."""
NONE = Decimal(1)
OF_ORGANIZATION = f"""(
    SELECT json_agg(json_build_array(
        c.organization_id <> o.id, c.provider, COALESCE(c.model_id, ''), c.starts_at, c.factor::text))::text
    FROM {CustomerPrice._meta.db_table} c WHERE c.organization_id IN (o.id, o.parent_id))"""
"""SQL: the rules of an organization `o` and of its parent, as `read` takes them."""


class Rule(NamedTuple):
    """A markup from a moment on: of one model, of a provider's models, or of all that nothing nearer says."""

    whose: int
    provider: str
    model: str
    starts_at: datetime
    factor: Decimal

    def is_of(self, model: AIModel) -> bool:
        """Whether it says something of a model."""
        return self.model in ("", model.slug) and self.provider in ("", model.provider)

    @property
    def distance(self) -> tuple[int, bool, bool, float]:
        """The least counts: the nearest owner, the narrowest scope, the latest beginning."""
        return self.whose, not self.model, not self.provider, -self.starts_at.timestamp()


def read(text: str | None) -> tuple[Rule, ...]:
    """Return the rules that `OF_ORGANIZATION` says."""
    return tuple(
        Rule(int(above), provider, model, datetime.fromisoformat(since), Decimal(factor))
        for above, provider, model, since, factor in simplejson.loads(text or "[]")
    )


def of_all() -> tuple[Rule, ...]:
    """Return the rules that are for everybody."""
    return tuple(_rule(row) for row in Markup.objects.all())


def of_customer(organization: Organization) -> tuple[Rule, ...]:
    """Return the rules of an organization and of its parent."""
    return of_customers([organization])[organization.pk]


def of_customers(organizations: Iterable[Organization]) -> dict[UUID, tuple[Rule, ...]]:
    """Return the rules of each of these organizations and of its parent."""
    wanted = list(organizations)
    owners = {id for each in wanted for id in (each.pk, each.parent_id) if id}
    rows: dict[UUID, list[CustomerPrice]] = {}
    for row in CustomerPrice.objects.filter(organization__in=owners):
        rows.setdefault(row.organization_id, []).append(row)
    return {
        each.pk: (
            *(_of_owner(row, OWN) for row in rows.get(each.pk, ())),
            *(
                _of_owner(row, OF_PARENT)
                for row in rows.get(each.parent_id or each.pk, ())
                if each.parent_id
            ),
        )
        for each in wanted
    }


def factor_at(rules: Iterable[Rule], moment: datetime) -> Decimal:
    """Return by what amounts are multiplied at a moment, by rules of one model."""
    begun = [rule for rule in rules if rule.starts_at <= moment]
    return min(begun, key=lambda rule: rule.distance).factor if begun else NONE


def marked_up(
    cards: Sequence[tuple[datetime, RateCard]], rules: Iterable[Rule], model: AIModel
) -> list[tuple[datetime, RateCard]]:
    """Return the cards of a model with their amounts multiplied: another one from each moment on at which the card or its markup changes.

    :param cards: newest first, as those that are returned
    """
    rules = [rule for rule in rules if rule.is_of(model)]
    if not rules:
        return list(cards)
    found, before = list[tuple[datetime, RateCard]](), None
    starts = {starts_at for starts_at, _ in cards} | {rule.starts_at for rule in rules}
    for moment in sorted(starts):
        card = next((card for starts_at, card in cards if starts_at <= moment), None)
        factor = factor_at(rules, moment)
        if card is not None and (card, factor) != before:
            found.append((moment, card.times(factor, moment.isoformat())))
            before = card, factor
    return found[::-1]


def changes(wanted: Iterable[Markup]) -> list[Change]:
    """Return what rules would change."""
    found = []
    for rule in wanted:
        before = _in_force(rule)
        if before != rule.factor:
            kind = Kind.DEARER if rule.factor > before else Kind.CHEAPER
            found.append(Change(kind, str(rule), "markup", f"{before:f}", f"{rule.factor:f}"))
    return found


@transaction.atomic(savepoint=False)
def load(wanted: Iterable[Markup], *, performed_by: str = UNSAID) -> None:
    """Make these rules hold, each from its beginning on, with their history. What holds already stays."""
    Catalogue.objects.select_for_update(no_key=True).get()
    for rule in wanted:
        if _in_force(rule) == rule.factor:
            continue
        same = _of_same(rule).filter(starts_at=rule.starts_at).first()
        row = same or rule
        row.factor = rule.factor
        sign(row, performed_by=performed_by)
        row.save()


def _in_force(rule: Markup) -> Decimal:
    before = _of_same(rule).filter(starts_at__lte=rule.starts_at).order_by("-starts_at").first()
    return before.factor.normalize() if before else NONE


def _of_same(rule: Markup) -> Any:
    return Markup.objects.filter(provider=rule.provider, model=rule.model_id)


def _of_owner(row: CustomerPrice, whose: int) -> Rule:
    return Rule(whose, row.provider, row.model_id or "", row.starts_at, row.factor)


def _rule(row: Markup) -> Rule:
    return Rule(OF_ALL, row.provider, row.model_id or "", row.starts_at, row.factor)
