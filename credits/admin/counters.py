"""What a month counted, as staff see it."""

from django.contrib import admin
from django.contrib.admin import display
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from credits.admin.columns import MoneyAdmin, MonthFilter, amount
from credits.models import UsageCounter
from organizations.admin import link


@admin.register(UsageCounter)
class UsageCounterAdmin(MoneyAdmin):
    """What an organization, an actor, an entity group or a resource used in a calendar month: what caps are compared with."""

    list_display = ("month_shown", "organization", "subject", "used_shown", "reserved_shown")
    list_filter = (
        MonthFilter,
        ("actor", AutocompleteSelectFilter),
        ("group", AutocompleteSelectFilter),
    )
    list_select_related = ("wallet__organization", "actor", "group")
    search_fields = ("wallet__organization__name", "actor__name", "group__name", "resource_id")
    search_by_names = ("wallet__organization", "actor", "group")
    search_exactly = ("resource_id",)
    search_help_text = (
        "Name of an organization, actor or group, id of an app or dataset; org_…, act_… or grp_…"
    )
    public_ids = {"org": "wallet__organization_id", "act": "actor_id", "grp": "group_id"}
    fields = (
        "organization",
        "month_shown",
        "subject",
        "used_shown",
        "reserved_shown",
        "free_used_shown",
        "free_reserved_shown",
    )

    def heading(self, counter: UsageCounter) -> str:
        return f"{counter.wallet.organization}: {counter}"

    @display(description="Month", ordering="id")
    def month_shown(self, counter: UsageCounter) -> str:
        return f"{counter.month:%Y-%m}"

    @display(description="Of")
    def subject(self, counter: UsageCounter) -> SafeString | str:
        subject = counter.actor or counter.group
        if subject is not None:
            return link(subject)
        return f"{counter.resource_type} {counter.resource_id}".strip() or "the organization"

    @display(description="Used", ordering="used")
    def used_shown(self, counter: UsageCounter) -> SafeString | str:
        return amount(counter.used)

    @display(description="Reserved", ordering="reserved")
    def reserved_shown(self, counter: UsageCounter) -> SafeString | str:
        return amount(counter.reserved)

    @display(description="Unpaid on free fallbacks")
    def free_used_shown(self, counter: UsageCounter) -> SafeString | str:
        return amount(counter.free_used)

    @display(description="May be left unpaid by open holds")
    def free_reserved_shown(self, counter: UsageCounter) -> SafeString | str:
        return amount(counter.free_reserved)
