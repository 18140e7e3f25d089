"""Limits: what people, teams, shared budgets and apps may spend in a calendar month."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from credits.models import MAX_AMOUNT
from organizations.models import Actor, Group, Organization
from usage.models import Limit
from usage.services import budgets, controls
from usage.services.controls import NewLimit
from usage.services.imports import cells
from usage.services.imports.cells import Column, Misread
from usage.services.imports.people import actors_named
from usage.services.imports.rows import (
    Collected,
    Doing,
    OfOrganization,
    Outcome,
    Read,
)

Scope = Limit.Scope
NONE, DEFAULT = "none", "default"
DEFAULTS = {
    "everybody": "user_default",
    "teams": "user_group_default",
    "budgets": "entity_group_default",
}
SCOPE_OF = {
    "everybody": Scope.ACTOR_DEFAULT,
    "teams": Scope.TEAM_DEFAULT,
    "budgets": Scope.ENTITY_DEFAULT,
}
NAMED = ("person", "team", "budget", "app")
RESOURCE_TYPES = ("app", "dataset")


def cap(text: str) -> NewLimit:
    """Return what a limit becomes."""
    if text.lower() == NONE:
        return NewLimit()
    if text.lower() == DEFAULT:
        return NewLimit(use_default=True)
    try:
        return NewLimit(cells.amount(text))
    except Misread as error:
        raise Misread(f"{error} Or none, or default.") from error


class Limits(OfOrganization):
    slug = "limits"
    title = "Limits"
    about = "What people, teams, shared budgets and apps may spend in a calendar month. They act at once; a row that says what is so changes nothing."
    rights = ("usage.add_limit", "usage.change_limit", "usage.delete_limit")
    noun = ("limit", "limits")
    most_of_one = 5_000
    own = (
        Column(
            "of",
            "person, team, budget (a shared one) or app; or everybody, teams or budgets: the default of those that have none.",
            cells.one_of(*NAMED, *DEFAULTS),
            "person",
            required=True,
        ),
        Column(
            "who",
            "A person by external id, e-mail address or act_ id; a team or shared budget by its key; an app as app/writer or dataset/sales. Empty for a default.",
            cells.text(254),
            "u-17",
        ),
        Column(
            "credits",
            "How many in a calendar month. 0: nothing. none: no limit. default: its own limit is taken away.",
            cap,
            "500",
            required=True,
        ),
    )

    def same(self, row: Read) -> Any:
        return (row["of"], row["who"])

    def weight(self, row: Read) -> Decimal:
        limit: NewLimit = row["credits"]
        if limit.use_default:
            return Decimal(0)
        return MAX_AMOUNT if limit.cap is None else limit.cap

    def make_of(
        self, organization: Organization, rows: Sequence[Read], doing: Doing, collected: Collected
    ) -> list[Outcome]:
        subjects = _Subjects(organization, rows, collected)
        collected.require_none()
        before = subjects.limits()
        for of in dict.fromkeys(row["of"] for row in rows):
            _set(of, [row for row in rows if row["of"] == of], subjects, organization, doing)
        return [_outcome(row, subjects.keys[row.number], before) for row in rows]


def _outcome(row: Read, key: Any, before: Mapping[Any, Any]) -> Outcome:
    limit: NewLimit = row["credits"]
    if limit.use_default:
        return Outcome(key in before, said="" if key in before else "it had none")
    is_new = key not in before or before[key] != limit.cap
    return Outcome(is_new, said=f"was {_said(before[key])}" if is_new and key in before else "")


def _said(cap: Decimal | None) -> str:
    return "no limit" if cap is None else f"{cap.normalize():f}"


def _set(
    of: str, rows: Sequence[Read], subjects: "_Subjects", organization: Organization, doing: Doing
) -> None:
    """Set the limits of one kind of subjects by the service that is theirs."""
    author: dict[str, Any] = {"performed_by": doing.performed_by, "now": doing.now}
    if of == "app":
        for row in rows:
            resource_type, _, resource_id = row["who"].partition("/")
            budgets.set_budget(
                organization=organization,
                resource_type=resource_type,
                resource_id=resource_id,
                cap=row["credits"].cap,
                **author,
            )
        return
    if of in DEFAULTS:
        for row in rows:
            changes = {DEFAULTS[of]: row["credits"].cap}
            controls.update_controls(organization=organization, changes=changes, **author)
        return
    ways: Mapping[str, Callable[..., object]] = {
        "person": controls.limit_users,
        "team": controls.limit_user_groups,
        "budget": controls.limit_entity_groups,
    }
    wanted = {subjects.named(row): row["credits"] for row in rows}
    ways[of](organization=organization, changes=wanted, **author)


class _Subjects:
    """Whom the rows of an organization are about."""

    def __init__(
        self, organization: Organization, rows: Sequence[Read], collected: Collected
    ) -> None:
        self.organization = organization
        self.keys: dict[int, Any] = {}
        """By which a row's limit is found among those that are there."""
        names = [row["who"] or "" for row in rows if row["of"] == "person"]
        self.people = _people(organization, names)
        groups = {row["who"] for row in rows if row["of"] in ("team", "budget") and row["who"]}
        found = organization.groups.filter(key__in=groups)
        self.groups: dict[tuple[str, str], Group] = {
            ("team" if each.kind == Group.Kind.TEAM else "budget", each.key): each for each in found
        }
        for row in rows:
            problem = self._look(row)
            if problem is not None:
                collected.add(row, *problem)
        _require_once(rows, self.keys, collected)

    def named(self, row: Read) -> UUID | str:
        """Return by what its service knows whom a row is about."""
        named: UUID | str = row["who"] if row["of"] == "budget" else self.keys[row.number][1]
        return named

    def limits(self) -> dict[Any, Decimal | None]:
        """Return the limits that are there, by whom they are of."""
        ids = [key[1] for key in self.keys.values() if isinstance(key[1], UUID)]
        rows = Limit.objects.filter(organization=self.organization)
        some = rows.filter(actor__in=ids) | rows.filter(group__in=ids)
        others = rows.filter(scope__in=SCOPE_OF.values())
        if any(key[0] == Scope.RESOURCE for key in self.keys.values()):
            others |= rows.filter(scope=Scope.RESOURCE)
        found: dict[Any, Decimal | None] = {}
        for limit in [*some, *others]:
            whose = limit.actor_id or limit.group_id
            if limit.scope == Scope.RESOURCE:
                found[(limit.scope, f"{limit.resource_type}/{limit.resource_id}")] = limit.cap
            else:
                found[(limit.scope, whose)] = limit.cap
        return found

    def _look(self, row: Read) -> tuple[str, str] | None:
        """Note whom a row is about; return the column and the sentence if that is nobody."""
        of, who, limit = row["of"], row["who"], row["credits"]
        if of in DEFAULTS:
            self.keys[row.number] = (SCOPE_OF[of], None)
            if limit.use_default:
                return "credits", "A default has no default."
            return ("who", "Empty for a default.") if who else None
        if not who:
            return "who", "Empty."
        return self._look_for(row, of, who)

    def _look_for(self, row: Read, of: str, who: str) -> tuple[str, str] | None:
        if of == "app":
            resource_type, _, resource_id = who.partition("/")
            if resource_type not in RESOURCE_TYPES or not 0 < len(resource_id) <= 128:
                return "who", "app/writer or dataset/sales is expected."
            if row["credits"].use_default:
                return "credits", "An app has no default: none is no limit."
            try:
                cells.name()(resource_id)
            except Misread as error:
                return "who", str(error)
            self.keys[row.number] = (Scope.RESOURCE, who)
            return None
        found = self.people.get(who.lower()) if of == "person" else self.groups.get((of, who))
        found = found or (self.people.get(who) if of == "person" else None)
        if found is None:
            words = {"person": "nobody of this id or address", "team": "no team of this key"}
            return "who", f"The organization has {words.get(of, 'no shared budget of this key')}."
        self.keys[row.number] = (Scope.ACTOR if of == "person" else Scope.GROUP, found.pk)
        return None


def _require_once(rows: Sequence[Read], keys: Mapping[int, Any], collected: Collected) -> None:
    """Note who is limited twice, by two names."""
    seen: dict[Any, int] = {}
    for row in rows:
        key = keys.get(row.number)
        if key is not None and seen.setdefault(key, row.number) != row.number:
            collected.add(row, "who", f"The same as in row {seen[key]}.")


def _people(organization: Organization, names: Sequence[str]) -> dict[str, Actor]:
    """Return people by what rows call them: `act_…`, an external id or an address."""
    found = actors_named(organization, sorted({*names, *(name.lower() for name in names)} - {""}))
    by_id = {name for name in names if name.startswith("act_")}
    for actor in organization.actors.filter(pk__in=_ids(by_id)):
        found[actor.public_id] = actor
    return found


def _ids(names: set[str]) -> list[UUID]:
    found = []
    for name in names:
        try:
            found.append(UUID(name.removeprefix("act_")))
        except ValueError:
            continue
    return found
