"""The buttons of a key, with what it did today: whoever stops one sees whether somebody works with it."""

from datetime import UTC, datetime, time

from credits.models import Reservation
from organizations.admin import key_actions as keys
from organizations.admin.actions import Action
from organizations.models import ApiKey

LATEST = 2_000
"""Of how many of the latest holds of its organization those of a key are counted."""


def holds_today(key: ApiKey, *, now: datetime) -> str:
    """Return how many holds a key opened since midnight UTC, as far as they are among the latest of its organization."""
    midnight = datetime.combine(now.date(), time(), tzinfo=UTC)
    of_wallet = Reservation.objects.filter(wallet__organization=key.organization_id)
    latest = of_wallet.order_by("-id").values("id")[:LATEST]
    own = Reservation.objects.filter(
        id__in=latest, performed_by=key.public_id, created_at__gte=midnight
    )
    count = own.count()
    return f"{count:,} or more" if count == LATEST else f"{count:,}"


class _Used(keys.KeyAction):
    def facts(self, key: ApiKey, *, now: datetime) -> list[tuple[str, str]]:
        return [*super().facts(key, now=now), ("Holds today", holds_today(key, now=now))]


class Rotate(_Used, keys.Rotate):
    """A new key takes over."""


class Revoke(_Used, keys.Revoke):
    """The key opens nothing any more."""


ACTIONS: tuple[Action, ...] = (Rotate(), Revoke())
