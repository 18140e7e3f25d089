"""What the API says of alerts: what is true of an organization, its people and its groups, and how far it has come."""

from collections.abc import Collection, Mapping
from typing import ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from organizations.fields import IdField, StrictChoice, WalletTime
from organizations.models import Alert
from organizations.pagination import PageQuery

Kind = Alert.Kind
TOLD: Mapping[str, Collection[str]] = {
    Kind.NEAR_CAP: ("used", "cap", "percent"),
    Kind.PERSON_NEAR_CAP: ("used", "cap", "percent"),
    Kind.SHARED_NEAR_CAP: ("used", "cap", "percent"),
    Kind.BUDGET: ("used", "cap", "percent"),
    Kind.CAP_SOON: ("used", "cap", "aDay", "days", "earliestDays"),
    Kind.DRY_SOON: ("left", "aDay", "days", "earliestDays"),
    Kind.IN_DEBT: ("debt",),
    Kind.DEBT_GROWN: ("debt", "grownBy"),
    Kind.REFUSALS: ("refused", "usualInADay", "most"),
}
"""The kinds that concern an organization, and which of their figures it is told."""
OF_ITS_PARENT: Mapping[str, Collection[str]] = {
    Kind.NEAR_CAP: (),
    Kind.CAP_SOON: (),
    Kind.DRY_SOON: ("days", "earliestDays"),
}
"""What is left of these for a key of a child: caps and overdrafts are its parent's to see."""


def told_to(*, child: bool) -> Mapping[str, Collection[str]]:
    """Return the kinds that whoever asks is told, with their figures; nothing of what a parent set to a key of its child."""
    if not child:
        return TOLD
    told = {**TOLD, **OF_ITS_PARENT}
    return {kind: figures for kind, figures in told.items() if figures}


class AlertQuery(PageQuery):
    kind = StrictChoice([(kind.value, kind.label) for kind in Kind if kind in TOLD], required=False)


class AlertShape(serializers.Serializer):
    """Something that is true now, looked for every five minutes. `figures` are those of the last look: decimal numbers as text, and in `most` a reason.

    With `actorId` it is about that actor, with `groupId` about that group, else about the organization. It is in the list as long as it is true.
    """

    SEVERITIES: ClassVar[Mapping[int, str]] = {
        Alert.Severity.WARNING: "warning",
        Alert.Severity.CRITICAL: "critical",
    }

    id = IdField("alr")
    kind = serializers.ChoiceField([(kind.value, kind.label) for kind in Kind if kind in TOLD])
    severity = serializers.SerializerMethodField()
    actorId = IdField("act", source="actor_id", allow_null=True)
    groupId = IdField("grp", source="group_id", allow_null=True)
    figures = serializers.SerializerMethodField()
    firedAt = WalletTime(source="fired_at")

    @extend_schema_field(serializers.ChoiceField(["warning", "critical"]))
    def get_severity(self, alert: Alert) -> str:
        return self.SEVERITIES[alert.severity]

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_figures(self, alert: Alert) -> dict[str, str]:
        told = self.context["told"][alert.kind]
        return {name: text for name, text in alert.figures.items() if name in told}
