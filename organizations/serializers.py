"""What the API says of organizations' keys, and what it reads to make one."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from organizations import scopes
from organizations.fields import (
    IdField,
    NamesActor,
    OffsetDateTimeField,
    OrganizationTime,
    StrictBoolean,
    StrictChar,
    StrictChoice,
    StrictList,
)
from organizations.models import ApiKey, Env
from organizations.strict import StrictQuery, StrictSerializer


class MintApiKey(NamesActor):
    name = StrictChar(max_length=120)
    scopes = StrictList(child=StrictChoice(sorted(scopes.KNOWN)), min_length=1, max_length=64)
    env = StrictChoice(
        Env.choices, required=False, help_text="Live unless said; from a test key, test."
    )
    expiresAt = OffsetDateTimeField(source="expires_at", required=False, allow_null=True)


class RotateApiKey(StrictSerializer):
    body_required = False

    leaked = StrictBoolean(
        default=False, help_text="Somebody else has the secret: the old key stops at once."
    )


class RevokeQuery(StrictQuery):
    andMinted = StrictChoice(
        ["true", "false"],
        source="and_minted",
        default="false",
        help_text="Revoke also the keys whose secrets this one was told, and what those were told.",
    )


class ApiKeyShape(serializers.ModelSerializer):
    """A key without its secret."""

    # Needs `now` in its context, for `status`.

    id = IdField("key")
    organizationId = IdField("org", source="organization_id")
    actorId = IdField("act", source="actor_id", required=False)
    rateLimitTier = serializers.CharField(source="rate_limit_tier")
    status = serializers.SerializerMethodField()
    createdAt = OrganizationTime(source="created_at")
    expiresAt = OrganizationTime(source="expires_at", allow_null=True)
    lastUsedAt = OrganizationTime(source="last_used_at", allow_null=True)
    rotatedAt = OrganizationTime(source="rotated_at", allow_null=True)
    revokedAt = OrganizationTime(source="revoked_at", allow_null=True)
    graceUntil = OrganizationTime(source="grace_until", allow_null=True)
    supersededBy = IdField("key", source="superseded_by_id", allow_null=True)

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "organizationId",
            "actorId",
            "name",
            "prefix",
            "env",
            "scopes",
            "rateLimitTier",
            "status",
            "createdAt",
            "expiresAt",
            "lastUsedAt",
            "rotatedAt",
            "revokedAt",
            "graceUntil",
            "supersededBy",
        )
        read_only_fields: tuple[str, ...] = fields

    def to_representation(self, key: ApiKey) -> dict[str, Any]:
        """Say whose key it is only where it is somebody's: the contract's keys are organizations'."""
        shape = super().to_representation(key)
        return shape if shape["actorId"] else {n: v for n, v in shape.items() if n != "actorId"}

    def get_status(self, key: ApiKey) -> str:
        now: datetime = self.context["now"]
        return "active" if key.is_live(now) else "revoked"


class NewApiKeyShape(ApiKeyShape):
    """A key just made: the only time its secret is said. A replay says `null`."""

    secret = serializers.CharField(allow_null=True)

    class Meta(ApiKeyShape.Meta):
        fields = (*ApiKeyShape.Meta.fields, "secret")
        read_only_fields = fields
