"""A wallet as the API says it, with its terms; and the key that asks."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import SkipField

from credits.services import Reading
from credits.services.reading import MOMENTS
from organizations import ids, wire
from organizations.authentication import Principal
from organizations.fields import (
    AlwaysNull,
    CreditsField,
    IdField,
    OffsetDateTimeField,
    WalletTime,
    WholeCreditsField,
)
from organizations.scopes import CREDITS_READ
from organizations.strict import StrictQuery, StrictSerializer

NOT_BILLED = {"github": False, "website": False, "appstore": False}
"""Reading sources costs nothing here: the contract has the field, nothing fills it."""


class WhoAmIShape(serializers.Serializer):
    """The key, and the organization it acts for."""

    # Of a `Principal`. The `reading` comes in the context.

    organizationId = IdField("org", source="organization.id")
    workspaceId = serializers.SerializerMethodField()
    organizationName = serializers.CharField(source="organization.name")
    scopes = serializers.ListField(child=serializers.CharField(), source="key.scopes")
    parentOrganizationId = IdField("org", source="organization.parent_id", allow_null=True)
    rateLimitTier = serializers.CharField(source="key.rate_limit_tier")
    apiKeyId = IdField("key", source="key.id")
    creditBalance = serializers.SerializerMethodField()

    def get_workspaceId(self, principal: Principal) -> str:
        """The root of the tree."""
        organization = principal.organization
        return ids.write("org", organization.parent_id or organization.id)

    @extend_schema_field(CreditsField(allow_null=True, min_value=None))
    def get_creditBalance(self, principal: Principal) -> Any:
        """Null for a key that may not read credits."""
        if CREDITS_READ not in principal.scopes:
            return None
        reading: Reading = self.context["reading"]
        return wire.plain(reading.wallet.balance)


class CurrentPeriodShape(serializers.Serializer):
    start = WalletTime(source="starts_at")
    end = WalletTime(source="ends_at")
    usedCredits = CreditsField(source="used")


class ExpiringShape(serializers.Serializer):
    """How many credits end at a moment, unless they are spent before."""

    credits = CreditsField()
    expiresAt = WalletTime(source="expires_at")


class ExpiringField(serializers.ListField):
    """What ends next. Not said where nothing does."""

    child = ExpiringShape()

    def get_attribute(self, instance: Reading) -> Any:
        if not instance.expiring:
            raise SkipField
        return instance.expiring


class CreditsShape(serializers.Serializer):
    """A wallet as it is now, or as it was."""

    # Of a `Reading`.

    organizationId = IdField("org", source="wallet.organization_id")
    balance = CreditsField(source="wallet.balance", min_value=None)
    available = CreditsField(source="wallet.available")
    includedRemaining = CreditsField(source="wallet.allowance_remaining")
    prepaidBalance = CreditsField(source="wallet.prepaid", min_value=None)
    reservedCredits = CreditsField(source="wallet.reserved")
    includedThisPeriod = CreditsField(source="included")
    usedThisPeriod = CreditsField(source="period.used")
    currentPeriod = CurrentPeriodShape(source="period")
    expiring = ExpiringField(
        required=False, help_text=f"At the next {MOMENTS} moments. All grants: credits/grants"
    )
    subscriptionTier = AlwaysNull()
    billingStatus = serializers.CharField(source="wallet.organization.status")
    estimatedCreditsPerFormat = serializers.SerializerMethodField()
    ingestCostsBilled = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField(child=serializers.FloatField()))
    def get_estimatedCreditsPerFormat(self, reading: Reading) -> dict[str, Decimal]:
        return {}

    @extend_schema_field(serializers.DictField(child=serializers.BooleanField()))
    def get_ingestCostsBilled(self, reading: Reading) -> dict[str, bool]:
        return NOT_BILLED


class CreditsQuery(StrictQuery):
    asOf = OffsetDateTimeField(
        source="as_of",
        required=False,
        help_text="Answer as it would have been answered at this moment, since the wallet was made.",
    )


class CreditConfigValues(serializers.Serializer):
    """The terms of a wallet, as far as this contract has them. Who gives them by this API gives whole ones; staff may give others."""

    monthlyCreditCap = CreditsField(source="monthly_cap", allow_null=True)
    refillThreshold = CreditsField(source="refill_threshold", allow_null=True)
    refillAmount = CreditsField(source="refill_amount", allow_null=True)
    autoRefillEnabled = serializers.BooleanField(source="auto_refill_enabled")


class UpdateCreditConfig(StrictSerializer):
    monthlyCreditCap = WholeCreditsField(source="monthly_cap", required=False, allow_null=True)
    refillThreshold = WholeCreditsField(source="refill_threshold", required=False, allow_null=True)
    refillAmount = WholeCreditsField(
        source="refill_amount", required=False, allow_null=True, min_value=1
    )


class CreditConfigShape(serializers.Serializer):
    """A wallet with its terms."""

    # Of a `Reading`.

    organizationId = IdField("org", source="wallet.organization_id")
    config = CreditConfigValues(source="wallet.config")
    balance = CreditsField(source="wallet.balance", min_value=None)
    available = CreditsField(source="wallet.available")


class SummaryShape(serializers.Serializer):
    """A wallet, as the page of a customer sums it up."""

    # Of a `Reading`.

    projectCount = serializers.SerializerMethodField()
    balance = CreditsField(source="wallet.balance", min_value=None)
    available = CreditsField(source="wallet.available")
    creditConfig = CreditConfigValues(source="wallet.config")

    def get_projectCount(self, reading: Reading) -> int:
        """The contract has the field; projects are the caller's, and nothing here counts them."""
        return 0
