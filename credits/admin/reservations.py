"""Holds as staff see them."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from credits.admin.columns import MoneyAdmin, amount, limits_table
from credits.admin.hold_actions import OF_HOLDS, ReleaseHolds
from credits.models import LedgerEntry, Reservation
from organizations import clock
from organizations.admin import link, pill
from organizations.admin.cells import moment
from organizations.admin.row_buttons import RowButton, WithRowButtons
from organizations.admin.selection import ManyAdmin
from organizations.admin.windows import WindowFilter

HOLD_TONES = {
    Reservation.Status.OPEN: "info",
    Reservation.Status.SETTLED: "good",
    Reservation.Status.EXPIRED: "warn",
}


@admin.register(Reservation)
class ReservationAdmin(WithRowButtons, ManyAdmin, MoneyAdmin):
    """Holds on credits while work runs, and what became of them."""

    nothing = "No holds. No work was begun yet."
    list_display = (
        "held_at",
        "organization",
        "actor_link",
        "status_shown",
        "held",
        "settled",
        "effective_model",
        "performed_by",
        "closed_at",
    )
    list_filter = (
        "status",
        "decision",
        "late",
        ("actor", AutocompleteSelectFilter),
        ("created_at", WindowFilter),
    )
    list_select_related = ("wallet__organization", "actor")
    public_ids = {"rsv": "id", "org": "wallet__organization_id", "act": "actor_id"}
    search_help_text = "Name of an organization, rsv_…, org_… or act_…"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("public_id", "organization"),
                    ("status_shown", "late", "mode"),
                    ("held", "settled", "may_be_free"),
                    "grown",
                    ("entry_link", "period_link"),
                    "performed_by",
                    ("created_at", "expires_at", "closed_at"),
                )
            },
        ),
        (
            "The work",
            {
                "fields": (
                    ("actor_link", "group_link"),
                    ("decision", "requested_model", "effective_model"),
                    ("work_type", "resource"),
                    ("is_charged", "byok"),
                    "estimated_tokens",
                    "told",
                    "metadata",
                )
            },
        ),
        ("Limits after the last command on it", {"fields": ("limits_shown",)}),
    )

    many = OF_HOLDS

    def buttons_of(self, row: Reservation) -> Iterator[RowButton]:
        if row.status_at(clock.now()) == Reservation.Status.OPEN:
            yield RowButton(
                ReleaseHolds(), row.wallet.organization_id, {"holds": row.pk}, "Release"
            )

    @display(description="Made", ordering="id")
    def held_at(self, hold: Reservation) -> SafeString | str:
        return moment(hold.created_at)

    @display(description="Status")
    def status_shown(self, hold: Reservation) -> SafeString:
        return hold_pill(hold)

    @display(description="Held")
    def held(self, hold: Reservation) -> SafeString | str:
        return amount(hold.credits)

    @display(description="Settled")
    def settled(self, hold: Reservation) -> SafeString | str:
        return amount(hold.settled_credits)

    @display(description="May be left unpaid")
    def may_be_free(self, hold: Reservation) -> SafeString | str:
        return amount(hold.free_credits)

    @display(description="Grew")
    def grown(self, hold: Reservation) -> str:
        growths = hold.growths.order_by("id")[:20]
        return ", ".join(f"{each} at {each.grown_at:%H:%M:%S}" for each in growths) or "–"

    @display(description="Actor")
    def actor_link(self, hold: Reservation) -> SafeString | str:
        return link(hold.actor) if hold.actor else "–"

    @display(description="Entity group")
    def group_link(self, hold: Reservation) -> SafeString | str:
        return link(hold.group) if hold.group else "–"

    @display(description="For")
    def resource(self, hold: Reservation) -> str:
        return f"{hold.resource_type} {hold.resource_id}".strip() or "–"

    @display(description="Priced for")
    def estimated_tokens(self, hold: Reservation) -> str:
        return _listed(hold.estimate)

    @display(description="Settled with")
    def told(self, hold: Reservation) -> str:
        return _listed(hold.settled_with)

    @display(description="")
    def limits_shown(self, hold: Reservation) -> SafeString | str:
        return limits_table(hold.limits)

    @display(description="Entry that charged it")
    def entry_link(self, hold: Reservation) -> SafeString | str:
        entry = charge_of(hold)
        return link(entry) if entry else "–"

    @display(description="Billing period")
    def period_link(self, hold: Reservation) -> SafeString:
        return link(hold.period)


def _listed(figures: Mapping[str, Any] | None) -> str:
    """Return figures with their names, those that say something."""
    counted = {name: figure for name, figure in (figures or {}).items() if name != "metadata"}
    for whole in ("usage", "units"):
        counted |= counted.pop(whole, {})
    said = {name: figure for name, figure in counted.items() if figure}
    return ", ".join(f"{name.replace('_', ' ')} {figure}" for name, figure in said.items()) or "–"


def charge_of(hold: Reservation) -> LedgerEntry | None:
    """Return the entry that charged a hold: the one of its entries that an index knows. What corrects it follows it."""
    return hold.entries.filter(kind=LedgerEntry.Kind.SETTLE, reverses=None).first()


def hold_pill(hold: Reservation) -> SafeString:
    """Return the status of a hold as it is at this moment, swept or not."""
    status = hold.status_at(clock.now())
    text = f"{status}, late" if hold.late else status
    return pill(text, HOLD_TONES.get(Reservation.Status(status), "quiet"))
