"""What happened to an organization: movements by hand and changes of its rules in one list, who did it, what it was before, and why. And
which rules of one person, or of one group, were changed.

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
from organizations.models import (
    Actor,
    AlertRule,
    ApiKey,
    BudgetWarning,
    Group,
    Membership,
    Organization,
    UsageProfile,
)
from usage.admin.alert_words import VIEW_WARNING
from usage.models import AIModel, CustomerPrice, Limit, Thresholds

ROWS = 25
"""How many rows a page has."""
FEW = 10
"""How many the page of a person, or of a group, shows."""
TOGETHER = timedelta(seconds=10)
"""Within so long what somebody did on the page and what it changed are the same."""
Kind = LedgerEntry.Kind
VIEW_KEY = "organizations.view_apikey"
VIEW_LIMIT = "usage.view_limit"
VIEW_GROUP = "organizations.view_group"
VIEW_ACTOR = "organizations.view_actor"
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


VERBS = {"+": "made", "~": "changed", "-": "deleted"}
OF_MEMBERS = {"+": "joined", "~": "changed", "-": "left"}


class Rule(NamedTuple):
    """A table whose changes are kept: its rows of somebody, and what one of them is called."""

    model: Any
    right: str
    of: str
    """The column that says whose a row is: the organization, its wallet, a person or a group."""
    title: str
    named: Callable[[Any, Mapping[Any, str]], str] = lambda row, names: ""
    """By the row, and what those are called that rows refer to."""
    verbs: Mapping[str, str] = VERBS


def _name(row: Any, names: Mapping[Any, str]) -> str:
    return str(row.name)


def _whose(limit: Any, names: Mapping[Any, str]) -> str:
    if limit.resource_type:
        return f"of {limit.resource_type} {limit.slug or limit.resource_id}"
    name = names.get(limit.actor_id) or names.get(limit.group_id)
    if name:
        return f"of {name}"
    return f"of {limit.get_scope_display().lower().replace('_', ' ')}"


def _warned(warning: Any, names: Mapping[Any, str]) -> str:
    name = names.get(warning.actor_id) or names.get(warning.group_id)
    return f"of {name}" if name else "of the whole"


def _priced(price: Any, names: Mapping[Any, str]) -> str:
    scope = names.get(price.model_id) or price.provider or "all models"
    return f"of {scope} from {price.starts_at:%Y-%m-%d}"


def _member(member: Any, names: Mapping[Any, str]) -> str:
    return ", ".join(filter(None, (names.get(member.actor_id), names.get(member.group_id))))


RULES: Sequence[Rule] = (
    Rule(Organization, "organizations.view_organization", "id", "Organization"),
    Rule(CreditConfig, "credits.view_creditconfig", "wallet_id", "Terms"),
    Rule(Thresholds, "usage.view_thresholds", "organization_id", "Thresholds"),
    Rule(Limit, VIEW_LIMIT, "organization_id", "Limit", _whose),
    Rule(BudgetWarning, VIEW_WARNING, "organization_id", "Budget warning", _warned),
    Rule(AlertRule, "organizations.view_alertrule", "organization_id", "Alert rules"),
    Rule(CustomerPrice, "usage.view_customerprice", "organization_id", "Customer price", _priced),
    Rule(UsageProfile, "organizations.view_usageprofile", "organization_id", "Profile", _name),
    Rule(Group, VIEW_GROUP, "organization_id", "Group", _name),
    Rule(Membership, VIEW_GROUP, "organization_id", "Member", _member, OF_MEMBERS),
    Rule(Actor, VIEW_ACTOR, "organization_id", "Person", _name),
    Rule(ApiKey, VIEW_KEY, "organization_id", "Key", _name),
)
OF_SOMEBODY: Mapping[Any, Sequence[Rule]] = {
    Actor: (
        Rule(Actor, VIEW_ACTOR, "id", "Person"),
        Rule(Limit, VIEW_LIMIT, "actor_id", "Limit"),
        Rule(BudgetWarning, VIEW_WARNING, "actor_id", "Budget warning"),
        Rule(Membership, VIEW_GROUP, "actor_id", "Member of", _member, OF_MEMBERS),
        Rule(ApiKey, VIEW_KEY, "actor_id", "Key", _name),
    ),
    Group: (
        Rule(Group, VIEW_GROUP, "id", "Group"),
        Rule(Limit, VIEW_LIMIT, "group_id", "Limit"),
        Rule(BudgetWarning, VIEW_WARNING, "group_id", "Budget warning"),
        Rule(Membership, VIEW_ACTOR, "group_id", "Member", _member, OF_MEMBERS),
    ),
}
"""The rules that concern one person, or one group."""


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
    owners = {"wallet_id": wallet.pk}
    rules = (rule for rule in RULES if may(rule.right) and only != "money")
    versions = (_versions(rule, owners.get(rule.of, organization.pk), until) for rule in rules)
    changed = _all_told(list(chain.from_iterable(versions)))
    done = [] if only == "money" else list(_done(organization, until, [*moved, *changed]))
    found = [*([] if only == "rules" else moved), *changed, *done]
    found.sort(key=lambda row: row.at, reverse=True)
    rows = _with_keys(found[:ROWS], organization) if may(VIEW_KEY) else found[:ROWS]
    older = rows[-1].at.isoformat() if len(found) > ROWS else ""
    return Page(rows, only if only in ("money", "rules") else "", older)


def happened_to(whose: Actor | Group, *, may: Callable[[str], bool]) -> Sequence[Happened]:
    """Return the last changes of the rules that concern a person or a group, of those that somebody may see, the newest first."""
    rules = (rule for rule in OF_SOMEBODY[type(whose)] if may(rule.right))
    versions = (_versions(rule, whose.pk, None) for rule in rules)
    found = _all_told(list(chain.from_iterable(versions)))
    found.sort(key=lambda row: row.at, reverse=True)
    return _with_keys(found[:FEW], whose.organization) if may(VIEW_KEY) else found[:FEW]


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


class Version(NamedTuple):
    """A row as it was after a change, and as it was before."""

    rule: Rule
    row: Any
    was: Any


def _versions(rule: Rule, owner: Any, until: datetime | None) -> list[Version]:
    """Return the last changes of a table, each with the row as it was before: three statements, however many there are."""
    history = rule.model.history.model
    own = history.objects.filter(**{rule.of: owner}, **_until("history_date", until))
    rows = list(own.order_by("-history_date", "-history_id")[: ROWS + 1])
    was = _before(rows, rule.model._meta.pk.attname, history)
    return [Version(rule, row, was.get(row.history_id)) for row in rows]


def _all_told(versions: Sequence[Version]) -> list[Happened]:
    """Return changes as people read them."""
    names = _names(versions)
    return [_told(*version, names) for version in versions]


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
    verb = rule.verbs[row.history_type]
    changes: tuple[Changed, ...] = ()
    if row.history_type == "+":
        changes = tuple(_first(row, names))
    elif row.history_type == "~" and was is not None:
        changes = tuple(_compared(row, was, names))
    is_gone = row.history_type == "-"
    tone = "bad" if verb == "deleted" else "quiet"
    key = getattr(row, rule.model._meta.pk.attname)
    url = "" if is_gone else _page_of(rule.model, key)
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


def _names(versions: Iterable[Version]) -> dict[Any, str]:
    """Return what the rows are called that these refer to, by their ids: a statement for each table."""
    ids: dict[Any, set[Any]] = {}
    for rule, *rows in versions:
        for row in filter(None, rows):
            for field in _referring(row, rule):
                ids.setdefault(field.remote_field.model, set()).add(getattr(row, field.attname))
    return {
        pk: str(getattr(target, "name", target))
        for model, wanted in ids.items()
        if model in (UsageProfile, Actor, Group, AIModel)
        for pk, target in model._default_manager.in_bulk(list(wanted)).items()
    }


def _referring(row: Any, rule: Rule) -> Iterator[Any]:
    """Yield the fields by which a row refers to others, but for whose it is."""
    for field in row.tracked_fields:
        is_there = getattr(row, field.attname) is not None
        if isinstance(field, ForeignKey) and is_there and field.attname != rule.of:
            yield field


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
