"""The terms of an organization: what people edit, each change kept with what was there before."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString

from credits import services
from credits.admin.actions import SMALLEST
from credits.admin.columns import amount, capped
from credits.admin.edits import EditedAdmin
from credits.admin.rules import proposal_page
from credits.admin.today import terms_today
from credits.models import CreditConfig
from credits.templatetags.amounts import credits
from organizations.admin import link
from organizations.admin.actions import Again, Figure
from organizations.models import Organization
from organizations.services import OrganizationArchived
from usage.admin.again import month_again

HELP = {
    "monthly_cap": "Per billing period. Empty: no cap. 0: nothing may be spent.",
    "overdraft_limit": "How far below zero new work is admitted. Empty: no limit. 0: not at all.",
    "when_empty": "What happens to a request that the pool cannot pay: refuse it, or use a fallback model.",
    "free_fallback_limit": "How much work on fallback models an empty pool may leave unpaid in a calendar month, at list price. Empty: no limit.",
    "refill_threshold": "Below this much, credits come from the parent. Empty: no refill rule.",
    "refill_amount": "Exactly this much, or nothing if the parent is short. Set both, or neither.",
    "refill_cooldown_seconds": "At most one refill in this time.",
    "allowance": "Credits included in each term. 0: none. More at once is an upgrade: a button of the organization.",
    "allowance_per_user": "And for each seat: as many as users were ever active at one moment of the term. 0: none.",
    "seat_limit": "How many seats bring a share. Empty: no limit. A higher one brings the shares of users who are active now at once; "
    "a lower one takes nothing away until the next term.",
    "rollover_limit": "How much of an allowance may survive its term. 0: nothing.",
    "anchored_on": "Periods begin on this day of the month; years on this date. Moved, it makes one short term, a stub: that brings "
    "its days' part of the allowance.",
    "overage_rate": "Information only: one credit of work is one credit of the ledger.",
    "open_holds_limit": "How many holds may be open at once, also those of no credits. Empty: no limit.",
    "actor_open_holds_limit": "And how many of each actor. Empty: no limit.",
    "charge_limit": "What one piece of work may cost at most; more is a mistake of units, and refused. Empty: no limit.",
    "recharge_limit": "How much may be bought through the API per billing period. 0: nothing.",
}

EMPTY = {
    "monthly_cap": "no cap",
    "overdraft_limit": "no limit",
    "free_fallback_limit": "no limit",
    "refill_threshold": "no refill",
    "refill_amount": "no refill",
    "seat_limit": "no limit",
    "open_holds_limit": "no limit",
    "actor_open_holds_limit": "no limit",
    "charge_limit": "no limit",
}
ZERO_MEANS = {
    "monthly_cap": "0: nothing may be spent",
    "overdraft_limit": "0: nothing below zero",
    "free_fallback_limit": "0: nothing for free",
    "allowance": "0: none",
    "allowance_per_user": "0: none",
    "seat_limit": "0: no seat brings a share",
    "rollover_limit": "0: nothing survives its term",
    "open_holds_limit": "0: no holds",
    "actor_open_holds_limit": "0: no holds",
    "charge_limit": "0: nothing may be charged",
    "recharge_limit": "0: nothing may be bought",
}


class TermsForm(ModelForm):
    """The terms, with the rule that a form can explain better than a constraint."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        names = ("refill_threshold", "refill_amount")
        empty = [name for name in names if name not in self.errors and cleaned.get(name) is None]
        if len(empty) == 1:
            self.add_error(
                empty[0], "Set both the refill threshold and the refill amount, or neither."
            )
        return cleaned


@admin.register(CreditConfig)
class CreditConfigAdmin(EditedAdmin):
    """The terms of each organization. A save names only what was changed on the page, and goes through the service."""

    form = TermsForm
    list_display = ("name", "cap", "refill", "allowance_shown", "term", "overdraft")
    list_filter = ("term", "when_empty")
    list_select_related = ("wallet__organization",)
    ordering = ("-wallet_id",)
    search_fields = ("wallet__organization__name",)
    search_help_text = "Name of an organization, or org_…"
    public_ids = {"org": "wallet__organization_id"}
    readonly_fields = ("organization", "cancelled_by")
    fieldsets = (
        (
            "These act at once",
            {
                "fields": (
                    "organization",
                    ("monthly_cap", "overdraft_limit"),
                    ("when_empty", "free_fallback_limit"),
                    "charge_limit",
                    ("open_holds_limit", "actor_open_holds_limit"),
                )
            },
        ),
        (
            "Refill from the parent, at once",
            {"fields": (("refill_threshold", "refill_amount"), "refill_cooldown_seconds")},
        ),
        (
            "Allowance, from the next boundary",
            {
                "fields": (
                    ("allowance", "allowance_per_user"),
                    ("rollover_limit", "term"),
                    ("anchored_on", "seat_limit"),
                )
            },
        ),
        (
            "The end",
            {"fields": (("cancel_at_period_end", "cancelled_by"),)},
        ),
        ("Purchases", {"fields": (("recharge_limit", "overage_rate"),)}),
    )
    help_texts = HELP
    raises = {"monthly_cap": "set-cap", "overdraft_limit": "set-overdraft"}
    empty_means = EMPTY
    zero_means = ZERO_MEANS
    smallest = {"refill_amount": SMALLEST}
    # Somebody else may have changed the terms between our check and the wallet's lock.
    refusals = (services.RefillRequiresThresholdAndAmount, OrganizationArchived)

    def proposing(self, row: CreditConfig, slug: str, value: Decimal | None) -> str:
        field = {slug: name for name, slug in self.raises.items()}[slug]
        return proposal_page(row.wallet.organization, slug, **{field: value})

    def impact(self, row: CreditConfig, *, now: datetime) -> list[Figure]:
        return terms_today(row.wallet.organization, now=now)

    def again(self, row: CreditConfig, *, now: datetime) -> Again:
        return month_again(row.wallet.organization, now=now)

    def heading(self, config: CreditConfig) -> str:
        return f"Terms of {config.wallet.organization}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: CreditConfig | None = None) -> bool:
        archived = (
            obj is not None and obj.wallet.organization.status == Organization.Status.ARCHIVED
        )
        return not archived and super().has_change_permission(request, obj)

    def store(
        self,
        row: CreditConfig,
        changes: dict[str, Any],
        *,
        is_new: bool,
        author: str,
        now: datetime,
    ) -> None:
        services.update_terms(
            organization=row.wallet.organization, changes=changes, performed_by=author, now=now
        )

    @display(description="Organization", ordering="wallet__organization__name")
    def name(self, config: CreditConfig) -> str:
        return config.wallet.organization.name

    @display(description="Organization")
    def organization(self, config: CreditConfig) -> SafeString:
        return link(config.wallet.organization)

    @display(description="Monthly cap", ordering="monthly_cap")
    def cap(self, config: CreditConfig) -> SafeString | str:
        return capped(config.monthly_cap)

    @display(description="Refill")
    def refill(self, config: CreditConfig) -> str:
        if config.refill_threshold is None or config.refill_amount is None:
            return "–"
        return f"{credits(config.refill_amount)} below {credits(config.refill_threshold)}"

    @display(description="Allowance", ordering="allowance")
    def allowance_shown(self, config: CreditConfig) -> SafeString | str:
        return amount(config.allowance)

    @display(description="Overdraft", ordering="overdraft_limit")
    def overdraft(self, config: CreditConfig) -> SafeString | str:
        return capped(config.overdraft_limit)
