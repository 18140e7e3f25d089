"""`manage.py migrate`: Django's, as the owner of the database, and then the rights of everybody else."""

from typing import Any

from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS

from config import roles


class Command(migrate.Command):
    """Bring the tables up to this code, and the rights of the application and of readers."""

    def handle(self, *args: Any, **options: Any) -> None:
        with roles.as_owner():
            super().handle(*args, **options)
            only_looks = options["plan"] or options["check_unapplied"] or options["prune"]
            missing = (
                set() if only_looks or options["database"] != DEFAULT_DB_ALIAS else roles.grant()
            )
        if missing and options["verbosity"] > 0:
            self.stdout.write(
                f"No rights were given to {' and '.join(sorted(missing))}: config/sql/roles.sql makes them."
            )
