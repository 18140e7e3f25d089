"""What the Omni contract reads and says of credit controls and credit usage. Its ids are written bare.

The names of the user groups' fields are not documented; they follow those of the entity groups and are in this file only.
"""

import re
from collections.abc import Hashable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from credits.models import ZERO
from credits.periods import month_of
from organizations import wire
from organizations.fields import (
    CreditsField,
    IdField,
    QueryInteger,
    StrictBoolean,
    StrictChar,
    StrictList,
)
from organizations.strict import StrictQuery, StrictSerializer
from usage.services.controls import Controls, NewLimit

MAX_ENTRIES = 1_000

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


class Milliseconds(serializers.IntegerField):
    """A moment as Unix milliseconds. Ours are midnights, so nothing is lost."""

    def to_representation(self, value: Any) -> int:
        return int(value.timestamp()) * 1000


class MonthField(StrictChar):
    """A UTC calendar month, `2026-09`, given as its `Period`."""

    default_error_messages = {"month": "A month like 2026-09 is expected."}

    def run_validation(self, data: Any = serializers.empty) -> Any:
        text = super().run_validation(data)
        if not _MONTH.fullmatch(text):
            self.fail("month")
        return month_of(datetime(int(text[:4]), int(text[5:]), 1, tzinfo=UTC))


class Entries(StrictList):
    """1 to 1,000 entries, read in their order up to the first that is wrong."""

    default_error_messages = {
        "twice": "{name} is given twice.",
    }

    def __init__(self, child: serializers.Field) -> None:
        super().__init__(child=child, allow_empty=False, min_length=1, max_length=MAX_ENTRIES)

    def to_internal_value(self, data: Any) -> Any:
        found = super().to_internal_value(data)
        self.refuse_repeated(found)
        return found

    def run_child_validation(self, data: list[Any]) -> list[Any]:
        found = []
        for number, item in enumerate(data):
            try:
                found.append(self.child.run_validation(item))
            except serializers.ValidationError as error:
                label = self.label_of(number, item)
                raise serializers.ValidationError({label: error.detail}) from error
        return found

    def label_of(self, number: int, item: Any) -> str:
        """Return what an error calls an entry."""
        return str(number)

    def refuse_repeated(self, names: Iterable[Hashable]) -> None:
        seen = set()
        for name in names:
            if name in seen:
                self.fail("twice", name=name)
            seen.add(name)


class OnlyTrue(StrictBoolean):
    """`true`, or nothing said."""

    default_error_messages = {"only": "Only true is allowed."}

    def to_internal_value(self, data: Any) -> bool:
        if super().to_internal_value(data) is not True:
            self.fail("only")
        return True


class LimitEntry(StrictSerializer):
    """What the limit of one subject becomes. Subclasses name the subject."""

    subject: str
    """The field that names it."""

    creditLimit = CreditsField(source="cap", required=False, allow_null=True)
    useDefaultLimit = OnlyTrue(source="use_default", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("cap" in attrs) == ("use_default" in attrs):
            raise serializers.ValidationError(
                {"creditLimit": "Exactly one of creditLimit and useDefaultLimit is required."}
            )
        return attrs


class LimitEntries(Entries):
    """New limits of several subjects, given as a `NewLimit` by each subject's name."""

    child: LimitEntry

    def to_internal_value(self, data: Any) -> Any:
        entries = super().to_internal_value(data)
        return {entry.pop("subject"): NewLimit(**entry) for entry in entries}

    def label_of(self, number: int, item: Any) -> str:
        named = item.get(self.child.subject) if isinstance(item, Mapping) else None
        return f"{number} ({named[:128]})" if isinstance(named, str) else str(number)

    def refuse_repeated(self, names: Iterable[Any]) -> None:
        super().refuse_repeated(entry["subject"] for entry in names)


class UserLimitEntry(LimitEntry):
    subject = "userId"

    userId = IdField("act", source="subject")


class EntityGroupLimitEntry(LimitEntry):
    subject = "entity"

    entity = StrictChar(max_length=128, source="subject")


class UserGroupLimitEntry(LimitEntry):
    subject = "userGroupId"

    userGroupId = IdField("grp", source="subject")


class UpdateCreditControls(StrictSerializer):
    """Omitted is unchanged, null is off or no limit, a number sets."""

    at_least_one = True

    downgradeCredits = CreditsField(source="downgrade", required=False, allow_null=True)
    shutoffCredits = CreditsField(source="shutoff", required=False, allow_null=True)
    userDefaultCredits = CreditsField(source="user_default", required=False, allow_null=True)
    entityGroupDefaultCredits = CreditsField(
        source="entity_group_default", required=False, allow_null=True
    )
    userGroupDefaultCredits = CreditsField(
        source="user_group_default", required=False, allow_null=True
    )


class UpdateUserLimits(StrictSerializer):
    users = LimitEntries(UserLimitEntry())


class UpdateEntityGroupLimits(StrictSerializer):
    entityGroups = LimitEntries(EntityGroupLimitEntry())


class UpdateUserGroupLimits(StrictSerializer):
    userGroups = LimitEntries(UserGroupLimitEntry())


class AskUserUsage(StrictSerializer):
    userIds = Entries(IdField("act"))


class AskEntityGroupUsage(StrictSerializer):
    entities = Entries(StrictChar(max_length=128))


class AskUserGroupUsage(StrictSerializer):
    userGroupIds = Entries(IdField("grp"))
    period = MonthField(required=False)


class LimitQuery(StrictQuery):
    """The query of Omni's lists."""

    cursor = StrictChar(required=False, max_length=200)
    pageSize = QueryInteger(source="page_size", min_value=1, max_value=100, default=20)


class PeriodShape(serializers.Serializer):
    """The month of what is told, `[periodStart, periodEnd)`."""

    periodStart = Milliseconds(source="month.starts_at")
    periodEnd = Milliseconds(source="month.ends_at")


class CreditControlsShape(PeriodShape):
    """The thresholds of an organization, its default limits, and what it used this month.

    `accountCreditLimit` is 0 where there is none, and to a child: the limit is its parent's business.
    """

    # Of `Controls`. Needs `to_child` in its context: whether a key of a child asks.

    accountCreditLimit = serializers.SerializerMethodField()
    creditsUsed = CreditsField(source="used")
    downgradeCredits = CreditsField(source="downgrade", allow_null=True)
    shutoffCredits = CreditsField(source="shutoff", allow_null=True)
    userDefaultCredits = CreditsField(source="user_default", allow_null=True)
    entityGroupDefaultCredits = CreditsField(source="entity_group_default", allow_null=True)
    userGroupDefaultCredits = CreditsField(source="user_group_default", allow_null=True)

    @extend_schema_field(CreditsField())
    def get_accountCreditLimit(self, controls: Controls) -> Any:
        return wire.plain(ZERO if self.context["to_child"] else controls.account_cap or ZERO)


class UserLimitShape(serializers.Serializer):
    userId = serializers.UUIDField(source="actor_id")
    creditLimit = CreditsField(source="cap", allow_null=True)


class EntityGroupLimitShape(serializers.Serializer):
    entity = serializers.CharField(source="group.key")
    creditLimit = CreditsField(source="cap", allow_null=True)


class UserGroupLimitShape(serializers.Serializer):
    userGroupId = serializers.UUIDField(source="group_id")
    creditLimit = CreditsField(source="cap", allow_null=True)


class EffectiveShape(serializers.Serializer):
    """The limit that applies from now on. Subclasses say to whom."""

    creditLimit = CreditsField(source="cap", allow_null=True)
    usesDefaultLimit = serializers.BooleanField(source="uses_default")


class EffectiveUserLimit(EffectiveShape):
    userId = serializers.UUIDField(source="subject.id")


class EffectiveEntityGroupLimit(EffectiveShape):
    entity = serializers.CharField(source="subject.key")


class EffectiveUserGroupLimit(EffectiveShape):
    userGroupId = serializers.UUIDField(source="subject.id")


class UserLimitsShape(serializers.Serializer):
    users = EffectiveUserLimit(many=True)


class EntityGroupLimitsShape(serializers.Serializer):
    entityGroups = EffectiveEntityGroupLimit(many=True)


class UserGroupLimitsShape(serializers.Serializer):
    userGroups = EffectiveUserGroupLimit(many=True)


class UserUsage(serializers.Serializer):
    userId = serializers.UUIDField(source="subject.id")
    creditsUsed = CreditsField(source="used")


class EntityGroupUsage(serializers.Serializer):
    entity = serializers.CharField(source="subject.key")
    creditsUsed = CreditsField(source="used")


class UserGroupUsage(serializers.Serializer):
    userGroupId = serializers.UUIDField(source="subject.id")
    creditsUsed = CreditsField(source="used")


class UserUsageShape(PeriodShape):
    users = UserUsage(many=True)


class EntityGroupUsageShape(PeriodShape):
    entityGroups = EntityGroupUsage(many=True)


class UserGroupUsageShape(PeriodShape):
    userGroups = UserGroupUsage(many=True)


class PageInfo(serializers.Serializer):
    hasNextPage = serializers.BooleanField()
    nextCursor = serializers.CharField(allow_null=True)
    pageSize = serializers.IntegerField()
    totalRecords = serializers.IntegerField()


def records_of(shape: type[serializers.Serializer]) -> serializers.Serializer:
    """Return the serializer of a page of `shape`, for the OpenAPI document."""
    return inline_serializer(
        f"{shape.__name__}Records", {"pageInfo": PageInfo(), "records": shape(many=True)}
    )
