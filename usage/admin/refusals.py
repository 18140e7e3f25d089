"""What was refused: the list, and a page that says why, what would admit it, and whether it would pass now."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from credits.admin.actions import GrantCredits
from credits.admin.columns import amount
from credits.limits import explain
from credits.models import ZERO
from credits.services import BillingExhausted
from credits.templatetags.amounts import credits
from organizations import clock
from organizations.admin import link
from organizations.admin.actions import Action, may_use
from organizations.admin.cells import moment
from organizations.admin.row_buttons import RowButton, WithRowButtons
from organizations.admin.selection import ManyAdmin
from organizations.admin.windows import WindowFilter
from organizations.models import Group, Organization
from organizations.services import OrganizationArchived, OrganizationSuspended
from usage import services
from usage.admin.actions import Forgive
from usage.admin.events import UsedAdmin
from usage.admin.limit_actions import SetLimit
from usage.admin.many import OF_REFUSALS
from usage.admin.rule_actions import SetCap
from usage.admin.why import OF_A_CAP, Rung, ladder, least_cap, sentence
from usage.models import AIModel, Denial
from usage.services import asking
from usage.templatetags.refusals import reason_pill

CANNOT_ASK = (OrganizationSuspended, OrganizationArchived, asking.Left)


class Verdict(NamedTuple):
    """What the admission says of the same work now."""

    passes: bool
    sentence: str


@admin.register(Denial)
class DenialAdmin(WithRowButtons, ManyAdmin, UsedAdmin):
    """What was refused in the last 30 days, with the limits of that moment."""

    list_display = (
        "refused",
        "organization_link",
        "actor_link",
        "reason_shown",
        "times_shown",
        "model",
        "needed_shown",
        "message",
    )
    list_filter = (
        ("organization", AutocompleteSelectFilter),
        ("actor", AutocompleteSelectFilter),
        ("created_at", WindowFilter),
    )
    many = OF_REFUSALS
    nothing = "No refusals. Nobody was held back."
    search_fields = ("organization__name", "actor__name", "reason", "model")
    search_exactly = ("reason", "model")
    search_help_text = "Name of an organization or an actor, reason or model; org_…, act_… or req_…"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("organization_link", "person"),
                    ("refused", "asked_model"),
                    ("needed_shown", "times_shown"),
                    "requests",
                )
            },
        ),
        (
            "As the API said it",
            {"classes": ("collapse",), "fields": (("code", "reason"), "message")},
        ),
    )
    change_form_outer_before_template = "admin/usage/denial/why.html"

    def buttons_of(self, row: Denial) -> Iterator[RowButton]:
        if row.organization.status == Organization.Status.ARCHIVED:
            return
        yield RowButton(GrantCredits(), row.organization_id, {}, "Grant")
        if row.actor_id is not None:
            yield RowButton(Forgive(), row.organization_id, {"actor": row.actor_id})

    def named_by(self, text: str) -> Q | None:
        """Return what an id could name here: an organization, an actor, or the request that was refused."""
        wanted = text.strip().lower()
        if wanted.startswith("req_"):
            return Q(request_ids__contains=[wanted])
        return super().named_by(text)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Denial]:
        rows: QuerySet[Denial] = super().get_queryset(request)
        return rows.select_related("organization__wallet", "actor")

    def get_urls(self) -> list[URLPattern]:
        again = self.admin_site.admin_view(self.ask_again)
        return [path("<int:id>/now/", again, name="usage_denial_now"), *super().get_urls()]

    def ask_again(self, request: HttpRequest, id: int) -> HttpResponse:
        """Ask the admission about the same work as it stands now, and show the page with what it says. Nothing is held."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        denial = self.get_object(request, str(id))
        if denial is None or not self.has_view_permission(request, denial):
            raise Http404
        request.method = "GET"  # the page itself only shows
        page: HttpResponse = self.change_view(request, str(id), extra_context={"now": ask(denial)})
        return page

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        denial = context["original"]
        rungs = ladder(denial, denial.limits, denial.needed)
        context |= {
            "why": sentence(denial.message, rungs, denial.needed),
            "ladder": rungs,
            "remedies": list(_remedies(request, denial, rungs)),
        }
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page

    @display(description="Refused", ordering="id")
    def refused(self, denial: Denial) -> SafeString | str:
        return moment(denial.created_at)

    @display(description="Reason", ordering="reason")
    def reason_shown(self, denial: Denial) -> SafeString:
        return reason_pill(denial.reason)

    @display(description="Person")
    def person(self, denial: Denial) -> SafeString | str:
        return link(denial.actor, denial.actor.name) if denial.actor else "nobody named"

    @display(description="Model", ordering="model")
    def asked_model(self, denial: Denial) -> str:
        return denial.model or "none named"

    @display(description="Times in its minute")
    def times_shown(self, denial: Denial) -> str:
        return f"{denial.times:,} or more" if denial.times >= Denial.TIMES else f"{denial.times:,}"

    @display(description="Needed")
    def needed_shown(self, denial: Denial) -> SafeString | str:
        return amount(denial.needed)

    @display(description="Requests")
    def requests(self, denial: Denial) -> str:
        return ", ".join(denial.request_ids) or "–"


def ask(denial: Denial) -> Verdict:
    """Ask whether work of the same size by the same actor on the same model would be admitted now."""
    groups = [limit["id"] for limit in denial.limits if limit["scope"] == "group"]
    resources = [limit["id"] for limit in denial.limits if limit["scope"] == "resource"]
    resource_type, _, resource_id = (resources[0] if resources else "").partition("/")
    needed = denial.needed or ZERO
    work = services.Work(
        denial.organization,
        credits=needed,
        model=AIModel.objects.filter(slug=denial.model).first(),
        actor=denial.actor,
        group=_group(denial, groups),
        resource_type=resource_type,
        resource_id=resource_id,
    )
    try:
        found = services.check(work, now=clock.now())
    except CANNOT_ASK as error:
        return Verdict(False, sentence(str(error), [], None))
    if isinstance(found, BillingExhausted):
        limits = explain(found.limits, found.reason)
        rungs = ladder(denial, limits, found.needed)
        return Verdict(False, sentence(str(found), rungs, found.needed))
    if isinstance(found, services.NotAllowed):
        return Verdict(False, sentence(str(found), [], None))
    changed = found.model is not None and found.model.model.slug != denial.model
    on = f", on {found.model.model.slug}" if found.model is not None and changed else ""
    return Verdict(True, f"{credits(found.credits)} credits would be held{on}.")


def _group(denial: Denial, named: list[str]) -> Group | None:
    own = Group.objects.filter(organization=denial.organization, kind=Group.Kind.ENTITY)
    return own.filter(id=named[0].removeprefix("grp_")).first() if named else None


class Remedy(NamedTuple):
    """A button that would let the work pass, filled in."""

    title: str
    icon: str
    url: str


def _remedies(request: HttpRequest, denial: Denial, rungs: list[Rung]) -> Iterator[Remedy]:
    if denial.organization.status == denial.organization.Status.ARCHIVED:
        return
    for action, title, values in _offered(denial, rungs):
        if may_use(request, action):
            url = reverse(
                f"admin:organizations_organization_{action.slug}", args=[denial.organization_id]
            )
            yield Remedy(title, action.icon, f"{url}?{urlencode(values)}")


def _offered(denial: Denial, rungs: list[Rung]) -> Iterator[tuple[Action, str, dict[str, str]]]:
    refusing = next((rung for rung in rungs if rung.refused), None)
    if refusing is None:
        return
    needed = denial.needed or ZERO
    if refusing.scope == "organization":
        yield SetCap(), "Raise the cap…", {"monthly_cap": _shown(least_cap(refusing, needed))}
    elif refusing.scope in OF_A_CAP:
        cap = {"whose": refusing.id, "cap": _shown(least_cap(refusing, needed))}
        yield SetLimit(), "Raise the limit…", cap
    elif refusing.scope == "pool":
        yield GrantCredits(), "Grant…", {"amount": _shown(needed - (refusing.left or ZERO))}
    if refusing.scope == "actor" and denial.actor_id is not None:
        missing = needed - (refusing.left or ZERO)
        values = {"actor": str(denial.actor_id), "amount": _shown(missing)}
        yield Forgive(), "Forgive usage…", values


def _shown(value: Decimal) -> str:
    return f"{value.normalize():f}"
