"""The supervisor: what dies is started again, and nothing outlives it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from config import supervisor
from config.supervisor import MARK, KeepsCrashing, Program, Supervisor
from tests.waiting import eventually

pytestmark = pytest.mark.xdist_group("supervisor")

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="done by Linux's prctl")
SLEEP = "import time; time.sleep(60)"
# A shell that starts a program of its own, and does not pass signals on.
PARENT = f"""import subprocess, sys; subprocess.run([sys.executable, "-c", {SLEEP!r}])"""
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({mark!r}, 'w'); " + SLEEP
"""It makes a file once it is deaf."""


def make_program(
    code: str, *, is_needed: bool = True, answers: Callable[[], bool] = lambda: True
) -> Program:
    command = [sys.executable, "-c", code]
    return Program("program", command, dict(os.environ), is_needed=is_needed, answers=answers)


def pid_of(program: Program) -> int:
    assert program.process is not None
    return program.process.pid


@pytest.fixture(autouse=True)
def _own_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the signals of the test run as they are, and start again without a delay."""
    monkeypatch.setattr(supervisor, "ignore_signals", lambda: None)
    monkeypatch.setattr(supervisor, "RESTART_DELAY_MAX_SECONDS", 0)


class TestCheck:
    def test_starts_again_what_was_killed(self) -> None:
        program = make_program(SLEEP)
        with Supervisor([program]) as running:
            running.check()
            first = pid_of(program)
            os.kill(first, signal.SIGKILL)

            def was_started_again() -> bool:
                running.check()
                return pid_of(program) != first

            assert eventually(was_started_again)

    def test_gives_up_on_a_needed_program_that_never_gets_ready(self) -> None:
        program = make_program("raise SystemExit(3)", answers=lambda: False)

        def check_for_ever(running: Supervisor) -> None:
            while True:
                running.check()

        with Supervisor([program]) as running, pytest.raises(KeepsCrashing, match="5 times"):
            check_for_ever(running)

    def test_counts_no_kill_of_a_program_that_had_become_ready(self) -> None:
        program = make_program(SLEEP)

        with Supervisor([program]) as running:
            for _ in range(2 * supervisor.FAILED_STARTS_MAX):
                running.check()
                os.kill(pid_of(program), signal.SIGKILL)
                psutil.wait_procs([psutil.Process(pid_of(program))], timeout=10)

            assert program.failed_starts == 0

    def test_keeps_trying_a_program_that_is_not_needed(self) -> None:
        program = make_program("raise SystemExit(3)", is_needed=False, answers=lambda: False)

        def has_failed_often() -> bool:
            running.check()
            return program.failed_starts > supervisor.FAILED_STARTS_MAX

        with Supervisor([program]) as running:
            assert eventually(has_failed_often)

    def test_is_ready_when_every_program_answers(self) -> None:
        answers = False
        slow = make_program(SLEEP, answers=lambda: answers)
        with Supervisor([make_program(SLEEP), slow]) as running:
            running.check()
            assert not running.is_ready

            answers = True
            running.check()

            assert running.is_ready


class TestLeaving:
    def test_stops_what_a_program_has_started_too(self) -> None:
        program = make_program(PARENT)
        with Supervisor([program]) as running:
            running.check()
            parent = psutil.Process(pid_of(program))
            assert eventually(lambda: len(parent.children()) == 1)
            [child] = parent.children()

        assert eventually(lambda: not child.is_running())
        assert not parent.is_running()

    def test_kills_what_does_not_stop_in_time(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.2)
        mark = tmp_path / "deaf"
        program = make_program(DEAF.format(mark=str(mark)))
        with Supervisor([program]) as running:
            running.check()
            deaf = program.process
            assert deaf is not None
            # Until then it is not deaf yet.
            is_deaf = eventually(mark.exists)

        assert is_deaf
        # It did not end by itself, as it would have after a minute.
        assert deaf.poll() == -signal.SIGKILL


class TestAdoptOrphans:
    @LINUX_ONLY
    def test_leaves_no_zombie_of_a_program_that_was_killed(self) -> None:
        code = f"""
import os, psutil, signal, sys, time
from config import supervisor
supervisor.adopt_orphans()
program = supervisor.Program("program", [sys.executable, "-c", {PARENT!r}], dict(os.environ),
                             is_needed=True, answers=lambda: True)
with supervisor.Supervisor([program]) as running:
    running.check()
    parent = psutil.Process(program.process.pid)
    while not parent.children():
        time.sleep(0.05)
    [child] = parent.children()
    parent.kill()
    program.process.wait()
    print(child.ppid() == os.getpid())
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child is left")
"""
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

        assert answer.stdout == b"True\nno child is left\n"


class TestKillLeftovers:
    def test_kills_what_works_for_this_folder_and_nothing_else(self, tmp_path: Path) -> None:
        ours, theirs = (
            subprocess.Popen([sys.executable, "-c", SLEEP], env={**os.environ, MARK: mark})
            for mark in (str(tmp_path / "ours"), str(tmp_path / "theirs"))
        )
        try:
            supervisor.kill_leftovers(str(tmp_path / "ours"))

            assert ours.wait(timeout=10) == -signal.SIGKILL
            assert theirs.poll() is None
        finally:
            theirs.kill()
            theirs.wait()


@LINUX_ONLY
class TestKillingTheSupervisor:
    def test_ends_its_programs(self) -> None:
        code = f"""
import os, sys, time
from config.supervisor import Program, Supervisor
program = Program("program", [sys.executable, "-c", {SLEEP!r}], dict(os.environ),
                  is_needed=True, answers=lambda: True)
with Supervisor([program]) as running:
    running.check()
    print(program.process.pid, flush=True)
    time.sleep(60)
"""
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))

        process.kill()
        process.wait()

        assert eventually(lambda: not child.is_running())
