"""`manage.py key_secrets`: under which of the server's secrets the API keys are stored, so that an old one can go."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from organizations import clock, tokens
from organizations.models import ApiKey
from organizations.services import live_keys


class Command(BaseCommand):
    """Count the keys under each secret, name those that are not under the one in use; exit with 1 if there are any."""

    help = "Show which API keys are still stored under an old API_KEY_SECRET."

    def handle(self, *args: Any, **options: Any) -> None:
        keys = live_keys(now=clock.now())
        in_use = tokens.secret_name()
        names = {in_use: "API_KEY_SECRET"}
        for number, old in enumerate(settings.API_KEY_SECRET_FALLBACKS, start=1):
            names.setdefault(tokens.secret_name(old), f"fallback {number}")
        for name, place in names.items():
            count = keys.filter(hashed_under=name).count()
            self.stdout.write(f"{name}  {place}: {count} keys")
        left = keys.exclude(hashed_under=in_use).select_related("organization")
        for key in left.order_by("last_used_at", "id").iterator():
            self.stdout.write(_line(key, names.get(key.hashed_under, "no secret that is set")))
        if left:
            raise CommandError(f"{left.count()} keys are not stored under API_KEY_SECRET yet")


def _line(key: ApiKey, place: str) -> str:
    used = f"last used {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
    return f"{key.public_id} of {key.organization.public_id}, {key.name}: {place}, {used}"
