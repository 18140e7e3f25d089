"""An organization's own controls: its thresholds, its default limits, and the limits of its users and groups."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from credits.models import CreditConfig
from credits.periods import Period, month_of
from credits.services.locking import lock, require_not_archived
from organizations.history import delete_signed
from organizations.models import Actor, Group, Organization
from organizations.wire import plain
from usage.models import Limit, Thresholds
from usage.services import limits, subjects, used
from usage.services.limits import Cap, Scope

THRESHOLDS = ("downgrade", "shutoff")
DEFAULTS = {
    "user_default": Scope.ACTOR_DEFAULT,
    "entity_group_default": Scope.ENTITY_DEFAULT,
    "user_group_default": Scope.TEAM_DEFAULT,
}


class AiNotEnabled(Exception):
    """There is nothing to control: the organization may not use AI."""


class DowngradeAboveShutoff(Exception):
    """Work would be shut off before it is ever downgraded."""


@dataclass(frozen=True)
class Controls:
    """What an organization has set for itself, and what it has used of the month. Null is off, or no limit."""

    account_cap: Cap
    """Of the root's billing period, for the root and all its children."""
    used: Decimal
    downgrade: Cap
    shutoff: Cap
    user_default: Cap
    entity_group_default: Cap
    user_group_default: Cap
    month: Period


@dataclass(frozen=True)
class NewLimit:
    """What the limit of a user or a group becomes: a cap, or with `use_default` that of those who have none of their own."""

    cap: Cap = None
    use_default: bool = False


class Effective(NamedTuple):
    """The limit that applies to a user or a group from now on, and whether it comes from elsewhere."""

    subject: Actor | Group
    cap: Cap
    uses_default: bool


def require_ai_enabled(organization: Organization, *, now: datetime) -> None:
    """Do nothing if the organization may use AI.

    :raises AiNotEnabled: if it may not, or no longer
    """
    if not organization.is_entitled(now):
        raise AiNotEnabled("AI query generation is not enabled for this organization")


def controls_of(organization: Organization, *, now: datetime) -> Controls:
    """Return the controls of an organization as they are at `now`."""
    root_id = organization.parent_id or organization.id
    thresholds = Thresholds.objects.filter(organization=organization).first() or Thresholds()
    defaults = Limit.objects.filter(organization=organization, scope__in=DEFAULTS.values())
    caps = dict(defaults.values_list("scope", "cap"))
    month = month_of(now)
    return Controls(
        account_cap=CreditConfig.objects.get(wallet__organization=root_id).monthly_cap,
        used=used.of_organization(organization, month),
        downgrade=thresholds.downgrade,
        shutoff=thresholds.shutoff,
        user_default=limits.default_cap(organization),
        entity_group_default=caps.get(Scope.ENTITY_DEFAULT),
        user_group_default=caps.get(Scope.TEAM_DEFAULT),
        month=month,
    )


@transaction.atomic(savepoint=False)
def update_controls(
    *, organization: Organization, changes: Mapping[str, Cap], performed_by: str, now: datetime
) -> Controls:
    """Change some of an organization's thresholds and defaults; what is not named stays.

    The order of the thresholds is decided on the merged ones, under the wallet's lock: of two changes at once, each to one of them,
    one is refused if both would break it. Null turns a threshold off. Null as the default of users is no limit; as the default of
    user groups it is no default at all, or setting it would free every member of a team from the default of users.

    :param changes: of `downgrade`, `shutoff`, `user_default`, `entity_group_default`, `user_group_default`
    :raises DowngradeAboveShutoff: if the thresholds would be in the wrong order
    :raises OrganizationArchived: if the organization is archived
    """
    author = _lock(organization, performed_by=performed_by, now=now)
    _set_thresholds(
        organization, {name: changes[name] for name in THRESHOLDS if name in changes}, author
    )
    for name, scope in DEFAULTS.items():
        if name in changes:
            cap = changes[name]
            off = cap is None and scope == Scope.TEAM_DEFAULT
            _set_limits(organization, scope, [(None, NewLimit(cap, use_default=off))], author)
    return controls_of(organization, now=now)


@transaction.atomic(savepoint=False)
def limit_users(
    *,
    organization: Organization,
    changes: Mapping[UUID, NewLimit],
    performed_by: str,
    now: datetime,
) -> list[Effective]:
    """Set or remove the own limits of users by their ids: all of them, or none.

    :raises subjects.UnknownSubject: if the organization has no such user, named; nothing changes
    :raises OrganizationArchived: if the organization is archived
    """
    author = _lock(organization, performed_by=performed_by, now=now)
    users = subjects.users(organization, list(changes))
    _set_limits(organization, Scope.ACTOR, changes.items(), author)
    terms = limits.actor_terms(organization, users)
    return [Effective(user, terms[user.id].cap, changes[user.id].use_default) for user in users]


@transaction.atomic(savepoint=False)
def limit_entity_groups(
    *,
    organization: Organization,
    changes: Mapping[str, NewLimit],
    performed_by: str,
    now: datetime,
) -> list[Effective]:
    """Set or remove the limits of entity groups by their keys: all of them, or none. Each is one bucket for all members.

    :raises subjects.UnknownSubject: if the organization has no such entity group, named; nothing changes
    :raises OrganizationArchived: if the organization is archived
    """
    author = _lock(organization, performed_by=performed_by, now=now)
    groups = subjects.entity_groups(organization, list(changes), lock=True)
    by_id = {group.id: changes[group.key] for group in groups}
    _set_limits(organization, Scope.GROUP, by_id.items(), author)
    caps = limits.entity_group_caps(groups)
    return _effective(groups, caps, by_id)


@transaction.atomic(savepoint=False)
def limit_user_groups(
    *,
    organization: Organization,
    changes: Mapping[UUID, NewLimit],
    performed_by: str,
    now: datetime,
) -> list[Effective]:
    """Set or remove the limits of teams by their ids: all of them, or none. Each applies to every member on their own.

    :raises subjects.UnknownSubject: if the organization has no such team, named; nothing changes
    :raises OrganizationArchived: if the organization is archived
    """
    author = _lock(organization, performed_by=performed_by, now=now)
    teams = subjects.user_groups(organization, list(changes), lock=True)
    _set_limits(organization, Scope.GROUP, changes.items(), author)
    return _effective(teams, limits.team_caps(organization, teams), changes)


@transaction.atomic(savepoint=False)
def save_limit(
    *, limit: Limit, performed_by: str, now: datetime, changed: Sequence[str] | None = None
) -> Limit:
    """Store a limit of any scope as it is.

    :param changed: of one that is stored, what is new of it; None of a new one
    :raises subjects.UnknownSubject: if its actor or its group is another organization's
    :raises subjects.InexactName: if it is a new one of a resource whose name others may look like
    :raises OrganizationArchived: if the organization is archived
    :raises django.db.IntegrityError: if the subject has a limit (`limit_one_per_subject`)
    """
    author = _lock(limit.organization, performed_by=performed_by, now=now)
    for subject in (limit.actor, limit.group):
        if subject is not None and subject.organization_id != limit.organization_id:
            raise subjects.UnknownSubject(f"{subject.public_id} is not of this organization")
    limit.updated_at = now
    if changed is None:
        subjects.require_exact(limit)
        limit.created_at = now
        _store([limit], author, is_new=True)
    else:
        _store([limit], author, fields=[*changed, "updated_at"])
    return limit


@transaction.atomic(savepoint=False)
def remove_limit(*, limit: Limit, performed_by: str, now: datetime) -> None:
    """Remove a limit: its subject falls back to what applies without.

    :raises OrganizationArchived: if the organization is archived
    """
    _remove([limit], _lock(limit.organization, performed_by=performed_by, now=now))


class _Author(NamedTuple):
    """Who changes something, and when: for the history."""

    performed_by: str
    now: datetime


def _lock(organization: Organization, *, performed_by: str, now: datetime) -> _Author:
    """Lock the wallet: no decision is half-way past what is about to change, nor is another change."""
    wallet, _ = lock(organization, now=now)
    require_not_archived(wallet.organization)
    return _Author(performed_by, now)


def _effective(
    groups: Sequence[Group], caps: Mapping[UUID, Cap], changes: Mapping[UUID, NewLimit]
) -> list[Effective]:
    return [Effective(each, caps[each.id], changes[each.id].use_default) for each in groups]


def _set_thresholds(
    organization: Organization, changes: Mapping[str, Cap], author: _Author
) -> None:
    found = Thresholds.objects.filter(organization=organization).first()
    thresholds = found or Thresholds(organization=organization)
    changed = [name for name, cap in changes.items() if cap != getattr(thresholds, name)]
    for name in changed:
        setattr(thresholds, name, changes[name])
    _require_order(thresholds.downgrade, thresholds.shutoff)
    if changed:
        _store([thresholds], author, is_new=found is None, fields=changed)


def _require_order(downgrade: Cap, shutoff: Cap) -> None:
    if downgrade is not None and shutoff is not None and downgrade > shutoff:
        raise DowngradeAboveShutoff(
            f"downgradeCredits {plain(downgrade)} is above shutoffCredits {plain(shutoff)}"
        )


def _set_limits(
    organization: Organization,
    scope: Scope,
    changes: Iterable[tuple[UUID | None, NewLimit]],
    author: _Author,
) -> None:
    """Make, change or remove the limits of subjects of one scope by their ids; a default has none."""
    wanted = dict(changes)
    ids = [id for id in wanted if id is not None]
    of_subjects = Q(actor__in=ids) | Q(group__in=ids) | Q(actor=None, group=None)
    rows = Limit.objects.filter(of_subjects, organization=organization, scope=scope)
    found = {row.actor_id or row.group_id: row for row in rows}
    _remove([row for id, row in found.items() if wanted[id].use_default], author)
    caps = {id: change.cap for id, change in wanted.items() if not change.use_default}
    new = [
        _limit(organization, scope, id, cap, author.now)
        for id, cap in caps.items()
        if id not in found
    ]
    changed = [row for id, row in found.items() if id in caps and row.cap != caps[id]]
    for row in changed:
        row.cap, row.updated_at = caps[row.actor_id or row.group_id], author.now
    _store(new, author, is_new=True)
    _store(changed, author, fields=["cap", "updated_at"])


def _limit(
    organization: Organization, scope: Scope, id: UUID | None, cap: Cap, now: datetime
) -> Limit:
    return Limit(
        organization=organization,
        scope=scope,
        actor_id=id if scope == Scope.ACTOR else None,
        group_id=id if scope == Scope.GROUP else None,
        cap=cap,
        created_at=now,
        updated_at=now,
    )


def _store(
    rows: Sequence[Limit] | Sequence[Thresholds],
    author: _Author,
    *,
    is_new: bool = False,
    fields: Sequence[str] = (),
) -> None:
    """Write rows of one kind, and who changed them into their history."""
    if not rows:
        return
    said = {"default_change_reason": author.performed_by, "default_date": author.now}
    if is_new:
        bulk_create_with_history(rows, type(rows[0]), **said)
    else:
        bulk_update_with_history(rows, type(rows[0]), fields, **said)


def _remove(rows: Sequence[Limit], author: _Author) -> None:
    """Delete limits, all by one statement, and say in their history who did."""
    delete_signed(rows, performed_by=author.performed_by, now=author.now)
