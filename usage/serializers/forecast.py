"""What the API says of what is foreseen: when credits are used up, and when a cap is reached."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from organizations.fields import CreditsField, IdField, QueryInteger, WalletTime
from organizations.strict import StrictQuery
from usage import foretold
from usage.forecast import AHEAD, FURTHEST, LEAST
from usage.services.forecasts import Outlook


class ForecastQuery(StrictQuery):
    horizonDays = QueryInteger(
        source="days",
        min_value=1,
        max_value=FURTHEST,
        default=AHEAD,
        help_text="How far ahead is looked.",
    )


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
    """When your credits are used up and when your cap is reached, if nobody gives or changes anything."""

    # Of an `Outlook`. Needs `to_child` in its context: whether a key of a child asks, who may not see what its parent set.

    organizationId = IdField("org", source="organization.id")
    horizonDays = serializers.IntegerField(source="days")
    knownDays = serializers.IntegerField(
        source="whole_days", help_text="How many whole days of use it goes by."
    )
    creditsPerDay = CreditsField(source="a_day", help_text="The average of the last 14 whole days.")
    pool = ProspectShape()
    cap = serializers.SerializerMethodField()

    @extend_schema_field(ProspectShape(allow_null=True))
    def get_cap(self, outlook: Outlook) -> Any:
        """Null where there is no cap, and for a child's own key."""
        if outlook.cap is None or self.context["to_child"]:
            return None
        return ProspectShape(outlook.cap).data
