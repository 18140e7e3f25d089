"""What the API says of actors and groups, and what it reads to make and change them."""

from typing import Any

from rest_framework import serializers

from organizations.fields import (
    IdField,
    NameField,
    QueryBoolean,
    StrictBoolean,
    StrictChar,
    StrictChoice,
    StrictEmail,
    WalletTime,
)
from organizations.models import Actor, Group
from organizations.pagination import PageQuery
from organizations.strict import StrictSerializer

MAX_MEMBERS = 500
"""How many members a group is told with."""


class NewActor(StrictSerializer):
    kind = StrictChoice(Actor.Kind.choices, default=Actor.Kind.USER)
    name = StrictChar(max_length=128)
    email = StrictEmail(required=False, allow_null=True)
    externalId = NameField(source="external_id", required=False, allow_null=True)
    profile = StrictChar(max_length=80, required=False, allow_null=True)
    active = StrictBoolean(default=True)


class ActorChanges(StrictSerializer):
    at_least_one = True

    name = StrictChar(max_length=128, required=False)
    email = StrictEmail(required=False, allow_null=True)
    externalId = NameField(source="external_id", required=False, allow_null=True)
    profile = StrictChar(max_length=80, required=False, allow_null=True)
    active = StrictBoolean(required=False)


class ActorQuery(PageQuery):
    kind = StrictChoice(Actor.Kind.choices, required=False)
    active = QueryBoolean(required=False)
    externalId = StrictChar(max_length=128, source="external_id", required=False)
    groupId = IdField("grp", source="group_id", required=False)


class ActorShape(serializers.Serializer):
    """An actor; `profile` is the slug of its own one."""

    id = IdField("act")
    organizationId = IdField("org", source="organization_id")
    kind = serializers.ChoiceField(Actor.Kind.choices)
    name = serializers.CharField()
    email = serializers.CharField(allow_null=True)
    externalId = serializers.CharField(source="external_id", allow_null=True)
    profile = serializers.CharField(source="profile.slug", default=None, allow_null=True)
    active = serializers.BooleanField()
    createdAt = WalletTime(source="created_at")
    updatedAt = WalletTime(source="updated_at")


class NewGroup(StrictSerializer):
    kind = StrictChoice(Group.Kind.choices)
    key = NameField()
    name = StrictChar(max_length=128)
    profile = StrictChar(max_length=80, required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["kind"] != Group.Kind.TEAM and attrs.get("profile") is not None:
            raise serializers.ValidationError({"profile": "Only a team carries a profile."})
        return attrs


class GroupChanges(StrictSerializer):
    at_least_one = True

    key = NameField(required=False)
    name = StrictChar(max_length=128, required=False)
    profile = StrictChar(max_length=80, required=False, allow_null=True)


class GroupQuery(PageQuery):
    kind = StrictChoice(Group.Kind.choices, required=False)
    key = StrictChar(max_length=128, required=False)


class GroupShape(serializers.Serializer):
    """A group with the ids of its members: the first 500 by their making. The list of actors names all, by `groupId`."""

    id = IdField("grp")
    organizationId = IdField("org", source="organization_id")
    kind = serializers.ChoiceField(Group.Kind.choices)
    key = serializers.CharField()
    name = serializers.CharField()
    profile = serializers.CharField(source="profile.slug", default=None, allow_null=True)
    memberIds = serializers.SerializerMethodField()
    memberCount = serializers.SerializerMethodField()
    createdAt = WalletTime(source="created_at")
    updatedAt = WalletTime(source="updated_at")

    def get_memberIds(self, group: Group) -> list[str]:
        fetched: list[Actor] | None = getattr(group, "first_members", None)
        members = group.members.order_by("id")[:MAX_MEMBERS] if fetched is None else fetched
        return [actor.public_id for actor in members]

    def get_memberCount(self, group: Group) -> int:
        counted: int | None = getattr(group, "member_count", None)
        return group.members.count() if counted is None else counted


class GoneShape(serializers.Serializer):
    id = serializers.CharField()
    deleted = serializers.BooleanField()
