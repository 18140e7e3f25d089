"""Grants as staff see them: where they came from, what became of them, and those that are to come."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter

from credits.admin.columns import MoneyAdmin, amount
from credits.admin.grant_actions import VoidGrant
from credits.admin.ledger import GrantHistoryRows
from credits.models import Grant, PendingGrant
from credits.services.corrections import FROM_PARENT
from credits.services.grants import (
    LAPSED,
    LIVE,
    PENDING,
    SPENT,
    STATES,
    VOIDED,
    is_in_state,
    state_of,
    with_states,
)
from organizations import clock
from organizations.admin import link, pill
from organizations.admin.cells import moment
from organizations.admin.row_buttons import RowButton, WithRowButtons
from organizations.admin.windows import WindowFilter

STATE_TONES = {PENDING: "info", LIVE: "good", SPENT: "quiet", LAPSED: "warn", VOIDED: "warn"}


def state_pill(grant: Grant | PendingGrant) -> SafeString:
    """Return the state of a grant as it is at this moment."""
    state = state_of(grant, now=clock.now())
    return pill(state, STATE_TONES[state])


class StateFilter(DropdownFilter):
    """What became of grants. Those that are pending have a list of their own."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state.capitalize()) for state in STATES if state != PENDING]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Grant]) -> QuerySet[Grant]:
        known = dict(self.lookup_choices)
        state = self.value()
        if state not in known:
            return queryset
        return queryset.filter(is_in_state(str(state), now=clock.now()))


@admin.register(Grant)
class GrantAdmin(WithRowButtons, MoneyAdmin):
    """Lots of credits: where they came from, when they end, what remains, what became of them."""

    nothing = "No grants. Nobody was given credits yet."
    list_display = (
        "made_at",
        "organization",
        "name",
        "state",
        "category",
        "source",
        "amount_shown",
        "remaining_shown",
        "priority",
        "expires_at",
    )
    list_filter = (StateFilter, "category", "source", ("expires_at", WindowFilter))
    inlines = (GrantHistoryRows,)
    change_form_outer_before_template = "admin/credits/grant/buttons.html"
    fields = (
        "organization",
        "public_id",
        ("state", "category", "name"),
        "entry_link",
        "source",
        "amount_shown",
        "remaining_shown",
        "priority",
        "expires_at",
        "term_starts_at",
        "seat",
        "upgrade",
        "created_at",
    )
    public_ids = {"grn": "id", "org": "wallet__organization_id", "txn": "entry_id", "": "id"}

    def buttons_of(self, row: Grant) -> Iterator[RowButton]:
        if state_of(row, now=clock.now()) == LIVE:
            yield RowButton(VoidGrant(), row.wallet.organization_id, {"grant": row.pk})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Grant]:
        return with_states(super().get_queryset(request))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        grant = context["original"]
        may_void = bool(grant.remaining) and request.user.has_perm("credits.void")
        context["may_void"] = may_void and state_of(grant, now=clock.now()) == LIVE
        context["returns_to_parent"] = grant.entry.kind in FROM_PARENT
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Made", ordering="id")
    def made_at(self, grant: Grant) -> SafeString | str:
        return moment(grant.created_at)

    @display(description="State")
    def state(self, grant: Grant) -> SafeString:
        return state_pill(grant)

    @display(description="Entry that made it")
    def entry_link(self, grant: Grant) -> SafeString:
        return link(grant.entry)

    @display(description="Credits")
    def amount_shown(self, grant: Grant) -> SafeString | str:
        return amount(grant.amount)

    @display(description="Remaining")
    def remaining_shown(self, grant: Grant) -> SafeString | str:
        return amount(grant.remaining)


class WaitingFilter(DropdownFilter):
    """What is still to come, what began, and what was cancelled."""

    title = "state"
    parameter_name = "state"
    conditions: ClassVar[dict[str, dict[str, Any]]] = {
        PENDING: {"begun_at": None, "cancelled_at": None},
        "begun": {"begun_at__isnull": False},
        VOIDED: {"cancelled_at__isnull": False},
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(PENDING, "Pending"), ("begun", "Begun"), (VOIDED, "Cancelled")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PendingGrant]
    ) -> QuerySet[PendingGrant]:
        return queryset.filter(**self.conditions.get(str(self.value()), {}))


@admin.register(PendingGrant)
class PendingGrantAdmin(MoneyAdmin):
    """Credits that are to come at a moment, and what became of them."""

    nothing = "Nothing is to come. Every grant has begun."
    list_display = (
        "effective_at",
        "organization",
        "name",
        "state",
        "category",
        "amount_shown",
        "expires_at",
        "reason",
        "performed_by",
    )
    list_filter = (WaitingFilter, "category", ("effective_at", WindowFilter))
    change_form_outer_before_template = "admin/credits/pendinggrant/buttons.html"
    fields = (
        "organization",
        "public_id",
        ("state", "category", "name"),
        "amount_shown",
        "effective_at",
        "expires_at",
        "priority",
        "reference",
        ("reason", "performed_by", "created_at"),
        ("begun_at", "grant_link"),
        ("cancelled_at", "cancelled_by", "cancelled_because"),
    )
    public_ids = {"grn": "id", "org": "wallet__organization_id", "": "id"}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        is_pending = context["original"].is_pending
        context["may_cancel"] = is_pending and request.user.has_perm("credits.grant")
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="State")
    def state(self, pending: PendingGrant) -> SafeString:
        return pill("begun", "good") if pending.begun_at else state_pill(pending)

    @display(description="Credits")
    def amount_shown(self, pending: PendingGrant) -> SafeString | str:
        return amount(pending.amount)

    @display(description="The grant that it became")
    def grant_link(self, pending: PendingGrant) -> SafeString | str:
        if pending.begun_at is None:
            return "–"
        return link(Grant.objects.get(pk=pending.pk))
