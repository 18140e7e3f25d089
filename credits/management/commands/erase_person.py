"""`manage.py erase_person act_… --reason "ticket 7"`: let somebody go for good, in every organization that knows them."""

from collections.abc import Collection, Sequence
from getpass import getuser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q, QuerySet

from credits import services
from organizations import clock, ids
from organizations.history import REASON_LENGTH, explained
from organizations.models import Actor


class Command(BaseCommand):
    """Show whom it concerns, and erase them: name, email and external id, in their rows, histories, keys, stored answers and the log."""

    help = "Erase people or agents: what they did stays under their ids, and nothing names them any more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("actors", nargs="*", metavar="act_…", help="whom")
        parser.add_argument(
            "--email", help="everybody who has this email, of whichever organization or sandbox"
        )
        parser.add_argument(
            "--reason", required=True, help="kept in the history for good: do not name the person"
        )
        parser.add_argument("--dry-run", action="store_true", help="only show whom it concerns")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(
        self,
        *args: Any,
        actors: Sequence[str],
        email: str | None,
        reason: str,
        dry_run: bool,
        yes: bool,
        **options: Any,
    ) -> None:
        if not reason.strip() or len(reason) > REASON_LENGTH:
            raise CommandError(f"--reason: 1 to {REASON_LENGTH} characters say why")
        found = list(_people(actors, email).select_related("organization").order_by("id"))
        for actor in found:
            self.stdout.write(_line(actor))
        if not found:
            raise CommandError("nobody is known so")
        if dry_run:
            return
        if not yes and input("Erase for good? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was changed")
        self._erase(found, reason)

    def _erase(self, found: Collection[Actor], reason: str) -> None:
        """Erase one after the other, each in a transaction of its own: to repeat it does the rest."""
        for actor in found:
            with explained(reason):
                erased = services.erase_actor(
                    actor=actor, performed_by=f"shell:{getuser()}", now=clock.now()
                )
            self.stdout.write(f"{erased.public_id} is erased")


def _people(named: Sequence[str], email: str | None) -> QuerySet[Actor]:
    """Return those who are named by their ids, or by an email.

    :raises CommandError: if an id is nobody's, or neither is said
    """
    if not named and not email:
        raise CommandError("whom: act_… or --email")
    try:
        wanted = {text: ids.read("act", text) for text in named}
    except ids.MalformedId as error:
        raise CommandError(str(error)) from error
    known = set(Actor.objects.filter(id__in=wanted.values()).values_list("id", flat=True))
    unknown = [text for text, id in wanted.items() if id not in known]
    if unknown:
        raise CommandError(f"nobody is {', '.join(unknown)}")
    meant = Q(id__in=known)
    if email:
        meant |= Q(email__iexact=email)
    return Actor.objects.filter(meant)


def _line(actor: Actor) -> str:
    """Return whom it concerns, as the person who asks knows them."""
    said = [actor.name, actor.email, actor.external_id, f"of {actor.organization}"]
    state = " (erased already)" if actor.is_erased else ""
    return f"{actor.public_id}  {', '.join(filter(None, said))}{state}"
