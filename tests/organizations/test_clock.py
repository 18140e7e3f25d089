"""The clock of the doors: one for all machines, whatever their own clocks say."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from credits import tasks
from credits.models import LedgerEntry
from organizations import clock, pulse
from organizations.clock import Clock, Mark
from tests.callers import caller_of, ok
from tests.factories import make_organization, periods_of

MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
HOUR = timedelta(hours=1)


class Server:
    """A database server whose clock, and a machine whose count, are set by hand."""

    def __init__(self) -> None:
        self.moment = MIDNIGHT
        self.counted = 1_000.0
        self.asked = 0
        self.is_down = False
        self.machine = "here"
        self.mark: Mark | None = None
        self.takes: list[float] = []
        """How long the next answers are on their way back."""

    def time(self) -> datetime:
        self.asked += 1
        if self.is_down:
            raise OperationalError("gone")
        moment = self.moment
        if self.takes:
            self.pass_(self.takes.pop(0))
        return moment

    def clock(self) -> Clock:
        """Return the clock of another process."""
        return Clock(lambda: self.mark)

    def keep(self, mine: Clock, machine: str = "here") -> None:
        """Keep what a worker counts."""
        decisions = self.mark.decisions if self.mark else 0
        self.mark = Mark(mine.now(), self.moment, self.counted, machine, decisions)

    def decide(self) -> None:
        """Let somebody say that the server is right."""
        decisions = self.mark.decisions if self.mark else 0
        self.mark = Mark(self.moment, self.moment, self.counted, self.machine, decisions + 1)

    def pass_(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.counted += seconds


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(clock, "database_time", server.time)
    monkeypatch.setattr(clock, "seconds_counted", lambda: server.counted)
    monkeypatch.setattr(clock, "machine", lambda: server.machine)
    return server


class TestClock:
    def test_tells_the_databases_time(self, server: Server) -> None:
        assert Clock().now() == MIDNIGHT

    def test_carries_it_on_for_a_minute_without_asking_again(self, server: Server) -> None:
        mine = Clock()
        mine.now()

        server.pass_(59)

        assert mine.now() == MIDNIGHT + timedelta(seconds=59)
        assert server.asked == 1

    def test_asks_again_after_a_minute(self, server: Server) -> None:
        mine = Clock()
        mine.now()
        server.pass_(60)
        server.moment += timedelta(seconds=3)

        assert mine.now() == MIDNIGHT + timedelta(seconds=63)
        assert server.asked == 2

    @pytest.mark.parametrize(
        "leap",
        [YEAR, -YEAR, 23 * HOUR, -23 * HOUR, timedelta(seconds=61), timedelta(seconds=-61)],
        ids=["year", "year-back", "hours", "hours-back", "a-minute", "a-minute-back"],
    )
    def test_does_not_believe_a_leap_and_says_so(self, server: Server, leap: timedelta) -> None:
        mine = Clock()
        mine.now()
        server.pass_(60)
        server.moment += leap

        assert mine.now() == MIDNIGHT + timedelta(seconds=60)
        assert mine.doubt == leap

        server.pass_(60)
        server.moment -= leap

        assert mine.now() == MIDNIGHT + timedelta(seconds=120)
        assert mine.doubt is None

    def test_goes_on_while_the_database_is_gone(self, server: Server) -> None:
        mine = Clock()
        mine.now()
        server.is_down = True
        server.pass_(600)

        assert mine.now() == MIDNIGHT + timedelta(seconds=600)

    def test_knows_no_time_before_the_database_answered(self, server: Server) -> None:
        server.is_down = True

        with pytest.raises(OperationalError):
            Clock().now()


class TestMeasured:
    """What an answer says is of a moment before it is here."""

    def test_asks_again_where_an_answer_was_long_on_its_way(self, server: Server) -> None:
        server.takes = [3, 0.01]

        assert Clock().now() == server.moment - timedelta(seconds=0.01)
        assert server.asked == 2

    def test_takes_the_shortest_where_all_are_long(self, server: Server) -> None:
        server.takes = [3, 0.5, 2]

        assert Clock().now() == server.moment - timedelta(seconds=0.5)
        assert server.asked == 3

    def test_hears_what_a_statement_brings_along(self, server: Server) -> None:
        mine = Clock()
        mine.now()
        server.pass_(59)

        mine.hear(server.moment + timedelta(seconds=1), since=server.counted)
        server.pass_(59)

        assert mine.now() == server.moment + timedelta(seconds=1)
        assert server.asked == 1

    def test_does_not_hear_what_was_long_on_its_way(self, server: Server) -> None:
        mine = Clock()
        mine.now()
        sent = server.counted
        server.pass_(59)

        mine.hear(server.moment - timedelta(seconds=20), since=sent)

        assert mine.now() == server.moment

    def test_does_not_hear_a_leap(self, server: Server) -> None:
        mine = Clock()
        mine.now()
        server.pass_(59)

        mine.hear(server.moment + 23 * HOUR, since=server.counted)

        assert mine.now() == server.moment

    def test_never_goes_backwards(self, server: Server) -> None:
        mine = Clock()
        mine.now()
        server.pass_(59)
        told = mine.now()
        server.pass_(1)
        server.moment -= timedelta(seconds=30)

        assert mine.now() == told
        server.pass_(29)
        assert mine.now() == told
        server.pass_(1)
        assert mine.now() == server.moment > told


class TestBeginning:
    """A process that begins knows by the mark of the workers whether the database's clock has leapt."""

    @pytest.fixture(autouse=True)
    def _machine(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its own clock is the server's: they are one machine, the worst case."""
        monkeypatch.setattr(clock, "machine_time", lambda: server.moment)

    @pytest.mark.parametrize("leap", [23 * HOUR, -23 * HOUR, YEAR], ids=str)
    def test_counts_on_from_the_mark_of_its_machine(self, server: Server, leap: timedelta) -> None:
        server.keep(server.clock())
        server.pass_(30)
        server.moment += leap

        mine = server.clock()

        assert mine.now() == MIDNIGHT + timedelta(seconds=30)
        assert mine.doubt == leap

    @pytest.mark.parametrize("leap", [23 * HOUR, -23 * HOUR], ids=str)
    def test_doubts_what_workers_elsewhere_doubt(self, server: Server, leap: timedelta) -> None:
        worker = server.clock()
        worker.now()
        server.pass_(60)
        server.moment += leap
        server.keep(worker, machine="elsewhere")
        server.pass_(30)

        mine = server.clock()

        assert mine.now() == MIDNIGHT + timedelta(seconds=90)
        assert mine.doubt == leap

    def test_believes_it_after_a_week_in_which_nobody_counted(self, server: Server) -> None:
        server.keep(server.clock())
        server.machine, server.counted = "started again", 5.0
        server.moment += timedelta(days=7)

        mine = server.clock()

        assert mine.now() == server.moment
        assert mine.doubt is None

    def test_does_not_believe_a_week_that_its_own_clock_does_not_know_of(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.keep(server.clock(), machine="elsewhere")
        monkeypatch.setattr(clock, "machine_time", lambda: MIDNIGHT)
        server.moment += timedelta(days=7)

        mine = server.clock()

        assert mine.now() == MIDNIGHT
        assert mine.doubt == timedelta(days=7)

    def test_believes_that_week_once_its_own_clock_is_right(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.keep(server.clock(), machine="elsewhere")
        monkeypatch.setattr(clock, "machine_time", lambda: MIDNIGHT)
        server.moment += timedelta(days=7)
        mine = server.clock()
        mine.now()
        monkeypatch.setattr(clock, "machine_time", lambda: server.moment)
        server.pass_(60)

        assert mine.now() == server.moment
        assert mine.doubt is None

    def test_never_begins_before_the_mark(self, server: Server) -> None:
        server.keep(server.clock(), machine="elsewhere")
        server.moment -= 2 * HOUR

        assert server.clock().now() == MIDNIGHT

    def test_believes_whatever_it_is_told_where_there_is_no_mark(self, server: Server) -> None:
        assert server.clock().now() == MIDNIGHT


class TestDecision:
    @pytest.mark.parametrize("leap", [23 * HOUR, -23 * HOUR], ids=str)
    def test_is_obeyed_by_whoever_doubted(self, server: Server, leap: timedelta) -> None:
        mine = server.clock()
        server.keep(mine)
        server.pass_(60)
        server.moment += leap
        assert mine.now() == MIDNIGHT + timedelta(seconds=60)

        server.decide()
        server.pass_(60)

        assert mine.now() == server.moment
        assert mine.doubt is None

    def test_says_nothing_of_the_next_leap(self, server: Server) -> None:
        mine = server.clock()
        server.decide()
        mine.now()
        server.pass_(60)
        server.moment += 23 * HOUR

        mine.now()
        server.pass_(60)

        assert mine.now() == server.moment - 23 * HOUR


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


@pytest.mark.django_db(transaction=True)
class TestDoors:
    @pytest.fixture(autouse=True)
    def _ask_the_database(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.CLOCK = "database"
        monkeypatch.setattr(clock, "clock", Clock())

    @pytest.mark.parametrize(
        "off",
        [timedelta(seconds=90), timedelta(seconds=-90), YEAR, -YEAR],
        ids=["90s-ahead", "90s-behind", "a-year-ahead", "a-year-behind"],
    )
    def test_open_and_close_nothing_when_the_machines_clock_is_off(self, off: timedelta) -> None:
        now = database_now()
        organization = make_organization(funded=10, allowance=100, now=now)
        caller = caller_of(organization)

        for moment in (now + off, now):
            with time_machine.travel(moment):
                held = ok(caller.reserve(3), 201)["id"]
                ok(caller.settle(held, 2))
                for task in (tasks.renew, tasks.lapse_grants, tasks.expire_reservations):
                    task()

        (period,) = periods_of(organization)
        assert period.starts_at <= now < period.ends_at
        assert period.closed_at is None
        posted = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.SETTLE)
        assert all(abs(e.posted_at - now) < timedelta(minutes=1) for e in posted)


@pytest.mark.django_db(transaction=True)
class TestKeep:
    """The mark in the database, written by whoever rings."""

    @pytest.fixture(autouse=True)
    def _ask_the_database(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.CLOCK = "database"
        monkeypatch.setattr(clock, "clock", Clock(clock.last_mark))

    def begin_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clock, "clock", Clock(clock.last_mark))

    def leap(self, monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
        """Let the server's clock leap, as far as anybody who asks it can see."""
        monkeypatch.setattr(clock, "database_time", lambda: database_now() + by)
        clock.clock.asked_at -= 60

    def test_is_rung_for(self) -> None:
        before = database_now()

        tasks.renew()
        tasks.renew()

        kept = clock.last_mark()
        assert kept is not None
        assert before - timedelta(seconds=1) < kept.believed_at <= kept.said_at <= database_now()
        assert (kept.machine, kept.decisions) == (clock.machine(), 0)

    def test_is_what_a_process_begins_with(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tasks.renew()
        self.begin_again(monkeypatch)
        self.leap(monkeypatch, 23 * HOUR)

        assert abs(clock.now() - database_now()) < timedelta(minutes=1)
        assert clock.doubt() is not None

    def test_is_not_written_over_by_who_has_not_heard_of_a_decision(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tasks.renew()
        self.leap(monkeypatch, -23 * HOUR)
        assert clock.doubt() is not None
        decided = clock.decide()

        tasks.renew()

        assert clock.last_mark() == decided

    def test_of_the_system_is_not_kept(self, settings: Settings) -> None:
        settings.CLOCK = "system"

        tasks.renew()

        assert clock.last_mark() is None

    def test_is_decided_by_a_command(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tasks.renew()
        self.leap(monkeypatch, 23 * HOUR)
        assert "ahead of what is counted" in pulse.doubted()

        call_command("believe_clock")
        assert pulse.clock_is_believed(databases=["default"])
        call_command("believe_clock", yes=True)
        clock.clock.asked_at -= 60

        assert clock.now() > database_now() + 22 * HOUR
        assert pulse.clock_is_believed(databases=["default"]) == []
        assert "Believed." in capsys.readouterr().out

    def test_cannot_be_decided_where_the_system_is_asked(self, settings: Settings) -> None:
        settings.CLOCK = "system"

        with pytest.raises(CommandError, match="not asked"):
            call_command("believe_clock", yes=True)

    def test_wakes_somebody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tasks.renew()
        self.leap(monkeypatch, 23 * HOUR)
        monkeypatch.setattr(pulse, "late", lambda **_: [])

        answer = Client().get("/healthz/calendar")

        assert answer.status_code == 503
        assert answer.json()["status"] == "clock"
        assert "23:00:00 ahead of" in answer.json()["clock"]
