"""Credits that move: allocated to a child, reclaimed from one, bought."""

from rest_framework import serializers

from credits.serializers.texts import ONCE_FOR_EVER, GivenText, ReferenceField
from organizations.fields import (
    CreditsField,
    IdField,
    MetadataField,
    StrictChar,
    TextOrNull,
    WalletTime,
    WholeCreditsField,
)
from organizations.strict import StrictSerializer


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
