"""`manage.py demo`: the ways into the demo, made first in an empty database."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import demo
from organizations import clock
from organizations.services import OrganizationArchived


class Command(BaseCommand):
    """Seed the demo where nothing is, and print fresh keys and the administrator's login."""

    help = "Print fresh keys of the demo and its admin login; seed it first in an empty database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for scripts")

    def handle(self, *args: Any, json: bool = False, **options: Any) -> None:
        try:
            ways = demo.prepare(login_file=settings.DATA_DIR / "demo.json", now=clock.now())
        except (demo.NotADemo, demo.UnreadableLogin, OrganizationArchived) as error:
            raise CommandError(str(error)) from error
        demo.verify_once()
        self.stdout.write(_as_json(ways) if json else _as_text(ways))


def _as_json(ways: demo.Ways) -> str:
    return json.dumps(ways)


def _as_text(ways: demo.Ways) -> str:
    parent, child, actor, admin = ways["parent"], ways["child"], ways["actor"], ways["admin"]
    return "\n".join(
        [
            f"parent  {parent['organizationId']}",
            f"        {parent['apiKey']}",
            f"child   {child['organizationId']}",
            f"        {child['apiKey']}",
            f"actor   {actor['actorId']}",
            f"        {actor['apiKey']}",
            f"admin   {admin['username']} / {admin['password']}",
        ]
    )
