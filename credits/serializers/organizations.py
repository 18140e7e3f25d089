"""Organizations as the API says them, and what it reads to make and change them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from credits.serializers.texts import ONCE_FOR_EVER, ReferenceField
from credits.serializers.wallets import SummaryShape
from credits.services import Opening, wallet_shown
from organizations.fields import (
    CreditsField,
    IdField,
    MetadataField,
    NameField,
    OffsetDateTimeField,
    OrganizationTime,
    QueryInteger,
    StrictChar,
    StrictChoice,
    StrictEmail,
)
from organizations.models import Organization
from organizations.pagination import DEFAULT_LIMIT, PageQuery
from organizations.strict import StrictSerializer


class OrganizationQuery(PageQuery):
    limit = QueryInteger(min_value=1, max_value=200, default=DEFAULT_LIMIT)
    status = StrictChoice(Organization.Status.choices, required=False)
    externalId = StrictChar(max_length=128, source="external_id", required=False)


class OpeningBalance(StrictSerializer):
    """Credits that a child begins with, out of its parent's prepaid ones. What of those ends sooner than `expiresAt` still does."""

    credits = CreditsField(source="amount", positive=True)
    expiresAt = OffsetDateTimeField(source="expires_at", required=False)
    description = StrictChar(max_length=500, required=False, allow_blank=True, multiline=True)
    reference = ReferenceField(help_text=f"Of the order. {ONCE_FOR_EVER}")

    def validate(self, attrs: dict[str, Any]) -> Any:
        return Opening(**attrs)


class CreateOrganization(StrictSerializer):
    name = StrictChar(max_length=128)
    metadata = MetadataField(required=False)
    billingEmail = StrictEmail(source="billing_email", required=False, allow_null=True)
    externalId = NameField(source="external_id", required=False, allow_null=True)
    openingBalance = OpeningBalance(source="opening", required=False)


class UpdateOrganization(StrictSerializer):
    name = StrictChar(max_length=128, required=False)
    metadata = MetadataField(required=False, allow_null=True)
    billingEmail = StrictEmail(source="billing_email", required=False, allow_null=True)
    externalId = NameField(source="external_id", required=False, allow_null=True)


class OrganizationShape(serializers.Serializer):
    id = IdField("org")
    parentOrganizationId = IdField("org", source="parent_id", allow_null=True)
    name = serializers.CharField()
    status = serializers.ChoiceField(Organization.Status.choices)
    metadata = serializers.DictField(child=serializers.CharField())
    billingEmail = serializers.EmailField(source="billing_email", allow_null=True)
    externalId = serializers.CharField(source="external_id", allow_null=True)
    archivedAt = OrganizationTime(source="archived_at", allow_null=True)
    createdAt = OrganizationTime(source="created_at")
    updatedAt = OrganizationTime(source="updated_at")


class WalletInShortShape(serializers.Serializer):
    balance = CreditsField(min_value=None)
    available = CreditsField()
    reservedCredits = CreditsField(source="reserved")
    debt = CreditsField()


class ListedOrganizationShape(OrganizationShape):
    """An organization, with what it has."""

    wallet = serializers.SerializerMethodField()

    @extend_schema_field(WalletInShortShape)
    def get_wallet(self, organization: Organization) -> Any:
        wallet = wallet_shown(organization, now=self.context["now"])
        return WalletInShortShape(wallet).data


class ArchivalShape(serializers.Serializer):
    """What an archive did: what came back to the parent, and how many keys were revoked."""

    # Of an `Archival`.

    id = IdField("org", source="organization.id")
    status = serializers.CharField(source="organization.status")
    archivedAt = OrganizationTime(source="organization.archived_at")
    reclaimedCredits = CreditsField(source="reclaimed_credits")
    revokedApiKeys = serializers.IntegerField(source="revoked_api_keys")


class OrganizationSummaryShape(OrganizationShape):
    """An organization with its wallet in short."""

    # The `reading` comes in the context.

    summary = serializers.SerializerMethodField()

    @extend_schema_field(SummaryShape)
    def get_summary(self, organization: Organization) -> Any:
        return SummaryShape(self.context["reading"]).data
