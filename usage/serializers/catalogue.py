"""What the API says of models."""

from rest_framework import serializers

from organizations.fields import NamesActor, StrictChar
from organizations.pagination import PageQuery


class ModelsQuery(NamesActor, PageQuery):
    cursor = StrictChar(required=False, max_length=600)


class ModelShape(serializers.Serializer):
    """A model; `reason` says why it is not available."""

    id = serializers.CharField(source="model.slug")
    name = serializers.CharField(source="model.name")
    provider = serializers.CharField(source="model.provider")
    tier = serializers.CharField(source="model.tier")
    fallback = serializers.BooleanField(source="model.is_fallback")
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True)
