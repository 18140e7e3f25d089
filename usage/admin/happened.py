"""What happened to an organization: movements by hand and changes of its rules in one list, who did it, what it was before, and why.

Work, renewals and what else the calendar does is not here: the ledger has it. Of each table a page of rows is read, so a long history
takes as many statements as a short one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import chain
from operator import or_
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import DecimalField, Field, ForeignKey, Max, Q
from django.urls import NoReverseMatch, reverse
from django.utils.dateparse import parse_datetime

from credits.admin.edits import AmountChange
from credits.admin.ledger import KIND_TONES, why, with_reversals
from credits.models import CreditConfig, LedgerEntry, Wallet
from organizations import ids
from organizations.admin.actions import staff_named
from organizations.models import Actor, ApiKey, Group, Organization, UsageProfile
from usage.models import Limit, Thresholds

ROWS = 25
"""How many rows a page has."""
TOGETHER = timedelta(seconds=10)
"""Within so long what somebody did on the page and what it changed are the same."""
Kind = LedgerEntry.Kind
VIEW_KEY = "organizations.view_apikey"
BY_HAND = (Kind.GRANT, Kind.RECHARGE, Kind.ADJUST, Kind.ALLOCATE, Kind.RECLAIM, Kind.REVERSAL)


class Changed(NamedTuple):
    """A value of a rule, before and after; before is empty where it is what the rule began with."""

    what: str
    before: str
    after: str


class Happened(NamedTuple):
    """A row of the history."""

    at: datetime
    who: str
    """As the ledger and the histories name them."""
    label: str
    """In a word: which kind of movement, or made, changed, deleted; empty where what was done says it."""
    what: str
    tone: str
    url: str
    """The page of what was changed; empty where there is none any more."""
    why: Any
    entry: LedgerEntry | None = None
    changes: Sequence[Changed] = ()
    known_as: str = ""
    """What people call whoever did it, where `who` is an id."""


class Rule(NamedTuple):
    """A table whose changes are kept: its rows of an organization, and what one of them is called."""

    model: Any
    right: str
    of: str
    """The column that says whose a row is: the organization, or its wallet."""
    title: str
    named: Callable[[Any, Mapping[Any, str]], str] = lambda row, names: ""
    """By the row, and what those are called that rows refer to."""


def _name(row: Any, names: Mapping[Any, str]) -> str:
    return str(row.name)


def _whose(limit: Any, names: Mapping[Any, str]) -> str:
    if limit.resource_type:
        return f"of {limit.resource_type} {limit.slug or limit.resource_id}"
    name = names.get(limit.actor_id) or names.get(limit.group_id)
    if name:
        return f"of {name}"
    return f"of {limit.get_scope_display().lower().replace('_', ' ')}"


RULES: Sequence[Rule] = (
    Rule(Organization, "organizations.view_organization", "id", "Organization"),
    Rule(CreditConfig, "credits.view_creditconfig", "wallet_id", "Terms"),
    Rule(Thresholds, "usage.view_thresholds", "organization_id", "Thresholds"),
    Rule(Limit, "usage.view_limit", "organization_id", "Limit", _whose),
    Rule(UsageProfile, "organizations.view_usageprofile", "organization_id", "Profile", _name),
    Rule(Group, "organizations.view_group", "organization_id", "Group", _name),
    Rule(Actor, "organizations.view_actor", "organization_id", "Person", _name),
    Rule(ApiKey, "organizations.view_apikey", "organization_id", "Key", _name),
)


class Page(NamedTuple):
    """A page of the history, the newest first."""

    rows: Sequence[Happened]
    only: str
    older: str
    """Where the next page begins, as an address says it; empty where this is the last."""


def happened(
    organization: Organization,
    wallet: Wallet,
    *,
    may: Callable[[str], bool],
    only: str = "",
    before: str = "",
) -> Page:
    """Return what happened, of what somebody may see.

    :param only: `money` or `rules`; anything else is both
    :param before: a moment in ISO 8601: what happened earlier; anything else is no moment
    """
    until = _moment(before)
    moved = list(_movements(wallet, until)) if may("credits.view_ledgerentry") else []
    ruled = (_changes(rule, organization, wallet, until) for rule in RULES if may(rule.right))
    changed = [] if only == "money" else list(chain.from_iterable(ruled))
    done = [] if only == "money" else list(_done(organization, until, [*moved, *changed]))
    found = [*([] if only == "rules" else moved), *changed, *done]
    found.sort(key=lambda row: row.at, reverse=True)
    rows = _with_keys(found[:ROWS], organization) if may(VIEW_KEY) else found[:ROWS]
    older = rows[-1].at.isoformat() if len(found) > ROWS else ""
    return Page(rows, only if only in ("money", "rules") else "", older)


def _with_keys(rows: Sequence[Happened], organization: Organization) -> list[Happened]:
    """Return the rows with the names of the keys by which something was done, of this organization or its parent: one statement for all."""
    found = set(filter(None, (_key_of(row.who) for row in rows)))
    keys = ApiKey.objects.filter(
        id__in=found, organization__in=(organization.pk, organization.parent_id)
    )
    names = {key.public_id: key.name for key in keys} if found else {}
    return [row._replace(known_as=names.get(row.who, "")) for row in rows]


def _key_of(who: str) -> UUID | None:
    try:
        return ids.read("key", who) if who.startswith("key_") else None
    except ids.MalformedId:
        return None


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        return None
    return moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _movements(wallet: Wallet, until: datetime | None) -> Iterator[Happened]:
    """Yield the last movements that somebody ordered: each kind by its index, since most of a ledger is work."""
    rows = LedgerEntry.objects.filter(wallet=wallet, **_until("posted_at", until))
    first, *others = (
        rows.filter(kind=kind).order_by("-posted_at", "-number").values("id")[: ROWS + 1]
        for kind in BY_HAND
    )
    ids = [row["id"] for row in first.union(*others, all=True)]
    found = with_reversals(LedgerEntry.objects.filter(id__in=ids))
    for entry in found.order_by("-posted_at", "-number")[: ROWS + 1]:
        tone = KIND_TONES.get(Kind(entry.kind), "quiet")
        url = reverse("admin:credits_ledgerentry_change", args=[entry.pk])
        said = (entry.posted_at, entry.performed_by, entry.kind, "", tone, url)
        yield Happened(*said, why(entry), entry)


def _changes(
    rule: Rule, organization: Organization, wallet: Wallet, until: datetime | None
) -> Iterator[Happened]:
    """Yield the last changes of a table, each compared with the row as it was before: three statements, however many there are."""
    history = rule.model.history.model
    owner = wallet.pk if rule.of == "wallet_id" else organization.pk
    own = history.objects.filter(**{rule.of: owner}, **_until("history_date", until))
    rows = list(own.order_by("-history_date", "-history_id")[: ROWS + 1])
    was = _before(rows, rule.model._meta.pk.attname, history)
    names = _names([*rows, *was.values()], rule)
    for row in rows:
        yield _told(rule, row, was.get(row.history_id), names)


def _before(rows: Sequence[Any], key: str, history: Any) -> dict[int, Any]:
    """Return the version before each of these, by its id: the next of the same row among them, or else the last one that is older."""
    found: dict[int, Any] = {}
    oldest: dict[Any, Any] = {}
    for row in sorted(rows, key=lambda row: row.history_id):
        whose = getattr(row, key)
        if whose in oldest:
            found[row.history_id] = oldest[whose]
        oldest[whose] = row
    first = [row for row in rows if row.history_id not in found]
    older = [Q(**{key: getattr(row, key), "history_id__lt": row.history_id}) for row in first]
    if older:
        versions = history.objects.filter(reduce(or_, older)).order_by().values(key)
        last = {each[key]: each["last"] for each in versions.annotate(last=Max("history_id"))}
        was = history.objects.in_bulk(list(last.values()), field_name="history_id")
        found |= {
            row.history_id: was[last[getattr(row, key)]]
            for row in first
            if getattr(row, key) in last
        }
    return found


def _told(rule: Rule, row: Any, was: Any, names: Mapping[Any, str]) -> Happened:
    title = f"{rule.title} {rule.named(row, names)}".strip()
    verb = {"+": "made", "-": "deleted"}.get(row.history_type, "changed")
    changes: tuple[Changed, ...] = ()
    if row.history_type == "+":
        changes = tuple(_first(row, names))
    elif row.history_type == "~" and was is not None:
        changes = tuple(_compared(row, was, names))
    tone = {"deleted": "bad"}.get(verb, "quiet")
    key = getattr(row, rule.model._meta.pk.attname)
    url = "" if verb == "deleted" else _page_of(rule.model, key)
    reason = getattr(row, "history_why", "")
    who = row.history_change_reason or "–"
    return Happened(row.history_date, who, verb, title, tone, url, reason, None, changes)


def _first(row: Any, names: Mapping[Any, str]) -> Iterator[Changed]:
    """Yield the amounts that a rule began with."""
    for field in row.tracked_fields:
        value = getattr(row, field.attname)
        if isinstance(field, DecimalField) and value:
            label = str(field.verbose_name)
            yield Changed(label[:1].upper() + label[1:], "", _said(field, value, row, names))


def _compared(row: Any, was: Any, names: Mapping[Any, str]) -> Iterator[Changed]:
    for field in row.tracked_fields:
        old, new = getattr(was, field.attname), getattr(row, field.attname)
        if old != new and field.name != "updated_at":
            label = str(field.verbose_name)
            said = [_said(field, value, row, names) for value in (old, new)]
            yield Changed(label[:1].upper() + label[1:], *said)


def _names(rows: Iterable[Any], rule: Rule) -> dict[Any, str]:
    """Return what the rows are called that these refer to, by their ids: a statement for each table."""
    ids: dict[Any, set[Any]] = {}
    for row in rows:
        for field in row.tracked_fields:
            value = getattr(row, field.attname)
            if isinstance(field, ForeignKey) and value is not None and field.attname != rule.of:
                ids.setdefault(field.remote_field.model, set()).add(value)
    return {
        pk: str(getattr(target, "name", target))
        for model, wanted in ids.items()
        if model in (UsageProfile, Actor, Group)
        for pk, target in model._default_manager.in_bulk(list(wanted)).items()
    }


def _said(field: Field, value: Any, row: Any, names: Mapping[Any, str]) -> str:
    if isinstance(field, ForeignKey) and value is not None:
        return names.get(value, str(value))
    change: Any = None
    return str(AmountChange(type(row), row).prepare_delta_change_value(change, value))


def _page_of(model: Any, pk: Any) -> str:
    meta = model._meta
    try:
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[pk])
    except NoReverseMatch:
        return ""


def _done(
    organization: Organization, until: datetime | None, besides: Sequence[Happened]
) -> Iterator[Happened]:
    """Yield what staff did on the page of an organization, as far as no movement and no change of a rule tells it already."""
    known = [(row.who, row.at) for row in besides]
    rows = LogEntry.objects.filter(
        object_id=str(organization.pk),
        content_type=ContentType.objects.get_for_model(Organization),
        **_until("action_time", until),
    )
    for row in rows.select_related("user").order_by("-action_time", "-id")[: ROWS + 1]:
        who = staff_named(row.user.get_username())
        if any(who == name and abs(at - row.action_time) < TOGETHER for name, at in known):
            continue
        what, _, reason = row.get_change_message().partition(" Reason: ")
        yield Happened(row.action_time, who, "", what, "quiet", "", reason)


def _until(column: str, moment: datetime | None) -> dict[str, Any]:
    return {} if moment is None else {f"{column}__lt": moment}
