"""Finding the users and groups that a request names: all of them in its order, or the first that does not exist."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from organizations.models import Actor, Group, Organization
from organizations.visible import INEXACT, is_exact
from usage.models import Limit

Name = TypeVar("Name", bound=Hashable)
Found = TypeVar("Found", Actor, Group)


class UnknownSubject(Exception):
    """The organization has no such user or group; of several, the first that was named."""


class InexactName(Exception):
    """A resource is called by a name that another may look like (`organizations.visible.is_exact`)."""

    def __init__(self) -> None:
        super().__init__(INEXACT)
        self.details = {"fields": {"entityId": [INEXACT]}}


def require_exact(limit: Limit) -> None:
    """Refuse to begin a limit of a resource under a name that another may look like. One that exists keeps its name.

    :raises InexactName: if its name is one
    """
    if not is_exact(limit.resource_id):
        raise InexactName


def users(organization: Organization, ids: Sequence[UUID]) -> list[Actor]:
    """Return the actors of an organization with these ids.

    :raises UnknownSubject: if one is not its own
    """
    found = organization.actors.select_related("profile").in_bulk(ids)
    return _all(ids, found, "userId {} is not a member of this organization")


def entity_groups(
    organization: Organization, keys: Sequence[str], *, lock: bool = False
) -> list[Group]:
    """Return the entity groups of an organization with these keys.

    :param lock: keep them from being deleted until the transaction ends
    :raises UnknownSubject: if one does not exist
    """
    rows = organization.groups.filter(kind=Group.Kind.ENTITY, key__in=keys)
    if lock:
        rows = rows.select_for_update(no_key=True)
    found = {group.key: group for group in rows.order_by("id")}
    return _all(keys, found, "entity {} has no entity group")


def user_groups(
    organization: Organization, ids: Sequence[UUID], *, lock: bool = False
) -> list[Group]:
    """Return the teams of an organization with these ids.

    :param lock: keep them from being deleted until the transaction ends
    :raises UnknownSubject: if one does not exist
    """
    rows = organization.groups.select_related("profile").filter(kind=Group.Kind.TEAM, id__in=ids)
    if lock:
        rows = rows.select_for_update(of=["self"], no_key=True)
    found = {group.id: group for group in rows.order_by("id")}
    return _all(ids, found, "userGroupId {} does not exist")


def _all(names: Sequence[Name], found: Mapping[Name, Found], complaint: str) -> list[Found]:
    missing = next((name for name in names if name not in found), None)
    if missing is not None:
        raise UnknownSubject(complaint.format(missing))
    return [found[name] for name in names]
