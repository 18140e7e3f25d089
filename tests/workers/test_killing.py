"""Workers that are killed in the middle of renewals: nothing is missed, nothing happens twice, and it is over within a minute."""

import logging
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from credits.models import BillingPeriod, LedgerEntry
from credits.tasks import RENEW
from organizations import clock, jobs
from organizations.models import Failure, Job, Lease, Organization
from tests.factories import make_organization
from tests.workers.house import REDIS, House, eventually, house

# Slow, all of it: a machine without a Redis skips no test of `make test`.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.race,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(REDIS is None, reason="there is no redis-server on this machine"),
]

MONTHS = 14
MANY = 3 * jobs.TOGETHER
"""One batch, of several transactions: a worker that is killed leaves some of it done."""
DONE_WITHIN_SECONDS = 60.0


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def months_ago(count: int) -> datetime:
    now = datetime.now(UTC)
    months = now.year * 12 + now.month - 1 - count
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def make_due(count: int) -> list[Organization]:
    """Return organizations that nobody has looked after for fourteen months."""
    created = months_ago(MONTHS)
    return [make_organization(f"No {n}", allowance=10, now=created) for n in range(count)]


def is_over() -> bool:
    nothing_due = not jobs.preview(RENEW, now=clock.now()).exists()
    return nothing_due and not Job.objects.filter(kind="renew", finished_at=None).exists()


def in_the_middle(due: list[Organization]) -> bool:
    """Whether some of them have been renewed, others not, and a worker has them."""
    renewed = BillingPeriod.objects.filter(index__gt=0).values("wallet").distinct().count()
    return 0 < renewed < len(due) and Lease.objects.exists()


def assert_renewed_once(due: list[Organization]) -> None:
    for organization in due:
        entries = LedgerEntry.objects.filter(wallet__organization=organization).order_by("number")
        periods = BillingPeriod.objects.filter(wallet__organization=organization).order_by("index")
        starts = [period.starts_at for period in periods]
        assert starts == [months_ago(MONTHS - n) for n in range(MONTHS + 1)]
        expected = ["renew", *["lapse", "renew"] * MONTHS]
        assert [entry.kind for entry in entries] == expected
        renewals = [entry for entry in entries if entry.kind == "renew"]
        assert [entry.period for entry in renewals] == list(periods)
    assert not Failure.objects.exists()


class TestKilling:
    def test_a_child_delays_its_work_by_less_than_a_minute(self, workers: House) -> None:
        due = make_due(MANY)
        workers.start_worker(concurrency=2)
        workers.start_beat()
        workers.ring("credits.tasks.renew")
        eventually(lambda: in_the_middle(due))

        os.kill(int(Lease.objects.get().worker.rpartition("/")[2]), signal.SIGKILL)

        eventually(is_over, seconds=DONE_WITHIN_SECONDS)
        assert_renewed_once(due)
        job = Job.objects.get(kind="renew")
        assert (job.total, job.done, job.failed) == (MANY, MANY, 0)

    def test_the_whole_worker_delays_its_work_by_less_than_a_minute(self, workers: House) -> None:
        due = make_due(MANY)
        killed = workers.start_worker(concurrency=2)
        workers.start_beat()
        workers.ring("credits.tasks.renew")
        eventually(lambda: in_the_middle(due))

        workers.kill(killed)
        workers.start_worker(concurrency=2)

        eventually(is_over, seconds=DONE_WITHIN_SECONDS)
        assert_renewed_once(due)

    def test_twenty_times_in_all_loses_and_doubles_nothing(self, workers: House) -> None:
        worker = workers.start_worker(concurrency=2)
        workers.start_beat()
        everybody: list[Organization] = []
        took = []

        for turn in range(20):
            due = make_due(MANY)
            everybody += due
            workers.ring("credits.tasks.renew")
            eventually(Lease.objects.exists)
            if turn % 2:
                workers.kill(worker)
                worker = workers.start_worker(concurrency=2)
            else:
                lease = Lease.objects.first()
                if lease is not None:
                    os.kill(int(lease.worker.rpartition("/")[2]), signal.SIGKILL)
            took.append(eventually(is_over, seconds=DONE_WITHIN_SECONDS))

        logging.getLogger(__name__).warning("after 20 kills it was over in %s s", sorted(took))
        assert_renewed_once(everybody)


class TestMessage:
    def test_comes_back_when_the_child_that_has_it_is_killed(self, workers: House) -> None:
        due = make_due(MANY)
        workers.start_worker()
        workers.ring("credits.tasks.renew")
        eventually(lambda: in_the_middle(due))

        os.kill(int(Lease.objects.get().worker.rpartition("/")[2]), signal.SIGKILL)

        eventually(lambda: workers.received("credits.tasks.renew") == 2, seconds=20)

    def test_comes_back_when_the_worker_that_has_it_is_killed(self, tmp_path: Path) -> None:
        with house(tmp_path, VISIBILITY_TIMEOUT_SECONDS="10") as workers:
            due = make_due(MANY)
            killed = workers.start_worker()
            workers.ring("credits.tasks.renew")
            eventually(lambda: in_the_middle(due))

            workers.kill(killed)
            workers.start_worker()

            eventually(lambda: workers.received("credits.tasks.renew") == 2, seconds=45)


class TestMany:
    def test_beats_and_workers_do_everything_once_together(self, workers: House) -> None:
        due = make_due(1_200)
        for _ in range(4):
            workers.start_worker()
        for _ in range(2):
            workers.start_beat()
        seen: set[str] = set()

        def look() -> bool:
            seen.update(Lease.objects.filter(job__kind="renew").values_list("worker", flat=True))
            return is_over()

        eventually(look, seconds=180)

        assert_renewed_once(due)
        assert len(seen) >= 2, seen
        (job,) = Job.objects.filter(kind="renew")
        assert (job.total, job.done) == (1_200, 1_200)
