"""`manage.py erase_person`: whom it shows, whom it erases, and what it says of why."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from organizations.models import Actor
from tests import factories as f
from tests.callers import caller_of
from tests.callers import clock as clock
from tests.usage.people import make_actor
from tests.usage.test_erase_actor import NAMES, named_in, person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


def say(*arguments: str, **options: Any) -> str:
    """Return what the command prints."""
    out = io.StringIO()
    call_command("erase_person", *arguments, stdout=out, **{"reason": "ticket 7", **options})
    return out.getvalue()


class TestErasePerson:
    def test_leaves_no_name_behind_and_says_who_did_it_and_why(self) -> None:
        actor = person(caller_of(f.make_organization(funded=100), "manage", "usage:write"))

        said = say(actor.public_id, yes=True)

        assert f"{actor.public_id} is erased" in said
        assert named_in() == set()
        last = Actor.history.latest("history_id")
        assert last.history_change_reason.startswith("shell:")
        assert (last.name, last.history_why) == ("erased", "ticket 7")

    def test_finds_everybody_of_an_email(self) -> None:
        for name in ("One", "Two"):
            make_actor(f.make_organization(name), email=NAMES[1])
        other = make_actor(f.make_organization("Three"), "Other", email="other@example.org")

        said = say(email=NAMES[1].upper(), yes=True)

        assert said.count("is erased") == 2
        assert list(Actor.objects.exclude(name=Actor.ERASED)) == [other]

    def test_leaves_everybody_else_alone(self) -> None:
        acme = f.make_organization()
        actor = make_actor(acme, "Quintessa", email=NAMES[1])
        others = [make_actor(acme, "Other", email=email) for email in ("", "nobody")]

        say(actor.public_id, yes=True)

        assert list(Actor.objects.exclude(name=Actor.ERASED).order_by("id")) == others

    def test_only_shows_them_in_a_dry_run(self) -> None:
        actor = make_actor(f.make_organization("Acme"), "Quintessa", email=NAMES[1])

        said = say(actor.public_id, dry_run=True)

        assert said == f"{actor.public_id}  Quintessa, {NAMES[1]}, of Acme\n"
        actor.refresh_from_db()
        assert actor.name == "Quintessa"

    def test_asks_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        actor = make_actor(f.make_organization(), "Quintessa")
        monkeypatch.setattr("builtins.input", lambda question: "n")

        with pytest.raises(CommandError, match="nothing was changed"):
            say(actor.public_id)

        actor.refresh_from_db()
        assert actor.name == "Quintessa"

    def test_changes_nothing_of_who_is_erased(self) -> None:
        actor = make_actor(f.make_organization(), "Quintessa")
        say(actor.public_id, yes=True)
        rows = Actor.history.count()

        assert "erased already" in say(actor.public_id, yes=True)
        assert Actor.history.count() == rows

    @pytest.mark.parametrize(
        ("arguments", "options", "why"),
        [
            ((), {}, "whom: act_"),
            (("ada",), {}, "act_<uuid> expected"),
            (("act_0198c5a4-0000-7000-8000-000000000001",), {}, "nobody is act_0198"),
            ((), {"email": "nobody@example.org"}, "nobody is known so"),
            ((), {"email": NAMES[1], "reason": " "}, "say why"),
        ],
    )
    def test_refuses_what_names_nobody_or_says_no_reason(
        self, arguments: tuple[str, ...], options: dict[str, Any], why: str
    ) -> None:
        with pytest.raises(CommandError, match=why):
            say(*arguments, **options, yes=True)
