"""What the lines share: the world, the servers, those who call them, and how long each is measured."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from tests.bench import serving, steps
from tests.bench.callers import Made
from tests.bench.client import GRACE_SECONDS, Answers, Asking, Step
from tests.bench.serving import Server
from tests.bench.world import Caller, World

CALLERS = 4
"""So many processes call the services at once."""
SPREAD = 1_000
WARM = 2.0
"""How many times as long as a side is measured a server is asked before: it then has read everybody's terms."""
APART = 4
"""So many callers are kept for what is measured on wallets with very much in them."""


@dataclass(frozen=True)
class Options:
    """How long, and at which size."""

    seconds: float = 10.0
    """Of each side, in each round."""
    rounds: int = 3
    pairs: int = 1_000
    """Of those lines that count what the database computes: a clock says nothing there."""
    workers: int = 2
    """Of each web server: as `make run` has."""
    organizations: int = 10_000
    events: int = 10_000_000
    entries: int = 10_000_000


@dataclass
class Bench:
    """One run. Whatever it starts, it stops when it is left."""

    world: World
    options: Options
    folder: Path
    """For logs, and for what its processes read."""
    database: Mapping[str, str] = field(default_factory=dict)
    """The variables that tell its processes which database it is; nothing where they find it themselves."""
    stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.world.save(self.world_file)

    def close(self) -> None:
        """Stop whatever it started."""
        self.stack.close()

    @property
    def world_file(self) -> Path:
        return self.folder / "world.json"

    @property
    def log(self) -> Path:
        return self.folder / "bench.log"

    @cached_property
    def purser(self) -> Server:
        """Purser, as `make run` serves it."""
        return self._serve(serving.PURSER, steps.RESERVE, steps.SETTLE)

    @cached_property
    def bare(self) -> Server:
        """Django with bare views and no middleware."""
        return self._serve(serving.BARE, steps.BARE_RESERVE, steps.BARE_SETTLE)

    @cached_property
    def frozen(self) -> Server:
        """Django with bare views, under the middleware that is frozen."""
        return self._serve(serving.FROZEN, steps.NOTHING)

    @cached_property
    def hot(self) -> list[Caller]:
        return self.world.callers[:1]

    @cached_property
    def many(self) -> list[Caller]:
        """Everybody who is not kept apart."""
        return self.world.callers[1:-APART]

    @cached_property
    def spread(self) -> list[Caller]:
        """So many of them that a server has met all of them before it is measured."""
        return self.many[:SPREAD]

    @cached_property
    def callers(self) -> "subprocess.Popen[str]":
        """Whoever calls the services."""
        program = self.program("tests.bench.callers", str(self.world_file), str(CALLERS))
        process = self.stack.enter_context(program)
        hear(process)
        return process

    def call(self, first: int, count: int) -> Made:
        """Let four processes call the services for some of the callers, for as long as a side is measured."""
        assert self.callers.stdin is not None
        self.callers.stdin.write(f"{json.dumps([self.options.seconds, first, count])}\n")
        self.callers.stdin.flush()
        return Made(**json.loads(hear(self.callers)))

    def apart(self, place: int) -> Caller:
        """Return one of those who are kept out of the rest, because their wallets are filled: 0, 1, 2, 3."""
        return self.world.callers[place - APART]

    def _serve(self, environment: Mapping[str, str], *warm: Step) -> Server:
        """Serve, and let it do once what it does for the first time."""
        found = serving.serving(
            {**self.database, **environment}, log=self.log, workers=self.options.workers
        )
        server = self.stack.enter_context(found)
        self.ask(server, *warm, seconds=WARM * self.options.seconds)
        return server

    def ask(
        self,
        server: Server,
        *steps: Step,
        callers: Sequence[Caller] | None = None,
        seconds: float | None = None,
        connections: int = 16,
        **options: Any,
    ) -> Answers:
        """Ask a server these steps over and over, and return what came of it."""
        with self.asking(
            server, *steps, callers=callers, seconds=seconds, connections=connections, **options
        ) as asked:
            return asked.answers()

    @contextmanager
    def asking(
        self,
        server: Server,
        *steps: Step,
        callers: Sequence[Caller] | None = None,
        seconds: float | None = None,
        connections: int = 16,
        **options: Any,
    ) -> Iterator["Asked"]:
        """Begin to ask, and go on with the block meanwhile."""
        numbers = {each.organization_id: n for n, each in enumerate(self.world.callers)}
        asking = Asking(
            port=server.port,
            seconds=self.options.seconds if seconds is None else seconds,
            connections=connections,
            steps=list(steps),
            callers=[
                (numbers[each.organization_id], each.authorization)
                for each in callers or self.spread
            ],
            **options,
        )
        with self.program("tests.bench.client") as process:
            assert process.stdin is not None
            process.stdin.write(json.dumps(asdict(asking)))
            process.stdin.close()
            yield Asked(process, asking.seconds + GRACE_SECONDS)

    @contextmanager
    def program(self, module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Run a module of this package for the length of the block."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, **self.database},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stack.enter_context(self.log.open("ab")),
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Asked:
    """Somebody who asks."""

    process: "subprocess.Popen[str]"
    patience: float

    def answers(self) -> Answers:
        """Wait for the end, and return what came of it."""
        said = _all_of(self.process.stdout)
        if self.process.wait(self.patience):
            raise RuntimeError("whoever asks broke; the log says why")
        return Answers(**json.loads(said))


def hear(process: "subprocess.Popen[str]") -> str:
    """Return the next line that a process says.

    :raises RuntimeError: if it ended
    """
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise RuntimeError(f"{process.args!r} broke; the log says why")
    return line


def _all_of(stream: IO[str] | None) -> str:
    return stream.read() if stream else ""
