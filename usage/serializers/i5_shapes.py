"""What the answers of i5 look like, for the document of the API. `i5.py` writes them."""

from rest_framework import serializers

from organizations.fields import CreditsField
from organizations.models import Actor, UsageProfile
from usage.serializers.reservations import WORK_TYPES

SUBSCRIPTION_STATUS = ["active", "canceled"]


class LinkShape(serializers.Serializer):
    href = serializers.CharField()


class LinksShape(serializers.Serializer):
    def get_fields(self) -> dict[str, serializers.Field]:
        """Add `self`, which no attribute should be called."""
        return {"self": LinkShape()}


class ProfileShape(serializers.Serializer):
    """A usage profile; null is no cap."""

    _links = LinksShape()
    id = serializers.UUIDField()
    name = serializers.CharField()
    slug = serializers.CharField()
    description = serializers.CharField()
    creditCapPerMonth = CreditsField(allow_null=True)
    allowedModelTiers = serializers.ListField(
        child=serializers.ChoiceField(UsageProfile.Tier.choices)
    )
    features = serializers.ListField(child=serializers.CharField())
    isUnlimited = serializers.BooleanField()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class EmbeddedProfilesShape(serializers.Serializer):
    def get_fields(self) -> dict[str, serializers.Field]:
        """Add the profiles, by a name that no attribute can have."""
        return {"inf:usage-profile": ProfileShape(many=True)}


class ProfilesShape(serializers.Serializer):
    _links = LinksShape()
    _embedded = EmbeddedProfilesShape()


class DeletedProfileShape(serializers.Serializer):
    id = serializers.CharField()
    deleted = serializers.BooleanField()


class RoomShape(serializers.Serializer):
    """What is left of a budget; null where it has no cap."""

    budgetRemaining = CreditsField(allow_null=True)
    budgetPercent = CreditsField()
    isOverBudget = serializers.BooleanField()


class BudgetShape(RoomShape):
    """The budget of an app or dataset in a month."""

    id = serializers.UUIDField()
    entityId = serializers.CharField()
    entityType = serializers.CharField()
    monthlyBudget = CreditsField(allow_null=True)
    creditsUsed = CreditsField()
    periodStart = serializers.DateTimeField()
    hasBudget = serializers.BooleanField()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class EntityShape(serializers.Serializer):
    name = serializers.CharField()
    slug = serializers.CharField(allow_null=True)
    ownerId = serializers.CharField(allow_null=True)


class ReportedBudgetShape(RoomShape):
    entityId = serializers.CharField()
    entityType = serializers.CharField()
    monthlyBudget = CreditsField(allow_null=True)
    creditsUsed = CreditsField()
    entity = EntityShape()


class PoolShape(serializers.Serializer):
    """The credits of an organization in its term."""

    included = CreditsField()
    used = CreditsField()
    remaining = CreditsField()


class OwnPoolShape(PoolShape):
    overageRate = CreditsField(allow_null=True)


class OwnProfileShape(serializers.Serializer):
    name = serializers.CharField()
    slug = serializers.CharField()
    creditCapPerMonth = CreditsField(allow_null=True)
    allowedModelTiers = serializers.ListField(
        child=serializers.ChoiceField(UsageProfile.Tier.choices)
    )
    features = serializers.ListField(child=serializers.CharField())


class OwnMonthShape(serializers.Serializer):
    creditsUsed = CreditsField()
    creditCap = CreditsField(allow_null=True)
    percentUsed = CreditsField()
    resetsAt = serializers.DateTimeField()
    isUnlimited = serializers.BooleanField()


class AiBudgetShape(serializers.Serializer):
    """What one actor may still use: its profile, its month, and the pool."""

    configured = serializers.BooleanField()
    byok = serializers.BooleanField()
    slushActive = serializers.BooleanField()
    profile = OwnProfileShape()
    monthly = OwnMonthShape()
    pool = OwnPoolShape()


class SummaryRowShape(serializers.Serializer):
    """What one kind of work on one resource added up to; null where it was for none, or for too many to name."""

    entityId = serializers.CharField(allow_null=True)
    entityType = serializers.CharField(allow_null=True)
    resourceType = serializers.ChoiceField(WORK_TYPES)
    totalCredits = CreditsField(min_value=None)
    totalEvents = serializers.IntegerField()


class DailyRowShape(serializers.Serializer):
    date = serializers.DateField()
    resourceType = serializers.ChoiceField(WORK_TYPES)
    totalCredits = CreditsField(min_value=None)


class SyncShape(serializers.Serializer):
    """Nothing is synchronized here: it is always now, and never failed."""

    syncedAt = serializers.DateTimeField()
    lastSyncFailedAt = serializers.DateTimeField(allow_null=True)
    lastSyncFailureCode = serializers.CharField(allow_null=True)
    stalenessLevel = serializers.CharField(allow_null=True)


class UsageShape(serializers.Serializer):
    usageSummary = SummaryRowShape(many=True)
    dailyTotals = DailyRowShape(many=True)
    budgets = ReportedBudgetShape(many=True)
    creditPool = PoolShape()
    sync = SyncShape()


class MonthlyRowShape(serializers.Serializer):
    month = serializers.RegexField(r"^\d{4}-\d{2}$")
    resourceType = serializers.ChoiceField(WORK_TYPES)
    totalCredits = CreditsField(min_value=None)
    totalEvents = serializers.IntegerField()


class MonthlyUsageShape(serializers.Serializer):
    monthlyTotals = MonthlyRowShape(many=True)


class ConsumerShape(serializers.Serializer):
    """What one actor used; null is work that named nobody."""

    actorId = serializers.UUIDField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    kind = serializers.ChoiceField(Actor.Kind.choices, allow_null=True)
    totalCredits = CreditsField(min_value=None)
    totalEvents = serializers.IntegerField()


class TopConsumersShape(serializers.Serializer):
    topConsumers = ConsumerShape(many=True)


class SubscriptionShape(serializers.Serializer):
    """The terms of an organization, as a subscription."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(SUBSCRIPTION_STATUS)
    term = serializers.ChoiceField(["monthly", "annual"])
    creditsIncluded = CreditsField()
    renewsAt = serializers.DateTimeField()
    cancelAtPeriodEnd = serializers.BooleanField()
    cardLast4 = serializers.CharField(allow_null=True)
    createdAt = serializers.DateTimeField()


class ChangedSubscriptionShape(SubscriptionShape):
    cacheUpdated = serializers.BooleanField()


class RefreshedShape(serializers.Serializer):
    success = serializers.BooleanField()
    syncedAt = serializers.DateTimeField()
    creditBalance = PoolShape()
