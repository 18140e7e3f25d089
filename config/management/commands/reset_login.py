"""Let somebody of the staff log in again: end the pause after failed logins, and with --second-factor remove a lost device."""

from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from config import logins


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--second-factor",
            action="store_true",
            help="also remove the app and the recovery codes: the password alone lets them in, to set up anew",
        )

    def handle(self, *args: Any, username: str, second_factor: bool, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"nobody of the staff is called {username}")
        failures = AxesProxyHandler.reset_attempts(username=username)
        self.stdout.write(f"{failures} records of failed logins of {username} are forgotten.")
        if second_factor:
            self._forget(user)

    def _forget(self, user: User) -> None:
        with transaction.atomic():
            if not logins.forget_devices(user):
                raise CommandError(f"{user} has no second factor")
            # Nobody is logged in here: the line stands with the person whom it concerns.
            logins.note(user, user, "Second factor: set up → none, by manage.py reset_login")
        self.stdout.write(f"The second factor of {user} is removed.")
