"""Grants as the API says them, those that are pending too, and what it reads to find them or to void one."""

from decimal import Decimal
from typing import Any, NamedTuple

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from credits.models import Grant, PendingGrant
from credits.serializers.texts import ONCE_FOR_EVER, GivenText, ReferenceField
from credits.serializers.wallets import CreditsShape
from credits.services.grants import STATES, state_of
from organizations import wire
from organizations.fields import (
    CreditsField,
    IdField,
    QueryBoolean,
    StrictChar,
    StrictChoice,
    WalletTime,
)
from organizations.pagination import PageQuery
from organizations.strict import StrictSerializer


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
