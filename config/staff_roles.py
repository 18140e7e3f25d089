"""The roles of staff: groups that `manage.py migrate` makes, with what each may do. An administrator may change them afterwards.

A role that is there keeps what somebody made of it: it only gets the rights that this version of the code brought. A right that was
part of another one goes to everybody who had that.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from django.contrib.auth.models import Group, Permission, User
from django.db import connection, transaction


class Role(NamedTuple):
    """What somebody of the staff is there for, and the rights that it takes, as `app.codename`."""

    about: str
    rights: frozenset[str]


def _verbs(verbs: str, *models: str) -> set[str]:
    return {
        f"{app}.{verb}_{name}"
        for verb in verbs.split()
        for app, name in (model.split(".") for model in models)
    }


LOOK = frozenset(
    _verbs(
        "view",
        "organizations.organization",
        "organizations.usageprofile",
        "organizations.actor",
        "organizations.group",
        "organizations.membership",
        "organizations.apikey",
        "organizations.proposal",
        "organizations.bulkaction",
        "organizations.job",
        "organizations.failure",
        "organizations.finding",
        "organizations.alert",
        "organizations.alertrule",
        "organizations.budgetwarning",
        "credits.wallet",
        "credits.creditconfig",
        "credits.ledgerentry",
        "credits.grant",
        "credits.pendinggrant",
        "credits.rehearsal",
        "credits.grantdraw",
        "credits.reservation",
        "credits.billingperiod",
        "credits.usagecounter",
        "credits.statuschange",
        "usage.usageevent",
        "usage.usagerollup",
        "usage.monthlyuse",
        "usage.denial",
        "usage.aimodel",
        "usage.rate",
        "usage.markup",
        "usage.customerprice",
        "usage.priceproposal",
        "usage.accepteddifference",
        "usage.thresholds",
        "usage.limit",
        "usage.whatif",
    )
)
RULES = frozenset(
    {"credits.change_creditconfig", "organizations.change_organization", "usage.add_whatif"}
    | _verbs("add change", "usage.thresholds")
    | _verbs(
        "add change delete",
        "usage.limit",
        "organizations.usageprofile",
        "organizations.alertrule",
        "organizations.budgetwarning",
    )
)
PEOPLE = frozenset(
    _verbs("add change", "organizations.actor")
    | _verbs("add change delete", "organizations.group")
    | _verbs("add change", "organizations.apikey")
)
IMPORTS = frozenset(_verbs("view add", "organizations.import"))
PRICES = frozenset(
    {"usage.add_whatif"}
    | _verbs("add change", "usage.aimodel")
    | _verbs("add change delete", "usage.rate", "usage.markup", "usage.customerprice")
)
CARE = frozenset({"organizations.change_alert"})
"""To acknowledge alerts, and to silence them."""
PAID = frozenset(
    f"credits.{right}"
    for right in ("grant", "grant_more", "adjust", "recharge", "allocate", "reverse", "void")
)
STAFF = frozenset(
    _verbs("view add change", "auth.user")
    | _verbs("view add change delete", "auth.group")
    | _verbs("view", "axes.accesslog", "axes.accessfailurelog")
)
CALENDAR = frozenset(
    {"organizations.change_failure"}
    | _verbs(
        "view add change",
        "django_celery_beat.periodictask",
        "django_celery_beat.intervalschedule",
        "django_celery_beat.crontabschedule",
    )
    | _verbs("view", "organizations.idempotencykey", "usage.rollupmark")
)

ROLES: Mapping[str, Role] = {
    "Viewer": Role("looks at everything that is not about staff", LOOK),
    "Support": Role(
        "explains refusals, forgives, grants up to a set amount",
        LOOK | CARE | {"usage.forgive", "credits.grant"},
    ),
    "Operator": Role(
        "sets terms, limits, people and keys",
        LOOK
        | CARE
        | RULES
        | PEOPLE
        | IMPORTS
        | {
            "organizations.add_organization",
            "organizations.share_view",
            "organizations.suspend",
            "organizations.erase",
            "credits.allocate",
            "credits.add_rehearsal",
            "credits.run_rehearsal",
            "credits.release",
            "credits.recharge",
            "credits.reverse",
            "usage.forgive",
            "usage.add_usageevent",
            "usage.spend",
        },
    ),
    "Finance": Role(
        "statements, exports, purchases, corrections and reversals",
        LOOK | CARE | PAID | {"credits.reprice"},
    ),
    "Approver": Role(
        "approves what others propose",
        LOOK
        | CARE
        | PAID
        | RULES
        | PRICES
        | {"credits.reprice", "usage.forgive", "organizations.approve"},
    ),
    "Administrator": Role(
        "everything, staff and prices included",
        LOOK
        | CARE
        | PAID
        | RULES
        | PEOPLE
        | IMPORTS
        | PRICES
        | STAFF
        | CALENDAR
        | {
            "organizations.add_organization",
            "organizations.delete_organization",
            "organizations.suspend",
            "organizations.erase",
            "organizations.approve",
            "organizations.share_view",
            "credits.reprice",
            "credits.add_rehearsal",
            "credits.run_rehearsal",
            "credits.release",
            "usage.forgive",
            "usage.add_usageevent",
            "usage.spend",
        },
    ),
}
"""The roles, by the names of their groups."""

PART_OF: Mapping[str, frozenset[str]] = {
    **{
        f"credits.{right}": frozenset({"credits.add_ledgerentry"})
        for right in (
            *("grant", "grant_more", "adjust", "recharge", "allocate", "reverse", "reprice"),
            "void",
        )
    },
    "usage.forgive": frozenset({"usage.add_usageevent"}),
    "usage.spend": frozenset({"usage.add_usageevent", "credits.add_ledgerentry"}),
    "organizations.erase": frozenset({"organizations.change_actor"}),
    "organizations.suspend": frozenset({"organizations.change_organization"}),
    "organizations.approve": frozenset({"credits.add_ledgerentry"}),
}
"""The rights that were part of others: who had all of those keeps being able to do the same."""


def known_rights() -> frozenset[str]:
    """Return the rights that the database knows, as `app.codename`; none where it has no tables yet."""
    if Permission._meta.db_table not in connection.introspection.table_names():
        return frozenset()
    return frozenset(rights_by_name())


def rights_by_name() -> dict[str, Permission]:
    """Return every right that there is, by its name as `app.codename`."""
    rows = Permission.objects.select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}": row for row in rows}


@transaction.atomic
def bring_up(known: Collection[str]) -> None:
    """Make the roles that are not there, and give whoever should have them the rights that are not among the `known` ones."""
    there = rights_by_name()
    added = there.keys() - set(known)
    for name, role in ROLES.items():
        group, is_new = Group.objects.get_or_create(name=name)
        wanted = role.rights if is_new else role.rights & added
        group.permissions.add(*(there[right] for right in wanted & there.keys()))
    for right in added & PART_OF.keys():
        _give_to_who_had(PART_OF[right], there[right])


def _give_to_who_had(rights: frozenset[str], permission: Permission) -> None:
    """Give a right to each user and each group with all the others. A role has what its line says, not more."""
    there = rights_by_name()
    users, groups = User.objects.all(), Group.objects.exclude(name__in=ROLES)
    for right in rights:
        users = users.filter(user_permissions=there[right])
        groups = groups.filter(permissions=there[right])
    permission.user_set.add(*users)
    permission.group_set.add(*groups)
