"""What the API says of many reservations at once, and how they are asked for."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from credits.models import Reservation
from organizations.fields import (
    CreditsField,
    IdField,
    NamesActor,
    OffsetDateTimeField,
    StrictChoice,
    TextOrNull,
    WalletTime,
)
from organizations.pagination import PageQuery
from usage.pricing import Count, asked_variant
from usage.serializers.telling import MaxUnitsField, VariantOrNull


class HoldQuery(NamesActor, PageQuery):
    status = StrictChoice(
        Reservation.Status.choices,
        required=False,
        help_text="As of now: what time has ended is expired, and may still be settled.",
    )
    since = OffsetDateTimeField(required=False, help_text="Made from this moment on.")
    until = OffsetDateTimeField(required=False, help_text="Made before this moment.")


class HoldShape(serializers.Serializer):
    """A reservation in a list, with the `variant` and the `maxUnits` that were asked for. `entryId` is the entry of the ledger that charged it, `eventId` its usage event; null where there is none."""

    id = IdField("rsv")
    status = serializers.SerializerMethodField()
    credits = CreditsField()
    settledCredits = CreditsField(source="settled_credits", allow_null=True)
    actorId = IdField("act", source="actor_id", allow_null=True)
    entity = serializers.CharField(source="group.key", default=None, allow_null=True)
    requestedModel = TextOrNull(source="requested_model")
    effectiveModel = TextOrNull(source="effective_model")
    variant = serializers.SerializerMethodField()
    maxUnits = serializers.SerializerMethodField()
    decision = serializers.ChoiceField(Reservation.Decision.choices)
    byok = serializers.BooleanField()
    resourceType = serializers.CharField(source="work_type")
    entityType = TextOrNull(source="resource_type")
    entityId = TextOrNull(source="resource_id")
    metadata = serializers.DictField(child=serializers.CharField())
    late = serializers.BooleanField()
    eventId = IdField("evt", source="event_id", allow_null=True)
    entryId = IdField("txn", source="charge_id", allow_null=True)
    createdAt = WalletTime(source="created_at")
    expiresAt = WalletTime(source="expires_at")
    closedAt = WalletTime(source="closed_at", allow_null=True)

    @extend_schema_field(VariantOrNull(allow_null=True))
    def get_variant(self, hold: Reservation) -> dict[str, str] | None:
        return VariantOrNull().to_representation(asked_variant(hold.rate_card or {}))

    @extend_schema_field(MaxUnitsField(allow_null=True))
    def get_maxUnits(self, hold: Reservation) -> dict[str, Count] | None:
        units = (hold.estimate or {}).get("units")
        return MaxUnitsField().to_representation(units) if units else None

    def get_status(self, hold: Reservation) -> Reservation.Status:
        return Reservation.Status(hold.status_at(self.context["now"]))
