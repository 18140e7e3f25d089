"""What the API says of what is foreseen: when credits are used up, and when a cap or a limit is reached."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from organizations.fields import CreditsField, IdField, NamesActor, QueryInteger, WalletTime
from organizations.models import Actor, Group
from organizations.strict import StrictQuery
from usage import foretold
from usage.forecast import AHEAD, FURTHEST, LEAST
from usage.services.forecasts import Outlook
from usage.services.limit_forecasts import LimitOutlook

Foreseen = Outlook | LimitOutlook


class ForecastQuery(NamesActor, StrictQuery):
    horizonDays = QueryInteger(
        source="days",
        min_value=1,
        max_value=FURTHEST,
        default=AHEAD,
        help_text="How far ahead is looked.",
    )
    groupId = IdField(
        "grp",
        source="group_id",
        required=False,
        help_text="When this entity group has used its limit, in place of the pool and the cap.",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        fields[
            "actorId"
        ].help_text = "When this actor has used its limit, in place of the pool and the cap. A personal key is told of its own actor only."
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "group_id" in attrs and attrs.keys() & {"actor_id", "actor_external_id"}:
            raise serializers.ValidationError({"groupId": ["Either this, or an actor."]})
        return attrs


class ProspectShape(serializers.Serializer):
    """When something happens, as a range."""

    # Of a `Prospect`.

    state = serializers.ChoiceField(
        foretold.STATES,
        help_text="`reached`: it is so already. `foreseen`: it may happen within the horizon. `not_within`: it hardly does."
        f" `too_early`: fewer than {LEAST} whole days of use are known. `stopped`: nothing is spent, since the organization is not active.",
    )
    earliest = WalletTime(allow_null=True)
    likely = WalletTime(allow_null=True)
    latest = WalletTime(
        allow_null=True, help_text="A moment that is null is not within the horizon."
    )
    words = serializers.CharField(help_text="The same as a sentence.")


class ForecastShape(serializers.Serializer):
    """When your credits are used up and your cap is reached, or a limit of one actor or group, if nobody gives or changes anything."""

    # Of an `Outlook`, or of a `LimitOutlook`. Needs `to_child` in its context: whether a key of a child asks, who may not see what its parent set.

    organizationId = IdField("org", source="organization.id")
    horizonDays = serializers.IntegerField(source="days")
    knownDays = serializers.IntegerField(
        source="whole_days", help_text="How many whole days of use it goes by."
    )
    creditsPerDay = CreditsField(source="a_day", help_text="The average of the last 14 whole days.")
    actorId = serializers.SerializerMethodField()
    groupId = serializers.SerializerMethodField()
    pool = serializers.SerializerMethodField()
    overdraft = serializers.SerializerMethodField()
    cap = serializers.SerializerMethodField()
    limit = serializers.SerializerMethodField()

    @extend_schema_field(IdField("act", allow_null=True))
    def get_actorId(self, outlook: Foreseen) -> str | None:
        """Whose limit it is about, if an actor was asked for."""
        whose = getattr(outlook, "whose", None)
        return whose.public_id if isinstance(whose, Actor) else None

    @extend_schema_field(IdField("grp", allow_null=True))
    def get_groupId(self, outlook: Foreseen) -> str | None:
        """Whose limit it is about, if a group was asked for."""
        whose = getattr(outlook, "whose", None)
        return whose.public_id if isinstance(whose, Group) else None

    @extend_schema_field(ProspectShape(allow_null=True))
    def get_pool(self, outlook: Foreseen) -> Any:
        """When the credits are used up. Null where an actor or a group was asked for."""
        if not isinstance(outlook, Outlook):
            return None
        # What work does afterwards tells of the overdraft, which a parent sets.
        words = outlook.pool.first_words if self.context["to_child"] else outlook.pool.words
        return _said(outlook.pool._replace(words=words))

    @extend_schema_field(ProspectShape(allow_null=True))
    def get_overdraft(self, outlook: Foreseen) -> Any:
        """When an overdraft is used up too, and work is refused. Null where there is none or it has no end, and for a child's own key."""
        return None if self.context["to_child"] else _said(getattr(outlook, "overdraft", None))

    @extend_schema_field(ProspectShape(allow_null=True))
    def get_limit(self, outlook: Foreseen) -> Any:
        """When the limit of the actor or the entity group is reached. Null where there is none: a team has none for all together."""
        return _said(getattr(outlook, "limit", None))

    @extend_schema_field(ProspectShape(allow_null=True))
    def get_cap(self, outlook: Foreseen) -> Any:
        """Null where there is no cap, and for a child's own key."""
        return None if self.context["to_child"] else _said(getattr(outlook, "cap", None))


def _said(prospect: foretold.Prospect | None) -> Any:
    return None if prospect is None else ProspectShape(prospect).data
