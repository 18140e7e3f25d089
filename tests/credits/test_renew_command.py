"""`manage.py renew`: what it would change, what it changes, and that it can be stopped."""

import csv
import io
import time
from dataclasses import replace
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command

from credits import tasks
from credits.management.commands import renew as command
from credits.models import BillingPeriod, CreditConfig, LedgerEntry
from organizations import jobs, moments
from organizations.jobs import leases
from organizations.models import Job, Lease, Organization
from tests.callers import clock as clock
from tests.factories import (
    at,
    make_organization,
    periods_of,
    renew,
    sandbox_of,
    set_terms,
    spend,
    wallet_of,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

Clock = time_machine.Traveller
JUNE = at("2026-06-01")


def say(*arguments: str) -> str:
    """Return what the command prints."""
    out = io.StringIO()
    call_command("renew", *arguments, stdout=out)
    return out.getvalue()


def everything() -> list[object]:
    tables = (LedgerEntry, BillingPeriod)
    rows: list[object] = [list(table.objects.order_by("pk").values()) for table in tables]
    return rows


class TestDryRun:
    def test_shows_what_would_change_and_changes_nothing(self, clock: Clock) -> None:
        make_organization("Acme", funded=5, allowance=100, rollover_limit=30)
        make_organization("Later", allowance=1, anchored_on=at("2026-05-05").date())
        clock.move_to(JUNE)
        before = everything()

        table = say("--dry-run").splitlines()

        assert table[1].split() == [
            "Acme",
            "2026-06-01",
            "2026-07-01",
            "105",
            "70",
            "30",
            "100",
            "135",
        ]
        assert table[2:] == ["1 periods would open; nothing was changed"]
        assert everything() == before
        assert not Job.objects.exists()

    def test_says_that_a_term_is_a_stub_and_why(self, clock: Clock) -> None:
        acme = make_organization("Acme", allowance=100)
        set_terms(acme, anchored_on=at("2026-06-20").date())
        clock.move_to(JUNE)

        table = say("--dry-run").splitlines()
        header, row = csv.reader(say("--dry-run", "--csv", "-").splitlines())

        assert table[1].endswith("61.290322  stub, begins after its anchor: 19 of 31 days")
        assert (header[-1], row[-1]) == ("stub", "stub, begins after its anchor: 19 of 31 days")

    def test_leaves_sandboxes_out_unless_asked(self, clock: Clock) -> None:
        made = sandbox_of(make_organization("Acme", allowance=100))
        clock.move_to(JUNE)

        assert say("--dry-run").splitlines()[2:] == ["1 periods would open; nothing was changed"]
        assert say("--dry-run", "--sandboxes").splitlines()[-1].startswith("2 periods")
        assert "(sandbox)" in say("--dry-run", "--organization", made.public_id)
        say()
        assert len(periods_of(made)) == 2

    def test_says_as_csv_what_then_comes_true(self, clock: Clock, tmp_path: Path) -> None:
        acme = make_organization("=Acme", funded=5, allowance=100, rollover_limit=30)
        spend(acme, 20)
        clock.move_to(at("2026-08-15"))
        file = tmp_path / "due.csv"

        say("--dry-run", "--csv", str(file))
        renew(acme, now=at("2026-08-15"))

        assert file.read_bytes().startswith(b"\xef\xbb\xbforganization_id,")
        rows = list(csv.DictReader(file.open(encoding="utf-8-sig")))
        assert [row["name"] for row in rows] == ["'=Acme"] * 3
        assert [row["organization_id"] for row in rows] == [acme.public_id] * 3
        for row, period in zip(rows, periods_of(acme)[1:], strict=True):
            assert row["starts_at"] == moments.write(period.starts_at)
            posted = period.entries.filter(kind="renew").get()
            assert row["balance_after"] == f"{posted.balance_after:.6f}"
            lapsed = LedgerEntry.objects.filter(
                wallet=period.wallet, kind="lapse", number=posted.number - 1
            )
            assert row["lapsed"] == f"{-lapsed.get().amount:.6f}"

    def test_prints_csv_where_the_file_is_a_dash(self, clock: Clock) -> None:
        make_organization("Acme", allowance=100)
        clock.move_to(JUNE)

        header, row = csv.reader(say("--dry-run", "--csv", "-").splitlines())

        assert header[:3] == ["organization_id", "name", "starts_at"]
        assert row[1] == "Acme"

    def test_refuses_csv_without_it(self) -> None:
        with pytest.raises(CommandError, match="--csv"):
            say("--csv", "x.csv")


class TestRenew:
    def test_renews_everybody_once(self, clock: Clock) -> None:
        due = [make_organization(f"Number {n}", allowance=10) for n in range(3)]
        clock.move_to(JUNE)

        assert say() == "3 renewed, 0 failed\n"
        assert say() == "0 renewed, 0 failed\n"

        assert [len(periods_of(one)) for one in due] == [2, 2, 2]

    def test_renews_one_organization_alone(self, clock: Clock) -> None:
        acme, other = make_organization(allowance=10), make_organization(allowance=10)
        clock.move_to(JUNE)

        assert say("--organization", acme.public_id) == "renewed\n"
        assert say("--organization", acme.public_id) == "nothing was due\n"

        assert (len(periods_of(acme)), len(periods_of(other))) == (2, 1)

    @pytest.mark.parametrize("text", ["acme", "key_01a20131-6a93-7245-8029-98e6efd0d1cf"])
    def test_refuses_what_is_no_organization(self, text: str) -> None:
        with pytest.raises(CommandError, match="--organization"):
            say("--organization", text)

    @pytest.mark.broken_books
    def test_names_whom_it_failed_for(
        self, clock: Clock, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_organization("Fine", allowance=10)
        poor = make_organization("Poor Thing", allowance=10)
        CreditConfig.objects.get(wallet=wallet_of(poor)).delete()
        clock.move_to(JUNE)
        out = io.StringIO()

        with pytest.raises(CommandError, match="some failed"):
            call_command("renew", stdout=out)

        assert "1 renewed, 1 failed" in out.getvalue()
        assert f"{poor.public_id} (Poor Thing), 1×: RelatedObjectDoesNotExist" in out.getvalue()

    def test_goes_on_where_it_was_stopped(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leases, "BATCH", 2)
        due = sorted((make_organization(allowance=10) for _ in range(5)), key=lambda one: one.id)
        clock.move_to(JUNE)

        def stop_at_the_fourth(*, organization: Organization, **options: object) -> object:
            if organization == due[3]:
                raise KeyboardInterrupt
            return tasks.RENEW.do(organization=organization, **options)

        with monkeypatch.context() as patch:
            stopping = replace(tasks.RENEW, do=stop_at_the_fourth, do_together=None)
            patch.setattr(command, "RENEW", stopping)
            with pytest.raises(CommandError, match="the next run goes on"):
                say()
        assert [len(periods_of(one)) for one in due] == [2, 2, 2, 1, 1]

        say()

        assert [len(periods_of(one)) for one in due] == [2] * 5
        (job,) = Job.objects.all()
        assert (job.total, job.done) == (5, 5)

    def test_waits_for_a_worker_that_has_the_rest_and_takes_over_when_it_is_dead(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        due = [make_organization(allowance=10) for _ in range(2)]
        clock.move_to(JUNE)
        job = Job.objects.create(kind="renew", due_at=JUNE, total=2, started_at=JUNE)
        job.is_handed_out = True
        job.save()
        Lease.objects.create(
            job=job, until=due[-1].id, size=2, worker="dead", expires_at=JUNE + jobs.LEASE
        )
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            clock.shift(5)

        monkeypatch.setattr(time, "sleep", wait)

        assert say() == "2 renewed, 0 failed\n"
        assert len(waited) == 3
