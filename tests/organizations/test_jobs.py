"""Jobs: shared by workers, taken over from dead ones, and never stopped by one organization."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connection
from django.db.models import Q, QuerySet
from django.test.utils import CaptureQueriesContext

from organizations import clock as time_of
from organizations import jobs
from organizations.jobs import Found, Portion, Run, Work, leases, records, running
from organizations.models import Failure, Finding, Job, Lease, Organization
from tests.callers import clock as clock
from tests.factories import make_organization
from tests.races.threads import of, together
from tests.waiting import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

Clock = time_machine.Traveller
MINUTE = timedelta(minutes=1)


class Chores:
    """Work that is due for whoever has no billing address, and gives them one."""

    def __init__(self) -> None:
        self.asked: list[UUID] = []
        self.broken: set[UUID] = set()
        self.before: Callable[[Organization], None] = lambda organization: None
        self.work = Work("chores", self.do, self.due)

    def due(self, now: object) -> QuerySet[Organization]:
        return Organization.objects.filter(Q(billing_email=None) | Q(billing_email=""))

    def do(self, *, organization: Organization, now: object) -> None:
        self.before(organization)
        self.asked.append(organization.id)
        if organization.id in self.broken:
            raise ValueError(f"{organization} is\0 broken")
        Organization.objects.filter(pk=organization.pk).update(billing_email="a@b.example")

    def run(self, worker: str = "w1", *, seconds: float = 60) -> Run | None:
        return jobs.run(self.work, now=time_of.now, worker=worker, seconds=seconds)

    def run_dry(self) -> Job:
        """Run until the job is over, and return it."""
        run = self.run()
        assert run is not None
        assert run.job.finished_at is not None
        return run.job


class Watch:
    """Stands for `time` in jobs: it goes on only when somebody says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def go_on(self, seconds: float) -> None:
        self.seconds += seconds


class Killed(BaseException):
    """The worker's process is gone: nothing more is written."""


@pytest.fixture
def chores(monkeypatch: pytest.MonkeyPatch) -> Chores:
    monkeypatch.setattr(leases, "BATCH", 2)
    return Chores()


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(running, "time", watch)
    return watch


def make(count: int) -> list[Organization]:
    return sorted((make_organization(f"Number {n}") for n in range(count)), key=lambda o: o.id)


def nobody_keeps_a_lease() -> bool:
    return not any(thread.name.startswith("lease ") for thread in threading.enumerate())


def kill_at(chores: Chores, victim: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker die when it comes to an organization, without a chance to say so."""

    def die(organization: Organization) -> None:
        if organization == victim:
            raise Killed

    chores.before = die
    with monkeypatch.context() as patch:
        patch.setattr(running, "give_back", lambda lease, now: None)
        with pytest.raises(Killed):
            chores.run("dead")
    chores.before = lambda organization: None


class TestRun:
    def test_does_what_is_due_once_and_counts_it(self, chores: Chores) -> None:
        due = make(5)

        run = chores.run()

        assert run is not None
        assert run.done == 5
        assert chores.asked == [one.id for one in due]
        assert (run.job.total, run.job.done, run.job.failed) == (5, 5, 0)
        assert run.job.finished_at is not None
        assert not Lease.objects.exists()

    def test_leaves_no_trace_where_nothing_is_due(self, chores: Chores) -> None:
        assert chores.run() is None
        assert not Job.objects.exists()

    def test_reports_after_each_batch(self, chores: Chores) -> None:
        make(5)
        seen: list[int] = []

        jobs.run(chores.work, now=time_of.now, worker="w", report=lambda job: seen.append(job.done))

        assert seen == [2, 4, 5]

    def test_leaves_to_the_next_job_what_becomes_due_meanwhile(self, chores: Chores) -> None:
        first, _ = make(2)
        late: list[Organization] = []

        def another_comes(organization: Organization) -> None:
            if organization == first:
                late.extend(make(1))

        chores.before = another_comes
        chores.run()
        chores.before = lambda organization: None
        chores.run()

        assert chores.asked[-1] == late[0].id
        assert len(chores.asked) == 3

    @pytest.mark.race
    def test_shares_a_job_among_workers(self, chores: Chores) -> None:
        due = make(23)
        chores.before = lambda organization: time.sleep(0.01)

        outcomes = together(*[lambda n=n: chores.run(f"w{n}") for n in range(6)])

        assert of(Exception, outcomes) == []
        assert sorted(chores.asked) == [one.id for one in due]
        (job,) = Job.objects.all()
        assert (job.total, job.done, job.failed) == (23, 23, 0)
        assert job.finished_at is not None
        assert sum(run.done for run in of(Run, outcomes)) == 23

    def test_counts_as_done_what_somebody_else_did_meanwhile(self, chores: Chores) -> None:
        first, *_ = make(5)

        def somebody_comes(organization: Organization) -> None:
            Organization.objects.exclude(pk=first.pk).update(billing_email="done@by.example")

        chores.before = somebody_comes

        job = chores.run_dry()

        assert set(chores.asked) < set(Organization.objects.values_list("pk", flat=True))
        assert (job.total, job.done) == (5, 5)

    def test_stops_when_its_time_is_over_and_goes_on_next_time(
        self, chores: Chores, watch: Watch
    ) -> None:
        due = make(5)
        chores.before = lambda organization: watch.go_on(6)

        first = chores.run(seconds=10)
        again = chores.run("w2")

        assert first is not None
        assert first.job.finished_at is None
        assert first.done == 2
        assert again is not None
        assert again.job.pk == first.job.pk
        assert chores.asked == [one.id for one in due]
        assert again.job.done == 5


class TestLease:
    def test_keeps_others_away_while_it_lasts(
        self, chores: Chores, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        due = make(4)
        kill_at(chores, due[1], monkeypatch)
        clock.shift(jobs.LEASE - timedelta(microseconds=1))

        run = chores.run("w2")

        assert chores.asked == [due[0].id, due[2].id, due[3].id]
        assert run is not None
        assert run.job.finished_at is None

    def test_is_taken_over_when_it_runs_out(
        self, chores: Chores, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        due = make(4)
        kill_at(chores, due[1], monkeypatch)
        clock.shift(jobs.LEASE)

        job = chores.run_dry()

        assert sorted(chores.asked) == [one.id for one in due]
        assert (job.total, job.done) == (4, 4)

    def test_runs_out_within_half_a_minute(self) -> None:
        assert timedelta(seconds=30) >= jobs.LEASE
        assert timedelta(seconds=leases.EXTEND_SECONDS * 3) < jobs.LEASE

    def test_is_extended_while_its_worker_lives(
        self, chores: Chores, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leases, "EXTEND_SECONDS", 0.01)
        make(2)
        moments = []

        def look(organization: Organization) -> None:
            clock.shift(10)
            eventually(lambda: Lease.objects.get().expires_at == time_of.now() + jobs.LEASE)
            moments.append(Lease.objects.get().expires_at - time_of.now())

        chores.before = look
        chores.run()

        assert moments == [jobs.LEASE, jobs.LEASE]

    def test_stops_a_worker_that_lost_it(
        self, chores: Chores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leases, "EXTEND_SECONDS", 0.01)
        due = make(2)

        def taken_over(organization: Organization) -> None:
            Lease.objects.update(token=organization.id)
            assert eventually(nobody_keeps_a_lease)

        chores.before = taken_over
        run = chores.run()

        assert chores.asked == [due[0].id]
        assert run is not None
        assert run.job.done == 0


class TestFailure:
    def test_keeps_nobody_waiting(self, chores: Chores) -> None:
        due = make(5)
        chores.broken = {due[2].id}

        job = chores.run_dry()

        assert chores.asked == [one.id for one in due]
        assert (job.total, job.done, job.failed) == (5, 4, 1)
        (failure,) = Failure.objects.all()
        assert failure.organization == due[2]
        assert failure.job == job
        assert failure.error == f"ValueError: {due[2].name} is broken"

    def test_is_tried_three_times_with_growing_pauses_and_then_left_to_staff(
        self, chores: Chores, clock: Clock
    ) -> None:
        (only,) = make(1)
        chores.broken = {only.id}
        attempts = []

        for _ in range(40):
            before = len(chores.asked)
            chores.run()
            attempts.append(len(chores.asked) - before)
            clock.shift(30)

        assert [number for number, tried in enumerate(attempts) if tried] == [0, 2, 12]
        failure = Failure.objects.get()
        assert (failure.attempts, failure.next_try_at) == (3, None)
        assert failure.resolved_at is None

    def test_is_tried_again_when_staff_say_so(self, chores: Chores, clock: Clock) -> None:
        (only,) = make(1)
        chores.broken = {only.id}
        for _ in range(3):
            chores.run()
            clock.shift(5 * MINUTE)
        chores.broken.clear()
        assert chores.run() is None

        jobs.try_again(Failure.objects.get(), now=time_of.now())
        job = chores.run_dry()

        assert job.done == 1
        assert Failure.objects.get().resolved_at == time_of.now()

    def test_is_over_when_somebody_else_did_it(self, chores: Chores, clock: Clock) -> None:
        (only,) = make(1)
        chores.broken = {only.id}
        chores.run()
        Organization.objects.update(billing_email="done@by.example")

        chores.run()

        assert Failure.objects.get().resolved_at == time_of.now()

    def test_begins_anew_after_it_was_resolved(self, chores: Chores, clock: Clock) -> None:
        (only,) = make(1)
        chores.broken = {only.id}
        chores.run()
        clock.shift(MINUTE)
        chores.broken.clear()
        chores.run()
        Organization.objects.update(billing_email=None)
        chores.broken = {only.id}

        chores.run()

        assert sorted(Failure.objects.values_list("attempts", flat=True)) == [1, 1]

    def test_is_nobodys_where_the_database_is_gone(self, chores: Chores) -> None:
        due = make(3)

        def lose(organization: Organization) -> None:
            raise OperationalError("server closed the connection unexpectedly")

        chores.before = lose
        with pytest.raises(OperationalError):
            chores.run()
        chores.before = lambda organization: None

        job = chores.run_dry()

        assert not Failure.objects.exists()
        assert (job.done, job.failed) == (len(due), 0)


class Together(Chores):
    """The same work, done for several at once: none of them if one is broken, and not for whom it leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once: list[list[UUID]] = []
        self.left_out: set[UUID] = set()
        self.work = replace(self.work, do_together=self.do_together)

    def do_together(self, *, organizations: list[Organization], now: object) -> set[UUID]:
        ids = {one.id for one in organizations}
        self.at_once.append([one.id for one in organizations])
        for one in organizations:
            self.before(one)
        if ids & self.broken:
            raise ValueError("one of them is broken")
        done = ids - self.left_out
        Organization.objects.filter(pk__in=done).update(billing_email="a@b.example")
        return done


class TestTogether:
    @pytest.fixture
    def chores(self, monkeypatch: pytest.MonkeyPatch) -> Together:
        monkeypatch.setattr(leases, "BATCH", 5)
        monkeypatch.setattr(running, "TOGETHER", 3)
        return Together()

    def test_does_a_few_at_a_time_and_nobody_alone(self, chores: Together) -> None:
        ids = [one.id for one in make(7)]

        job = chores.run_dry()

        assert chores.at_once == [ids[:3], ids[3:5], ids[5:]]
        assert chores.asked == []
        assert (job.total, job.done, job.failed) == (7, 7, 0)

    def test_does_alone_whom_it_left_out(self, chores: Together) -> None:
        due = make(4)
        chores.left_out = {due[1].id}

        job = chores.run_dry()

        assert chores.asked == [due[1].id]
        assert (job.done, job.failed) == (4, 0)

    def test_tells_who_is_broken_and_does_the_others(self, chores: Together) -> None:
        due = make(5)
        chores.broken = {due[1].id}

        job = chores.run_dry()

        assert chores.asked == [one.id for one in due[:3]]
        assert (job.done, job.failed) == (4, 1)
        assert Failure.objects.get().organization == due[1]

    def test_spoils_nobodys_second_chance(self, chores: Together, clock: Clock) -> None:
        due = make(3)
        chores.broken = {due[1].id}
        chores.run()
        Organization.objects.update(billing_email=None)
        chores.at_once.clear()
        clock.shift(MINUTE)

        chores.run()

        assert chores.at_once == [[due[0].id, due[2].id]]
        assert Failure.objects.get().attempts == 2

    def test_stops_when_its_time_is_over_and_goes_on_next_time(
        self, chores: Together, watch: Watch
    ) -> None:
        due = make(5)
        chores.before = lambda organization: watch.go_on(5)

        first = chores.run(seconds=10)
        chores.before = lambda organization: None
        second = chores.run()

        assert first is not None
        assert second is not None
        assert (first.done, second.done) == (3, 2)
        assert chores.at_once == [[one.id for one in due[:3]], [one.id for one in due[3:]]]
        assert second.job.finished_at is not None

    def test_stops_when_its_lease_is_lost(
        self, chores: Together, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leases, "EXTEND_SECONDS", 0.01)
        due = make(5)

        def taken_over(organization: Organization) -> None:
            Lease.objects.update(token=organization.id)
            assert eventually(nobody_keeps_a_lease)

        chores.before = taken_over
        chores.run()

        assert chores.at_once == [[one.id for one in due[:3]]]
        assert chores.asked == []

    def test_says_why_it_failed(self, chores: Together, caplog: pytest.LogCaptureFixture) -> None:
        chores.broken = {make(2)[0].id}

        chores.run()

        warning = next(record for record in caplog.records if record.levelname == "WARNING")
        assert "one of them is broken" in str(warning.exc_info)

    @pytest.mark.parametrize("gone", [OperationalError("server closed"), SoftTimeLimitExceeded()])
    def test_fails_for_nobody_where_the_database_or_the_time_is_gone(
        self, chores: Together, gone: Exception
    ) -> None:
        make(3)

        def lose(organization: Organization) -> None:
            raise gone

        chores.before = lose

        with pytest.raises(type(gone)):
            chores.run()

        assert chores.asked == []
        assert not Failure.objects.exists()


class TestTimeLimit:
    """The time of a task is over in the middle of the work for one organization."""

    def test_is_a_failure_of_the_one_that_took_it_and_the_next_run_does_the_others(
        self, chores: Chores, clock: Clock
    ) -> None:
        due = make(5)

        def too_slow(organization: Organization) -> None:
            if organization == due[0]:
                raise SoftTimeLimitExceeded

        chores.before = too_slow
        with pytest.raises(SoftTimeLimitExceeded):
            chores.run()

        run = chores.run()

        assert run is not None
        assert chores.asked == [one.id for one in due[1:]]
        failure = Failure.objects.get()
        assert (failure.organization, failure.attempts) == (due[0], 1)
        assert "SoftTimeLimitExceeded" in failure.error

    def test_is_tried_again_and_again_after_the_others(self, chores: Chores, clock: Clock) -> None:
        """What was done of it stays done, so it gets on; and nobody behind it waits."""
        due = make(5)

        def too_slow(organization: Organization) -> None:
            if organization == due[0]:
                raise SoftTimeLimitExceeded

        chores.before = too_slow
        for _ in range(20):
            with pytest.raises(SoftTimeLimitExceeded):
                chores.run()
            clock.shift(600)

        assert chores.asked == [one.id for one in due[1:]]
        assert Failure.objects.get().attempts == 20
        assert Job.objects.filter(finished_at__isnull=True).count() == 1

        chores.before = lambda organization: None
        chores.run()
        assert chores.asked[-1] == due[0].id
        assert not Failure.objects.filter(resolved_at__isnull=True).exists()

    def test_keeps_the_count_of_its_tries_in_bounds(self, chores: Chores, clock: Clock) -> None:
        make(1)

        def too_slow(organization: Organization) -> None:
            raise SoftTimeLimitExceeded

        chores.before = too_slow
        for _ in range(2):
            with pytest.raises(SoftTimeLimitExceeded):
                chores.run()
            Failure.objects.update(attempts=jobs.MOST_ATTEMPTS)
            clock.shift(600)

        assert Failure.objects.get().attempts == jobs.MOST_ATTEMPTS

    def test_of_several_at_once_has_them_done_one_by_one(self, clock: Clock) -> None:
        together = Together()
        due = make(3)
        slow = [True]

        def once_too_slow(organization: Organization) -> None:
            if slow and len(together.at_once) == 1:
                slow.clear()
                raise SoftTimeLimitExceeded

        together.before = once_too_slow
        with pytest.raises(SoftTimeLimitExceeded):
            together.run()
        together.run()

        assert together.asked == [one.id for one in due]
        assert len(together.at_once) == 1
        assert not Failure.objects.exists()


class Pages:
    """An audit that looks at each organization in three portions, and finds something in the last."""

    def __init__(self) -> None:
        self.seen: list[tuple[UUID, int]] = []
        self.after: Callable[[], None] = lambda: None
        self.work = Work("pages", self.do, self.due, is_audit=True, in_portions=True)

    def due(self, now: object) -> QuerySet[Organization]:
        return Organization.objects.all()

    def do(self, *, organization: Organization, now: object, place: Any) -> Portion:
        page = place["page"] if place else 1
        self.seen.append((organization.id, page))
        self.after()
        if page < 3:
            return Portion((), {"page": page + 1})
        return Portion([Found("every page", organization.name, "odd", organization.id)], None)


@contextmanager
def kept_once(lease: Lease, *, now: object) -> Iterator[Callable[[], bool]]:
    """Let a lease be ours when it is asked for the first time, and no longer."""
    answers = iter([True])
    yield lambda: next(answers, False)


class TestPortions:
    def test_go_on_from_the_place_that_was_reached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leases, "BATCH", 2)
        pages, due = Pages(), make(3)
        expected = [(one.id, page) for one in due for page in (1, 2, 3)]

        # Every time that the batch is taken, the lease is lost after one portion.
        monkeypatch.setattr(running, "kept", kept_once)
        jobs.run(pages.work, now=time_of.now, worker="w")

        assert pages.seen == expected
        assert Finding.objects.count() == 3
        assert Job.objects.get().finished_at is not None

    def test_of_a_killed_worker_are_gone_on_with(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pages, due = Pages(), make(2)

        def die() -> None:
            if len(pages.seen) == 5:
                raise Killed

        pages.after = die
        with monkeypatch.context() as patch:
            patch.setattr(running, "give_back", lambda lease, now: None)
            with pytest.raises(Killed):
                jobs.run(pages.work, now=time_of.now, worker="dead")
        clock.shift(60)
        jobs.run(pages.work, now=time_of.now, worker="w")

        first, second = (one.id for one in due)
        pages_seen = [(first, 1), (first, 2), (first, 3), (second, 1), (second, 2)]
        assert pages.seen == [*pages_seen, (second, 2), (second, 3)]
        assert Finding.objects.count() == 2


class TestMoreFailuresThanWereCounted:
    def test_end_the_job_all_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leases, "BATCH", 1)
        make(1)

        def fail(*, organization: Organization, now: object) -> None:
            if Organization.objects.count() == 1:
                make_organization("came meanwhile")
            raise ValueError("no")

        work = Work("failing", fail, lambda now: Organization.objects.all())
        for _ in range(3):
            jobs.run(work, now=time_of.now, worker="w")

        job = Job.objects.get()
        assert (job.total, job.done, job.failed) == (1, 0, 2)
        assert job.finished_at is not None


class Audit:
    """An audit of the whole database that finds what it is told, or fails."""

    def __init__(self) -> None:
        self.work = Work("audit", self.do, is_audit=True)
        self.found: list[Found] = []
        self.is_broken = False
        self.ran = 0

    def do(self, *, now: object) -> list[Found]:
        self.ran += 1
        if self.is_broken:
            raise ValueError("no")
        return self.found

    def run(self, *, begin: bool = True) -> Run | None:
        return jobs.run(self.work, now=time_of.now, worker="w", begin=begin)


class TestAudit:
    def test_keeps_what_it_found(self) -> None:
        (owner,) = make(1)
        audit = Audit()
        audit.found = [Found("sum", "wallet 1", "3, not 4", owner.id), Found("gap", "x" * 300, "")]

        run = audit.run()

        assert run is not None
        assert (run.job.total, run.job.done) == (1, 1)
        kept = Finding.objects.order_by("id").values_list("check_name", "detail", "organization")
        assert list(kept) == [("sum", "3, not 4", owner.id), ("gap", "", None)]

    def test_runs_each_time_it_is_rung_for_and_not_in_between(self) -> None:
        audit = Audit()

        audit.run()
        audit.run(begin=False)
        audit.run()

        assert audit.ran == 2

    def test_is_tried_again_without_a_new_ring(self, clock: Clock) -> None:
        audit = Audit()
        audit.is_broken = True
        audit.run()
        for _ in range(40):
            clock.shift(30)
            audit.run(begin=False)

        assert audit.ran == 3
        assert Failure.objects.get().next_try_at is None

    def test_goes_on_where_its_worker_was_killed(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        audit = Audit()
        with monkeypatch.context() as patch:
            patch.setattr(running, "give_back", lambda lease, now: None)
            patch.setattr(running, "keep_findings", raise_killed)
            with pytest.raises(Killed):
                audit.run()
        assert audit.run(begin=False) is not None
        assert audit.ran == 1
        clock.shift(jobs.LEASE)

        run = audit.run(begin=False)

        assert run is not None
        assert run.job.finished_at is not None
        assert audit.ran == 2


def raise_killed(*_: object) -> None:
    raise Killed


class TestPrune:
    @pytest.mark.usefixtures("clock")
    def test_deletes_a_batch_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(records, "PRUNE_BATCH", 2)
        then = time_of.now() - timedelta(days=1)
        for number in range(5):
            Job.objects.create(
                kind=f"k{number}", due_at=then, total=1, started_at=then, finished_at=then
            )

        with CaptureQueriesContext(connection) as captured:
            assert jobs.prune(before=time_of.now()) == 5

        deletes = [
            q for q in captured.captured_queries if 'DELETE FROM "organizations_job"' in q["sql"]
        ]
        assert len(deletes) == 3

    def test_deletes_old_jobs_with_their_findings_and_keeps_open_ones(
        self, chores: Chores, clock: Clock
    ) -> None:
        audit = Audit()
        audit.found = [Found("sum", "wallet 1", "3, not 4")]
        audit.run()
        (only,) = make(1)
        chores.broken = {only.id}
        chores.run()
        clock.shift(timedelta(days=1))

        jobs.prune(before=time_of.now(), kinds=["audit"])

        assert list(Job.objects.values_list("kind", flat=True)) == ["chores"]
        assert not Finding.objects.exists()

        jobs.prune(before=time_of.now())

        assert Failure.objects.get().job is None
