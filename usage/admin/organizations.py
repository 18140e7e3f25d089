"""The page of an organization: who it is, what it holds, what it used, and the buttons that change it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from credits import services
from credits.admin import actions as money
from credits.admin import entry_actions as entries
from credits.admin import family_actions as families
from credits.admin import grant_actions as grants
from credits.admin import hold_actions as holds
from credits.admin import status_actions as statuses
from credits.admin import upgrade_action as upgrades
from credits.admin.columns import amount
from credits.templatetags.amounts import percent_of
from organizations import clock, words
from organizations.admin import TONES, HistoryAdmin, PublicIdSearch, ViewOnlyAdmin, link, pill
from organizations.admin.action_view import ActionView
from organizations.admin.actions import Action
from organizations.admin.cells import UNLIMITED, moment
from organizations.admin.row_buttons import RowButton, WithRowButtons
from organizations.admin.selection import ManyAdmin
from organizations.models import ApiKey, Env, Organization
from organizations.services import status_in_force
from usage.admin import actions as actors
from usage.admin import edit_action as edits
from usage.admin import forgive_actions as forgiving
from usage.admin import key_use as keys
from usage.admin import limit_actions as limits
from usage.admin import person_actions as people
from usage.admin import reversal_actions as reversals
from usage.admin import rule_actions as rules
from usage.admin import sandbox_actions as sandboxes
from usage.admin.attention import ConcernFilter
from usage.admin.cockpit import TABS, Seen, Tab, tabs_for
from usage.admin.creation import PERMISSION as CREATE_PERMISSION
from usage.admin.creation import CreateView
from usage.admin.many import OF_ORGANIZATIONS
from usage.admin.month import thresholds_bar
from usage.admin.overview import buttons, cap_bar, strip

ROWS = 50
"""How many changes of keys, and how many things done, the history shows."""
ACTIONS: tuple[Action, ...] = (
    *money.ACTIONS,
    *families.ACTIONS,
    *upgrades.ACTIONS,
    *statuses.ACTIONS,
    *entries.ACTIONS,
    *grants.ACTIONS,
    *holds.ACTIONS,
    *forgiving.ACTIONS,
    *actors.ACTIONS,
    *reversals.ACTIONS,
    *sandboxes.ACTIONS,
    *keys.ACTIONS,
    *people.ACTIONS,
    *edits.ACTIONS,
    *rules.ACTIONS,
    *limits.ACTIONS,
)


class LevelFilter(admin.SimpleListFilter):
    """Parents and children, apart."""

    title = "level"
    parameter_name = "level"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("root", "Without a parent"), ("child", "Children")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Organization]
    ) -> QuerySet[Organization]:
        if self.value() not in ("root", "child"):
            return queryset
        return queryset.filter(parent__isnull=self.value() == "root")


@admin.register(Organization)
class OrganizationAdmin(WithRowButtons, ManyAdmin, HistoryAdmin, PublicIdSearch, ViewOnlyAdmin):
    """Organizations with what they hold. Every change is a button that calls a service."""

    list_display = (
        "name",
        "parent_link",
        "status_shown",
        "balance",
        "available",
        "cap_used",
        "created",
    )
    list_filter = (LevelFilter, "status", ConcernFilter, ("parent", AutocompleteSelectFilter))
    list_filter_submit = True
    list_select_related = ("parent__sandbox_of", "sandbox_of__parent")
    ordering = ("-id",)
    search_fields = ("name", "billing_email", "external_id")
    search_help_text = "Name, billing email, external id or org_…"
    public_ids = {"org": "id"}
    search_words = words.ORGANIZATION
    # Of an old version: its own page has tabs.
    fields = (
        "name",
        "parent",
        "status",
        "billing_email",
        "external_id",
        "metadata",
        "ai_enabled",
        "entitled_until",
        "byok",
        "enabled_providers",
        "default_profile",
    )
    object_history_list_template = "admin/organizations/organization/history_list.html"
    many = OF_ORGANIZATIONS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        """Return the rows; what they hold is asked for those that are shown, and not for all before they are sorted."""
        rows: QuerySet[Organization] = super().get_queryset(request)
        return rows.prefetch_related("wallet__period", "wallet__config")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Organization], search_term: str
    ) -> Any:
        """Search; what a form offers while one types are live organizations, and whatever an id names."""
        if request.path.endswith("/autocomplete/") and self.named_by(search_term) is None:
            queryset = queryset.filter(env=Env.LIVE)
        return super().get_search_results(request, queryset, search_term)

    def buttons_of(self, row: Organization) -> Iterator[RowButton]:
        if row.status != Organization.Status.ARCHIVED:
            yield RowButton(money.GrantCredits(), row.pk, {}, "Grant")
            yield RowButton(rules.SetCap(), row.pk, {})

    def more_in_file(self) -> Mapping[str, Callable[[Organization], object]]:
        return {
            "public_id": lambda row: row.public_id,
            "parent": lambda row: row.parent.name if row.parent else "",
            "balance": lambda row: row.wallet.balance,
            "reserved": lambda row: row.wallet.reserved,
            "available": lambda row: row.wallet.available,
            "debt": lambda row: row.wallet.debt,
            "monthly_cap": lambda row: row.wallet.config.monthly_cap,
            "used": lambda row: row.wallet.period.used if row.wallet.period else None,
        }

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(CREATE_PERMISSION)

    def get_urls(self) -> list[URLPattern]:
        buttons = [
            path(
                f"<uuid:organization_id>/{action.slug}/",
                self.admin_site.admin_view(ActionView.as_view(action=action, model_admin=self)),
                name=f"organizations_organization_{action.slug}",
            )
            for action in ACTIONS
        ]
        return [*buttons, *super().get_urls()]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """What it says of itself and its status, before and after; then its keys; then what staff did on its page, and why."""
        keys_changed = ApiKey.history.filter(organization_id=object_id)
        done = LogEntry.objects.filter(
            object_id=object_id, content_type=ContentType.objects.get_for_model(Organization)
        )
        lists = {
            "keys": keys_changed.order_by("-history_date", "-history_id")[:ROWS],
            "done": done.select_related("user").order_by("-action_time", "-id")[:ROWS],
        }
        return super().history_view(request, object_id, {**lists, **(extra_context or {})})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        # Not Django's own: that would have opened a transaction before the service is called.
        return CreateView.as_view(model_admin=self)(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        organization = self.get_object(request, object_id)
        if request.method != "GET" or not self.has_view_permission(request, organization):
            raise PermissionDenied
        if organization is None:
            raise Http404
        tabs = tabs_for(request, organization)
        asked = request.GET.get("tab", "")
        if asked in {tab.slug for tab in TABS} - {tab.slug for tab in tabs}:
            raise PermissionDenied
        tab = next((tab for tab in tabs if tab.slug == asked), tabs[0])
        return self._page(request, organization, tabs, tab)

    def _page(
        self, request: HttpRequest, organization: Organization, tabs: Sequence[Tab], tab: Tab
    ) -> HttpResponse:
        now = clock.now()
        reading = services.wallet_as_of(organization, now=now)
        seen = Seen(organization, reading, now, request.user, request.GET)
        is_open = organization.status != Organization.Status.ARCHIVED
        shown = buttons(request, organization, ACTIONS)
        panels = tab.shown(request, seen)
        if "controls" in panels:
            panels["thresholds"] = thresholds_bar(panels["controls"])
        context = {
            **self.admin_site.each_context(request),
            **strip(request, organization, reading, now=now),
            **panels,
            "now": now,
            "opts": self.opts,
            "original": organization,
            "organization": organization,
            "title": organization.name,
            "status": self.status_shown(organization),
            "tabs": tabs,
            "tab": tab,
            "head": shown,
            "buttons": shown.all,
            "is_open": is_open,
            "may_move": request.user.has_perm(families.Allocate.permission),
            "may_add_child": self.has_add_permission(request)
            and organization.parent_id is None
            and is_open,
        }
        return TemplateResponse(request, "admin/organizations/organization/cockpit.html", context)

    @display(description="Parent", ordering="parent__name")
    def parent_link(self, organization: Organization) -> SafeString | str:
        return link(organization.parent) if organization.parent else "–"

    @display(description="Status", ordering="status")
    def status_shown(self, organization: Organization) -> SafeString:
        status = status_in_force(organization)
        text = status if status == organization.status else f"{status}, as {_above(organization)}"
        shown = pill(text, TONES[status])
        return (
            format_html("{} {}", shown, pill("sandbox", "info"))
            if organization.is_sandbox
            else shown
        )

    @display(description="Balance", ordering="wallet__balance")
    def balance(self, organization: Organization) -> SafeString | str:
        return amount(organization.wallet.balance)

    @display(description="Available")
    def available(self, organization: Organization) -> SafeString | str:
        return amount(organization.wallet.available)

    @display(description="Cap used")
    def cap_used(self, organization: Organization) -> SafeString | str:
        wallet = organization.wallet
        if wallet.period is None or wallet.config.monthly_cap is None:
            return UNLIMITED
        bar = cap_bar(wallet.config, wallet.period)
        share = percent_of(bar["used"] + bar["reserved"], bar["cap"])
        return format_html(
            '<span class="bar bar-small" title="{} %"><i class="bar-{}" style="width:{}%"></i></span>'
            '<span class="amount">{} %</span>',
            share,
            bar["tone"],
            share,
            share,
        )

    @display(description="Since", ordering="id")
    def created(self, organization: Organization) -> SafeString | str:
        return moment(organization.created_at)


def _above(organization: Organization) -> str:
    """Return whose status is in force, where it is not the organization's own."""
    parent = organization.parent
    is_parents = parent is not None and parent.status != Organization.Status.ACTIVE
    return "its parent" if is_parents else "the live one"
