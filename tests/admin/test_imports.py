"""Imports in the console: a file is brought, looked at, started by who may, and reported; from the shell too."""

import csv
import io
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from organizations import clock, tokens
from organizations.models import ApiKey, Import, ImportRow, Organization
from tests import factories as f
from tests.admin.people import badge, client_of, staff_who_may
from tests.usage.bringing import bring, looked_at
from usage import tasks
from usage.services.imports import KINDS

pytestmark = pytest.mark.django_db(transaction=True)
ADD = reverse("admin:organizations_import_add")
LIST = reverse("admin:organizations_import_changelist")
WAITING, HOME = reverse("admin:organizations_proposal_waiting"), reverse("admin:index")
RIGHTS = ("organizations.view_import", "organizations.add_import")
PEOPLE = "organization,name,external_id\nacme,Ana,u-1\nacme,Ben,u-2\n"


@pytest.fixture
def acme() -> Organization:
    return f.make_organization("Acme", external_id="acme")


def url(whole: Import, name: str = "change") -> str:
    return reverse(f"admin:organizations_import_{name}", args=[whole.pk])


def send(client: Client, kind: str, content: str | bytes, name: str = "rows.csv") -> Any:
    data = content.encode() if isinstance(content, str) else content
    sent = {"kind": kind, "file": SimpleUploadedFile(name, data), "reason": "a move"}
    return client.post(ADD, sent)


def brought(client: Client, kind: str, content: str | bytes) -> Import:
    answer = send(client, kind, content)
    assert answer.status_code == 302, answer.context["form"].errors
    return Import.objects.latest("id")


def work() -> None:
    tasks.import_rows.apply(throw=True)


def html(client: Client, page: str) -> str:
    return client.get(page).content.decode()


def table(answer: Any) -> list[list[str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


class TestFile:
    def test_is_looked_at_started_and_reported(self, ana: Client, acme: Organization) -> None:
        whole = brought(ana, "people", PEOPLE)
        assert "A worker looks at it" in html(ana, url(whole))
        work()

        page = html(ana, url(whole))
        assert "ready to start" in page
        assert "2 people" in page
        assert "Make 2 people" in html(ana, url(whole, "start"))
        assert acme.actors.count() == 0

        answer = ana.post(url(whole, "start"))
        assert answer["Location"] == url(whole)
        assert "A worker carries it out" in html(ana, url(whole))
        work()

        assert "carried out" in html(ana, url(whole))
        assert list(acme.actors.order_by("id").values_list("name", flat=True)) == ["Ana", "Ben"]
        rows = table(ana.get(url(whole, "report")))
        assert rows[1][:5] == [
            "2",
            "acme",
            acme.public_id,
            "made",
            acme.actors.get(name="Ana").public_id,
        ]
        assert acme.actors.get(name="Ana").history.get().history_change_reason == "staff:ana"
        assert "carried out" in html(ana, LIST)

    def test_that_is_wrong_is_told_by_row_and_column_and_cannot_be_started(
        self, ana: Client, acme: Organization
    ) -> None:
        whole = brought(ana, "people", "organization,name,external_id,kind\nacme,Ana,u-1,robot\n")
        work()

        page = html(ana, url(whole))
        assert "“robot” is none of user, agent." in page
        assert "Start…" not in page
        assert table(ana.get(url(whole, "problems")))[1:] == [
            ["2", "kind", "“robot” is none of user, agent.", "acme"]
        ]
        answer = ana.post(url(whole, "start"), follow=True)
        assert "1 rows are wrong" in answer.content.decode()
        assert Import.objects.get().started_at is None

    def test_that_is_no_table_is_refused_at_once(self, ana: Client) -> None:
        for content, said in (
            (b"", "The submitted file is empty."),
            (b"PK\x03\x04 broken", "The workbook is broken."),
            (b"name\nx\n", "The column organization is missing."),
            (b"wrong\nx\n", "No column is called wrong"),
            (b"x" * (2 * 1024 * 1024 + 1), "At most 2 MB are read"),
        ):
            assert said in send(ana, "people", content).content.decode()
        assert not Import.objects.exists()

    def test_needs_a_reason(self, ana: Client) -> None:
        file = SimpleUploadedFile("rows.csv", PEOPLE.encode())
        answer = ana.post(ADD, {"kind": "people", "file": file, "reason": " "})

        assert answer.context["form"].errors["reason"]

    def test_from_a_spreadsheet_is_read_as_one(self, ana: Client, acme: Organization) -> None:
        book = openpyxl.Workbook()
        assert book.active is not None
        for line in (["Organization", "Name", "External ID"], ["acme", "Ana", 17]):
            book.active.append(line)
        file = io.BytesIO()
        book.save(file)

        whole = brought(ana, "people", file.getvalue())
        work()

        assert whole.read_as == "XLSX"
        assert Import.objects.get().problems == 0


class TestStop:
    def test_discards_what_was_not_started_and_ends_what_was(
        self, ana: Client, acme: Organization
    ) -> None:
        first = brought(ana, "people", PEOPLE)
        assert "Discard" in html(ana, url(first))
        assert ana.post(url(first, "stop"))["Location"] == LIST
        assert not Import.objects.exists()

        second = brought(ana, "people", PEOPLE)
        work()
        ana.post(url(second, "start"))
        ana.post(url(second, "stop"))
        work()

        assert acme.actors.count() == 0
        page = html(ana, url(second))
        assert "Stopped by staff:ana." in page
        assert "Stop: leave the rest" not in page


class TestFormulas:
    def test_stay_text_in_every_file(self, ana: Client, acme: Organization) -> None:
        evil = "=HYPERLINK(1)"
        whole = brought(
            ana, "people", f"organization,name,external_id,kind\n{evil},Ana,u-1,{evil}\n"
        )
        work()

        for name in ("problems", "report"):
            cells = [cell for row in table(ana.get(url(whole, name))) for cell in row]
            assert not [cell for cell in cells if cell.startswith("=")]
            assert f"'{evil}" in cells


class TestTemplate:
    @pytest.mark.parametrize("slug", KINDS)
    def test_explains_each_column_and_can_be_filled_in(self, ana: Client, slug: str) -> None:
        kind = KINDS[slug]
        text = b"".join(
            ana.get(reverse("admin:organizations_import_template", args=[slug, "csv"]))
        ).decode("utf-8-sig")
        for column in kind.columns:
            assert f"# {column.name}" in text
        filled = text + ",".join(f'"{column.example}"' for column in kind.columns) + "\n"
        whole = bring(slug, filled)
        assert whole.rows == 1

        answer = ana.get(reverse("admin:organizations_import_template", args=[slug, "xlsx"]))
        book = openpyxl.load_workbook(io.BytesIO(b"".join(answer)))
        assert [cell.value for cell in book["Rows"][1]] == [c.name for c in kind.columns]
        assert len(list(book["Columns"].rows)) == len(kind.columns) + 1


class TestSecrets:
    FILE = "organization,name,scopes\nacme,gateway,usage:write\n"

    def test_are_shown_once_and_open_what_a_worker_mints(
        self, ana: Client, acme: Organization
    ) -> None:
        whole = brought(ana, "keys", self.FILE)
        work()

        answer = ana.post(url(whole, "start"))
        work()

        key = ApiKey.objects.get(organization=acme)
        (told,) = answer.context["secrets"]
        assert tokens.read(told.secret).is_of(bytes(key.secret_hash))
        assert told.secret in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        again = ana.post(url(whole, "start"), follow=True).content.decode()
        assert told.secret not in again
        assert "started it at" in again
        for name in ("change", "report"):
            content = ana.get(url(whole, name))
            assert told.secret.encode() not in b"".join(content)

    def test_give_no_more_than_who_brings_them_may(self, acme: Organization) -> None:
        ben = staff_who_may(*RIGHTS, "organizations.add_apikey")
        whole = brought(ben, "keys", self.FILE)
        work()

        assert "May not be given: usage:write." in html(ben, url(whole))


class TestRights:
    def test_to_import_do_not_bring_what_one_may_not_make(self, acme: Organization) -> None:
        ben = staff_who_may(*RIGHTS, "organizations.add_actor")

        page = html(ben, ADD)
        assert "People &amp; agents as CSV" in page
        assert "Opening balances as CSV" not in page
        refused = send(ben, "balances", "organization,credits\nacme,5\n")
        assert "kind" in refused.context["form"].errors
        whole = looked_at("balances", "organization,credits\nacme,5\n")
        assert "Start…" not in html(ben, url(whole))
        assert ben.post(url(whole, "start")).status_code == 403

    def test_to_look_do_not_bring_those_to_import(self, acme: Organization) -> None:
        whole = looked_at("people", PEOPLE)
        ben = staff_who_may("organizations.view_import")

        assert ben.get(url(whole)).status_code == 200
        assert ben.get(ADD).status_code == 403
        assert ben.post(url(whole, "start")).status_code == 403
        assert ben.post(url(whole, "stop")).status_code == 403
        cy = staff_who_may(name="cy")
        for name in ("change", "start", "stop", "problems", "report"):
            assert cy.get(url(whole, name)).status_code == 403

    def test_over_many_credits_are_two_persons(
        self, ana: Client, acme: Organization, settings: Any
    ) -> None:
        settings.SECOND_PERSON_ABOVE = 100
        whole = brought(ana, "balances", "organization,credits\nacme,101\n")
        work()

        assert "somebody else has to start it" in html(ana, url(whole))
        answer = ana.post(url(whole, "start"), follow=True)
        assert "another has to start it" in answer.content.decode()
        ben = client_of(User.objects.create_superuser("ben"))
        ben.post(url(whole, "start"))
        work()

        (entry,) = f.entries_of(acme)
        assert entry.performed_by == "staff:ana, approved by staff:ben"


class TestWaiting:
    """What another person has to start waits where everything else does."""

    @pytest.fixture
    def ben(self, transactional_db: None) -> Client:
        return client_of(User.objects.create_superuser("ben"))

    def bring(self, client: Client, credits: int) -> Import:
        whole = brought(client, "balances", f"organization,credits\nacme,{credits}\n")
        work()
        whole.refresh_from_db()
        return whole

    def test_is_on_the_page_of_approvals_the_first_and_beside_the_menu(
        self, ana: Client, ben: Client, acme: Organization, settings: Any
    ) -> None:
        settings.SECOND_PERSON_ABOVE = 100
        whole = self.bring(ana, 101)

        home, mine, hers = ben.get(HOME), ben.get(WAITING), ana.get(WAITING)

        (waits,) = mine.context["to_decide"]
        assert (waits.title, waits.effect) == ("Import of opening balances", "101 credits, 1 rows")
        assert (waits.proposed_by, waits.url) == ("ana", url(whole))
        assert whole.checked_at is not None
        assert waits.expires_at == whole.checked_at + timedelta(hours=24)
        assert list(home.context["approvals"]) == list(hers.context["of_others"]) == [waits]
        assert (badge(home), badge(hers)) == ("1", None)
        for page in (home, mine):
            assert f'href="{url(whole)}"' in page.content.decode()

    def test_is_only_what_could_be_started_and_only_for_a_day(
        self, ana: Client, ben: Client, acme: Organization, settings: Any
    ) -> None:
        settings.SECOND_PERSON_ABOVE = 100
        self.bring(ana, 100)
        whole = self.bring(ana, 101)
        brought(ana, "balances", "organization,credits\nacme,500\nacme,x\n")
        work()
        assert [each.url for each in ben.get(WAITING).context["to_decide"]] == [url(whole)]

        Import.objects.filter(pk=whole.pk).update(checked_at=f.NOW - timedelta(hours=24, minutes=1))
        assert ben.get(WAITING).context["to_decide"] == []

        Import.objects.filter(pk=whole.pk).update(checked_at=f.NOW)
        ben.post(url(whole, "start"))
        assert ben.get(WAITING).context["to_decide"] == []

    def test_counts_what_was_brought_and_started_alone_before(
        self, ana: Client, ben: Client, acme: Organization, settings: Any
    ) -> None:
        settings.SECOND_PERSON_ABOVE = 100
        ana.post(url(self.bring(ana, 60), "start"))
        whole = self.bring(ana, 50)

        assert [each.url for each in ben.get(WAITING).context["to_decide"]] == [url(whole)]

    def test_is_for_who_may_start_it(self, ana: Client, acme: Organization, settings: Any) -> None:
        settings.SECOND_PERSON_ABOVE = 100
        self.bring(ana, 101)
        looking = staff_who_may("organizations.approve", "organizations.view_import", name="cy")

        page = looking.get(WAITING)

        assert page.context["to_decide"] == []
        assert len(page.context["of_others"]) == 1
        assert badge(page) is None
        settings.SECOND_PERSON_ABOVE = None
        assert looking.get(WAITING).context["of_others"] == []


class TestCommand:
    @pytest.fixture(autouse=True)
    def at_now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clock, "now", lambda: f.NOW)

    def run(self, *arguments: Any, **options: Any) -> str:
        out = io.StringIO()
        call_command("import_rows", *arguments, stdout=out, **options)
        return out.getvalue()

    def file(self, path: Path, text: str) -> Path:
        path.write_text(text)
        return path

    def test_does_what_the_console_does(self, acme: Organization, tmp_path: Path) -> None:
        file = self.file(tmp_path / "people.csv", PEOPLE)

        said = self.run("people", str(file), dry_run=True, reason="a move")
        assert "acme: 2 people\nnothing was made" in said
        assert acme.actors.count() == 0

        said = self.run("people", str(file), reason="a move", by="ana")
        assert "2 made, 0 there already, 0 not made" in said
        assert acme.actors.get(name="Ana").history.get().history_change_reason == "ana"
        again = self.run("people", str(file), reason="a move")
        assert "0 made, 2 there already, 0 not made" in again

    def test_says_what_is_wrong_and_makes_nothing(self, acme: Organization, tmp_path: Path) -> None:
        file = self.file(tmp_path / "p.csv", PEOPLE + "nobody,Cy,u-3\n")

        with pytest.raises(CommandError, match="1 rows are wrong: nothing was made"):
            self.run("people", str(file), reason="a move")
        assert acme.actors.count() == 0

    def test_writes_the_secrets_of_keys_into_a_new_file_of_ones_own(
        self, acme: Organization, tmp_path: Path
    ) -> None:
        file = self.file(tmp_path / "keys.csv", TestSecrets.FILE)
        with pytest.raises(CommandError, match="--secrets: keys need a file"):
            self.run("keys", str(file), reason="a move")

        secrets = tmp_path / "secrets.csv"
        self.run("keys", str(file), reason="a move", secrets=secrets)

        (row,) = csv.DictReader(io.StringIO(secrets.read_text()))
        key = ApiKey.objects.get(organization=acme)
        assert tokens.read(row["secret"]).is_of(bytes(key.secret_hash))
        assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
        more = self.file(tmp_path / "more.csv", TestSecrets.FILE.replace("gateway", "other"))
        with pytest.raises(CommandError, match="File exists"):
            self.run("keys", str(more), reason="a move", secrets=secrets)
        assert ApiKey.objects.count() == 1
        assert Import.objects.latest("id").started_at is None

    def test_goes_on_with_one_that_was_stopped(self, acme: Organization) -> None:
        whole = bring("people", PEOPLE)

        said = self.run(resume=str(whole.pk))

        assert "2 made" in said
        assert set(ImportRow.objects.values_list("state", flat=True)) == {"made"}

    @pytest.mark.parametrize(
        ("arguments", "options", "said"),
        [
            ((), {}, "say what the rows are"),
            (("people", "nowhere.csv"), {"reason": "r"}, "No such file"),
            (("people", "nowhere.csv"), {}, "--reason: say why"),
            ((), {"resume": "x"}, "there is no import x"),
        ],
    )
    def test_says_what_is_missing(self, arguments: Any, options: Any, said: str) -> None:
        with pytest.raises(CommandError, match=said):
            self.run(*arguments, **options)
