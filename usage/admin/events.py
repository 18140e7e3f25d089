"""What was done and what was refused, as staff see it: nobody writes here."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import display
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from credits.admin.columns import MoneyAdmin, MonthFilter, amount
from credits.admin.reservations import charge_of
from credits.templatetags.amounts import cell
from organizations.admin import link, pill
from organizations.admin.cells import count, moment
from organizations.admin.windows import WindowFilter
from usage.models import RollupMark, UsageEvent, UsageRollup
from usage.pricing import asked_variant
from usage.services.corrections import may_reverse
from usage.services.events import CORRECTION, FORGIVEN, REFUND, RERATED
from usage.services.history import BY
from usage.services.settling import SOURCE


class WorkTypeFilter(admin.SimpleListFilter):
    """Kinds of work, known beforehand: asking the table for those it has would read all of it."""

    title = "work type"
    parameter_name = "work_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in ("ai", "agent_run", "app_compute", "job_compute")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        known = dict(self.lookup_choices)
        return queryset.filter(work_type=self.value()) if self.value() in known else queryset


class ForgivenFilter(admin.SimpleListFilter):
    """Work, and what was forgiven of it."""

    title = "forgiven"
    parameter_name = "forgiven"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Only what was forgiven"), ("no", "Only work")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "yes":
            return queryset.filter(source=FORGIVEN)
        return queryset.exclude(source=FORGIVEN) if self.value() == "no" else queryset


class UsedAdmin(MoneyAdmin):
    """A table of an organization's own that only grows."""

    list_select_related: ClassVar[Sequence[str]] = ("organization", "actor")
    search_fields: Sequence[str] = ("organization__name", "actor__name")
    search_by_names: ClassVar[Sequence[str]] = ("organization", "actor")
    search_help_text = "Name of an organization or an actor, org_… or act_…"
    public_ids = {"org": "organization_id", "act": "actor_id"}

    def heading(self, row: Any) -> str:
        return f"{row.organization}: {row}"

    @display(description="Organization")
    def organization_link(self, row: Any) -> SafeString:
        return link(row.organization)

    @display(description="Actor")
    def actor_link(self, row: Any) -> SafeString | str:
        return link(row.actor) if row.actor else "–"

    @display(description="For")
    def resource(self, row: Any) -> str:
        return f"{row.resource_type} {row.resource_id}".strip() or "–"

    @display(description="Credits")
    def credits_shown(self, row: Any) -> SafeString | str:
        return amount(row.credits)


@admin.register(UsageEvent)
class UsageEventAdmin(UsedAdmin):
    """One piece of work that was done, and what it cost."""

    nothing = "No work was done yet."
    list_display = (
        "occurred",
        "organization_link",
        "actor_link",
        "model_link",
        "kind",
        "resource",
        "tokens",
        "credits_shown",
        "marks",
    )
    list_filter = (
        MonthFilter,
        ("occurred_at", WindowFilter),
        ("organization", AutocompleteSelectFilter),
        ("actor", AutocompleteSelectFilter),
        ("group", AutocompleteSelectFilter),
        ("model", AutocompleteSelectFilter),
        WorkTypeFilter,
        ForgivenFilter,
        "byok",
        "charged",
        "late",
    )
    list_select_related: ClassVar[Sequence[str]] = ("organization", "actor", "model")
    change_form_outer_before_template = "admin/usage/usageevent/buttons.html"
    search_fields = ("external_id__exact", "organization__name", "actor__name")
    search_exactly = ("external_id",)
    search_help_text = (
        "External id, name of an organization or an actor; evt_…, rsv_…, org_…, act_… or grp_…"
    )
    public_ids = {
        "evt": "id",
        "rsv": "reservation_id",
        "org": "organization_id",
        "act": "actor_id",
        "grp": "group_id",
    }
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("public_id", "organization_link"),
                    ("actor_link", "group_link"),
                    ("source", "external_id"),
                    ("occurred_at", "created_at", "month"),
                    ("credits_shown", "list_shown", "rated_at"),
                    ("byok", "charged", "late"),
                    "note",
                )
            },
        ),
        (
            "The work",
            {
                "fields": (
                    ("model_link", "served_so"),
                    "models_of_hold",
                    ("work_type", "resource"),
                    ("input_tokens", "cached_input_tokens", "cache_write_tokens"),
                    ("output_tokens", "reasoning_tokens"),
                    "usage",
                    "metadata",
                )
            },
        ),
        (
            "What it belongs to",
            {
                "fields": (
                    ("reservation_link", "entry_link"),
                    ("corrects_link", "corrected_links"),
                    "position",
                )
            },
        ),
    )

    def get_ordering(self, request: HttpRequest) -> Sequence[str]:
        """By when the work was done where it is one owner's: such an index has each of them, and that of all is by `id`."""
        is_of_one = any(f"{name}__id__exact" in request.GET for name in ("organization", "actor"))
        if is_of_one or self.named_by(request.GET.get(SEARCH_VAR, "")) is not None:
            return [f"-{name}" for name in BY]
        return list(super().get_ordering(request))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        context["may_reverse"] = may_reverse(context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Occurred", ordering="id")
    def occurred(self, event: UsageEvent) -> SafeString | str:
        return moment(event.occurred_at)

    @display(description="Credits")
    def credits_shown(self, event: UsageEvent) -> SafeString | str:
        return amount(event.credits) if event.credits >= 0 else _forgiven(event)

    @display(description="Model")
    def model_link(self, event: UsageEvent) -> SafeString | str:
        return link(event.model) if event.model else "–"

    @display(description="Served")
    def served_so(self, event: UsageEvent) -> str:
        return event.variant.replace("=", ": ").replace("_", " ") or "as standard"

    @display(description="Asked for → held for")
    def models_of_hold(self, event: UsageEvent) -> str:
        hold = event.reservation
        if hold is None or not hold.requested_model:
            return "–"
        variant = asked_variant(hold.rate_card or {})
        held = f"{hold.requested_model} → {hold.effective_model}"
        return f"{held}, {variant.replace('=', ': ')}" if variant else held

    @display(description="Work")
    def kind(self, event: UsageEvent) -> str:
        return "–" if event.source == FORGIVEN else event.work_type

    @display(description="Tokens in / out")
    def tokens(self, event: UsageEvent) -> SafeString | str:
        return tokens_of(event)

    @display(description="")
    def marks(self, event: UsageEvent) -> SafeString | str:
        return marks_of(event)

    @display(description="By the rate card")
    def list_shown(self, event: UsageEvent) -> SafeString | str:
        return amount(event.list_credits)

    @display(description="Entity group")
    def group_link(self, event: UsageEvent) -> SafeString | str:
        return link(event.group) if event.group else "–"

    @display(description="Reservation")
    def reservation_link(self, event: UsageEvent) -> SafeString | str:
        return link(event.reservation) if event.reservation else "–"

    @display(description="Entry that charged it")
    def entry_link(self, event: UsageEvent) -> SafeString | str:
        entry = event.entry
        if entry is None and event.reservation is not None:
            entry = charge_of(event.reservation)
        return link(entry) if entry else "–"

    @display(description="Corrects")
    def corrects_link(self, event: UsageEvent) -> SafeString | str:
        return link(event.corrects) if event.corrects else "–"

    @display(description="Corrected by")
    def corrected_links(self, event: UsageEvent) -> SafeString | str:
        links = [link(each, each.source) for each in event.corrected_by.order_by("position")]
        return format_html_join(", ", "{}", ((each,) for each in links)) if links else "–"


def _forgiven(event: UsageEvent) -> SafeString:
    return cell(event.credits, tone=" amount-in")


def told(events: Iterable[UsageEvent]) -> list[tuple[UsageEvent, SafeString | str, SafeString]]:
    """Return events as the page of an organization lists them: each with its tokens, and what is unusual about it."""
    return [(event, tokens_of(event), marks_of(event)) for event in events]


def tokens_of(event: UsageEvent) -> SafeString | str:
    """Return how many tokens went in, cached ones included, and came out; nothing for work told in credits."""
    if event.input_tokens is None and event.output_tokens is None:
        return "–"
    return format_html(
        '<span class="amount">{} / {}</span>',
        f"{event.input_tokens or 0:,}",
        f"{event.output_tokens or 0:,}",
    )


def marks_of(event: UsageEvent) -> SafeString:
    """Return what is unusual about an event, as small labels."""
    is_free = event.source == SOURCE and event.credits < event.list_credits and not event.byok
    marks = {
        "forgiven": (event.source == FORGIVEN, "good"),
        "taken back": (event.source == CORRECTION, "warn"),
        "refunded": (event.source == REFUND, "warn"),
        "priced again": (event.source == RERATED, "warn"),
        "history": (not event.charged, "info"),
        "own keys": (event.byok, "info"),
        "free fallback": (is_free and not event.credits, "info"),
        "partly unpaid": (is_free and event.credits > 0, "info"),
        "late": (event.late, "warn"),
    }
    pills = [pill(text, tone) for text, (applies, tone) in marks.items() if applies]
    return format_html_join(" ", "{}", ((mark,) for mark in pills))


@admin.register(UsageRollup)
class UsageRollupAdmin(UsedAdmin):
    """What events add up to in a day: what the reports read, together with the events that are not in it yet."""

    list_display = (
        "day",
        "organization_link",
        "actor_link",
        "model_link",
        "work_type",
        "resource",
        "events_shown",
        "credits_shown",
    )
    list_filter = (
        ("organization", AutocompleteSelectFilter),
        ("actor", AutocompleteSelectFilter),
        ("model", AutocompleteSelectFilter),
    )
    list_select_related: ClassVar[Sequence[str]] = ("organization", "actor", "model")
    fields = (
        ("organization_link", "day"),
        ("actor_link", "model_link"),
        ("work_type", "resource"),
        ("events_shown", "credits_shown"),
    )

    @display(description="Model")
    def model_link(self, rollup: UsageRollup) -> SafeString | str:
        return link(rollup.model) if rollup.model else "–"

    @display(description="Events")
    def events_shown(self, rollup: UsageRollup) -> SafeString | str:
        return count(rollup.events)


@admin.register(RollupMark)
class RollupMarkAdmin(UsedAdmin):
    """Up to which event the rollups of an organization count."""

    list_display = ("organization", "position", "rolled_up_at")
    list_select_related: ClassVar[Sequence[str]] = ("organization",)
    ordering = ("-organization_id",)
    search_fields = ("organization__name",)
    search_by_names = ("organization",)
    public_ids = {"org": "organization_id"}
    fields = ("organization_link", "position", "rolled_up_at")
