"""What waits for a second person, of every kind: counted and found by one statement, for the menu, the first page and the page of all of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest

from organizations.admin.approvals import Approval, ApprovalAdmin
from organizations.models import Proposed
from organizations.statements import fetch_all
from usage.admin.action_approvals import ActionApproval
from usage.admin.bulk_approvals import BulkApproval
from usage.admin.price_approvals import PriceApproval

KINDS: tuple[type[Approval[Any]], ...] = (ActionApproval, BulkApproval, PriceApproval)
MOST = 100
"""Up to how many are counted, and shown."""
TO_DECIDE = " UNION ALL ".join(
    f"""SELECT {number} AS kind, id FROM {kind.model._meta.db_table}
        WHERE state = 'waiting' AND expires_at > %s::timestamptz AND proposed_by <> %s AND action = ANY(%s::text[])"""
    for number, kind in enumerate(KINDS)
)
"""What waits for somebody: which kind, and its id. Its values are those of `to_decide`."""


def values_for(user: Any, *, now: datetime) -> list[Any]:
    """Return the values of `TO_DECIDE`: what others proposed, of what somebody may approve."""
    name = user.get_username()
    return [
        value
        for kind in KINDS
        for value in (now, name, [each for each in kind.known() if kind.may_approve(user, each)])
    ]


def to_decide(user: Any, *, now: datetime) -> list[Approval[Any]]:
    """Return what others proposed and somebody may decide, what waits longest first."""
    sql = f"{TO_DECIDE} ORDER BY id LIMIT {MOST}"
    found = fetch_all(sql, values_for(user, now=now))
    rows: dict[UUID, Approval[Any]] = {}
    for number, kind in enumerate(KINDS):
        ids = [id for which, id in found if which == number]
        rows |= {row.pk: kind(row, now) for row in _rows(kind).filter(pk__in=ids)} if ids else {}
    return [rows[id] for _, id in found if id in rows]


def all_seen(
    request: HttpRequest, site: AdminSite, *, now: datetime
) -> list[tuple[Approval[Any], bool]]:
    """Return all that waits and whoever asks may see, what waits longest first; each with whether they may decide it for another."""
    found: list[Approval[Any]] = []
    for kind in KINDS:
        rows = site._registry[kind.model]
        assert isinstance(rows, ApprovalAdmin)
        waiting = _rows(kind).filter(state=Proposed.State.WAITING, expires_at__gt=now)
        may_see = rows.has_view_permission(request)
        some = waiting.order_by("id")[:MOST] if may_see else []
        found += [kind(row, now) for row in some if rows.may_see(request, row)]
    found.sort(key=lambda each: each.proposal.pk)
    return [
        (each, each.may_decide(request.user) and not each.is_of(request.user)) for each in found
    ]


def _rows(kind: type[Approval[Any]]) -> QuerySet[Any]:
    rows: QuerySet[Any] = kind.model._default_manager.all()
    return rows.select_related("organization") if kind is ActionApproval else rows
