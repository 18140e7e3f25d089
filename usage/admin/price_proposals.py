"""Changes of prices that wait for a second person: what each would do now, and the two buttons with which another does it or refuses it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import display
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from credits.admin.edits import REASON_LENGTH
from organizations import clock, proposals
from organizations.admin import ViewOnlyAdmin, pill
from organizations.admin.actions import APPROVE, Effect, sentence, staff, staff_named
from organizations.history import explained
from organizations.proposals import NotDecidable
from usage.admin import markup_proposals
from usage.admin.card import Row, table_of
from usage.admin.new_prices import CARD
from usage.models import AIModel, PriceProposal
from usage.services import new_prices, price_proposals, rates
from usage.services.new_prices import NotToCome
from usage.services.rate_card import InvalidRateCard

TONES = {"waiting": "info", "approved": "good", "refused": "quiet", "expired": "warn"}
State = PriceProposal.State
TAKEN = "There is another of the same scope and moment by now."


class Shown(NamedTuple):
    """What a proposal would do, as its page shows it: a card beside the one that it follows, or the fields of a rule."""

    rows: list[Row]
    effects: list[Effect]


class Kind(NamedTuple):
    """A kind of change: the right that it takes, how it is shown, and how it is done."""

    right: str
    show: Callable[[Mapping[str, Any]], Shown]
    do: Callable[[Mapping[str, Any], str, datetime], None]
    refusals: tuple[type[Exception], ...]


def _show_card(payload: Mapping[str, Any]) -> Shown:
    card = new_prices.rates_in(payload)
    before = new_prices.card_at(card[0].model, card[0].starts_at)
    was = rates.card_of(before) if before else None
    return Shown(table_of(card[0].starts_at, was, rates.card_of(card)), [])


def _do_card(payload: Mapping[str, Any], performed_by: str, now: datetime) -> None:
    card = new_prices.rates_in(payload)
    new_prices.write_card(card=card, performed_by=performed_by, now=now)


def _of_markups(kind: str, right: str) -> Kind:
    def show(payload: Mapping[str, Any]) -> Shown:
        return Shown([], markup_proposals.show(kind, payload))

    def do(payload: Mapping[str, Any], performed_by: str, now: datetime) -> None:
        with transaction.atomic():
            markup_proposals.do(kind, payload, performed_by)

    return Kind(right, show, do, (ObjectDoesNotExist, IntegrityError))


KINDS: dict[str, Kind] = {
    CARD: Kind(
        "usage.add_rate",
        _show_card,
        _do_card,
        (NotToCome, InvalidRateCard, AIModel.DoesNotExist),
    ),
    markup_proposals.MARKUP: _of_markups(markup_proposals.MARKUP, "usage.change_markup"),
    markup_proposals.CUSTOMER_PRICE: _of_markups(
        markup_proposals.CUSTOMER_PRICE, "usage.change_customerprice"
    ),
}


@admin.register(PriceProposal)
class PriceProposalAdmin(ViewOnlyAdmin):
    """Proposals of prices. Who may approve, and has the right of the thing itself, decides those of others."""

    list_display = ("proposed_at", "subject", "effect", "proposed_by", "state_shown", "decided_by")
    list_filter = ("state",)
    ordering = ("-id",)
    search_fields = ("subject", "proposed_by", "reason")
    search_help_text = "What it changes, who proposed it, or a word of the reason"

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide)
        return [
            path("<uuid:id>/decide/", decide, name="usage_priceproposal_decide"),
            *super().get_urls(),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        may: bool = super().has_view_permission(request, obj)
        return may or request.user.has_perm(APPROVE)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        if request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        proposal: PriceProposal | None = self.get_object(request, object_id)
        if proposal is None:
            raise Http404
        return self._page(request, proposal)

    def decide(self, request: HttpRequest, id: UUID) -> HttpResponseBase:
        if request.method != "POST":
            # Who had to show first who is there comes back here.
            return redirect("admin:usage_priceproposal_change", id)
        proposal = get_object_or_404(PriceProposal, id=id)
        if not _may_decide(request, proposal):
            raise PermissionDenied
        approve = request.POST.get("decision") == "approve"
        refusals: tuple[type[Exception], ...] = (NotDecidable, *KINDS[proposal.action].refusals)
        try:
            messages.success(request, _decide(request, proposal, approve=approve))
        except IntegrityError:
            messages.error(request, TAKEN)
        except refusals as refusal:
            messages.error(request, sentence(refusal))
        return redirect("admin:usage_priceproposal_change", id)

    def _page(self, request: HttpRequest, proposal: PriceProposal) -> HttpResponse:
        kind, now = KINDS[proposal.action], clock.now()
        problem, shown = "", Shown([], [])
        try:
            shown = kind.show(proposal.payload)
        except kind.refusals as refusal:
            problem = sentence(refusal)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": proposal,
            "proposal": proposal,
            "title": "Prices",
            "subtitle": proposal.subject,
            "rows": shown.rows,
            "effects": shown.effects,
            "problem": problem,
            "is_open": proposal.state == State.WAITING and now < proposal.expires_at,
            "is_own": proposal.proposed_by == request.user.get_username(),
            "may_decide": _may_decide(request, proposal),
        }
        return TemplateResponse(request, "admin/usage/priceproposal/page.html", context)

    @display(description="State", ordering="state")
    def state_shown(self, proposal: PriceProposal) -> SafeString:
        is_late = proposal.state == State.WAITING and proposal.expires_at <= clock.now()
        state = "expired" if is_late else proposal.state
        return pill(state, TONES[state])


def _may_decide(request: HttpRequest, proposal: PriceProposal) -> bool:
    """Whether who asks may do it for another, or withdraw what is their own."""
    right, user = KINDS[proposal.action].right, request.user
    is_own = proposal.proposed_by == user.get_username()
    return user.has_perms((APPROVE, right)) or (is_own and user.has_perm(right))


@transaction.atomic
def _decide(request: HttpRequest, proposal: PriceProposal, *, approve: bool) -> str:
    """Do what was proposed, or refuse it. The proposal's lock and state make it happen once."""
    name, now = request.user.get_username(), clock.now()
    locked = price_proposals.to_decide(proposal.pk, decided_by=name, now=now, approve=approve)
    kind, state = KINDS[locked.action], State.APPROVED if approve else State.REFUSED
    if approve:
        author = proposals.author_of(locked)
        if author is None or not author.has_perm(kind.right):
            raise NotDecidable(f"{locked.proposed_by} may not do this any more")
        both = f"{staff_named(locked.proposed_by)}, approved by {staff(request.user)}"
        with explained(locked.reason):
            kind.do(locked.payload, both[:REASON_LENGTH], now)
    price_proposals.decide(locked, state=state, decided_by=name, now=now)
    return f"{locked.subject}: {state}." + ("" if approve else " Nothing changed.")
