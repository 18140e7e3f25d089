"""What the API says of wallets and their organizations, and what it reads to change them."""

from decimal import Decimal
from typing import Any, NamedTuple

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import SkipField

from credits.models import Grant, PendingGrant
from credits.services import Opening, Reading, wallet_shown
from credits.services.grants import STATES, state_of
from credits.services.reading import MOMENTS
from organizations import ids, wire
from organizations.authentication import Principal
from organizations.fields import (
    AlwaysNull,
    CreditsField,
    IdField,
    MetadataField,
    NameField,
    OffsetDateTimeField,
    OrganizationTime,
    QueryBoolean,
    QueryInteger,
    StrictChar,
    StrictChoice,
    StrictEmail,
    TextOrNull,
    WalletTime,
    WholeCreditsField,
)
from organizations.models import Organization
from organizations.pagination import DEFAULT_LIMIT, PageQuery
from organizations.scopes import CREDITS_READ
from organizations.strict import StrictQuery, StrictSerializer

ONCE_FOR_EVER = "Used again for the same it answers what was done, and moves nothing; for anything else it is a conflict."

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


class GivenText(serializers.CharField):
    """Text that is only said where somebody gave it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def get_attribute(self, instance: Any) -> Any:
        text = super().get_attribute(instance)
        if not text:
            raise SkipField
        return text


class GrantQuery(PageQuery):
    live = QueryBoolean(
        source="is_live",
        required=False,
        help_text="Only those that can be spent now, or only the others.",
    )
    status = StrictChoice(
        [(state, state) for state in STATES],
        required=False,
        help_text="Only those in this state. Those that are pending are in no other list: their credits have not come.",
    )
    category = StrictChoice(Grant.Category.choices, required=False)

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add `source`, which as an attribute would hide the serializer's own."""
        choices = StrictChoice(Grant.Source.choices, required=False)
        return {**super().get_fields(), "source": choices}


class GrantShape(serializers.Serializer):
    """A lot of credits: where it came from, when it ends, and what remains of it. Those of the lowest priority are spent first; of one priority, what ends first."""

    id = IdField("grn")
    state = serializers.SerializerMethodField(
        help_text="Of an empty one what emptied it: its end (lapsed), a reversal or an adjustment (voided), or work and transfers (spent)."
    )
    name = serializers.CharField()
    category = serializers.ChoiceField(Grant.Category.choices)
    granted = CreditsField(source="amount")
    remaining = serializers.SerializerMethodField()
    priority = serializers.IntegerField()
    entryId = IdField(
        "txn",
        source="entry_id",
        allow_null=True,
        help_text="The entry of the ledger it came by; null of one that is pending.",
    )
    reference = GivenText(source="entry.reference", help_text="Of the payment or order.")
    effectiveAt = WalletTime(
        source="created_at", help_text="When it begins, or began to be a part of the balance."
    )
    expiresAt = WalletTime(source="expires_at", allow_null=True)
    createdAt = WalletTime(source="created_at")

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add `source`, which as an attribute would hide the serializer's own."""
        fields = super().get_fields()
        return {
            "id": fields["id"],
            "source": serializers.ChoiceField(Grant.Source.choices),
            **fields,
        }

    @extend_schema_field(serializers.ChoiceField(STATES))
    def get_state(self, grant: Grant) -> str:
        return state_of(grant, now=self.context["now"])

    @extend_schema_field(CreditsField())
    def get_remaining(self, grant: Grant) -> Any:
        has_ended = grant.expires_at is not None and grant.expires_at <= self.context["now"]
        return wire.plain(Decimal(0) if has_ended else grant.remaining)


class AnyGrantShape(GrantShape):
    """The same, also of one that is pending."""

    def to_representation(self, instance: Any) -> Any:
        if not isinstance(instance, PendingGrant):
            return super().to_representation(instance)
        return super().to_representation(_as_grant(instance)) | {
            "state": state_of(instance, now=self.context["now"]),
            "entryId": None,
            "createdAt": WalletTime().to_representation(instance.created_at),
        }


class _NotYet(NamedTuple):
    """What stands for the entry by which a pending grant will come."""

    reference: str


def _as_grant(pending: PendingGrant) -> Grant:
    """Return what is pending as the grant that it would be: nothing of it is there yet, and no entry made it."""
    grant = Grant(
        id=pending.id,
        source=Grant.Source.GRANT,
        name=pending.name,
        category=pending.category,
        amount=pending.amount,
        remaining=Decimal(0),
        priority=pending.priority,
        expires_at=pending.expires_at,
        created_at=pending.effective_at,
    )
    grant._state.fields_cache["entry"] = _NotYet(pending.reference)
    return grant


class ReferenceField(StrictChar):
    """The id of a payment or an order, kept and compared to the letter."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 255, "required": False} | options)


class Void(StrictSerializer):
    reason = StrictChar(max_length=500)
    reference = ReferenceField(help_text=f"Of what is taken back. {ONCE_FOR_EVER}")


class VoidShape(serializers.Serializer):
    """A grant of which the rest was taken back, or that was cancelled before it began; and the wallet after it."""

    grant = AnyGrantShape()
    entryId = IdField(
        "txn",
        source="entry.id",
        allow_null=True,
        help_text="The entry that took it back; null where nothing had come yet.",
    )
    voided = CreditsField(help_text="What was taken back.")
    credits = CreditsShape(source="reading")


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


class OrganizationSummaryShape(OrganizationShape):
    """An organization with its wallet in short."""

    # The `reading` comes in the context.

    summary = serializers.SerializerMethodField()

    @extend_schema_field(SummaryShape)
    def get_summary(self, organization: Organization) -> Any:
        return SummaryShape(self.context["reading"]).data


class Allocate(StrictSerializer):
    credits = WholeCreditsField(source="amount", min_value=1)
    description = StrictChar(max_length=500, required=False, allow_blank=True, multiline=True)
    metadata = MetadataField(required=False)
    reference = ReferenceField(help_text=f"Of the order. {ONCE_FOR_EVER}")


class AllocationShape(serializers.Serializer):
    """What an allocation did, and what is in the child's wallet after it."""

    # Of both its entries, `sent` and `received`, and the child's `reading`.

    id = IdField("txn", source="sent.id")
    created = WalletTime(source="sent.posted_at")
    allocated = CreditsField(source="received.amount")
    description = TextOrNull(source="sent.reason")
    metadata = serializers.DictField(child=serializers.CharField(), source="sent.metadata")
    reference = GivenText(source="sent.reference")
    balance = CreditsField(source="reading.wallet.balance", min_value=None)
    available = CreditsField(source="reading.wallet.available")
    replayed = serializers.BooleanField(
        help_text="True if this was done before, for the same key or reference: nothing moved again."
    )


class ShortageShape(serializers.Serializer):
    """The details of a 402 where somebody else than who is to get the credits lacks them."""

    reason = serializers.CharField()


class Reclaim(StrictSerializer):
    credits = CreditsField(
        source="amount",
        positive=True,
        required=False,
        help_text="Unless said, all that may leave the child.",
    )
    description = StrictChar(max_length=500, required=False, allow_blank=True, multiline=True)
    metadata = MetadataField(required=False)
    reference = ReferenceField(help_text=f"Of what is taken back. {ONCE_FOR_EVER}")


class ReclaimShape(serializers.Serializer):
    """What a reclaim did, and what is in the child's wallet after it."""

    # Of both its entries, the child's `sent` and the `received` of its parent, and the child's `reading`.

    id = IdField("txn", source="received.id")
    created = WalletTime(source="received.posted_at")
    reclaimed = CreditsField(source="received.amount")
    description = TextOrNull(source="received.reason")
    metadata = serializers.DictField(child=serializers.CharField(), source="received.metadata")
    reference = GivenText(source="received.reference")
    balance = CreditsField(source="reading.wallet.balance", min_value=None)
    available = CreditsField(source="reading.wallet.available")
    replayed = serializers.BooleanField(
        source="received.replayed",
        help_text="True if this was done before, for the same key or reference: nothing moved again.",
    )


class Recharge(StrictSerializer):
    credits = CreditsField(source="amount", positive=True)
    reference = ReferenceField(help_text=f"Of the payment. {ONCE_FOR_EVER}")


class RechargeShape(serializers.Serializer):
    """What a recharge did, and what is in the wallet after it."""

    # Of its `entry` and the `reading` after it.

    id = IdField("txn", source="entry.id")
    created = WalletTime(source="entry.posted_at")
    credits = CreditsField(source="entry.amount")
    reference = GivenText(source="entry.reference")
    balance = CreditsField(source="reading.wallet.balance", min_value=None)
    available = CreditsField(source="reading.wallet.available")
    replayed = serializers.BooleanField(
        source="entry.replayed",
        help_text="True if the reference was used before for the same: nothing was bought again.",
    )
