"""The ledger and the grants it draws on, as staff see them: who, why, and what leads to what."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import Model, OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline

from credits.admin.columns import MoneyAdmin, amount
from credits.models import (
    GrantDraw,
    LedgerEntry,
    Reference,
    ReferenceMove,
    namespace_of,
)
from credits.services.corrections import INSTEAD
from credits.templatetags.amounts import credits
from credits.templatetags.reversals import is_reversed, reversed_mark
from organizations.admin import link, pill
from organizations.admin.cells import moment
from organizations.admin.columns import MOST_OWNERS
from organizations.admin.windows import WindowFilter

KIND_TONES = {
    LedgerEntry.Kind.ADJUST: "warn",
    LedgerEntry.Kind.LAPSE: "warn",
    LedgerEntry.Kind.REVERSAL: "warn",
}
"""A colour only for what is unusual."""


class Rows(TabularInline):
    """Rows that belong to another, to look at. A page of them at a time."""

    extra = 0
    per_page = 20
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class DrawRows(Rows):
    model = GrantDraw
    verbose_name_plural = "Grants it changed, and by how much"
    hide_title = True
    fields: ClassVar[Sequence[str]] = ("grant_link", "moved")
    readonly_fields = ("grant_link", "entry_link", "moved")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[GrantDraw]:
        rows: QuerySet[GrantDraw] = super().get_queryset(request)
        return rows.select_related("grant", "entry")

    @display(description="Grant")
    def grant_link(self, draw: GrantDraw) -> SafeString:
        return link(draw.grant)

    @display(description="Entry")
    def entry_link(self, draw: GrantDraw) -> SafeString:
        return link(draw.entry)

    @display(description="Credits")
    def moved(self, draw: GrantDraw) -> SafeString | str:
        return amount(draw.amount, movement=True)


class GrantHistoryRows(DrawRows):
    verbose_name_plural = "Entries that changed it"
    fields = ("entry_link", "moved")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(MoneyAdmin):
    """Every movement of credits: when, whose, how many, why, and who did it."""

    list_display = (
        "posted",
        "organization",
        "kind_shown",
        "moved",
        "balance_shown",
        "why",
        "named",
        "performed_by",
        "numbered",
    )
    nothing = "No movements. Nothing was granted, bought or used yet."
    list_select_related = ("wallet__organization", "current_reference")
    list_filter = ("kind", ("posted_at", WindowFilter))
    search_fields = ("wallet__organization__name",)
    public_ids = {"txn": "id", "org": "wallet__organization_id", "rsv": "reservation_id"}
    search_help_text = "Reference, name of an organization, txn_…, org_… or rsv_…"
    inlines = (DrawRows,)
    change_form_outer_before_template = "admin/credits/ledgerentry/buttons.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("organization", "posted_at"),
                    ("moved", "balance_shown"),
                    ("reason", "performed_by"),
                    "metadata",
                )
            },
        ),
        (
            "What it belongs to",
            {
                "fields": (
                    "reference_shown",
                    ("wallet_link", "period_link"),
                    ("reservation_link", "other_side"),
                    ("reverses_link", "reversed_link"),
                    "made",
                )
            },
        ),
        ("Chain", {"fields": ("number", "previous", "own_hash")}),
    )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        entry = context["original"]
        may_reverse = entry.kind not in INSTEAD and entry.left > 0
        context["may_reverse"] = may_reverse and request.user.has_perm("credits.reverse")
        may_refer = namespace_of(entry) is not None
        context["may_refer"] = may_refer and request.user.has_perm("credits.adjust")
        return super().render_change_form(request, context, *args, **kwargs)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[LedgerEntry], search_term: str
    ) -> Any:
        """Find what a reference means, or meant until it was moved; whatever else it looks like."""
        meant = queryset.filter(id__in=_meant_by({search_term, search_term.strip()} - {""}))
        if meant.exists():
            return meant, False
        return super().get_search_results(request, queryset, search_term)

    @display(description="Posted", ordering="id")
    def posted(self, entry: LedgerEntry) -> SafeString | str:
        return moment(entry.posted_at)

    @display(description="No.")
    def numbered(self, entry: LedgerEntry) -> SafeString:
        return format_html('<span class="amount">#{}</span>', entry.number)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        return with_reversals(super().get_queryset(request))

    @display(description="Kind")
    def kind_shown(self, entry: LedgerEntry) -> SafeString:
        kind = pill(entry.kind, KIND_TONES.get(LedgerEntry.Kind(entry.kind), "quiet"))
        return format_html("{}{}", kind, reversed_mark(entry))

    @display(description="Credits")
    def moved(self, entry: LedgerEntry) -> SafeString | str:
        shown = amount(entry.amount, movement=True)
        return format_html('<s class="taken-back">{}</s>', shown) if is_reversed(entry) else shown

    @display(description="Balance after")
    def balance_shown(self, entry: LedgerEntry) -> SafeString | str:
        return amount(entry.balance_after)

    @display(description="Why")
    def why(self, entry: LedgerEntry) -> SafeString | str:
        return why(entry)

    @display(description="Reference")
    def reference_shown(self, entry: LedgerEntry) -> SafeString | str:
        """What means the entry, and how it came to."""
        moves = format_html_join(
            "",
            "<br>{} by {} on {}: {}",
            (
                (move, move.performed_by, f"{move.moved_at:%Y-%m-%d %H:%M} UTC", move.reason)
                for move in entry.reference_moves.order_by("id")
            ),
        )
        return format_html("{}{}", self.named(entry), moves)

    @display(description="Reference")
    def named(self, entry: LedgerEntry) -> str:
        current: Reference | None = getattr(entry, "current_reference", None)
        return current.text if current else "–"

    @display(description="Wallet")
    def wallet_link(self, entry: LedgerEntry) -> SafeString:
        return link(entry.wallet, f"Wallet of {entry.wallet.organization}")

    @display(description="Billing period")
    def period_link(self, entry: LedgerEntry) -> SafeString:
        return link(entry.period)

    @display(description="Reservation")
    def reservation_link(self, entry: LedgerEntry) -> SafeString | str:
        return link(entry.reservation) if entry.reservation else "–"

    @display(description="Reverses, or follows")
    def reverses_link(self, entry: LedgerEntry) -> SafeString | str:
        return link(entry.reverses) if entry.reverses else "–"

    @display(description="Reversed, or followed, by")
    def reversed_link(self, entry: LedgerEntry) -> SafeString | str:
        links = [link(each) for each in entry.reversed_by.order_by("number")]
        if not links:
            return "–"
        of_part = f" ({credits(entry.left)} left)" if 0 < entry.left < abs(entry.amount) else ""
        return format_html(", ".join(["{}"] * len(links)) + "{}", *links, of_part)

    @display(description="Other side of the transfer")
    def other_side(self, entry: LedgerEntry) -> SafeString | str:
        if entry.transfer_id is None:
            return "–"
        sides = LedgerEntry.objects.filter(transfer_id=entry.transfer_id).exclude(id=entry.id)
        other = sides.select_related("wallet__organization").get()
        return link(other, f"{other} of {other.wallet.organization}")

    @display(description="Grants it made")
    def made(self, entry: LedgerEntry) -> SafeString | str:
        links = [link(grant) for grant in entry.grants.all()]
        return format_html(", ".join(["{}"] * len(links)), *links) if links else "–"

    @display(description="Hash before")
    def previous(self, entry: LedgerEntry) -> SafeString:
        return format_html('<code class="mono">{}</code>', bytes(entry.previous_hash).hex())

    @display(description="Hash")
    def own_hash(self, entry: LedgerEntry) -> SafeString:
        return format_html('<code class="mono">{}</code>', bytes(entry.hash).hex())


def told(entries: Iterable[LedgerEntry]) -> list[tuple[LedgerEntry, str, SafeString | str]]:
    """Return entries as `admin/entries.html` lists them: each with the colour of its kind, and why."""
    return [
        (entry, KIND_TONES.get(LedgerEntry.Kind(entry.kind), "quiet"), why(entry))
        for entry in entries
    ]


def _meant_by(texts: set[str]) -> list[Any]:
    """Return the ids of the entries that references mean, or meant: asked for apart, since one condition of both reads the whole ledger."""
    now = Reference.objects.filter(text__in=texts).values_list("entry_id", flat=True)
    before = ReferenceMove.objects.filter(before__in=texts).values_list("entry_id", flat=True)
    return [*now[:MOST_OWNERS], *before[:MOST_OWNERS]]


def with_reversals(entries: Any) -> QuerySet[LedgerEntry]:
    """Return entries with what was taken back of each, in `taken_back`, and the last reversal that did, in `taken_back_by`."""
    back = LedgerEntry.objects.filter(reverses=OuterRef("pk"), kind=LedgerEntry.Kind.REVERSAL)
    sums = back.order_by().values("reverses").annotate(sum=Sum("amount")).values("sum")
    last = back.order_by("-number").values("pk")[:1]
    rows: QuerySet[LedgerEntry] = entries.annotate(
        taken_back=Subquery(sums), taken_back_by=Subquery(last)
    )
    return rows


def why(entry: LedgerEntry) -> SafeString | str:
    """Return why an entry was posted: the reason that was given, or the work that it charged."""
    if entry.reason:
        return entry.reason
    if entry.reservation_id:
        url = reverse("admin:credits_reservation_change", args=[entry.reservation_id])
        return format_html('<a class="text-link" href="{}">work on a reservation</a>', url)
    return {
        LedgerEntry.Kind.RENEW: "a new term",
        LedgerEntry.Kind.LAPSE: "its time was up",
        LedgerEntry.Kind.REFILL: "below the refill threshold",
        LedgerEntry.Kind.SWEEP: "from an archived child",
        LedgerEntry.Kind.RECLAIM: "taken back by the parent",
    }.get(LedgerEntry.Kind(entry.kind), "–")


@admin.register(GrantDraw)
class GrantDrawAdmin(MoneyAdmin):
    """By how much each entry changed each grant."""

    list_display = ("number", "organization", "entry_link", "grant_link", "moved")
    list_select_related = ("entry__wallet__organization", "grant")
    search_fields = ("entry__wallet__organization__name",)
    search_by_names = ("entry__wallet__organization",)
    public_ids = {"txn": "entry_id", "org": "entry__wallet__organization_id"}
    fields = ("organization", "entry_link", "grant_link", "moved")

    def heading(self, draw: GrantDraw) -> str:
        return f"{draw.entry.wallet.organization}: {draw}"

    @display(description="Draw", ordering="id")
    def number(self, draw: GrantDraw) -> str:
        return f"#{draw.pk}"

    @display(description="Organization")
    def organization(self, draw: GrantDraw) -> SafeString:
        return link(draw.entry.wallet.organization)

    @display(description="Entry")
    def entry_link(self, draw: GrantDraw) -> SafeString:
        return link(draw.entry)

    @display(description="Grant")
    def grant_link(self, draw: GrantDraw) -> SafeString:
        return link(draw.grant)

    @display(description="Credits")
    def moved(self, draw: GrantDraw) -> SafeString | str:
        return amount(draw.amount, movement=True)
