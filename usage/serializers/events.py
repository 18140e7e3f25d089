"""What the API says of usage events, and how work that was done is told."""

from typing import Any, NamedTuple

from rest_framework import serializers

from organizations import wire
from organizations.fields import (
    CreditsField,
    IdField,
    MetadataField,
    NamesActor,
    OffsetDateTimeField,
    StrictBoolean,
    StrictChar,
    StrictList,
    TextOrNull,
    WalletTime,
)
from organizations.ids import write
from organizations.pagination import PageQuery
from organizations.strict import StrictSerializer
from usage.models import UsageEvent
from usage.serializers.plain import PlainFirst
from usage.serializers.reservations import WorkFields
from usage.serializers.telling import (
    UsedField,
    VariantOrNull,
    WorkDone,
)

MAX_EVENTS = 1000
MAX_REASONS = 5
"""Of how many fields of a piece of work it is told what is wrong."""
RESULT_STATUS = ["accepted", "duplicate", "rejected"]
REJECTED = ["MODEL_RETIRED", "NO_PRICE", "CHARGE_LIMIT"]
"""What clients tell by code why work is not recorded; of other reasons there is the sentence alone."""


class ToldEvent(PlainFirst, WorkDone, WorkFields):
    """One piece of work: its own id in its source, and credits or the tokens of a model."""

    id = StrictChar(max_length=128)
    occurredAt = OffsetDateTimeField(source="occurred_at", required=False)
    metadata = MetadataField(required=False)
    charge = StrictBoolean(
        default=True,
        help_text="`false` is history: of any age, for the reports only. No credits, caps or thresholds know of it.",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add `source`, which as an attribute would hide the serializer's own."""
        return {"source": StrictChar(max_length=64), **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "model" not in attrs and ("credits" not in attrs or "variant" in attrs):
            said = "Variants" if "credits" in attrs else "Tokens"
            raise serializers.ValidationError({"model": f"{said} need a model."})
        return attrs


class Misread(NamedTuple):
    """What a piece of work that cannot be read is told: named as far as it names itself, and what is wrong with its fields."""

    source: str | None
    id: str | None
    reason: str
    status: str = "rejected"
    credits: None = None
    code: None = None


class ToldEvents(StrictList):
    """Pieces of work, each read on its own: one that cannot be read keeps nothing from the others."""

    child: ToldEvent

    def run_child_validation(self, data: list[Any]) -> list[Any]:
        return [self._read(item) for item in data]

    def _read(self, item: Any) -> Any:
        try:
            return self.child.run_validation(item)
        except serializers.ValidationError as error:
            named = item if isinstance(item, dict) else {}
            source, id = (_plainly(self.child.fields[n], named.get(n)) for n in ("source", "id"))
            return Misread(source, id, _in_words(error.detail))


def _plainly(field: serializers.Field, value: Any) -> str | None:
    """Return a name, if it is one."""
    try:
        return str(field.run_validation(value))
    except serializers.ValidationError:
        return None


def _in_words(detail: Any) -> str:
    """Return the first of what is wrong with an item, field by field."""
    if not isinstance(detail, dict):
        detail = {"non_field_errors": detail}
    said = [
        " ".join(str(sentence) for sentence in sentences)
        if name == "non_field_errors"
        else f"{name}: {' '.join(str(sentence) for sentence in sentences)}"
        for name, sentences in detail.items()
    ]
    more = len(said) - MAX_REASONS
    return "; ".join(said[:MAX_REASONS]) + (f"; and {more} more" if more > 0 else "")


class TellEvents(StrictSerializer):
    events = ToldEvents(child=ToldEvent(), min_length=1, max_length=MAX_EVENTS)


class ResultShape(serializers.Serializer):
    """What became of a piece of work, in the order in which they were told. `source` and `id` are null where what was sent is neither;
    `entryId` is the entry of the ledger that charged it, null where nothing was charged; `code` is there where a reason has one."""

    id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(RESULT_STATUS)
    reason = serializers.CharField(required=False)
    code = serializers.ChoiceField(REJECTED, required=False)
    credits = CreditsField(required=False)
    entryId = IdField("txn", required=False, allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add `source`, which as an attribute would hide the serializer's own."""
        return {"source": serializers.CharField(allow_null=True), **super().get_fields()}

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Say a result without what it does not have: a reason and its code, or credits and what charged them. By hand, because there are a thousand of them."""
        said = {"source": instance.source, "id": instance.id, "status": instance.status}
        if instance.reason is not None:
            said["reason"] = instance.reason
        if instance.code is not None:
            said["code"] = instance.code
        if instance.credits is not None:
            said["credits"] = wire.plain(instance.credits)
            said["entryId"] = instance.entry_id and write("txn", instance.entry_id)
        return said


class ResultsShape(serializers.Serializer):
    results = ResultShape(many=True)


class EventQuery(NamesActor, PageQuery):
    model = StrictChar(max_length=80, required=False)
    entryId = IdField(
        "txn",
        source="entry_id",
        required=False,
        help_text="Only what this entry of the ledger charged, or took back.",
    )
    reservationId = IdField("rsv", source="reservation_id", required=False)
    since = OffsetDateTimeField(required=False)
    until = OffsetDateTimeField(required=False)

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add `source`, which as an attribute would hide the serializer's own."""
        return {**super().get_fields(), "source": StrictChar(max_length=64, required=False)}


class UsageEventShape(serializers.ModelSerializer):
    """One piece of work that was done, or with `correctsId` the correction of one. `model` and `variant` are what served it; of a hold, `requestedModel` was asked for and `heldModel` was held for. `listCredits` is what it costs by the rate card, also where it was free. `note` says where its counts contradict each other: it was charged as far as they can be true."""

    id = IdField("evt")
    externalId = serializers.CharField(source="external_id")
    reservationId = IdField("rsv", source="reservation_id", allow_null=True)
    entryId = IdField("txn", source="charge_id", allow_null=True)
    correctsId = IdField("evt", source="corrects_id", allow_null=True)
    actorId = IdField("act", source="actor_id", allow_null=True)
    entity = serializers.CharField(source="group.key", default=None, allow_null=True)
    model = serializers.CharField(source="model_id", allow_null=True)
    requestedModel = TextOrNull(source="requested_model")
    heldModel = TextOrNull(source="held_model")
    variant = VariantOrNull(allow_null=True)
    resourceType = serializers.CharField(source="work_type")
    entityType = TextOrNull(source="resource_type")
    entityId = TextOrNull(source="resource_id")
    inputTokens = serializers.IntegerField(source="input_tokens", allow_null=True)
    cachedInputTokens = serializers.IntegerField(source="cached_input_tokens", allow_null=True)
    cacheWriteTokens = serializers.IntegerField(source="cache_write_tokens", allow_null=True)
    outputTokens = serializers.IntegerField(source="output_tokens", allow_null=True)
    reasoningTokens = serializers.IntegerField(source="reasoning_tokens", allow_null=True)
    usage = UsedField(allow_null=True)
    credits = CreditsField(min_value=None)
    listCredits = CreditsField(source="list_credits", min_value=None)
    ratedAt = WalletTime(source="rated_at", allow_null=True)
    note = TextOrNull()
    metadata = serializers.DictField(child=serializers.CharField())
    occurredAt = WalletTime(source="occurred_at")
    createdAt = WalletTime(source="created_at")

    class Meta:
        model = UsageEvent
        fields = (
            "id",
            "source",
            "externalId",
            "reservationId",
            "entryId",
            "correctsId",
            "actorId",
            "entity",
            "model",
            "requestedModel",
            "heldModel",
            "variant",
            "resourceType",
            "entityType",
            "entityId",
            "inputTokens",
            "cachedInputTokens",
            "cacheWriteTokens",
            "outputTokens",
            "reasoningTokens",
            "usage",
            "credits",
            "listCredits",
            "ratedAt",
            "byok",
            "charged",
            "late",
            "note",
            "metadata",
            "occurredAt",
            "createdAt",
        )
        read_only_fields = fields
