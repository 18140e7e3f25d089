"""What staff see of keys and of repeated requests."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from organizations.admin.cells import link
from organizations.admin.change_lists import KeysetList, sortable
from organizations.admin.columns import PublicIdSearch, ViewOnlyAdmin
from organizations.admin.history import HistoryAdmin
from organizations.admin.key_actions import Revoke, Rotate
from organizations.admin.key_states import key_state
from organizations.admin.row_buttons import RowButton, WithRowButtons
from organizations.models import ApiKey, IdempotencyKey, Organization

ROWS = 100
Status = Organization.Status


@admin.register(ApiKey)
class ApiKeyAdmin(WithRowButtons, HistoryAdmin, PublicIdSearch, ViewOnlyAdmin):
    """Keys, without their secrets: nobody has those. Minting, rotating and revoking are on the organization's page.

    Who did it is in the key's history, and in that of its organization.
    """

    nothing = "No keys. Without one nobody can spend."
    list_display = (
        "name",
        "masked",
        "organization_link",
        "actor_link",
        "scope_list",
        "state",
        "minted_by",
        "last_used_at",
    )
    list_filter = ("env", "rate_limit_tier", ("actor", admin.EmptyFieldListFilter))
    list_select_related = ("organization", "actor")
    ordering = ("-id",)
    search_fields = ("name", "organization__name", "=minted_by")
    search_help_text = "Name of the key or of its organization, key_…, org_… or act_…"
    public_ids = {"key": "id", "org": "organization_id", "act": "actor_id"}
    fields = (
        ("masked", "last_used_at"),
        ("scope_list", "rate_limit_tier"),
        ("created_at", "minted_by"),
        "told",
        ("expires_at", "revoked_at"),
        ("rotated_at", "grace_until"),
        ("successor", "hashed_under"),
    )

    change_form_outer_before_template = "admin/organizations/apikey/buttons.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetList]:
        return KeysetList

    def get_sortable_by(self, request: HttpRequest) -> Sequence[Any]:
        return sortable(self, self.get_list_display(request))

    def buttons_of(self, row: ApiKey) -> Iterator[RowButton]:
        if row.revoked_at is None:
            if row.superseded_by_id is None and row.organization.status != Status.ARCHIVED:
                yield RowButton(Rotate(), row.organization_id, {"api_key": row.pk})
            yield RowButton(Revoke(), row.organization_id, {"api_key": row.pk})

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        rows: QuerySet[ApiKey] = super().get_queryset(request)
        return rows.defer("secret_hash")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {"show_history": True, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        context["head_state"] = key_state(context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Key", ordering="id")
    def masked(self, key: ApiKey) -> SafeString:
        return format_html('<code class="mono">{}_…</code>', key.prefix)

    @display(description="Organization", ordering="organization__name")
    def organization_link(self, key: ApiKey) -> SafeString:
        return link(key.organization)

    @display(description="Personal key of", ordering="actor__name")
    def actor_link(self, key: ApiKey) -> SafeString | str:
        return link(key.actor) if key.actor else "–"

    @display(description="Scopes")
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @display(description="State")
    def state(self, key: ApiKey) -> SafeString:
        return key_state(key)

    @display(description="Told the secrets of")
    def told(self, key: ApiKey) -> SafeString | str:
        """What it minted or rotated: what else to revoke if it leaked."""
        keys = ApiKey.objects.filter(minted_by=key.public_id).order_by("-id")[:ROWS]
        return format_html_join(", ", "{}", ((link(each),) for each in keys)) or "none"

    @display(description="Superseded by")
    def successor(self, key: ApiKey) -> SafeString | str:
        return link(key.superseded_by) if key.superseded_by else "–"


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(PublicIdSearch, ViewOnlyAdmin):
    """The answers kept for requests that are repeated."""

    exported = False  # answers of a day, some with secrets in them

    list_display = ("key", "owner", "organization_link", "status_code", "created_at")
    list_select_related = ("organization",)
    ordering = ("-id",)
    search_fields = ("key", "organization__name")
    search_help_text = "Key, name of an organization or org_…"
    public_ids = {"org": "organization_id"}
    fields = ("key", "owner", "organization_link", "status_code", "body", "created_at")
    show_full_result_count = False

    @display(description="Organization", ordering="organization__name")
    def organization_link(self, row: IdempotencyKey) -> SafeString:
        return link(row.organization)
