"""What the API says of refunds, and what it reads to make one."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from credits.serializers import ONCE_FOR_EVER, GivenText, ReferenceField
from organizations.fields import CreditsField, IdField, StrictChar, WalletTime
from organizations.strict import StrictSerializer
from usage.serializers.reservations import ReservationShape
from usage.services import Refund


class AskRefund(StrictSerializer):
    """How much, and why. Without `credits` it is all that was charged and not refunded yet."""

    credits = CreditsField(source="amount", positive=True, required=False)
    reason = StrictChar(max_length=500, multiline=True)
    reference = ReferenceField(help_text=f"Of what was refunded. {ONCE_FOR_EVER}")


class RefundShape(serializers.Serializer):
    """A refund, and the wallet after it."""

    id = IdField("txn", source="refund.entry.id")
    eventId = IdField("evt", source="refund.event.id")
    correctsId = IdField("evt", source="refund.event.corrects_id")
    reservation = serializers.SerializerMethodField()
    credits = CreditsField(source="refund.entry.amount")
    refundedCredits = CreditsField(
        source="refund.total", help_text="Of this reservation, all its refunds together."
    )
    reason = serializers.CharField(source="refund.entry.reason")
    reference = GivenText(source="refund.entry.reference")
    created = WalletTime(source="refund.entry.posted_at")
    balance = CreditsField(source="reading.wallet.balance", min_value=None)
    available = CreditsField(source="reading.wallet.available")
    replayed = serializers.BooleanField(
        source="refund.entry.replayed",
        help_text="True if this was done before, for the same key or reference: nothing moved again.",
    )

    @extend_schema_field(ReservationShape)
    def get_reservation(self, said: Any) -> Any:
        refund: Refund = said["refund"]
        return ReservationShape(refund.reservation, context=self.context).data
