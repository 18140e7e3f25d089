"""`manage.py migrate`: Django's, as the owner of the database, the roles of staff, and then the rights of everybody else in it."""

from typing import Any

from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS

from config import roles, staff_roles


class Command(migrate.Command):
    """Bring the tables up to this code, the roles of staff, and the rights of the application and of readers."""

    def handle(self, *args: Any, **options: Any) -> None:
        with roles.as_owner():
            only_looks = options["plan"] or options["check_unapplied"] or options["prune"]
            is_ours = not only_looks and options["database"] == DEFAULT_DB_ALIAS
            known = staff_roles.known_rights() if is_ours else frozenset()
            super().handle(*args, **options)
            if is_ours:
                staff_roles.bring_up(known)
            missing = roles.grant() if is_ours else set()
        if missing and options["verbosity"] > 0:
            self.stdout.write(
                f"No rights were given to {' and '.join(sorted(missing))}: config/sql/roles.sql makes them."
            )
