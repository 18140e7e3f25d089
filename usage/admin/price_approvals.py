"""A change of prices that leaps too far for one person: a card, or a markup; what it would do now, and doing it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError
from django.db.models import Model

from organizations.admin.approvals import Approval, Shown
from organizations.admin.delegation import Staff
from organizations.models import Organization
from usage.admin import markup_proposals
from usage.admin.card import table_of
from usage.admin.markup_proposals import CUSTOMER_PRICE, MARKUP
from usage.admin.new_prices import CARD
from usage.models import AIModel, PriceProposal
from usage.services import new_prices, rates
from usage.services.new_prices import NotToCome
from usage.services.rate_card import InvalidRateCard

Payload = Mapping[str, Any]
TAKEN = "There is another of the same scope and moment by now."


class Change(NamedTuple):
    """A kind of change: the right that it takes, what it is of, how it is shown, and how it is done."""

    right: str
    about: Callable[[Payload], Model | None]
    show: Callable[[Payload], Shown]
    do: Callable[[PriceProposal, str, Any], None]
    refusals: Mapping[type[Exception], str | None]


def _model_of(payload: Payload) -> AIModel | None:
    return AIModel.objects.filter(pk=payload["model"]).first()


def _show_card(payload: Payload) -> Shown:
    card = new_prices.rates_in(payload)
    before = new_prices.card_at(card[0].model, card[0].starts_at)
    was = rates.card_of(before) if before else None
    return Shown(rows=table_of(card[0].starts_at, was, rates.card_of(card)))


def _do_card(proposal: PriceProposal, performed_by: str, now: Any) -> None:
    card = new_prices.rates_in(proposal.payload)
    new_prices.write_card(card=card, performed_by=performed_by, now=now)


def _customer_of(payload: Payload) -> Organization | None:
    return Organization.objects.filter(pk=payload["fields"].get("organization_id")).first()


def _of_markups(kind: str, right: str) -> Change:
    def show(payload: Payload) -> Shown:
        return Shown(markup_proposals.show(kind, payload))

    def do(proposal: PriceProposal, performed_by: str, now: Any) -> None:
        markup_proposals.do(kind, proposal.payload, performed_by)

    return Change(right, _customer_of, show, do, {IntegrityError: TAKEN, ObjectDoesNotExist: None})


CHANGES: dict[str, Change] = {
    CARD: Change(
        "usage.add_rate",
        _model_of,
        _show_card,
        _do_card,
        {NotToCome: None, InvalidRateCard: None, AIModel.DoesNotExist: None},
    ),
    MARKUP: _of_markups(MARKUP, "usage.change_markup"),
    CUSTOMER_PRICE: _of_markups(CUSTOMER_PRICE, "usage.change_customerprice"),
}


class PriceApproval(Approval[PriceProposal]):
    """A proposal of prices."""

    model = PriceProposal

    @classmethod
    def known(cls) -> Iterable[str]:
        return CHANGES

    @classmethod
    def right_of(cls, action: str) -> str:
        return CHANGES[action].right

    @property
    def change(self) -> Change:
        return CHANGES[self.proposal.action]

    @property
    def icon(self) -> str:
        return "sell"

    @property
    def title(self) -> str:
        return self.proposal.subject

    @property
    def about(self) -> Model | None:
        return self.change.about(self.proposal.payload)

    @property
    def effect(self) -> str:
        return self.proposal.effect

    @property
    def refusals(self) -> Mapping[type[Exception], str | None]:
        return self.change.refusals

    def shown(self, user: Staff) -> Shown:
        try:
            return self.change.show(self.proposal.payload)
        except tuple(self.refusals) as refusal:
            return Shown(problem=self.refused(refusal))

    def perform(self, performed_by: str, user: Staff) -> str:
        self.change.do(self.proposal, performed_by, self.now)
        return f"{self.proposal.subject}: done."
