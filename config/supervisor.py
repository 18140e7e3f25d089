"""Keeping a few programs running, and stopping them, each with whatever it started itself.

Each program leads a session of its own. So Ctrl-C in the terminal, or a SIGTERM for the whole
group, reaches the supervisor alone, and it says when who stops: a worker may finish its task, the
database outlives everybody who writes to it.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Self

import psutil

logger = logging.getLogger(__name__)

# Every program finds here whom it works for, and so do its children: that is how to find leftovers.
MARK = "PURSER_RUNS_FOR"
# Then it is killed, which a task must bear at any moment anyway. A worker on the filesystem broker
# would take five seconds to find out that it has nothing to do.
STOP_SECONDS = 4
FAILED_STARTS_MAX = 5
RESTART_DELAY_MAX_SECONDS = 30
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# From Linux's <sys/prctl.h>; other systems have nothing like them, and do without.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

Process = subprocess.Popen[bytes]


class Stop(BaseException):
    """Somebody asked us to stop: Ctrl-C, SIGTERM, or the terminal was closed."""


class KeepsCrashing(Exception):
    """A program that we cannot do without never gets ready; the message names it."""


@dataclass
class Program:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_needed: bool
    """Whether everything stops when it does not come up, or it is tried again for ever."""
    answers: Callable[[], bool]
    """Says whether it is ready; asked after each start until it is."""
    process: Process | None = None
    is_ready: bool = False
    failed_starts: int = 0
    """Deaths in a row before it got ready. Being killed in the middle of work does not count."""
    start_at: float = 0
    """Monotonic time before which it is not started again."""


class Supervisor:
    """Starts programs, starts again what dies, and on leaving its block stops all."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self.programs = programs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        ignore_signals()
        running = [program.process for program in self.programs if program.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0, deadline - time.monotonic()))
            _kill_session(process)

    @property
    def is_ready(self) -> bool:
        return all(program.is_ready for program in self.programs)

    def check(self) -> None:
        """Start what does not run, and ask what has just started whether it is ready.

        :raises KeepsCrashing: if a needed program died too often before it was ready
        """
        for program in self.programs:
            if program.process is not None and program.process.poll() is not None:
                _bury(program, program.process)
            if program.process is None and time.monotonic() >= program.start_at:
                program.process = _start(program)
            if program.process is not None and not program.is_ready and program.answers():
                program.is_ready, program.failed_starts = True, 0


def stop_on_signals() -> None:
    """Raise `Stop` at the first request to stop; further ones change nothing."""

    def stop(number: int, frame: FrameType | None) -> None:
        ignore_signals()
        raise Stop

    for each in SIGNALS:
        signal.signal(each, stop)


def ignore_signals() -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def adopt_orphans() -> None:
    """Make ours the children of a program that was killed: in a container nobody else reaps them."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def kill_leftovers(mark: str) -> None:
    """Kill whatever works for this folder: what a killed supervisor left, or lost hold of."""
    for pid in psutil.pids():
        with suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            if process.environ().get(MARK) == mark:
                process.kill()


def _start(program: Program) -> Process:
    return subprocess.Popen(
        program.command,
        env=program.environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )


def _bury(program: Program, process: Process) -> None:
    """Clear away a program that died, and say when to start it again."""
    _kill_session(process)
    logger.error("The %s ended with %s; starting it again", program.name, process.returncode)
    program.failed_starts += not program.is_ready
    if program.is_needed and program.failed_starts >= FAILED_STARTS_MAX:
        raise KeepsCrashing(f"The {program.name} crashed {FAILED_STARTS_MAX} times at its start.")
    delay = min(2**program.failed_starts, RESTART_DELAY_MAX_SECONDS)
    program.process, program.is_ready = None, False
    program.start_at = time.monotonic() + delay


def _kill_session(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-process.pid, 0)


def _end_with_parent() -> None:
    """Have the kernel stop the program when the supervisor is killed."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)
