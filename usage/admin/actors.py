"""Actors as staff see them: who spends for an organization, how much of its cap is used, and what is its own."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from credits import services as credits_services
from organizations import clock, words
from organizations.admin import link, pill
from organizations.admin.actions import Figure
from organizations.admin.change_lists import KeysetList, sortable
from organizations.admin.row_buttons import RowButton, WithRowButtons
from organizations.admin.selection import ManyAdmin
from organizations.models import Actor, Organization
from usage.admin.actions import NewActor
from usage.admin.actor_head import actor_head
from usage.admin.columns import cap_link, linked, set_one
from usage.admin.happened import happened_to
from usage.admin.limit_actions import SetLimit
from usage.admin.many import OF_PEOPLE
from usage.admin.ownership import OwnedAdmin, OwnedForm
from usage.admin.person_actions import SwitchOff, SwitchOn
from usage.admin.today import actor_today
from usage.models import Limit


class ActorForm(OwnedForm):
    exact = "external_id"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "profile" in self.fields:
            self.offer_own_profiles("The organization's default")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        external_id = cleaned.get("external_id")
        if external_id is not None:
            self.refuse_if_taken(
                "external_id",
                "Another actor of the organization has it.",
                external_id=external_id,
            )
        return cleaned


@admin.register(Actor)
class ActorAdmin(WithRowButtons, ManyAdmin, OwnedAdmin):
    """People and agents who spend. A new one is a button: who comes may bring a share of the allowance."""

    form = ActorForm
    list_display = (
        "name",
        "kind_shown",
        "organization_link",
        "profile_link",
        "email",
        "external_id",
        "active",
    )
    list_filter = ("kind", "active", ("organization", AutocompleteSelectFilter))
    list_select_related = ("organization", "profile")
    search_fields = ("name", "email", "external_id")
    search_help_text = "Name, email, external id, act_… or org_…"
    public_ids = {"act": "id", "org": "organization_id"}
    search_words = words.ACTOR
    many = OF_PEOPLE
    decides = True
    actions = ()
    help_texts = {
        "external_id": "What the product calls it.",
        "active": "One who is not spends nothing, and personal keys open nothing. A user who becomes active and "
        "takes a new seat brings a share of the allowance; one who leaves takes nothing away until the next term.",
    }
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "email"),
                    ("external_id", "profile"),
                    "active",
                )
            },
        ),
        ("What is its own", {"fields": (("limit", "groups_shown"), ("events", "created_at"))}),
    )
    readonly_fields = (
        "created_at",
        "limit",
        "groups_shown",
        "events",
    )
    change_form_outer_before_template = "admin/organizations/actor/buttons.html"
    change_form_outer_after_template = "admin/happened_to.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetList]:
        return KeysetList

    def get_sortable_by(self, request: HttpRequest) -> Sequence[Any]:
        return sortable(self, self.get_list_display(request))

    def buttons_of(self, row: Actor) -> Iterator[RowButton]:
        if row.organization.status == Organization.Status.ARCHIVED:
            return
        yield RowButton(SetLimit(), row.organization_id, {"whose": row.public_id})
        switch = SwitchOff() if row.active else SwitchOn()
        yield RowButton(switch, row.organization_id, {"actor": row.pk})

    def impact(self, row: Actor, *, now: datetime) -> list[Figure]:
        return actor_today(row, now=now)

    def heading(self, actor: Actor) -> str:
        return f"{actor.organization}: {actor}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Actor]:
        rows: QuerySet[Actor] = super().get_queryset(request)
        return rows.select_related("organization", "profile")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        chosen = self.chosen(request)
        if chosen is None or not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        return redirect(
            f"admin:organizations_organization_{NewActor.slug}", chosen["organization"].pk
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        actor = context["original"]
        if actor is not None:
            context["head_of"] = actor_head(request, actor, now=clock.now())
            context["happened"] = happened_to(actor, may=request.user.has_perm)
        return super().render_change_form(request, context, *args, **kwargs)

    def store(
        self, row: Actor, changes: dict[str, Any], *, is_new: bool, author: str, now: datetime
    ) -> None:
        credits_services.update_actor(actor=row, changes=changes, performed_by=author, now=now)

    @display(description="Kind", ordering="kind")
    def kind_shown(self, actor: Actor) -> SafeString:
        return pill(actor.kind, "info" if actor.kind == Actor.Kind.AGENT else "quiet")

    @display(description="Profile", ordering="profile__name")
    def profile_link(self, actor: Actor) -> SafeString | str:
        return link(actor.profile) if actor.profile else "default"

    @display(description="Own limit")
    def limit(self, actor: Actor) -> SafeString:
        own = Limit.objects.filter(organization=actor.organization, actor=actor).first()
        return cap_link(own) if own else set_one(actor.organization, "actor", actor)

    @display(description="Groups")
    def groups_shown(self, actor: Actor) -> SafeString | str:
        return linked(list(actor.groups.order_by("kind", "name")))

    @display(description="Its rows")
    def events(self, actor: Actor) -> SafeString:
        names = {"usage_usageevent": "Events", "usage_denial": "Denials"}
        names |= {"credits_reservation": "Reservations", "credits_usagecounter": "Counters"}
        parts = [
            format_html(
                '<a class="text-link" href="{}?actor__id__exact={}">{}</a>',
                reverse(f"admin:{model}_changelist"),
                actor.pk,
                name,
            )
            for model, name in names.items()
        ]
        return format_html("{} · {} · {} · {}", *parts)
