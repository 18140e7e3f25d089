"""What the API says of models."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from organizations.fields import NamesActor, QueryBoolean, StrictChar, StrictChoice, WalletTime
from organizations.models import UsageProfile
from organizations.pagination import PageQuery, page_of
from usage.counts import NAMES
from usage.pricing import Price
from usage.serializers.telling import VariantOrNull
from usage.services.catalogue import Listed
from usage.units import UNITS


class ModelsQuery(NamesActor, PageQuery):
    cursor = StrictChar(required=False, max_length=600)
    provider = StrictChar(required=False, max_length=40)
    tier = StrictChoice(UsageProfile.Tier.values, required=False)
    available = QueryBoolean(
        required=False, help_text="Only what can be used now, or only what cannot."
    )
    q = StrictChar(
        required=False,
        max_length=80,
        help_text="In the id, the name or the provider; or an alias as it is.",
    )


class PriceShape(serializers.Serializer):
    """What so many of a unit cost the organization, markups and its own prices included: for prompts from a length on, for a way of being served, in hours of the day (UTC). `credits` is null where it is known to cost something, and nobody knows how much: work that may need it is refused; a text, because it is exact."""

    unit = serializers.SerializerMethodField()
    credits = serializers.SerializerMethodField()
    per = serializers.SerializerMethodField()
    promptTokensFrom = serializers.IntegerField(source="prompt_from")
    variant = VariantOrNull(allow_null=True)
    hours = serializers.SerializerMethodField()
    atLeast = serializers.IntegerField(source="at_least")

    def get_unit(self, price: Price) -> str:
        return NAMES[price.unit]

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_credits(self, price: Price) -> str | None:
        return price.text

    def get_per(self, price: Price) -> int:
        return UNITS[price.unit].per

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_hours(self, price: Price) -> str | None:
        return price.hours or None


class ModelShape(serializers.Serializer):
    """A model; `reason` says why it is not available. From `retiredAt` on it does no new work (MODEL_RETIRED). `prices` are in credits, and hold since `ratedAt`."""

    id = serializers.CharField(source="model.slug")
    name = serializers.CharField(source="model.name")
    provider = serializers.CharField(source="model.provider")
    tier = serializers.CharField(source="model.tier")
    fallback = serializers.BooleanField(source="model.is_fallback")
    aliases = serializers.ListField(child=serializers.CharField(), source="model.aliases")
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True)
    retiredAt = WalletTime(source="model.retired_at", allow_null=True)
    ratedAt = serializers.SerializerMethodField()
    prices = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_ratedAt(self, listed: Listed) -> Any:
        if listed.card is None:
            return None
        return WalletTime().to_representation(datetime.fromisoformat(listed.card.starts_at))

    @extend_schema_field(PriceShape(many=True))
    def get_prices(self, listed: Listed) -> Any:
        prices = listed.card.prices if listed.card else ()
        return PriceShape(prices, many=True).data


MODELS = page_of(
    ModelShape,
    creditUsd=serializers.CharField(
        help_text="How many US dollars a credit stands for; a text, because it is exact."
    ),
)
"""A page of models, and what a credit is."""
