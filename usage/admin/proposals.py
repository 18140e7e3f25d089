"""What waits for a second person, and what was decided."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from credits.admin.columns import amount
from organizations import clock
from organizations.admin import ViewOnlyAdmin, link, pill
from organizations.admin.actions import APPROVE, Action
from organizations.admin.approvals import ProposalView
from organizations.models import Proposal
from usage.admin.organizations import ACTIONS

BY_SLUG = {action.slug: action for action in ACTIONS}
TONES = {"waiting": "info", "approved": "good", "refused": "quiet", "expired": "warn"}


@admin.register(Proposal)
class ProposalAdmin(ViewOnlyAdmin):
    """Proposals. Who may propose sees them; who may approve, and has the right of the thing itself, decides those of others."""

    list_display = (
        "proposed_at",
        "title",
        "organization_link",
        "credits",
        "proposed_by",
        "state_shown",
        "decided_by",
    )
    list_filter = ("state",)
    list_select_related = ("organization",)
    ordering = ("-id",)
    search_fields = ("organization__name", "proposed_by", "reason")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        may_view: bool = super().has_view_permission(request, obj)
        return may_view or any(request.user.has_perm(right) for right in PROPOSING)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide)
        name = "organizations_proposal_decide"
        return [path("<uuid:id>/decide/", decide, name=name), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        if request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        return self._view(request, _id(object_id))

    def decide(self, request: HttpRequest, id: UUID) -> HttpResponseBase:
        if request.method != "POST":
            # Who had to show first who is there comes back here.
            return redirect("admin:organizations_proposal_change", id)
        return self._view(request, id)

    def _view(self, request: HttpRequest, id: UUID) -> HttpResponseBase:
        view = ProposalView.as_view(actions=BY_SLUG, model_admin=self)
        return view(request, id=id)

    @display(description="What")
    def title(self, proposal: Proposal) -> str:
        return BY_SLUG[proposal.action].title

    @display(description="Organization", ordering="organization__name")
    def organization_link(self, proposal: Proposal) -> SafeString:
        return link(proposal.organization)

    @display(description="Credits", ordering="amount")
    def credits(self, proposal: Proposal) -> SafeString | str:
        return amount(proposal.amount)

    @display(description="State", ordering="state")
    def state_shown(self, proposal: Proposal) -> SafeString:
        is_late = proposal.state == Proposal.State.WAITING and proposal.expires_at <= clock.now()
        state = "expired" if is_late else proposal.state
        return pill(state, TONES[state])


PROPOSING = {
    APPROVE,
    *(action.permission for action in ACTIONS if type(action).moved is not Action.moved),
}
"""The rights by which something is proposed, or approved."""


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404 from error
