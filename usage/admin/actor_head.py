"""What stands at the head of a person's page: the limit and when it is reached, the keys, the holds, and what was refused last."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, Sum
from django.http import HttpRequest
from django.utils.safestring import SafeString

from credits.models import ZERO, Reservation
from organizations.admin import key_state
from organizations.admin.actions import may_use
from organizations.models import Actor, ApiKey, Organization
from usage.admin import columns
from usage.admin.actions import Erase, Forgive
from usage.admin.alert_words import VIEW_ALERT, VIEW_WARNING, Open, open_on
from usage.admin.limit_actions import SetLimit
from usage.admin.limit_pace import limit_pace
from usage.admin.overview import Button, action_url
from usage.admin.person import keys_that_open
from usage.admin.person_actions import SwitchOff, SwitchOn
from usage.admin.sandbox_actions import Mint
from usage.models import Denial
from usage.services import budgets, warnings
from usage.services.budgets import Standing
from usage.services.limit_forecasts import LimitOutlook

ROWS = 6


class ActorHead(NamedTuple):
    """The head of a person's page; None of what whoever asks may not see."""

    standing: Standing
    pace: LimitOutlook | None
    """When the limit is reached; None where that cannot be reckoned yet."""
    tiers: str
    keys: Sequence[tuple[ApiKey, SafeString]] | None
    opening: int
    """How many of the keys open something."""
    held: dict[str, Any] | None
    denials: Sequence[Denial] | None
    warning: warnings.Standing | None
    """Against the budget warning of their own."""
    alerts: Open | None
    buttons: Sequence[Button]
    dangerous: Sequence[Button]

    @property
    def tone(self) -> str:
        cap = self.standing.terms.cap
        return "good" if cap is None else columns.tone(self.standing.used, cap)


def actor_head(request: HttpRequest, actor: Actor, *, now: datetime) -> ActorHead:
    """Return the head of a person's page, in a number of statements that does not grow with what they did."""
    may = request.user.has_perm
    standing = budgets.standing_of(actor, now=now)
    safe, dangerous = _buttons(request, actor)
    sees_keys = may("organizations.view_apikey")
    return ActorHead(
        standing=standing,
        pace=limit_pace(actor, now=now),
        tiers=", ".join(sorted(standing.terms.tiers)) or "no",
        keys=_keys(actor) if sees_keys else None,
        opening=keys_that_open(actor, now) if sees_keys else 0,
        held=_held(actor, now) if may("credits.view_reservation") else None,
        denials=_denials(actor) if may("usage.view_denial") else None,
        warning=warnings.warning_about(actor, now=now) if may(VIEW_WARNING) else None,
        alerts=open_on(actor, now=now) if may(VIEW_ALERT) else None,
        buttons=safe,
        dangerous=dangerous,
    )


def _keys(actor: Actor) -> list[tuple[ApiKey, SafeString]]:
    newest = actor.api_keys.order_by(F("revoked_at").desc(nulls_first=True), "-id")
    return [(key, key_state(key)) for key in newest[:ROWS]]


def _held(actor: Actor, now: datetime) -> dict[str, Any]:
    is_open = actor.reservations.filter(status=Reservation.Status.OPEN, expires_at__gt=now)
    return {"count": is_open.count(), **is_open.aggregate(credits=Sum("credits", default=ZERO))}


def _denials(actor: Actor) -> Sequence[Denial]:
    return list(Denial.objects.filter(actor=actor).order_by("-id")[:ROWS])


def _buttons(request: HttpRequest, actor: Actor) -> tuple[list[Button], list[Button]]:
    """Return what may be done with somebody: what is asked for most, and what is not undone by a click."""
    owner = actor.organization
    is_open = owner.status != Organization.Status.ARCHIVED
    of = f"?actor={actor.pk}"
    safe = [
        (SetLimit(), f"?whose={actor.public_id}", is_open),
        (Forgive(), of, True),
        (SwitchOn(), of, is_open and not actor.active and not actor.is_erased),
        (Mint(), of, is_open and actor.active),
    ]
    dangerous = [
        (SwitchOff(), of, is_open and actor.active),
        (Erase(), of, not actor.is_erased),
    ]
    return tuple(  # type: ignore[return-value]
        [
            Button(action, action_url(action, owner) + query)
            for action, query, fits in row
            if fits and may_use(request, action)
        ]
        for row in (safe, dangerous)
    )
