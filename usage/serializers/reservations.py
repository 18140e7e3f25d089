"""What the API says of reservations and of denials, and what it reads to make and end them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import simplejson
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from credits.limits import EPOCH, Limit, binding
from credits.models import ZERO, Reservation, Wallet
from credits.services import DEFAULT_TIME_TO_LIVE, MAX_TIME_TO_LIVE
from organizations import wire
from organizations.fields import (
    CreditsField,
    IdField,
    MetadataField,
    NameField,
    NamesActor,
    StrictChar,
    StrictChoice,
    StrictInteger,
    WalletTime,
)
from organizations.ids import write
from organizations.models import Organization
from organizations.strict import StrictSerializer
from usage.pricing import Tokens
from usage.serializers.telling import (
    MaxUnitsField,
    TokensField,
    VariantField,
    WorkDone,
)
from usage.services import Decision, Denied

PARENTS_BUSINESS = "organization"
"""The scope of the limits that a parent sets for its child. They never show to a key of the child."""


WORK_TYPES = ["ai", "agent_run", "app_compute", "job_compute"]
RESOURCE_TYPES = ["app", "dataset"]
REQUIRED = "This field is required."


class SecondsField(StrictInteger):
    """How long a hold lives: 1 to 86,400 seconds, given as a `timedelta`."""

    def __init__(self, **options: Any) -> None:
        longest = int(MAX_TIME_TO_LIVE.total_seconds())
        super().__init__(min_value=1, max_value=longest, **options)

    def run_validation(self, data: Any = serializers.empty) -> timedelta:
        return timedelta(seconds=super().run_validation(data))


class WorkFields(NamesActor):
    """What a piece of work says of itself, before or after it is done."""

    model = StrictChar(max_length=80, required=False)
    entity = StrictChar(max_length=128, required=False)
    resourceType = StrictChoice(WORK_TYPES, source="work_type", default="ai")
    entityType = StrictChoice(RESOURCE_TYPES, source="resource_type", required=False)
    entityId = NameField(source="resource_id", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("resource_type" in attrs) != ("resource_id" in attrs):
            missing = "entityId" if "resource_type" in attrs else "entityType"
            raise serializers.ValidationError({missing: "entityType and entityId go together."})
        return super().validate(attrs)


class Ask(WorkFields):
    """Credits, or how much of a model: its tokens, and of what is no token `maxUnits`. `maxOutputTokens` may be left out where what comes
    out of it costs nothing, or where there are other units."""

    estimatedCredits = CreditsField(source="credits", required=False)
    inputTokens = TokensField(source="input", required=False)
    maxOutputTokens = TokensField(source="output", required=False)
    maxUnits = MaxUnitsField(source="units", required=False)
    variant = VariantField(required=False)
    mode = StrictChoice(Reservation.Mode.choices, default=Reservation.Mode.EXACT)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        counts = {name: attrs.pop(name) for name in ("input", "output") if name in attrs}
        is_counted = bool(counts) or "units" in attrs
        if ("credits" in attrs) == is_counted:
            raise serializers.ValidationError(
                {
                    "estimatedCredits": "Either this, or inputTokens and maxOutputTokens, or maxUnits."
                }
            )
        if counts and "input" not in counts:
            raise serializers.ValidationError({"inputTokens": REQUIRED})
        if (is_counted or "variant" in attrs) and "model" not in attrs:
            said = "Tokens" if counts else "Units" if is_counted else "Variants"
            raise serializers.ValidationError({"model": f"{said} need a model."})
        return super().validate(attrs) | ({"tokens": Tokens(**counts)} if is_counted else {})


class Reserve(Ask):
    expiresInSeconds = SecondsField(
        source="time_to_live", default=int(DEFAULT_TIME_TO_LIVE.total_seconds())
    )
    metadata = MetadataField(required=False)


class Settle(WorkDone):
    """What work cost: credits, or its tokens by class as its provider counts them, or `usage`: counts of any unit, wholes with their parts
    in; or `response`: what its provider said of it. `model` and `variant` are what really served it, where that is not what is held for."""

    model = StrictChar(max_length=80, required=False)
    metadata = MetadataField(
        required=False,
        help_text='Merges over that of the reservation, key by key: `""` leaves a key out. A repeat says the same.',
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        missing = {f"{name}Tokens": REQUIRED for name in ("input", "output") if name not in attrs}
        attrs = super().validate(attrs)
        if "tokens" in attrs and missing:
            raise serializers.ValidationError(missing)
        return attrs


class Extend(StrictSerializer):
    expiresInSeconds = SecondsField(source="time_to_live")


class Grow(StrictSerializer):
    """The new total: in credits, or of what was asked for."""

    estimatedCredits = CreditsField(source="credits", required=False)
    maxOutputTokens = TokensField(source="max_output_tokens", required=False, min_value=1)
    maxUnits = MaxUnitsField(source="units", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs or ("credits" in attrs and len(attrs) > 1):
            raise serializers.ValidationError(
                {"estimatedCredits": "Either this, or maxOutputTokens and maxUnits."}
            )
        return attrs


class LimitShape(serializers.Serializer):
    """A limit on the way of the work, with what it has left; of all of them one binds.

    An answer that holds, charges or gives back shows it as it is after that; a check, a refusal and a read as it is then; a list as the last of those answers did. Of a
    reservation, `cap` is the one by which it was admitted.
    """

    # Written by `limits_said`.

    scope = serializers.CharField()
    id = serializers.CharField()
    cap = CreditsField(allow_null=True, min_value=None)
    used = CreditsField()
    reserved = CreditsField()
    remaining = CreditsField(allow_null=True)
    resetsAt = WalletTime(allow_null=True)
    binding = serializers.BooleanField()


def limits_said(
    limits: Sequence[Limit], *, to_child: bool, refused_by: str | None = None
) -> list[dict[str, Any]]:
    """Write limits as the API tells them, the binding one named: the one that refused, else the one with the least room. Amounts are
    decimals: `wire.dumps` writes them plainly.

    :param to_child: whether a key of a child asks: then what the parent set is left out, and another one binds
    """
    shown = [limit for limit in limits if not (to_child and limit.scope == PARENTS_BUSINESS)]
    refusing = next((limit for limit in limits if limit.reason == refused_by), None)
    bound = refusing or binding(shown)
    return [_limit_said(limit, limit is bound) for limit in shown]


def _limit_said(limit: Limit, binds: bool) -> dict[str, Any]:
    room = limit.room
    return {
        "scope": limit.scope,
        "id": limit.id,
        "cap": limit.cap,
        "used": limit.used,
        "reserved": limit.reserved,
        "remaining": None if room is None else max(ZERO, room),
        "resetsAt": limit.resets_at and _reset_said(limit.resets_at),
        "binding": binds,
    }


_time = WalletTime().to_representation


@lru_cache(maxsize=100)
def _reset_said(moment: datetime) -> str:
    """Write when a limit begins anew: for nearly all of them at the end of the same months."""
    return _time(moment)


class ReservationShape(serializers.Serializer):
    """A reservation.

    `maxOutputTokens` is what its credits buy, where it was asked in tokens; `ratedAt` from when the prices are that its tokens will be
    charged by, whenever it settles. Once it is settled `entryId` is the entry of the ledger that charged it, null where nothing was charged.
    """

    # Needs `now` in its context, and `to_child`: whether a key of a child asks.

    id = IdField("rsv")
    status = serializers.ChoiceField(Reservation.Status.choices)
    credits = CreditsField()
    settledCredits = CreditsField(allow_null=True)
    requestedModel = serializers.CharField(allow_null=True)
    effectiveModel = serializers.CharField(allow_null=True)
    decision = serializers.ChoiceField(Reservation.Decision.choices)
    byok = serializers.BooleanField()
    maxOutputTokens = serializers.IntegerField(allow_null=True)
    ratedAt = WalletTime(allow_null=True)
    limits = LimitShape(many=True)
    expiresAt = WalletTime()
    late = serializers.BooleanField()
    entryId = IdField("txn", allow_null=True, required=False)

    def to_representation(self, instance: Reservation) -> dict[str, Any]:
        return said(instance, now=self.context["now"], to_child=self.context["to_child"])


def said(reservation: Reservation, *, now: datetime, to_child: bool) -> dict[str, Any]:
    """Write a reservation as the API tells it: the fields of `ReservationShape`."""
    estimate, card = reservation.estimate, reservation.rate_card
    told = {
        "id": write("rsv", reservation.id),
        "status": reservation.status_at(now),
        "credits": reservation.credits,
        "settledCredits": reservation.settled_credits,
        "requestedModel": reservation.requested_model or None,
        "effectiveModel": reservation.effective_model or None,
        "decision": reservation.decision,
        "byok": reservation.byok,
        "maxOutputTokens": estimate["output"] if estimate else None,
        "ratedAt": rated_at(card and card["starts_at"]),
        "limits": limits_said(reservation.limits_asked, to_child=to_child),
        "expiresAt": _time(reservation.expires_at),
        "late": reservation.late,
    }
    if reservation.settled_credits is not None and hasattr(reservation, "settled_entry_id"):
        entry_id = reservation.settled_entry_id
        told["entryId"] = entry_id and write("txn", entry_id)
    return told


def remembered(answer: str, organization: Organization) -> Reservation:
    """Return a reservation of an organization as it was when an answer spoke of it, from what is kept of that answer.

    :param answer: in format 1: what `credits_answer_2` writes; or in format 2: what `usage_settled_answer_2` does
    """
    kept = simplejson.loads(answer, use_decimal=True)
    output, rated, expires_at = (kept.pop(name) for name in ("output", "rated_at", "expires_at"))
    ids = {name: kept.pop(name) for name in ("id", "actor_id", "group_id")}
    entry_ids = [kept.pop("entry_id")] if "entry_id" in kept else []
    reservation = Reservation(
        wallet=Wallet(organization=organization),
        estimate=None if output is None else {"output": output},
        rate_card=None if rated is None else {"starts_at": rated},
        expires_at=EPOCH + timedelta(microseconds=int(expires_at * 1_000_000)),
        **{name: id and UUID(id) for name, id in ids.items()},
        **{name: _exact(value) for name, value in kept.items()},
    )
    for entry_id in entry_ids:
        reservation.settled_entry_id = entry_id and UUID(entry_id)
    return reservation


def _exact(value: Any) -> Any:
    """Return a number as a decimal, as all numbers of a reservation are that an answer tells."""
    return Decimal(value) if type(value) is int else value


class DenialShape(serializers.Serializer):
    """Why nothing may be held, and what would be; null where there is nothing to tell.

    `unblocksAt` is the first moment at which the same request would pass if nobody did anything; null, if time alone never lets it pass.

    A child learns of its cap only that it was the reason: not how far it is, nor when it resets; nor, where another limit was the
    reason, what the cap would have left.
    """

    # Needs `to_child` in its context: whether a key of a child asks.

    reason = serializers.CharField()
    limits = serializers.SerializerMethodField()
    affordableCredits = serializers.SerializerMethodField()
    affordableOutputTokens = serializers.SerializerMethodField()
    unblocksAt = serializers.SerializerMethodField()

    @extend_schema_field(LimitShape(many=True))
    def get_limits(self, denial: Denied) -> Any:
        to_child = self.context["to_child"]
        return limits_said(denial.limits, to_child=to_child, refused_by=denial.reason)

    @extend_schema_field(CreditsField(allow_null=True))
    def get_affordableCredits(self, denial: Denied) -> Any:
        amount = None if self._hides_room(denial) else denial.affordable_credits
        return None if amount is None else CreditsField().to_representation(amount)

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_affordableOutputTokens(self, denial: Denied) -> int | None:
        return None if self._hides_room(denial) else denial.affordable_output_tokens

    @extend_schema_field(WalletTime(allow_null=True))
    def get_unblocksAt(self, denial: Denied) -> str | None:
        moment = None if self._is_hidden(denial) else denial.unblocks_at
        return None if moment is None else WalletTime().to_representation(moment)

    def _is_hidden(self, denial: Denied) -> bool:
        return bool(self.context["to_child"]) and denial.reason == "cap"

    def _hides_room(self, denial: Denied) -> bool:
        """Whether what is affordable would be what the parent's cap has left."""
        narrowest = binding(denial.limits)
        by_cap = narrowest is not None and narrowest.scope == PARENTS_BUSINESS
        return self._is_hidden(denial) or (bool(self.context["to_child"]) and by_cap)


class CheckShape(serializers.Serializer):
    """What a reservation would be, or why there would be none; null is what does not apply."""

    decision = serializers.ChoiceField(["allow", "downgrade", "deny"])
    code = serializers.CharField(
        allow_null=True,
        help_text="That of a reserve's refusal: BILLING_EXHAUSTED, MODEL_RETIRED, MODEL_NOT_ENABLED, TIER_NOT_ALLOWED, AI_NOT_CONFIGURED.",
    )
    reason = serializers.CharField(allow_null=True)
    requestedModel = serializers.CharField(allow_null=True)
    effectiveModel = serializers.CharField(allow_null=True)
    credits = CreditsField(allow_null=True)
    maxOutputTokens = serializers.IntegerField(allow_null=True)
    byok = serializers.BooleanField()
    ratedAt = WalletTime(allow_null=True)
    limits = LimitShape(many=True)
    affordableCredits = CreditsField(allow_null=True)
    affordableOutputTokens = serializers.IntegerField(allow_null=True)
    unblocksAt = WalletTime(allow_null=True)


NOTHING_CHECKED: dict[str, Any] = dict.fromkeys(CheckShape().fields) | {"byok": False, "limits": []}


def allowed(decision: Decision, *, requested: str | None, to_child: bool) -> dict[str, Any]:
    """Say what would be held."""
    chosen = decision.model
    return NOTHING_CHECKED | {
        "decision": decision.decision,
        "requestedModel": requested,
        "effectiveModel": chosen.model.slug if chosen else None,
        "credits": wire.plain(decision.credits),
        "maxOutputTokens": decision.tokens.output if decision.tokens else None,
        "byok": decision.byok,
        "ratedAt": rated_at(chosen.card.starts_at if chosen else None),
        "limits": limits_said(decision.limits, to_child=to_child),
    }


def refused(denied: Denied, *, requested: str | None, to_child: bool) -> dict[str, Any]:
    """Say why nothing would be held, by the code that a reserve would answer."""
    details = DenialShape(denied, context={"to_child": to_child}).data
    why = {"decision": "deny", "code": denied.code, "requestedModel": requested}
    return NOTHING_CHECKED | why | dict(details)


def rated_at(starts_at: str | None) -> str | None:
    """Write from when a rate card is."""
    return starts_at and _time(datetime.fromisoformat(starts_at))
