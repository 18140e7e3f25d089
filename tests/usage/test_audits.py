"""The audits as jobs: what they find is kept, an honest database gives them nothing to find."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.contrib.sessions.models import Session
from pytest_django import Settings

from credits import tasks as of_credits
from credits.reconcile import reconcile
from organizations import authentication
from organizations.jobs import Found
from organizations.models import Finding, Job, RateCount
from tests.callers import clock as clock
from tests.credits.tampering import make_world, tamper
from tests.factories import at, wallet_of
from usage import tasks
from usage.reconcile import CHECKS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

Clock = time_machine.Traveller
AUDITS = (of_credits.seal_ledger, tasks.reconcile, of_credits.verify_ledger)


@pytest.fixture(autouse=True)
def seals_dir(tmp_path: Path, settings: Settings) -> Path:
    settings.SEALS_DIR = tmp_path
    return tmp_path


class TestAudits:
    def test_find_nothing_in_an_honest_database(self, clock: Clock) -> None:
        make_world()
        clock.move_to(at("2026-06-03"))

        for _ in range(2):
            for audit in AUDITS:
                audit()
            clock.shift(timedelta(days=1))

        assert not Finding.objects.exists()
        jobs = Job.objects.order_by("id").values_list("kind", "total", "done", "failed")
        once = [
            ("seal the ledger", 1, 1, 0),
            ("reconcile", 1, 1, 0),
            ("verify the ledger", 3, 3, 0),
        ]
        assert list(jobs) == once * 2

    @pytest.mark.broken_books
    def test_keep_what_was_changed_behind_the_ledgers_back(self, clock: Clock) -> None:
        parent, _ = make_world()
        clock.move_to(at("2026-06-03"))
        wallet = wallet_of(parent)
        tamper(
            f"UPDATE credits_ledgerentry SET amount = amount + 1 WHERE wallet_id = '{wallet.id}' AND number = 2"
        )

        tasks.reconcile()
        of_credits.verify_ledger()

        found = {finding.job.kind for finding in Finding.objects.filter(organization=parent)}
        assert found == {"reconcile", "verify the ledger"}
        assert Finding.objects.filter(detail__contains="hash").exists()

    @pytest.mark.broken_books
    def test_seal_nothing_on_top_of_what_no_longer_fits(
        self, clock: Clock, seals_dir: Path
    ) -> None:
        parent, _ = make_world()
        clock.move_to(at("2026-06-03"))
        of_credits.seal_ledger()
        tamper(f"DELETE FROM credits_ledgerentry WHERE wallet_id = '{wallet_of(parent).id}'")
        clock.shift(timedelta(days=1))

        of_credits.seal_ledger()

        assert [path.name for path in seals_dir.glob("*.jsonl")] == ["2026-06-03.jsonl"]
        assert Finding.objects.filter(organization=parent, job__kind="seal the ledger").exists()


class TestPortions:
    """What grows with the history is one statement for each check, and each kind of what is forgotten: the next run goes on."""

    @pytest.mark.broken_books
    def test_are_the_checks_of_the_books(self) -> None:
        parent, _ = make_world()
        tamper(f"UPDATE credits_wallet SET balance = balance + 1 WHERE id = '{parent.wallet.id}'")
        found: list[Found] = []
        place, portions = None, 0

        while not portions or place is not None:
            portion = tasks._reconcile(now=at("2026-06-03"), place=place)
            found += portion.found
            place, portions = portion.place, portions + 1

        assert portions == len(CHECKS)
        assert sorted(found) == sorted(reconcile(CHECKS))

    def test_are_what_is_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []

        def forget(kind: str) -> Callable[..., int]:
            return lambda now: asked.append(kind) or 0  # type: ignore[func-returns-value]

        monkeypatch.setattr(tasks, "PRUNED", tuple(map(forget, "abc")))

        assert tasks.prune() == 1

        assert asked == list("abc")
        assert tasks._prune(now=at("2026-06-03"), place={"kind": 2}).place is None


class TestPrune:
    def test_forgets_counts_and_logins_that_are_over(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(authentication, "PRUNE_BATCH", 2)
        monkeypatch.setattr(tasks, "SESSIONS_AT_ONCE", 2)
        clock.move_to(at("2026-06-03"))
        for number, moment in enumerate(["2026-06-01", "2026-06-02", "2026-06-03", "2026-06-04"]):
            RateCount.objects.create(name=f"pages/{number}", count=1, ends_at=at(moment))
            Session.objects.create(session_key=f"s{number}", expire_date=at(moment))

        tasks.prune()

        assert RateCount.objects.get().name == "pages/3"
        assert Session.objects.get().session_key == "s3"


class TestResume:
    def test_begins_no_audit_by_itself(self) -> None:
        assert tasks.resume() == 0
        assert not Job.objects.exists()
