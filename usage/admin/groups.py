"""Groups as staff see them: teams, whose limit is each member's, and entity groups, which are one bucket."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from credits.admin.forms import CreditsField
from credits.models import ZERO
from organizations import clock, words
from organizations.admin import link, pill
from organizations.admin.actions import Figure
from organizations.admin.forms import own_actors
from organizations.models import Actor, Group, Membership
from usage.admin.columns import cap_link, set_one
from usage.admin.group_head import group_head
from usage.admin.happened import happened_to
from usage.admin.ownership import OwnedAdmin, OwnedForm
from usage.admin.today import limits_today
from usage.models import Limit
from usage.services import controls, groups

ROWS = 100
"""How many changes of members the history of a group shows."""


KINDS = {
    Group.Kind.ENTITY: "Shared budget: one bucket for all of them",
    Group.Kind.TEAM: "Team: its limit is each member's",
}


class GroupForm(OwnedForm):
    """A group with its members, who are found while one types."""

    exact = "key"

    may_limit: ClassVar[bool] = False
    """Whether whoever fills it in may also set the limit of the new group."""

    people = forms.ModelMultipleChoiceField(queryset=Actor.objects.none(), required=False)
    cap = CreditsField(
        label="Limit of a calendar month",
        required=False,
        min_value=ZERO,
        help_text="In credits: of a shared budget for all together, of a team for each member. Empty: none of its own. 0: nothing may be spent.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.may_limit or not self.instance._state.adding:
            self.fields.pop("cap", None)
        kind = self.fields.get("kind")
        if isinstance(kind, forms.ChoiceField):
            kind.choices = list(KINDS.items())
        if self.organization is None:
            return
        is_new = self.instance._state.adding
        present = [] if is_new else list(self.instance.members.all())
        self.fields["people"] = own_actors(
            self.organization, label="Members", required=False, initial=present
        )
        self.fields["people"].show_hidden_initial = True
        if "profile" in self.fields:
            self.offer_own_profiles("None")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("kind", self.instance.kind)
        if kind == Group.Kind.ENTITY and cleaned.get("profile") is not None:
            self.add_error("profile", "Only a team carries a profile.")
        if kind == Group.Kind.ENTITY:
            self._refuse_who_is_elsewhere(cleaned.get("people") or [])
        message = "The organization has a group of that kind and key."
        self.refuse_if_taken("key", message, kind=kind, key=cleaned.get("key"))
        return cleaned

    def _refuse_who_is_elsewhere(self, people: Any) -> None:
        taken = Membership.objects.filter(kind=Group.Kind.ENTITY, actor__in=people)
        first = taken.exclude(group=self.instance).select_related("actor", "group").first()
        if first is not None:
            self.add_error("people", f"{first.actor} is in another entity group: {first.group}.")


@admin.register(Group)
class GroupAdmin(OwnedAdmin):
    """Groups with their members. Who joined or left is in the history too."""

    form = GroupForm
    list_display = ("name", "kind_shown", "key", "organization_link", "profile_link", "size")
    list_filter = ("kind", ("organization", AutocompleteSelectFilter))
    search_fields = ("name", "key")
    search_help_text = "Name, key, grp_… or org_…"
    public_ids = {"grp": "id", "org": "organization_id"}
    search_words = words.GROUP
    refusals = (*OwnedAdmin.refusals, groups.InAnotherEntityGroup, groups.GroupInUse)
    help_texts = {
        "key": "What the product calls it; of a shared budget, the entity that a request names.",
        "profile": "For teams only: what each member may use.",
    }
    readonly_fields = ("organization_link", "limit")
    change_form_outer_before_template = "admin/organizations/group/head.html"
    change_form_outer_after_template = "admin/happened_to.html"
    deletable = True
    decides = True
    object_history_list_template = "admin/organizations/group/history_list.html"

    def impact(self, row: Group, *, now: datetime) -> list[Figure]:
        return limits_today(row.organization, now=now)

    def heading(self, group: Group) -> str:
        return f"{group.organization}: {group}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        rows: QuerySet[Group] = super().get_queryset(request)
        members = Membership.objects.filter(group=OuterRef("pk")).order_by().values("group")
        # Of those that are shown, and not of all before they are sorted.
        count = Coalesce(Subquery(members.annotate(count=Count("pk")).values("count")), 0)
        return rows.select_related("organization", "profile").annotate(members_count=count)

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> Any:
        if obj is None:
            is_shared = request.GET.get("kind") == Group.Kind.ENTITY
            profile = [] if is_shared else ["profile"]
            cap = ["cap"] if _may_limit(request) else []
            named = ["organization_link", "kind", "name", "key"]
            return [(None, {"fields": [*named, *profile, "people", *cap]})]
        profile = ["profile"] if obj.kind == Group.Kind.TEAM else []
        return [(None, {"fields": [("name", "key"), *profile, "people", "limit"]})]

    def get_form(
        self, request: HttpRequest, obj: Group | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.may_limit = _may_limit(request)
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Offer a shared budget first: that is what most groups are made for."""
        return {"kind": Group.Kind.ENTITY, **super().get_changeform_initial_data(request)}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        group = context["original"]
        if group is not None:
            context["head_of"] = group_head(request, group, now=clock.now())
            context["happened"] = happened_to(group, may=request.user.has_perm)
        return super().render_change_form(request, context, *args, **kwargs)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        moved = Membership.history.filter(group_id=object_id).select_related("actor")
        members = {"members": moved.order_by("-history_date", "-history_id")[:ROWS]}
        return super().history_view(request, object_id, {**members, **(extra_context or {})})

    def store(
        self, row: Group, changes: dict[str, Any], *, is_new: bool, author: str, now: datetime
    ) -> None:
        people, cap = changes.pop("people", None), changes.pop("cap", None)
        if is_new:
            made = groups.create_group(
                organization=row.organization,
                kind=row.kind,
                key=row.key,
                name=row.name,
                profile=row.profile,
                performed_by=author,
                now=now,
            )
            row.pk = made.pk
            if cap is not None:
                limit = Limit(
                    organization=row.organization, scope=Limit.Scope.GROUP, group=made, cap=cap
                )
                controls.save_limit(limit=limit, performed_by=author, now=now)
        elif changes:
            current = Group.objects.get(pk=row.pk)
            groups.update_group(group=current, changes=changes, performed_by=author, now=now)
        if people is not None:
            groups.set_members(group=row, members=people, performed_by=author)

    def remove(self, row: Group, *, author: str, now: datetime) -> None:
        groups.delete_group(group=row, performed_by=author)

    @display(description="Kind", ordering="kind")
    def kind_shown(self, group: Group) -> SafeString:
        return pill(group.kind, "info" if group.kind == Group.Kind.ENTITY else "quiet")

    @display(description="Profile", ordering="profile__name")
    def profile_link(self, group: Group) -> SafeString | str:
        return link(group.profile) if group.profile else "–"

    @display(description="Members")
    def size(self, group: Any) -> SafeString:
        return format_html('<span class="amount">{}</span>', group.members_count)

    @display(description="Own limit")
    def limit(self, group: Group) -> SafeString:
        own = Limit.objects.filter(organization=group.organization, group=group).first()
        return cap_link(own) if own else set_one(group.organization, "group", group)


def _may_limit(request: HttpRequest) -> bool:
    return request.user.has_perm("usage.add_limit")
