"""Wallets and their billing periods, as staff see them: now, at a moment, and as a statement."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from credits import services
from credits.admin.columns import MoneyAdmin, amount
from credits.admin.ledger import told, with_reversals
from credits.admin.month_end import MonthEnd
from credits.models import BillingPeriod, LedgerEntry, StatusChange, Wallet
from credits.services import Statement
from organizations import clock, sheet
from organizations.admin import Headed, PublicIdSearch, ViewOnlyAdmin, link
from organizations.admin.windows import WindowFilter

MOVEMENTS = 20
"""How many movements the page of a period shows."""
MOST_BY_CATEGORY = 20_000
"""Of how many entries a page adds up what became of each category: each draws on grants, which are read one by one."""


class AsOfForm(forms.Form):
    as_of = forms.DateTimeField(
        label="At (UTC)", widget=forms.DateTimeInput({"type": "datetime-local", "step": 1})
    )


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

    change_form_outer_before_template = "admin/credits/wallet/as_of.html"

    def heading(self, wallet: Wallet) -> str:
        return f"Wallet of {wallet.organization}"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        form = AsOfForm(request.GET if "as_of" in request.GET else None)
        context |= {"as_of": form, "reading": _reading(form, context["original"])}
        return super().render_change_form(request, context, *args, **kwargs)

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
        names |= {"statuschange": "Status changes"}
        parts = [
            format_html(
                '<a class="text-link" href="{}?wallet__id__exact={}">{}</a>',
                reverse(f"admin:credits_{model}_changelist"),
                wallet.pk,
                name,
            )
            for model, name in names.items()
        ]
        return format_html("{} · {} · {} · {}", *parts)

    @display(description="Hash of the last entry")
    def head(self, wallet: Wallet) -> SafeString:
        return format_html('<code class="mono">{}</code>', bytes(wallet.head_hash).hex())


def _reading(form: AsOfForm, wallet: Wallet) -> services.Reading | None:
    """Return the wallet at the moment that was asked for, if one was."""
    if not form.is_bound or not form.is_valid():
        return None
    then = form.cleaned_data["as_of"]
    try:
        return services.wallet_then(wallet.organization, then=then, now=clock.now())
    except services.NotKnownThen as error:
        form.add_error("as_of", str(error).capitalize())
        return None


@admin.register(StatusChange)
class StatusChangeAdmin(MoneyAdmin):
    """When an organization was suspended, resumed or archived."""

    list_display = ("status", "organization", "changed_at")
    list_filter = ("status", ("changed_at", WindowFilter))
    fields = ("organization", "status", "changed_at")


def _told(period: BillingPeriod) -> Any:
    """Return the last movements of a period that are no work: what was taken back of it looks so there."""
    posted = LedgerEntry.objects.filter(wallet=period.wallet, period=period)
    rare = posted.exclude(kind=LedgerEntry.Kind.SETTLE).order_by("-posted_at", "-number")
    return told(with_reversals(rare)[:MOVEMENTS])


def _categories(period: BillingPeriod, statement: Statement) -> SafeString:
    """Return what became of the credits of each category, as a table that adds up to the statement; of a very long one, where that is told."""
    entries = LedgerEntry.objects.filter(period=period)
    if entries[: MOST_BY_CATEGORY + 1].count() > MOST_BY_CATEGORY:
        url = reverse("admin:credits_billingperiod_statement", args=[period.pk])
        text = '<p class="aside">What became of each category of so many entries tells <a class="text-link" href="{}">the file</a>.</p>'
        return format_html(text, url)
    lots = services.by_category([period], {period.pk: statement})[period.pk]
    lines = [
        (category, *(amount(each) for each in (*lot, lot.change)))
        for category, lot in lots.items()
        if any(lot)
    ]
    owed = services.owed(statement, lots)
    lines += [("debt", "", "", "", amount(owed))] if owed else []
    rows = format_html_join(
        "",
        '<tr><th>{}</th><td class="num">{}</td><td class="num">{}</td><td class="num">{}</td><td class="num">{}</td></tr>',
        lines,
    )
    return format_html(
        '<div class="wide" role="region" aria-label="By category" tabindex="0"><table class="rows"><thead><tr><th>Of the credits</th>'
        '<th class="num">Came</th><th class="num">Used</th><th class="num">Lapsed</th><th class="num">Change</th></tr></thead>'
        "<tbody>{}</tbody></table></div>",
        rows,
    )


@admin.register(BillingPeriod)
class BillingPeriodAdmin(MoneyAdmin):
    """One row per wallet and billing period: what its cap counted, and its statement."""

    list_display = (
        "period",
        "organization",
        "used_shown",
        "reserved_shown",
        "seats",
        "opening",
        "closing",
        "closed_at",
    )
    list_filter = (("closed_at", admin.EmptyFieldListFilter), ("starts_at", WindowFilter))
    fields = (
        "organization",
        "index",
        "starts_at",
        "ends_at",
        "term_starts_at",
        "term_ends_at",
        "part",
        "in_force",
        "in_force_per_user",
        "seats",
        "share_shown",
        "used_shown",
        "reserved_shown",
        "opening",
        "closing",
        "closed_at",
        "statement",
    )

    change_form_outer_before_template = "admin/credits/billingperiod/buttons.html"
    change_form_outer_after_template = "admin/credits/billingperiod/entries.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        if request.user.has_perm("credits.view_ledgerentry"):
            context["entries"] = _told(context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        download = path(
            "<int:period_id>/statement.csv",
            self.admin_site.admin_view(self.download),
            name="credits_billingperiod_statement",
        )
        return [download, *MonthEnd(self).urls(), *super().get_urls()]

    def download(self, request: HttpRequest, period_id: int) -> StreamingHttpResponse:
        """Send a statement row by row: it may be long."""
        period = self.get_object(request, str(period_id))
        if not self.has_view_permission(request, period):
            raise PermissionDenied
        if period is None:
            raise Http404
        rows = sheet.file(services.statement_rows(period))
        name = f"statement-{period.wallet.organization.public_id}-{period.starts_at:%Y-%m-%d}.csv"
        answer = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    @display(description="Period", ordering="id")
    def period(self, period: BillingPeriod) -> str:
        return str(period)

    @display(description="Used")
    def used_shown(self, period: BillingPeriod) -> SafeString | str:
        return amount(period.used)

    @display(description="Reserved")
    def reserved_shown(self, period: BillingPeriod) -> SafeString | str:
        return amount(period.reserved)

    @display(description="Its term brings")
    def part(self, period: BillingPeriod) -> str:
        return period.stub or "a whole allowance"

    @display(description="Allowance in force")
    def in_force(self, period: BillingPeriod) -> SafeString | str:
        return amount(period.allowance)

    @display(description="Allowance per user in force")
    def in_force_per_user(self, period: BillingPeriod) -> SafeString | str:
        return amount(period.allowance_per_user)

    @display(description="Share of each seat")
    def share_shown(self, period: BillingPeriod) -> SafeString | str:
        return amount(period.share)

    @display(description="Opening balance")
    def opening(self, period: BillingPeriod) -> SafeString | str:
        return amount(period.opening_balance)

    @display(description="Closing balance")
    def closing(self, period: BillingPeriod) -> SafeString | str:
        return amount(period.closing_balance)

    @display(description="Statement")
    def statement(self, period: Any) -> SafeString:
        """Return the statement as a table. The page asks for it more than once, and it is added up once."""
        if not hasattr(period, "statement_shown"):
            period.statement_shown = self._statement(period)
        shown: SafeString = period.statement_shown
        return shown

    def _statement(self, period: BillingPeriod) -> SafeString:
        url = reverse("admin:credits_ledgerentry_changelist")
        of = services.statement_of(period)
        ending = "Closing balance" if period.closed_at else "Balance after the last entry"
        lines = (
            ("Opening balance", amount(of.opening)),
            ("Granted and bought", amount(of.granted, movement=True)),
            ("Received from others", amount(of.received, movement=True)),
            ("Adjusted", amount(of.adjusted, movement=True)),
            ("Reversed", amount(of.reversed, movement=True)),
            ("Used", amount(-of.used, movement=True)),
            ("Lapsed", amount(-of.lapsed, movement=True)),
            ("Sent to others", amount(-of.sent, movement=True)),
            (ending, amount(of.closing)),
        )
        rows = format_html_join("", '<tr><th>{}</th><td class="num">{}</td></tr>', lines)
        return format_html(
            '<table class="rows"><tbody>{}</tbody></table>{}'
            '<a class="text-link" href="{}?period__id__exact={}">Entries posted in it</a>',
            rows,
            _categories(period, of),
            url,
            period.pk,
        )
