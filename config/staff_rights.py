"""What one of the staff may do to another, or to a group: never more than they may do themselves.

Nobody gives what he has not, and nobody touches who has more: else the right to edit users would be every right there is. A
superuser has more than any sum of permissions.
"""

from dataclasses import dataclass

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db import connection
from django.db.models import Q


@dataclass(frozen=True)
class Rights:
    """What somebody may do, whether or not they can log in at the moment."""

    permissions: frozenset[int]
    is_superuser: bool = False

    def cover(self, other: "Rights") -> bool:
        """Whether who has these rights may give and take those."""
        if self.is_superuser:
            return True
        return not other.is_superuser and other.permissions <= self.permissions


def rights_of(user: AbstractBaseUser | AnonymousUser) -> Rights:
    """Return the rights of somebody, directly and by their groups, as the database has them now.

    Django says of who is switched off that they have none; here they have what they would have tomorrow.
    """
    current = User.objects.get(pk=user.pk or 0)
    given = Permission.objects.filter(Q(user=current) | Q(group__user=current))
    return Rights(frozenset(given.values_list("id", flat=True)), current.is_superuser)


def rights_by(group: Group) -> Rights:
    """Return the rights that a group gives to its members."""
    return Rights(frozenset(group.permissions.values_list("id", flat=True)))


def may_touch(actor: AbstractBaseUser | AnonymousUser, target: User) -> bool:
    """Whether somebody may edit another: their rights, password, second factor, or whether they can log in."""
    return rights_of(actor).cover(rights_of(target))


def may_touch_group(actor: AbstractBaseUser | AnonymousUser, group: Group) -> bool:
    """Whether somebody may edit a group: it gives nothing that they have not, and nobody in it has more."""
    own = rights_of(actor)
    members = group.user_set.all()
    return own.cover(rights_by(group)) and all(own.cover(rights_of(each)) for each in members)


def one_at_a_time() -> None:
    """Make whoever changes rights wait for each other, until the transaction ends.

    What was allowed when it was asked must still be when it is written: meanwhile somebody could get more, or lose it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('purser staff rights'))")
