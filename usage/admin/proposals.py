"""The lists of what was proposed, to be done to an organization or to prices, and the page of all that waits for a second person."""

from django.contrib import admin
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from credits.admin.columns import amount
from organizations import clock
from organizations.admin import link
from organizations.admin.actions import APPROVE
from organizations.admin.approvals import ApprovalAdmin
from organizations.models import Proposal
from usage.admin import waiting
from usage.admin.action_approvals import BY_SLUG, PROPOSED, ActionApproval
from usage.admin.price_approvals import PriceApproval
from usage.models import PriceProposal

PROPOSING = {APPROVE, *(BY_SLUG[slug].permission for slug in PROPOSED)}
"""The rights by which something is proposed, or approved."""


@admin.register(Proposal)
class ProposalAdmin(ApprovalAdmin):
    """What is proposed of organizations. Who may propose sees it."""

    approval = ActionApproval
    nothing = "Nothing waits for a second person."
    list_display = (
        "proposed",
        "what",
        "organization_link",
        "credits",
        "proposed_by",
        "state_shown",
        "decided_by",
    )
    list_select_related = ("organization",)
    search_fields = ("organization__name", "proposed_by", "reason")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        may_view: bool = super().has_view_permission(request, obj)
        return may_view or any(request.user.has_perm(right) for right in PROPOSING)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.waiting)
        return [path("waiting/", view, name="organizations_proposal_waiting"), *super().get_urls()]

    def waiting(self, request: HttpRequest) -> HttpResponse:
        """Show all that waits, what waits longest first: what whoever asks may decide, and the rest of what they may see."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = waiting.all_seen(request, self.admin_site, now=clock.now())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Approvals",
            "own": request.user.get_username(),
            "to_decide": [each for each, is_mine in found if is_mine],
            "of_others": [each for each, is_mine in found if not is_mine],
        }
        return TemplateResponse(request, "admin/waiting.html", context)

    @display(description="Organization", ordering="organization__name")
    def organization_link(self, proposal: Proposal) -> SafeString:
        return link(proposal.organization)

    @display(description="Credits", ordering="amount")
    def credits(self, proposal: Proposal) -> SafeString | str:
        return amount(proposal.amount)


@admin.register(PriceProposal)
class PriceProposalAdmin(ApprovalAdmin):
    """What is proposed of prices. Who may approve sees it."""

    approval = PriceApproval
    nothing = "No change of prices waits for a second person."
    list_display = ("proposed", "subject", "effect", "proposed_by", "state_shown", "decided_by")
    search_fields = ("subject", "proposed_by", "reason")
    search_help_text = "What it changes, who proposed it, or a word of the reason"

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        may: bool = super().has_view_permission(request, obj)
        return may or request.user.has_perm(APPROVE)
