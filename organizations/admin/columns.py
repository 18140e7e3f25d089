"""What the admins of all apps share: small labels, links, tables that nobody writes, searches by the API's ids."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import SEARCH_VAR
from django.db import OperationalError, connection, transaction
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin

from organizations import ids, words
from organizations.admin.cells import column_of
from organizations.admin.change_lists import CANCELLED
from organizations.admin.exports import ExportedAdmin
from organizations.idempotency import sqlstate
from organizations.models import Actor, Env, Group, Organization

TONES = {
    Organization.Status.ACTIVE: "good",
    Organization.Status.SUSPENDED: "warn",
    Organization.Status.ARCHIVED: "quiet",
}


MOST_OWNERS = 1_000
"""Of how many who are called alike the rows are looked for."""
LIST_TIMEOUT_MS = 2_000
TOO_MUCH = (
    "That is too much to look through: narrow it down, by an id, a whole name or a shorter time."
)
_NAMED: Mapping[str, tuple[type[Model], Sequence[str]]] = {
    "organization": (Organization, words.ORGANIZATION),
    "actor": (Actor, words.ACTOR),
    "group": (Group, words.GROUP),
}


class ViewOnlyAdmin(ExportedAdmin):
    """Rows that staff may look at, and nobody may write here: services do."""

    list_per_page = 50

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """Return the columns: fields that hold moments or numbers are written as everywhere else."""
        return [column_of(self.model, name) for name in super().get_list_display(request)]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        # What nobody edits has no history of edits.
        context = {"show_history": False, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Headed(ModelAdmin):
    """Rows whose page is headed by more than they know of themselves: mostly, by whose they are."""

    def heading(self, row: Any) -> str:
        """Return what the page of a row is called."""
        raise NotImplementedError

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.heading = self.heading(row)
        return row


class SandboxFilter(SimpleListFilter):
    """Live organizations' rows, unless sandboxes are asked for, or a row of one: by its id, or from the page of what it belongs to."""

    title = "sandboxes"
    parameter_name = "sandbox"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self.env = model_admin.env_column
        names_a_row = any(name.endswith("id__exact") for name in request.GET)
        searched = request.GET.get(SEARCH_VAR, "")
        self.is_asked = names_a_row or model_admin.named_by(searched) is not None
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("only", "Sandboxes"), ("too", "Both")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": "Live"} if choice["display"] == _("All") else choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "only":
            return queryset.filter(**{self.env: Env.TEST})
        if self.value() == "too" or self.is_asked:
            return queryset
        return queryset.exclude(**{self.env: Env.TEST})


class PublicIdSearch(ExportedAdmin):
    """A search that also takes ids as the API writes them, and bare UUIDs; sandboxes are left out unless asked for."""

    search_by_names: ClassVar[Sequence[str]] = ()
    """Of a table that only grows: whose rows a name finds, as paths to organizations, actors and groups."""
    search_words: ClassVar[Sequence[str]] = ()
    """Of a table with an index of words: the columns of the index."""
    search_exactly: ClassVar[Sequence[str]] = ()
    """And the columns that a text finds as it is."""

    @property
    def env_column(self) -> str:
        """The env of the organization that a row belongs to."""
        organization = self.public_ids["org"].removesuffix("id").removesuffix("_")
        return f"{organization}__env" if organization else "env"

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = super().get_list_filter(request)
        return [SandboxFilter, *filters] if "org" in self.public_ids else filters

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> Any:
        named = self.named_by(search_term)
        if named is not None:
            return queryset.filter(named), False
        if self.search_words and search_term.strip():
            return words.among(queryset, self.search_words, search_term), False
        if not self.search_by_names or not search_term.strip():
            return super().get_search_results(request, queryset, search_term)
        wanted = [
            *(self._owned_by(request, owner, search_term) for owner in self.search_by_names),
            *(Q(**{field: search_term.strip()}) for field in self.search_exactly),
        ]
        return queryset.filter(reduce(or_, wanted)), False

    def _owned_by(self, request: HttpRequest, owner: str, text: str) -> Q:
        """Return the rows that belong to those whom a text names: who they are is found first, by an index, and then what is theirs."""
        model, fields = _NAMED[owner.rpartition("__")[2]]
        found = words.among(model._default_manager.all(), fields, text)
        owners = list(found.values_list("pk", flat=True)[: MOST_OWNERS + 1])
        if len(owners) > MOST_OWNERS:
            messages.warning(request, f"More than {MOST_OWNERS:,} are called so: type more of it.")
        return _belongs(f"{owner}_id", owners[:MOST_OWNERS])

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list; or, where looking for it takes too long, say so. It must not keep others waiting."""
        if request.method != "GET":
            done: HttpResponse = super().changelist_view(request, extra_context)
            return done
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {LIST_TIMEOUT_MS}")
                page: HttpResponse = super().changelist_view(request, extra_context)
                if isinstance(page, SimpleTemplateResponse):
                    page.render()
                return page
        except OperationalError as error:
            if sqlstate(error) != CANCELLED or not request.GET:
                raise
            messages.error(request, TOO_MUCH)
            return redirect(request.path)

    def named_by(self, text: str) -> Q | None:
        """Return what an id could name here, or None if the text is not an id."""
        found = [_belongs(column, [id]) for column, id in self._columns(text.strip().lower())]
        return reduce(or_, found) if found else None

    def _columns(self, text: str) -> list[tuple[str, UUID]]:
        columns = []
        for prefix, column in self.public_ids.items():
            try:
                columns.append((column, ids.read(prefix, text)))
            except ids.MalformedId:
                continue
        return columns


def _belongs(column: str, ids: Sequence[UUID]) -> Q:
    """Return the rows whose column has one of these ids. Of whose wallet is meant, the wallets are looked up first: how many rows a wallet has
    the planner knows of those it is told, and not of those that it has to find."""
    wallet = column.removesuffix("__organization_id")
    if wallet == column or not wallet.endswith("wallet"):
        return Q(**{f"{column}__in": ids})
    wallets = Organization.objects.filter(pk__in=ids).values_list("wallet", flat=True)
    return Q(**{f"{wallet}__in": list(wallets)})
