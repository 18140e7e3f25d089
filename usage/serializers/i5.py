"""The shapes of Informer i5: https://…/api/ai-budget, /api/usage*, /api/usage-profiles, /api/usage-budgets."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from credits.models import CreditConfig
from credits.services.reading import Reading
from organizations import wire
from organizations.fields import (
    QueryInteger,
    StrictChar,
    StrictChoice,
    StrictList,
    WholeCreditsField,
)
from organizations.models import Actor, Organization, UsageProfile
from organizations.strict import StrictQuery, StrictSerializer
from usage.services.budgets import HUNDRED, Budget, Pool, Standing, percent

SLUG = r"^[a-z][a-z0-9-]*$"
PROFILES = "/api/usage-profiles"
OTHER = "other"
"""The type of the resources that a report has too many of to name."""


class QueryDate(StrictChar):
    """A day in a query, `2026-05-01`."""

    default_error_messages = {"day": "A day like 2026-05-01 is expected."}

    def run_validation(self, data: Any = serializers.empty) -> Any:
        text = super().run_validation(data)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            self.fail("day")
        if day.isoformat() != text:
            self.fail("day")
        return day


class SlugField(StrictChar):
    """Lower-case letters, digits and dashes, a letter first."""

    def to_internal_value(self, data: Any) -> str:
        slug = super().to_internal_value(data)
        serializers.RegexField(SLUG).run_validation(slug)
        return slug


class DaysQuery(StrictQuery):
    startDate = QueryDate(required=False)
    endDate = QueryDate(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        first, last = attrs.get("startDate"), attrs.get("endDate")
        if first and last and first > last:
            raise serializers.ValidationError({"endDate": "endDate is before startDate."})
        return attrs


class TopQuery(DaysQuery):
    limit = QueryInteger(min_value=1, max_value=100, default=10)


class ProfileFields(StrictSerializer):
    """A whole profile; without a cap it is unlimited, without tiers it allows no model."""

    name = StrictChar(max_length=120)
    slug = SlugField(max_length=80)
    description = StrictChar(max_length=500, allow_blank=True, multiline=True)
    creditCapPerMonth = WholeCreditsField(
        source="credit_cap_per_month", allow_null=True, default=None
    )
    allowedModelTiers = StrictList(
        child=StrictChoice(UsageProfile.Tier.choices),
        source="allowed_model_tiers",
        max_length=3,
        default=list,
    )
    features = StrictList(child=StrictChar(max_length=60), max_length=50, default=list)

    def validate_allowedModelTiers(self, tiers: list[str]) -> list[str]:
        if len(set(tiers)) != len(tiers):
            raise serializers.ValidationError("Each tier once.")
        return tiers


class ProfileChanges(ProfileFields):
    """Some fields of a profile."""

    at_least_one = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options | {"partial": True})


class SetBudget(StrictSerializer):
    monthlyBudget = WholeCreditsField(source="cap", allow_null=True, required=False)


class RefreshCache(StrictSerializer):
    progress = StrictChar(max_length=200, required=False)


def moment(at: datetime) -> str:
    """Write a moment as i5 does: `2026-05-01T00:00:00Z`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def profile(row: UsageProfile) -> dict[str, Any]:
    """A usage profile with its link."""
    return {
        "_links": {"self": {"href": f"{PROFILES}/{row.id}"}},
        "id": str(row.id),
        "name": row.name,
        "slug": row.slug,
        "description": row.description,
        "creditCapPerMonth": _plain(row.credit_cap_per_month),
        "allowedModelTiers": row.allowed_model_tiers,
        "features": row.features,
        "isUnlimited": row.is_unlimited,
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at),
    }


def profiles(rows: Sequence[UsageProfile]) -> dict[str, Any]:
    """A HAL list of usage profiles."""
    return {
        "_links": {"self": {"href": PROFILES}},
        "_embedded": {"inf:usage-profile": [profile(row) for row in rows]},
    }


def budget(found: Budget) -> dict[str, Any]:
    """The budget of one app or dataset."""
    limit = found.limit
    return {
        "id": str(limit.id),
        "entityId": limit.resource_id,
        "entityType": limit.resource_type,
        "monthlyBudget": _plain(limit.cap),
        "creditsUsed": _plain(found.used),
        "periodStart": moment(found.month.starts_at),
        "hasBudget": limit.cap is not None,
        **_room(found),
        "createdAt": moment(limit.created_at),
        "updatedAt": moment(limit.updated_at),
    }


def reported_budget(found: Budget) -> dict[str, Any]:
    """A budget as the usage report lists it."""
    limit = found.limit
    return {
        "entityId": limit.resource_id,
        "entityType": limit.resource_type,
        "monthlyBudget": _plain(limit.cap),
        "creditsUsed": _plain(found.used),
        **_room(found),
        "entity": {"name": limit.resource_id, "slug": limit.slug, "ownerId": limit.owner_id},
    }


def _room(found: Budget) -> dict[str, Any]:
    cap = found.limit.cap
    if cap is None:
        return {"budgetRemaining": None, "budgetPercent": 0, "isOverBudget": False}
    return {
        "budgetRemaining": _plain(max(Decimal(0), cap - found.used)),
        "budgetPercent": _plain(min(HUNDRED, percent(found.used, cap))),
        "isOverBudget": found.used >= cap,
    }


def pool(found: Pool) -> dict[str, Any]:
    """The pool of an organization."""
    return {
        "included": _plain(found.included),
        "used": _plain(found.used),
        "remaining": _plain(found.remaining),
    }


def ai_budget(
    organization: Organization, standing: Standing, found: Pool, *, now: datetime
) -> dict[str, Any]:
    """What one actor may still use: its profile, its month, and the pool."""
    configured, cap = organization.is_entitled(now), standing.terms.cap
    own = standing.terms.profile
    return {
        "configured": configured,
        "byok": organization.byok,
        "slushActive": found.slush_active,
        "profile": {
            "name": own.name,
            "slug": own.slug,
            "creditCapPerMonth": _plain(own.credit_cap_per_month),
            "allowedModelTiers": [t for t in UsageProfile.Tier.values if t in standing.terms.tiers],
            "features": own.features,
        },
        "monthly": {
            "creditsUsed": _plain(standing.used),
            "creditCap": _plain(cap),
            "percentUsed": _plain(percent(standing.used, cap)),
            "resetsAt": moment(standing.month.ends_at),
            "isUnlimited": configured and cap is None,
        },
        "pool": pool(found) | {"overageRate": _plain(found.overage_rate)},
    }


def subscription(reading: Reading) -> dict[str, Any]:
    """The terms of an organization, as a subscription."""
    config, period = reading.wallet.config, reading.period
    ended = config.cancel_at_period_end and not reading.included
    return {
        "id": str(reading.wallet.id),
        "status": "canceled" if ended else "active",
        "term": "annual" if config.term == CreditConfig.Term.YEAR else "monthly",
        "creditsIncluded": _plain(reading.included),
        "renewsAt": moment(period.term_ends_at),
        "cancelAtPeriodEnd": config.cancel_at_period_end,
        "cardLast4": None,
        "createdAt": moment(reading.wallet.created_at),
    }


def summary_row(row: dict[str, Any]) -> dict[str, Any]:
    """What one kind of work on one resource added up to; null where it was for no resource."""
    return {
        "entityId": row["resource_id"] or None,
        "entityType": row["resource_type"] or None,
        "resourceType": row["work_type"],
        "totalCredits": _plain(row["credits"]),
        "totalEvents": row["events"],
    }


def other_rows(
    summary: Sequence[dict[str, Any]], daily: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What the resources that a summary does not name added up to, so that it sums to the days; nothing if it names all."""
    rest: dict[str, list[Any]] = {}
    for rows, sign in ((daily, 1), (summary, -1)):
        for row in rows:
            sums = rest.setdefault(row["work_type"], [Decimal(0), 0])
            sums[0] += sign * row["credits"]
            sums[1] += sign * row["events"]
    return [
        {
            "entityId": None,
            "entityType": OTHER,
            "resourceType": work_type,
            "totalCredits": _plain(credits),
            "totalEvents": events,
        }
        for work_type, (credits, events) in sorted(rest.items())
        if credits or events
    ]


def daily_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "date": row["day"].isoformat(),
        "resourceType": row["work_type"],
        "totalCredits": _plain(row["credits"]),
    }


def monthly_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "month": f"{row['month']:%Y-%m}",
        "resourceType": row["work_type"],
        "totalCredits": _plain(row["credits"]),
        "totalEvents": row["events"],
    }


def consumer_row(row: dict[str, Any], actor: Actor | None) -> dict[str, Any]:
    """What one actor used; null is work that named nobody."""
    return {
        "actorId": str(row["actor_id"]) if row["actor_id"] else None,
        "name": actor.name if actor else None,
        "kind": actor.kind if actor else None,
        "totalCredits": _plain(row["credits"]),
        "totalEvents": row["events"],
    }


def _plain(amount: Decimal | None) -> Any:
    return None if amount is None else wire.plain(amount)
