"""Wallets and their billing periods, as staff see them."""

from django.contrib import admin
from django.contrib.admin import display
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter

from credits.admin.columns import MoneyAdmin, amount
from credits.models import BillingPeriod, Wallet
from organizations.admin import Headed, PublicIdSearch, ViewOnlyAdmin, link


@admin.register(Wallet)
class WalletAdmin(Headed, PublicIdSearch, ViewOnlyAdmin):
    """What each organization holds. Its page with the buttons is that of the organization."""

    list_display = (
        "name",
        "balance_shown",
        "reserved_shown",
        "available_shown",
        "allowance_shown",
        "debt_shown",
    )
    list_select_related = ("organization",)
    ordering = ("-id",)
    search_fields = ("organization__name",)
    search_help_text = "Name of an organization, or org_…"
    public_ids = {"org": "organization_id", "": "id"}
    fields = (
        "owner",
        *list_display[1:],
        "period_link",
        "config_link",
        "movements",
        "lapse_at",
        "refill_cooldown_ends_at",
        "refill_retry_at",
        "head_number",
        "head",
        "created_at",
    )

    def heading(self, wallet: Wallet) -> str:
        return f"Wallet of {wallet.organization}"

    @display(description="Organization", ordering="organization__name")
    def name(self, wallet: Wallet) -> str:
        return wallet.organization.name

    @display(description="Organization")
    def owner(self, wallet: Wallet) -> SafeString:
        return link(wallet.organization)

    @display(description="Balance", ordering="balance")
    def balance_shown(self, wallet: Wallet) -> SafeString | str:
        return amount(wallet.balance)

    @display(description="Reserved", ordering="reserved")
    def reserved_shown(self, wallet: Wallet) -> SafeString | str:
        return amount(wallet.reserved)

    @display(description="Available")
    def available_shown(self, wallet: Wallet) -> SafeString | str:
        return amount(wallet.available)

    @display(description="Allowance left", ordering="allowance_remaining")
    def allowance_shown(self, wallet: Wallet) -> SafeString | str:
        return amount(wallet.allowance_remaining)

    @display(description="Debt")
    def debt_shown(self, wallet: Wallet) -> SafeString | str:
        return amount(wallet.debt)

    @display(description="Open billing period")
    def period_link(self, wallet: Wallet) -> SafeString | str:
        return link(wallet.period) if wallet.period else "–"

    @display(description="Credit config")
    def config_link(self, wallet: Wallet) -> SafeString:
        return link(wallet.config, "Terms of this wallet")

    @display(description="Its rows")
    def movements(self, wallet: Wallet) -> SafeString:
        names = {"ledgerentry": "Ledger", "grant": "Grants", "reservation": "Reservations"}
        parts = [
            format_html(
                '<a class="text-link" href="{}?wallet__id__exact={}">{}</a>',
                reverse(f"admin:credits_{model}_changelist"),
                wallet.pk,
                name,
            )
            for model, name in names.items()
        ]
        return format_html("{} · {} · {}", *parts)

    @display(description="Hash of the last entry")
    def head(self, wallet: Wallet) -> SafeString:
        return format_html('<code class="mono">{}</code>', bytes(wallet.head_hash).hex())


@admin.register(BillingPeriod)
class BillingPeriodAdmin(MoneyAdmin):
    """One row per wallet and billing period: what its cap counted, and its statement."""

    list_display = (
        "period",
        "organization",
        "used_shown",
        "reserved_shown",
        "opening",
        "closing",
        "closed_at",
    )
    list_filter = (("closed_at", admin.EmptyFieldListFilter), ("starts_at", RangeDateTimeFilter))
    fields = (
        "organization",
        "index",
        "starts_at",
        "ends_at",
        "term_starts_at",
        "term_ends_at",
        "used_shown",
        "reserved_shown",
        "opening",
        "closing",
        "closed_at",
        "statement",
    )

    @display(description="Period", ordering="id")
    def period(self, period: BillingPeriod) -> str:
        return str(period)

    @display(description="Used")
    def used_shown(self, period: BillingPeriod) -> SafeString | str:
        return amount(period.used)

    @display(description="Reserved")
    def reserved_shown(self, period: BillingPeriod) -> SafeString | str:
        return amount(period.reserved)

    @display(description="Opening balance")
    def opening(self, period: BillingPeriod) -> SafeString | str:
        return amount(period.opening_balance)

    @display(description="Closing balance")
    def closing(self, period: BillingPeriod) -> SafeString | str:
        return amount(period.closing_balance)

    @display(description="Statement")
    def statement(self, period: BillingPeriod) -> SafeString:
        url = reverse("admin:credits_ledgerentry_changelist")
        return format_html(
            '<a class="text-link" href="{}?period__id__exact={}">Entries posted in it</a>',
            url,
            period.pk,
        )
