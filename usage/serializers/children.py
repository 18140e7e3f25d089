"""What the API reads to make many children at once, and what it says of each."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from credits.serializers import CreateOrganization, OrganizationShape, UpdateCreditConfig
from organizations import scopes
from organizations.fields import (
    CreditsField,
    IdField,
    OffsetDateTimeField,
    StrictChar,
    StrictChoice,
    StrictList,
)
from organizations.serializers import NewApiKeyShape
from organizations.strict import StrictSerializer

MAX_CHILDREN = 500


class KeyOfChild(StrictSerializer):
    """A key of the child, on the side of the key that asks."""

    name = StrictChar(max_length=120)
    scopes = StrictList(child=StrictChoice(sorted(scopes.KNOWN)), min_length=1, max_length=64)
    expiresAt = OffsetDateTimeField(source="expires_at", required=False, allow_null=True)


class NewChild(CreateOrganization):
    creditConfig = UpdateCreditConfig(source="config", required=False)
    apiKey = KeyOfChild(source="key", required=False)


@extend_schema_field(NewChild)
class UnreadChild(serializers.DictField):
    """A child as it is sent. It is read by itself, so that what is wrong with it is said of it alone."""


class CreateChildren(StrictSerializer):
    organizations = StrictList(child=UnreadChild(), min_length=1, max_length=MAX_CHILDREN)


class OpenedShape(serializers.Serializer):
    """What a child began with."""

    id = IdField("txn")
    credits = CreditsField(source="amount")


class ItemDetailsShape(serializers.Serializer):
    """What was wrong with which field: sentences by its path, `openingBalance.credits`; or why there was not enough."""

    omitted = serializers.IntegerField(required=False)
    code = serializers.CharField(required=False)
    reason = serializers.CharField(required=False)

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add `fields`, which as an attribute would hide the serializer's own."""
        sentences = serializers.ListField(child=serializers.CharField())
        return {
            "fields": serializers.DictField(child=sentences, required=False)
        } | super().get_fields()


class ItemErrorShape(serializers.Serializer):
    """Why it was not made: what a call for it alone would be refused with."""

    code = serializers.CharField()
    message = serializers.CharField()
    details = ItemDetailsShape(required=False)


class ChildResultShape(serializers.Serializer):
    """What became of one child: made now, or before, for the same key and place (replayed); or not for want of time (not done)."""

    status = serializers.ChoiceField(["created", "replayed", "failed", "not_done"])
    organization = OrganizationShape(required=False)
    openingBalance = OpenedShape(required=False)
    apiKey = NewApiKeyShape(required=False)
    error = ItemErrorShape(required=False)


class ChildrenShape(serializers.Serializer):
    results = ChildResultShape(many=True)


def said(child: Any, *, now: Any) -> dict[str, Any]:
    """Write a child that was opened: what there is of it, its secret too."""
    parts: dict[str, Any] = {"organization": OrganizationShape(child.organization).data}
    if child.received is not None:
        parts["openingBalance"] = OpenedShape(child.received).data
    if child.key is not None:
        child.key.secret = child.secret
        parts["apiKey"] = NewApiKeyShape(child.key, context={"now": now}).data
    return parts
