"""What the API says of a ledger: each entry, and the work it charged."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import SkipField

from credits.models import LedgerEntry
from credits.serializers import GivenText, ReferenceField
from organizations import ids, wire
from organizations.fields import (
    CreditsField,
    IdField,
    StrictChar,
    StrictChoice,
    TextOrNull,
    WalletTime,
    ZuluDateTimeField,
)
from organizations.pagination import PageQuery
from usage.services.history import EVENTS_OF_AN_ENTRY

Kind = LedgerEntry.Kind

EVENT_TYPES = {
    Kind.SETTLE: "usage",
    Kind.REVERSAL: "refund",
    Kind.GRANT: "grant",
    Kind.RENEW: "grant",
    Kind.RECHARGE: "purchase",
    Kind.ADJUST: "adjustment",
    Kind.LAPSE: "adjustment",
    Kind.ALLOCATE: "allocation",
    Kind.REFILL: "allocation",
    Kind.SWEEP: "allocation",
    Kind.RECLAIM: "allocation",
}
"""What a kind of entry is called in this contract."""
EVENT_TYPE_NAMES = sorted(set(EVENT_TYPES.values()))


class EventQuery(PageQuery):
    projectId = StrictChar(source="project_id", max_length=500, required=False)
    eventType = StrictChoice(EVENT_TYPE_NAMES, source="event_type", required=False)
    reference = ReferenceField(help_text="Only what this payment or order moved.")
    since = ZuluDateTimeField(required=False)
    until = ZuluDateTimeField(required=False)


class MetadataText(serializers.CharField):
    """One of the texts that the caller of a command left in its metadata; null if it did not."""

    def get_attribute(self, instance: LedgerEntry) -> str | None:
        text: str | None = instance.metadata.get(self.field_name)
        return text


class TransferDescription(TextOrNull):
    """What was said of a transfer, or when it was taken back. Other entries do not have the field."""

    def get_attribute(self, instance: LedgerEntry) -> str:
        if instance.transfer_id is None:
            raise SkipField
        return instance.reason


class TransferMetadata(serializers.DictField):
    """The caller's notes of a transfer, and over them ours: which way it went, and to or from whom."""

    child = serializers.CharField()

    def get_attribute(self, instance: Any) -> dict[str, str]:
        if instance.transfer_id is None:
            raise SkipField
        direction = "in" if instance.amount > 0 else "out"
        counterparty = ids.write("org", instance.counterparty_id)
        return {**instance.metadata, "direction": direction, "counterpartyOrgId": counterparty}


class ReservationOfWork(IdField):
    """The hold whose work an entry charged, or gave back. Other entries do not have the field."""

    def get_attribute(self, instance: LedgerEntry) -> Any:
        if instance.reservation_id is None:
            raise SkipField
        return instance.reservation_id


class EventsOfWork(serializers.ListField):
    """The usage events that an entry charged, or took back. Entries without any do not have the field."""

    child = IdField("evt")

    def get_attribute(self, instance: Any) -> list[UUID]:
        found = list(instance.event_ids)
        if instance.reverses_id is None and instance.event_of_hold is not None:
            found.append(instance.event_of_hold)
        if not found:
            raise SkipField
        return found


class EventShape(serializers.Serializer):
    """A ledger entry. Transfers say a little more than the rest, and so does work."""

    eventId = serializers.UUIDField(source="id")
    projectId = MetadataText(allow_null=True)
    credits = CreditsField(source="amount", min_value=None)
    eventType = serializers.SerializerMethodField()
    format = MetadataText(allow_null=True)
    containerId = MetadataText(allow_null=True)
    workflowId = MetadataText(allow_null=True)
    balanceAfterPrepaid = serializers.SerializerMethodField()
    usageAfterPeriod = CreditsField(source="usage_after", allow_null=True)
    reference = GivenText(source="means", help_text="Of the payment or order that moved it.")
    reservationId = ReservationOfWork("rsv", required=False)
    usageEventIds = EventsOfWork(
        required=False,
        help_text=f"The first {EVENTS_OF_AN_ENTRY}. All of them: usage/events?entryId=",
    )
    createdAt = WalletTime(source="posted_at")
    description = TransferDescription(required=False)
    metadata = TransferMetadata(required=False)

    @extend_schema_field(serializers.ChoiceField(EVENT_TYPE_NAMES))
    def get_eventType(self, entry: LedgerEntry) -> str:
        return EVENT_TYPES[Kind(entry.kind)]

    @extend_schema_field(CreditsField(min_value=None))
    def get_balanceAfterPrepaid(self, entry: LedgerEntry) -> Any:
        return wire.plain(entry.balance_after - entry.allowance_after)
