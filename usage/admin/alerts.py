"""The alert centre: what Purser noticed by itself, with what became of it, and the buttons with which staff take care of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from organizations import alerts, clock
from organizations.admin import PublicIdSearch, ViewOnlyAdmin, link, pill
from organizations.admin.actions import sentence, staff
from organizations.admin.cells import moment
from organizations.admin.change_lists import KeysetList, sortable
from organizations.models import Alert
from usage.admin.alert_deeds import DEEDS, MANAGE, REFUSALS, USUAL_SILENCE, Deed
from usage.admin.alert_many import ManyAlerts
from usage.admin.alert_words import TONES, page_of, said, whose, with_whom


class AlertStateFilter(admin.SimpleListFilter):
    """What is true now, unless what is over is asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("open", "Needs somebody"),
            ("acknowledged", "Acknowledged"),
            ("silenced", "Silenced"),
            ("resolved", "Resolved"),
            ("any", "Whatever became of it"),
        ]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Not resolved"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        if self.value() == "any":
            return queryset
        return queryset.filter(in_state(self.value() or "", clock.now()))


def in_state(state: str, now: datetime) -> Q:
    """Return the condition of a state, as `Alert.state` names it; of any other word, that it is not resolved."""
    is_silenced = Q(silenced_until__gt=now)
    true_now = Q(resolved_at__isnull=True)
    conditions: Mapping[str, Q] = {
        "open": true_now & ~is_silenced & Q(acknowledged_at__isnull=True),
        "acknowledged": true_now & ~is_silenced & Q(acknowledged_at__isnull=False),
        "silenced": true_now & is_silenced,
        "resolved": ~true_now,
    }
    return conditions.get(state, true_now)


@admin.register(Alert)
class AlertAdmin(ManyAlerts, PublicIdSearch, ViewOnlyAdmin):
    """Alerts, the newest first. The calendar fires and resolves them; staff acknowledge and silence."""

    list_display = ("fired", "kind_shown", "about", "seen", "state_shown")
    list_display_links = ("fired", "kind_shown")
    list_filter = (
        AlertStateFilter,
        "kind",
        "severity",
        ("organization", AutocompleteSelectFilter),
    )
    list_filter_submit = True
    list_select_related = ("organization", "actor", "group")
    ordering = ("-id",)
    search_fields = ("organization__name", "subject")
    search_by_names = ("organization", "actor", "group")
    search_exactly = ("subject", "kind")
    search_help_text = (
        "Name of an organization, a person or a group, org_…, act_…, kind of work or name of a task"
    )
    public_ids: ClassVar[Mapping[str, str]] = {
        "org": "organization_id",
        "act": "actor_id",
        "grp": "group_id",
        "alr": "id",
        "": "id",
    }
    fields = (("kind_shown", "state_shown"), ("about", "organization_link"), "seen", "fired")
    change_form_outer_before_template = "admin/organizations/alert/buttons.html"
    change_form_outer_after_template = "admin/organizations/alert/steps.html"
    nothing = "Nothing needs anybody."

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetList]:
        return KeysetList

    def get_sortable_by(self, request: HttpRequest) -> Sequence[Any]:
        return sortable(self, self.get_list_display(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        return with_whom(super().get_queryset(request))

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<uuid:id>/{deed.slug}/",
                self.admin_site.admin_view(self._view_of(deed)),
                name=f"organizations_alert_{deed.slug}",
            )
            for deed in DEEDS
        ]
        return [*own, *super().get_urls()]

    def _view_of(self, deed: Deed) -> Any:
        def view(request: HttpRequest, id: UUID) -> HttpResponse:
            return self._do(request, deed, id)

        return view

    def _do(self, request: HttpRequest, deed: Deed, id: UUID) -> HttpResponse:
        """Ask why, and do it."""
        if not request.user.has_perm(MANAGE):
            raise PermissionDenied
        alert = self.get_object(request, str(id))
        if alert is None:
            raise Http404
        now, page = clock.now(), reverse("admin:organizations_alert_change", args=[alert.pk])
        form = deed.form(request.POST or None, initial={"until": now + USUAL_SILENCE})
        if request.method == "POST" and form.is_valid():
            by = staff(request.user)
            try:
                deed.service(alert=alert, performed_by=by, now=now, **form.cleaned_data)
            except REFUSALS as refusal:
                field = "until" if isinstance(refusal, alerts.InThePast) else None
                form.add_error(field, sentence(refusal))
            else:
                messages.success(request, f"{deed.title}: done.")
                return redirect(page)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": alert,
            "alert": alert,
            "whose": whose(alert),
            "said": said(alert),
            "action": deed,
            "form": form,
            "back": page,
            "title": deed.title,
        }
        return TemplateResponse(request, "admin/organizations/alert/deed.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        alert = context["original"]
        state = alert.state(clock.now())
        may = request.user.has_perm(MANAGE)
        context |= {
            "deeds": [deed for deed in DEEDS if may and state in deed.fits],
            "page": page_of(alert),
            "steps": [(each, said(alert, each.figures)) for each in alert.steps.order_by("-id")],
        }
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page

    @display(description="Fired", ordering="id")
    def fired(self, alert: Alert) -> SafeString | str:
        return moment(alert.fired_at)

    @display(description="What", ordering="kind")
    def kind_shown(self, alert: Alert) -> SafeString:
        tone = "bad" if alert.severity == Alert.Severity.CRITICAL else "warn"
        return pill(alert.get_kind_display(), tone)

    @display(description="Of")
    def about(self, alert: Alert) -> SafeString:
        return format_html('<a class="text-link" href="{}">{}</a>', page_of(alert), whose(alert))

    @display(description="Organization", ordering=F("organization__name"))
    def organization_link(self, alert: Alert) -> SafeString | str:
        return link(alert.organization) if alert.organization else "the whole installation"

    @display(description="What was seen")
    def seen(self, alert: Alert) -> str:
        return said(alert)

    @display(description="State")
    def state_shown(self, alert: Alert) -> SafeString:
        return state_of(alert, now=clock.now())


def state_of(alert: Alert, *, now: datetime) -> SafeString:
    """Return the state of an alert as a label, with who said so and until when."""
    state = alert.state(now)
    shown = pill("needs somebody" if state == "open" else state, TONES[state])
    if state == "silenced":
        return format_html("{} until {}", shown, moment(alert.silenced_until))
    if state == "acknowledged":
        return format_html("{} by {}", shown, alert.acknowledged_by)
    if state == "resolved":
        return format_html("{} {}", shown, moment(alert.resolved_at))
    return shown
