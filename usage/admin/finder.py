"""The finder: one field that looks for everything staff have in hand. An id, a key as lists print it, a name, a word of a reason.

Words are looked for by indexes, from their beginnings, and never counted; each group says only what the reader may see of its rows.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from credits.models import Grant, LedgerEntry, PendingGrant, Reservation
from credits.services.grants import state_of, with_states
from credits.templatetags.amounts import credits, signed
from organizations import clock, ids, words
from organizations.models import Actor, Alert, ApiKey, Group, Organization
from usage.admin.alert_words import VIEW_ALERT, said, whose, with_whom
from usage.models import Denial, UsageEvent
from usage.templatetags.refusals import reason_words

ROWS = 6
"""How many rows a group shows: who sees none of theirs types another word."""
LONGEST = 200
_KEY = re.compile(r"lp_(?:live|test)_([0-9a-f]{8,32})")
DAY = timedelta(days=1)


class Found(NamedTuple):
    """A row of the finder."""

    group: str
    title: str
    note: str
    """What is worth knowing of it, in one line."""
    url: str
    icon: str


class Wanted(NamedTuple):
    """What somebody typed."""

    text: str
    now: datetime

    def id(self, prefix: str) -> UUID | None:
        """Return the id that it is, with this prefix or none."""
        try:
            return ids.read(prefix, self.text)
        except ids.MalformedId:
            return None

    @property
    def is_an_id(self) -> bool:
        prefix = self.text.partition("_")[0]
        return prefix == "req" or self.id(prefix if prefix in ids.PREFIXES else "org") is not None


def find(request: HttpRequest) -> HttpResponse:
    """Answer what is typed into the finder. What the menu's own field asks is the theme's."""
    if "extended" not in request.GET:
        found: HttpResponse = admin.site.search(request)  # type: ignore[attr-defined]
        return found
    text = request.GET.get("s", "").strip()[:LONGEST]
    if not text:
        return HttpResponse()
    results = list(_all(request, Wanted(text.lower(), clock.now())))
    return TemplateResponse(request, "admin/finder.html", {"results": results, "text": text})


def _all(request: HttpRequest, wanted: Wanted) -> Iterator[Found]:
    for right, look in GROUPS:
        if request.user.has_perm(right):
            yield from look(wanted)


def _organizations(wanted: Wanted) -> Iterator[Found]:
    rows = Organization.objects.select_related("wallet__config", "wallet__period", "parent")
    found = list(_matching(wanted, rows, "org", words.ORGANIZATION))
    since = wanted.now - DAY
    refused = Denial.objects.filter(organization__in=found, minute__gte=since)
    often = dict(refused.values_list("organization").annotate(Sum("times")).order_by())
    for row in found:
        yield _of("Organizations", row, row.name, _standing(row, often.get(row.pk, 0)), "domain")


def _standing(row: Organization, refused: int) -> str:
    said = [] if row.status == Organization.Status.ACTIVE else [row.get_status_display().lower()]
    wallet = row.wallet
    cap = "" if wallet.config.monthly_cap is None else f", cap {credits(wallet.config.monthly_cap)}"
    said.append(f"{credits(wallet.available)} available{cap}")
    if refused:
        said.append(f"refused {refused:,}× in 24 hours")
    if row.parent is not None:
        said.append(f"child of {row.parent}")
    return " · ".join(said)


def _people(wanted: Wanted) -> Iterator[Found]:
    rows = Actor.objects.select_related("organization")
    for row in _matching(wanted, rows, "act", words.ACTOR):
        known = [row.organization.name, row.email, row.external_id, "" if row.active else "left"]
        yield _of("People", row, row.name, " · ".join(filter(None, known)), "person")


def _groups(wanted: Wanted) -> Iterator[Found]:
    rows = Group.objects.select_related("organization")
    for row in _matching(wanted, rows, "grp", words.GROUP):
        kind = "team" if row.kind == Group.Kind.TEAM else "shared budget"
        note = f"{row.organization.name} · {kind} · {row.key}"
        yield _of("Groups", row, row.name, note, "groups")


def _keys(wanted: Wanted) -> Iterator[Found]:
    rows = ApiKey.objects.select_related("organization")
    printed = _KEY.match(wanted.text)
    id = wanted.id("key")
    if printed is not None:
        low, high = (UUID(printed[1].ljust(32, digit)) for digit in "0f")
        rows = rows.filter(id__range=(low, high))
    elif id is not None:
        rows = rows.filter(id=id)
    else:
        return
    for row in rows[:ROWS]:
        state = "revoked" if row.revoked_at else "live" if row.is_live(wanted.now) else "ended"
        note = f"{row.organization} · {row.prefix} · {state}"
        yield _of("Keys", row, row.name, note, "key")


def _movements(wanted: Wanted) -> Iterator[Found]:
    rows = LedgerEntry.objects.select_related("wallet__organization")
    by_id = wanted.id("txn")
    if by_id is not None:
        rows = rows.filter(id=by_id)
    elif wanted.is_an_id:
        return
    else:
        rows = words.among(rows.exclude(reason=""), words.ENTRY, wanted.text).order_by("-id")
    for row in rows[:ROWS]:
        title = f"{row.get_kind_display()} {signed(row.amount)}"
        note = f"{row.wallet.organization} · {row.posted_at:%Y-%m-%d} · {row.reason}"
        yield _of("Movements", row, title, note, "receipt_long")


def _grants(wanted: Wanted) -> Iterator[Found]:
    id = wanted.id("grn")
    rows = with_states(Grant.objects.filter(id=id)) if id else Grant.objects.none()
    for row in rows.select_related("wallet__organization"):
        note = f"{row.wallet.organization} · {state_of(row, now=wanted.now)} · {credits(row.remaining)} left"
        title = row.name or f"{credits(row.amount)} granted"
        yield _of("Grants", row, title, note, "redeem")


def _pending(wanted: Wanted) -> Iterator[Found]:
    """Yield the grant that is to come, or was cancelled: one that began is found by the same id as a grant."""
    id = wanted.id("grn")
    rows = PendingGrant.objects.filter(id=id, begun_at=None) if id else PendingGrant.objects.none()
    for row in rows.select_related("wallet__organization"):
        state = state_of(row, now=wanted.now)
        note = f"{row.wallet.organization} · {state} · from {row.effective_at:%Y-%m-%d %H:%M}"
        yield _of("Grants", row, row.name or f"{credits(row.amount)} to come", note, "redeem")


def _alerts(wanted: Wanted) -> Iterator[Found]:
    id = wanted.id("alr")
    rows = with_whom(Alert.objects.filter(id=id)) if id else ()
    for row in rows:
        note = f"{whose(row)} · {row.state(wanted.now)} · {said(row)}"
        yield _of("Alerts", row, row.get_kind_display().capitalize(), note, "notifications")


def _holds(wanted: Wanted) -> Iterator[Found]:
    id = wanted.id("rsv")
    rows = Reservation.objects.filter(id=id).select_related("wallet__organization") if id else ()
    for row in rows:
        note = f"{row.wallet.organization} · {row.status} · {row.created_at:%Y-%m-%d %H:%M}"
        yield _of("Holds", row, f"{credits(row.credits)} held", note, "hourglass_top")


def _work(wanted: Wanted) -> Iterator[Found]:
    id = wanted.id("evt")
    rows = UsageEvent.objects.filter(id=id).select_related("organization", "actor") if id else ()
    for row in rows:
        note = f"{row.organization} · {row.actor or 'nobody'} · {row.occurred_at:%Y-%m-%d %H:%M}"
        yield _of("Usage", row, f"{credits(row.credits)} credits", note, "bolt")


def _refusals(wanted: Wanted) -> Iterator[Found]:
    if not wanted.text.startswith("req_"):
        return
    rows = Denial.objects.filter(request_ids__contains=[wanted.text])
    for row in rows.select_related("organization", "actor")[:ROWS]:
        who = f"{row.organization} · {row.actor}" if row.actor else f"{row.organization}"
        note = f"{who} · {row.created_at:%Y-%m-%d %H:%M} · {row.message}"
        yield _of("Refusals", row, f"Refused: {reason_words(row.reason)}", note, "block")


GROUPS: Sequence[tuple[str, Callable[[Wanted], Iterator[Found]]]] = (
    ("organizations.view_organization", _organizations),
    ("organizations.view_actor", _people),
    ("organizations.view_group", _groups),
    ("organizations.view_apikey", _keys),
    ("credits.view_ledgerentry", _movements),
    ("credits.view_grant", _grants),
    ("credits.view_pendinggrant", _pending),
    ("credits.view_reservation", _holds),
    ("usage.view_usageevent", _work),
    ("usage.view_denial", _refusals),
    (VIEW_ALERT, _alerts),
)
"""What may be found, in the order in which it is shown, each with the right that shows it."""


def _matching(
    wanted: Wanted, rows: QuerySet[Any], prefix: str, fields: Sequence[str]
) -> QuerySet[Any]:
    """Return the row that an id names, else those with the words."""
    id = wanted.id(prefix)
    if id is not None:
        return rows.filter(id=id)
    if wanted.is_an_id:
        return rows.none()
    return words.among(rows, fields, wanted.text).order_by("-id")[:ROWS]


def _of(group: str, row: Model, title: str, note: str, icon: str) -> Found:
    page = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return Found(group, title, note, reverse(page, args=[row.pk]), icon)
