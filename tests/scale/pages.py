"""Every page of the console, as addresses: each list with each filter, order and search, its last page, its rows, and every page of ours besides.

It is complete by construction: whatever route of the admin yields no address here has to say why (`APART`), and a filter of a kind that
this file does not know is an error.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest
from django.test import Client
from django.urls import resolve, reverse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter

from credits.models import Reservation
from organizations.admin import PublicIdSearch
from organizations.admin.change_lists import NEWER, OLDER
from organizations.models import Actor, Alert, Group, Import, Organization
from tests.scale.staff import DAY
from usage.admin.alert_many import OF_MANY
from usage.admin.cockpit import TABS
from usage.admin.organizations import ACTIONS
from usage.services.imports import KINDS

NOBODY = "nobody-is-called-so"
QUERIES: Mapping[str, list[dict[str, str]]] = {
    "usage.monthlyuse": [
        {"who": "organizations"},
        {"order": "work"},
        {"model": "sonnet"},
        {"model": "none"},
        {"who": "organizations", "order": "work", "model": "haiku"},
    ],
}
"""What lists of our own are asked for, which have no filters to ask."""
TAB_QUERIES: Mapping[str, list[dict[str, str]]] = {
    "usage": [
        {"by": by, "days": days} for by in ("model", "person", "app") for days in ("7", "30", "90")
    ],
    "history": [{"only": only} for only in ("movements", "changes", "none")],
}
APART = {
    "login": "for who is not logged in",
    "logout": "ends the session",
    "password_change": "Django's own form",
    "password_change_done": "Django's own page",
    "jsi18n": "a script",
    "view_on_site": "leads to no page of ours",
    "app_list": "the menu by app, of links alone",
    "dashboard": "the first page",
    "toggle_sidebar": "writes to the session",
    "usage_aimodel_take-back": "asks for a card that is to come, of which a walk knows no moment",
    "search": "the field of the menu, which the finder takes the place of",
}
"""Routes that are no page of rows, and why."""


USUAL = ("changelist", "add", "change", "history", "simple_history", "many", "template")
WRITTEN = ("views", "view", "delete")
"""Of each list: what saves a view and deletes one, and the page before a row is deleted, which reads what hangs on it."""
ROW_IDS = ("id", "pk", "failure_id", "period_id")


class Page(NamedTuple):
    """An address, and what it is called in the table."""

    name: str
    url: str


class Whom(NamedTuple):
    """Whose rows are asked for: of somebody large, and of one of the small."""

    large: Organization
    small: Organization
    people: tuple[Actor, Actor]
    group: Group


def whom(name: str = "Goliath") -> Whom:
    """Return those of a world of `tests.scale.world`."""
    large = Organization.objects.get(name=name)
    small = Organization.objects.get(name="Nordwind Games")
    people = (large.actors.earliest("id"), small.actors.latest("id"))
    return Whom(large, small, people, Group.objects.get(organization=large, key="support"))


def pages(client: Client, whose: Whom, *, now: Any, is_brief: bool = False) -> Iterator[Page]:
    """Yield all.

    :param is_brief: of each filter and each tab only one value, and no orders: of each statement one
    """
    yield Page("home", reverse("admin:index"))
    yield from _finder(whose)
    yield from _cockpits(whose, is_brief)
    for model in admin.site._registry:
        yield from _of_model(client, model, whose, is_brief, now=now)


def _finder(whose: Whom) -> Iterator[Page]:
    hold = Reservation.objects.filter(wallet=whose.large.wallet).earliest("id")
    texts = ["goliath", "nordwind", "ada", "support", "welcome", NOBODY, "a", "req_none"]
    for text in [*texts, whose.large.public_id, whose.people[0].public_id, hold.public_id]:
        query = urlencode({"s": text, "extended": "1"})
        yield Page(f"finder: {text[:12]}", f"/admin/search/?{query}")


def _cockpits(whose: Whom, is_brief: bool) -> Iterator[Page]:
    for size, each in (("large", whose.large), ("small", whose.small))[: 1 if is_brief else 2]:
        page = reverse("admin:organizations_organization_change", args=[each.pk])
        for tab in TABS:
            for query in ({}, *TAB_QUERIES.get(tab.slug, []))[: 2 if is_brief else None]:
                said = urlencode({"tab": tab.slug} | query)
                if tab.fits(each):
                    yield Page(f"{size} organization: {said}", f"{page}?{said}")
        for action in ACTIONS:
            url = reverse(f"admin:organizations_organization_{action.slug}", args=[each.pk])
            yield Page(f"{size} organization: {action.slug}", url)


def _of_model(
    client: Client, model: type[Model], whose: Whom, is_brief: bool, *, now: Any
) -> Iterator[Page]:
    label, rows = model._meta.label_lower, admin.site._registry[model]
    base = _route(model, "changelist")
    # The list itself is asked what it may be asked for: what a page was rendered of is known in tests only.
    request = client.get(base).wsgi_request
    yield Page(label, base)
    if label in QUERIES:
        queries = QUERIES[label]
    else:
        changes = rows.get_changelist_instance(request)
        queries = list(_queries(changes, rows, model, whose, is_brief, now=now))
    for query in queries:
        said = urlencode(query)
        yield Page(f"{label}?{said}", f"{base}?{said}")
    yield from _choices_of(model, rows, request)
    yield from _rows_of(request, model, whose, is_brief)


def _choices_of(model: type[Model], rows: Any, request: HttpRequest) -> Iterator[Page]:
    """Yield what the fields of its filters and its form offer while somebody types."""
    filters = (each for each in rows.get_list_filter(request) if isinstance(each, tuple))
    names = [name for name, kind in filters if kind is AutocompleteSelectFilter]
    for name in (*names, *rows.get_autocomplete_fields(request)):
        asked = {"app_label": model._meta.app_label, "model_name": model._meta.model_name}
        for text in ("", NOBODY, "ada", "nordwind 7"):
            said = urlencode({**asked, "field_name": name, "term": text})
            yield Page(f"{model._meta.label_lower}: choices", f"/admin/autocomplete/?{said}")


def name_of(model: type[Model]) -> str:
    """Return how the names of its routes begin."""
    return f"{model._meta.app_label}_{model._meta.model_name}"


def _route(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{name_of(model)}_{page}", args=args)


def _own_routes(rows: Any, arguments: int) -> Iterator[str]:
    """Yield the routes of a list, or of a row, besides those that every list has."""
    elsewhere = {f"{name_of(rows.model)}_{page}" for page in (*USUAL, *WRITTEN)}
    for each in rows.get_urls():
        converters = list(each.pattern.converters)
        is_row = converters[:1] in ([], ["object_id"]) or converters[0] in ROW_IDS
        if (
            each.name
            and each.name not in elsewhere | APART.keys()
            and len(converters) == arguments
            and is_row
        ):
            yield each.name


def forgotten(seen: Iterable[Page]) -> set[str]:
    """Return the routes of the admin that no page is of, and that do not say why."""
    urls = (each.url.partition("?")[0] for each in seen)
    known = {resolve(url).url_name for url in urls} | APART.keys() | _closed()
    names = {str(name) for name in _names(admin.site.urls[0])} - known
    return {name for name in names if name.rpartition("_")[2] not in WRITTEN}


def _closed() -> set[str]:
    """Return the routes that add a row where nobody may."""
    request = HttpRequest()
    request.user = User(is_active=True, is_superuser=True)
    every = admin.site._registry.items()
    return {
        f"{name_of(model)}_add" for model, rows in every if not rows.has_add_permission(request)
    }


def _names(patterns: Iterable[Any]) -> Iterator[str | None]:
    for each in patterns:
        if hasattr(each, "url_patterns"):
            yield from _names(each.url_patterns)
        elif each.name is not None:
            yield each.name


def _queries(
    changes: Any, rows: Any, model: type[Model], whose: Whom, is_brief: bool, *, now: Any
) -> Iterator[dict[str, str]]:
    """Yield what a list may be asked for."""
    for spec in changes.filter_specs:
        asked = list(_filtered(spec, changes, whose, now=now))
        yield from asked[-1:] if is_brief else asked
    for number, name in enumerate(() if is_brief else changes.list_display):
        if changes.get_ordering_field(name):
            yield {"o": f"{number}"}
            yield {"o": f"-{number}"}
    if rows.search_fields:
        texts = (NOBODY, "goliath", "ada", "nordwind 7", "a")
        yield from ({"q": text} for text in texts[: 2 if is_brief else None])
    if isinstance(rows, PublicIdSearch):
        yield {"q": whose.large.public_id}
    yield from _beyond(model)


def _filtered(spec: Any, changes: Any, whose: Whom, *, now: Any) -> Iterator[dict[str, str]]:
    if isinstance(spec, RangeDateTimeFilter):
        name = spec.parameter_name
        for ago in (1, 40, 500):
            yield {f"{name}_from_0": f"{now - ago * DAY:%Y-%m-%d}"}
            yield {f"{name}_to_0": f"{now - ago * DAY:%Y-%m-%d}"}
    elif isinstance(spec, AutocompleteSelectFilter):
        targets = _targets(spec.field.related_model, whose)
        yield from ({spec.lookup_kwarg: str(each)} for each in targets)
    elif isinstance(spec, SimpleListFilter):
        name = str(spec.parameter_name)
        yield from ({name: str(value)} for value, _ in spec.lookup_choices)
    else:
        for choice in spec.choices(changes):
            query = choice["query_string"].removeprefix("?")
            if query:
                yield dict(part.split("=", 1) for part in query.split("&"))


def _targets(model: type[Model], whose: Whom) -> list[Any]:
    """Return the rows that a filter by another table is asked for."""
    known: dict[type[Model], list[Any]] = {
        Organization: [whose.large.pk, whose.small.pk],
        Actor: [person.pk for person in whose.people],
        Group: [whose.group.pk],
    }
    first = model._default_manager.order_by("pk").values_list("pk", flat=True)[:1]
    return known.get(model) or list(first)


def _beyond(model: type[Model]) -> Iterator[dict[str, str]]:
    """Yield the page after the first, the middle, and the last."""
    keys = model._default_manager.order_by("pk").values_list("pk", flat=True)
    count = keys.count()
    if count > 100:
        for place in (20, count // 2, count - 60):
            yield {OLDER: str(keys[place])}
        yield {NEWER: str(keys[count // 2])}
        yield {"p": "2"}
        yield {"p": str(max(2, count // 60))}


def _rows_of(
    request: HttpRequest, model: type[Model], whose: Whom, is_brief: bool
) -> Iterator[Page]:
    """Yield the pages of the first row, of the last, and of one of whoever is large."""
    label, rows = model._meta.label_lower, admin.site._registry[model]
    found = model._default_manager.order_by("pk")
    keys = {found.values_list("pk", flat=True).first(), found.values_list("pk", flat=True).last()}
    keys |= set(_of_large(model, whose))
    for key in sorted(keys - {None}, key=str)[: 1 if is_brief else None]:
        yield Page(f"{label}: a row", _route(model, "change", key))
        yield Page(f"{label}: its history", _route(model, "history", key))
        yield from _versions_of(model, key)
        for name in _own_routes(rows, 1):
            yield Page(f"{label}: {name.rpartition('_')[2]}", reverse(f"admin:{name}", args=[key]))
    if rows.has_add_permission(request):
        yield Page(f"{label}: add", _route(model, "add"))
    for name in _own_routes(rows, 0):
        yield Page(f"{label}: {name.rpartition('_')[2]}", reverse(f"admin:{name}"))
    if model is Import:
        for kind in KINDS:
            template = reverse("admin:organizations_import_template", args=[kind, "csv"])
            yield Page(f"{label}: template of {kind}", template)
    slugs = OF_MANY if model is Alert else [many.slug for many in getattr(rows, "many", ())]
    for slug in slugs:
        url = reverse(f"admin:{name_of(model)}_many", args=[slug])
        yield Page(f"{label}: {slug} for many", f"{url}?across=1&q=nordwind+7")


def _versions_of(model: type[Model], key: Any) -> Iterator[Page]:
    """Yield the page of a version of a row, or, where that has none, of any."""
    if hasattr(model, "history"):
        own = f"{model._meta.pk.attname}"
        version = model.history.filter(**{own: key}).first() or model.history.first()
        if version is not None:
            route = _route(model, "simple_history", getattr(version, own), version.pk)
            yield Page(f"{model._meta.label_lower}: a version", route)


def _of_large(model: type[Model], whose: Whom) -> list[Any]:
    names = {field.name for field in model._meta.get_fields()}
    if model is Organization or not names & {"organization", "wallet"}:
        return []
    owner = (
        {"organization": whose.large} if "organization" in names else {"wallet": whose.large.wallet}
    )
    keys = model._default_manager.filter(**owner).order_by("pk").values_list("pk", flat=True)
    return [each for each in (keys.first(), keys.last()) if each is not None]
