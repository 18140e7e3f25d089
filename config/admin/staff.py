"""Staff and their groups, under the theme: who may change whom (config/staff_rights.py), and what was before and after in the history."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_otp import user_has_device
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config import logins, staff_rights

OWN_ONLY = "Only what you have yourself can be given."

admin.site.unregister(User)
admin.site.unregister(Group)


class RightsAdmin(ModelAdmin):
    """Rows that say who may do what. They change one after another, and the history keeps what was before and after."""

    actions: Any = None

    def _changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method == "POST":
            staff_rights.one_at_a_time()
        return super()._changeform_view(request, *args, **kwargs)

    def _delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method == "POST":
            staff_rights.one_at_a_time()
        return super()._delete_view(request, *args, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        kwargs.setdefault("queryset", givable(request, db_field.remote_field.model))
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None and not request.user.is_superuser:
            field.help_text = OWN_ONLY
        return field

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        if isinstance(form, UserCreationForm | AdminPasswordChangeForm):
            return super().construct_change_message(request, form, formsets, add)
        told = (
            f"{form.fields[name].label}: {words(form.initial.get(name))} → {words(form.cleaned_data[name])}"
            for name in form.changed_data
        )
        return ". ".join(told) or "No fields changed"


def givable(request: HttpRequest, model: type[Model]) -> QuerySet[Any]:
    """Return the permissions, or the groups, that somebody has themselves."""
    everything = model._default_manager.all()
    own = staff_rights.rights_of(request.user)
    if own.is_superuser:
        return everything
    if model is Permission:
        return everything.filter(id__in=own.permissions)
    missing = Permission.objects.exclude(id__in=own.permissions)
    return everything.exclude(permissions__in=missing)


def words(value: Any) -> str:
    """Return a value as the history tells it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(sorted(str(each) for each in value)) or "none"
    return str(value or "none")


@admin.register(User)
class StaffAdmin(RightsAdmin, UserAdmin):
    """Staff. Whoever leaves is switched off, not deleted: what they did stays, under a name that nobody else gets."""

    form = UserChangeForm
    add_form = UserCreationForm
    # The theme's own is empty, and comes before it.
    add_fieldsets = UserAdmin.add_fieldsets
    change_password_form = AdminPasswordChangeForm
    readonly_fields = ("last_login", "date_joined", "second_factor")

    def get_urls(self) -> list[URLPattern]:
        reset = self.admin_site.admin_view(self.reset_second_factor)
        name = "auth_user_reset_second_factor"
        return [path("<int:pk>/reset-second-factor/", reset, name=name), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        sets = super().get_fieldsets(request, obj)
        return sets if obj is None else (*sets, ("Second factor", {"fields": ("second_factor",)}))

    @admin.display(description="Second factor")
    def second_factor(self, user: User) -> SafeString | str:
        if not user_has_device(user):
            return "none"
        url = reverse("admin:auth_user_reset_second_factor", args=[user.pk])
        return format_html('set up · <a class="text-link" href="{}">Reset</a>', url)

    def reset_second_factor(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Remove the devices of somebody who lost theirs."""
        with transaction.atomic():
            staff_rights.one_at_a_time()
            user = get_object_or_404(User, pk=pk)
            if not self.has_change_permission(request, user):
                raise PermissionDenied
            if request.method != "POST":
                context = {**self.admin_site.each_context(request), "person": user}
                context |= {"opts": self.opts, "original": user, "title": "Reset second factor"}
                return TemplateResponse(request, "admin/reset_second_factor.html", context)
            if logins.forget_devices(user):
                logins.note(request.user, user, "Second factor: set up → none")
        self.message_user(request, f"{user} logs in with the password alone, and may set up anew.")
        return redirect("admin:auth_user_change", user.pk)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None:
            return self.readonly_fields
        # The ledger and the histories know people by their names.
        fixed = ("username", *self.readonly_fields)
        return fixed if request.user.is_superuser else (*fixed, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may_change: bool = super().has_change_permission(request, obj)
        return may_change and (obj is None or staff_rights.may_touch(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        with transaction.atomic():
            staff_rights.one_at_a_time()
            return super().user_change_password(request, id, form_url)


@admin.register(Group)
class StaffGroupAdmin(RightsAdmin, GroupAdmin):
    """Roles of staff: groups, and what they may do (`config.staff_roles` says with which they begin)."""

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        may_change: bool = super().has_change_permission(request, obj)
        return may_change and _may_touch_group(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        may_delete: bool = super().has_delete_permission(request, obj)
        has_members = obj is not None and obj.user_set.exists()
        return may_delete and not has_members and _may_touch_group(request, obj)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Group]) -> Any:
        for group in queryset:
            LogEntry.objects.log_actions(
                user_id=request.user.pk or 0,
                queryset=[group],
                action_flag=DELETION,
                change_message=f"Permissions: {words(group.permissions.all())} → none",
            )


def _may_touch_group(request: HttpRequest, group: Group | None) -> bool:
    return group is None or staff_rights.may_touch_group(request.user, group)
