"""What waits for a second person, of every kind: counted and found by one statement, for the menu, the first page and the page of all of it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from credits.templatetags.amounts import credits
from organizations.admin.actions import APPROVE, staff, staff_named
from organizations.admin.approvals import Approval, ApprovalAdmin
from organizations.models import Import, Proposed
from organizations.statements import fetch_all
from usage.admin.action_approvals import ActionApproval
from usage.admin.bulk_approvals import BulkApproval
from usage.admin.price_approvals import PriceApproval
from usage.services import imports
from usage.services.imports import GOOD_FOR

KINDS: tuple[type[Approval[Any]], ...] = (ActionApproval, BulkApproval, PriceApproval)
MOST = 100
"""Up to how many are counted, and shown."""
ADD_IMPORT = "organizations.add_import"
_PROPOSED = " UNION ALL ".join(
    f"""SELECT {number} AS kind, id FROM {kind.model._meta.db_table}
        WHERE state = 'waiting' AND expires_at > %s::timestamptz AND proposed_by <> %s AND action = ANY(%s::text[])"""
    for number, kind in enumerate(KINDS)
)


class Waits(NamedTuple):
    """Something that waits for a second person, as lists say it."""

    id: UUID
    url: str
    title: str
    about: str
    """What it is done to; empty where the title says it."""
    effect: str
    reason: str
    proposed_by: str
    expires_at: datetime


def undecided(user: Any, *, now: datetime) -> tuple[str, list[Any]]:
    """Return a statement, and its values, of all that others proposed and somebody may do: which kind, and its id. An import is of the last kind."""
    name, sql, values = user.get_username(), _PROPOSED, []
    for kind in KINDS:
        values += [now, name, [each for each in kind.known() if kind.may_approve(user, each)]]
    found = _imports_for(user, now)
    if found is not None:
        own, more = found.order_by().values_list("id").query.sql_with_params()
        sql += f" UNION ALL SELECT {len(KINDS)}, brought.id FROM ({own}) brought"
        values += more
    return sql, values


def to_decide(user: Any, *, now: datetime) -> list[Waits]:
    """Return what others proposed and somebody may decide, what waits longest first."""
    sql, values = undecided(user, now=now)
    found = fetch_all(f"{sql} ORDER BY id LIMIT {MOST}", values)
    rows: dict[UUID, Waits] = {}
    for number, kind in enumerate(KINDS):
        ids = [id for which, id in found if which == number]
        rows |= {row.pk: _proposed(kind(row, now)) for row in _rows(kind, ids)}
    ids = [id for which, id in found if which == len(KINDS)]
    rows |= {row.pk: _brought(row) for row in _imports(ids)}
    return [rows[id] for _, id in found if id in rows]


def all_seen(request: HttpRequest, site: AdminSite, *, now: datetime) -> list[tuple[Waits, bool]]:
    """Return all that waits and whoever asks may see, what waits longest first; each with whether they may decide it for another."""
    found = [*_proposals_seen(request, site, now), *_imports_seen(request, site, now)]
    return sorted(found, key=lambda each: each[0].id)


def _proposals_seen(
    request: HttpRequest, site: AdminSite, now: datetime
) -> Iterator[tuple[Waits, bool]]:
    for kind in KINDS:
        rows = site._registry[kind.model]
        assert isinstance(rows, ApprovalAdmin)
        if not rows.has_view_permission(request):
            continue
        waiting = _with_whom(kind).filter(state=Proposed.State.WAITING, expires_at__gt=now)
        for row in waiting.order_by("id")[:MOST]:
            if rows.may_see(request, row):
                each = kind(row, now)
                yield (
                    _proposed(each),
                    each.may_decide(request.user) and not each.is_of(request.user),
                )


def _imports_seen(
    request: HttpRequest, site: AdminSite, now: datetime
) -> Iterator[tuple[Waits, bool]]:
    if not site._registry[Import].has_view_permission(request):
        return
    theirs = _imports_for(request.user, now)
    mine = set() if theirs is None else set(theirs.values_list("pk", flat=True)[:MOST])
    for row in _waiting_imports(now).order_by("id")[:MOST]:
        yield _brought(row), row.pk in mine


def _rows(kind: type[Approval[Any]], ids: list[UUID]) -> QuerySet[Any] | tuple[()]:
    return _with_whom(kind).filter(pk__in=ids) if ids else ()


def _with_whom(kind: type[Approval[Any]]) -> QuerySet[Any]:
    rows: QuerySet[Any] = kind.model._default_manager.all()
    return rows.select_related("organization") if kind is ActionApproval else rows


def _imports(ids: list[UUID]) -> QuerySet[Import] | tuple[()]:
    return Import.objects.filter(pk__in=ids) if ids else ()


def _waiting_imports(now: datetime) -> QuerySet[Import]:
    return imports.waiting_for_another(above=settings.SECOND_PERSON_ABOVE, now=now)


def _imports_for(user: Any, now: datetime) -> QuerySet[Import] | None:
    """Return the imports that others brought, and that somebody may start for them; None where they may start none."""
    kinds = [
        slug
        for slug, kind in imports.KINDS.items()
        if user.has_perms((APPROVE, ADD_IMPORT, *kind.rights))
    ]
    if not kinds or settings.SECOND_PERSON_ABOVE is None:
        return None
    return _waiting_imports(now).filter(kind__in=kinds).exclude(performed_by=staff(user))


def _proposed(approval: Approval[Any]) -> Waits:
    row = approval.proposal
    return Waits(
        id=row.pk,
        url=approval.url,
        title=approval.title,
        about=str(approval.about or ""),
        effect=approval.effect,
        reason=row.reason,
        proposed_by=row.proposed_by,
        expires_at=row.expires_at,
    )


def _brought(whole: Import) -> Waits:
    assert whole.checked_at is not None
    return Waits(
        id=whole.pk,
        url=reverse("admin:organizations_import_change", args=[whole.pk]),
        title=f"Import of {imports.KINDS[whole.kind].title.lower()}",
        about="",
        effect=f"{credits(whole.weight)} credits, {whole.rows:,} rows",
        reason=whole.reason,
        proposed_by=whole.performed_by.removeprefix(staff_named("")),
        expires_at=whole.checked_at + GOOD_FOR,
    )
