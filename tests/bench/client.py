"""Callers that cost little: one process with many connections, so that what is measured is the server and not who asks.

It is told on stdin what to ask (`Asking`, as JSON), and says on stdout what came of it (`Answers`). It talks to this machine only, and
knows nothing of Purser and of Django: importing either takes longer than some measurements.
"""

import heapq
import json
import random
import re
import selectors
import socket
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

HOST = "127.0.0.1"
ID = re.compile(rb'"id": ?"([a-z]+_[0-9a-f-]{36})"')
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)
UNIQUE = b"@unique@"
"""In a body, what is another text each time."""
GRACE_SECONDS = 30.0
"""How long the last answers may take."""


@dataclass
class Step:
    """One request. In the path `{n}` is the caller's number, `{id}` the id that the first answer of the round named."""

    method: str
    path: str
    body: str = ""


@dataclass
class Asking:
    """What is asked: rounds of steps, by callers who are picked at random, each on a connection of its own."""

    port: int
    seconds: float
    connections: int
    steps: list[Step]
    callers: list[tuple[int, str]]
    """Their numbers, and what they send as `Authorization`."""
    is_keyed: bool = True
    """Whether what writes has an `Idempotency-Key`."""
    is_patient: bool = False
    """Whether a 503 is obeyed: who is told when to come back waits so long, and it is no failure."""


@dataclass
class Answers:
    """What came of it."""

    seconds: float = 0.0
    rounds: int = 0
    """Whole ones: every step succeeded."""
    requests: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    """How many answers were no success, by their status; `lost` where there was none."""
    milliseconds: list[float] = field(default_factory=list)
    """Of each request that was answered, whatever the answer."""
    cpu: float = 0.0
    """Seconds that this process itself took."""


class Connection:
    """One connection, and where in its round it is."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=GRACE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.step = 0
        self.caller: tuple[int, str] = (0, "")
        self.id = ""
        self.sent_at = 0.0

    def whole(self) -> tuple[int, bytes, bytes] | None:
        """Return status, head and body of the answer once all of it is here."""
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self.received[:end])
        length = LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(self.received) < end + 4 + size:
            return None
        body = bytes(self.received[end + 4 : end + 4 + size])
        del self.received[: end + 4 + size]
        return int(head[9:12]), head, body


class Load:
    """Asks for as long as it was told."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking
        self.answers = Answers()
        self.failures: Counter[str] = Counter()
        self.selector = selectors.DefaultSelector()
        self.waiting: list[tuple[float, int, Connection]] = []
        self.bodies = [step.body.encode() for step in asking.steps]
        self.prefix = f"bench-{random.getrandbits(48):x}-"
        self.count = 0

    def run(self) -> Answers:
        began = self.last = time.perf_counter()
        self.ends = began + self.asking.seconds
        self.busy = self.asking.connections
        for _ in range(self.busy):
            self._begin(self._open())
        while self.busy and time.perf_counter() < self.ends + GRACE_SECONDS:
            self._wake(time.perf_counter())
            for key, _ in self.selector.select(self._patience()):
                self._hear(key.data)
        self.failures["lost"] += self.busy
        # Rounds are counted until then; what is brought to its end afterwards is not.
        self.answers.seconds = self.asking.seconds
        self.answers.failures = {name: count for name, count in self.failures.items() if count}
        self.answers.cpu = time.process_time()
        return self.answers

    def _open(self) -> Connection:
        connection = Connection(self.asking.port)
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def _begin(self, connection: Connection) -> None:
        """Begin a round of some caller, or end for good when the time is over."""
        if time.perf_counter() >= self.ends:
            self.busy -= 1
            return
        connection.step, connection.id = 0, ""
        connection.caller = random.choice(self.asking.callers)
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        step = self.asking.steps[connection.step]
        number, authorization = connection.caller
        self.count += 1
        unique = f"{self.prefix}{self.count}"
        body = self.bodies[connection.step]
        if UNIQUE in body:
            body = body.replace(UNIQUE, unique.encode())
        path = step.path.replace("{n}", str(number)).replace("{id}", connection.id)
        head = (
            f"{step.method} {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: {authorization}\r\n"
        )
        if step.method != "GET":
            key = f"Idempotency-Key: {unique}\r\n" if self.asking.is_keyed else ""
            head += f"Content-Type: application/json\r\n{key}Content-Length: {len(body)}\r\n"
        connection.sent_at = time.perf_counter()
        try:
            connection.socket.sendall(f"{head}\r\n".encode() + body)
        except OSError:
            self._lose(connection)

    def _hear(self, connection: Connection) -> None:
        """Take what came; once it is a whole answer, go on."""
        try:
            piece = connection.socket.recv(1 << 18)
        except OSError:
            piece = b""
        if not piece:
            self._lose(connection)
            return
        connection.received += piece
        answer = connection.whole()
        if answer is not None:
            self.last = time.perf_counter()
            self.answers.requests += 1
            self.answers.milliseconds.append((self.last - connection.sent_at) * 1e3)
            self._go_on(connection, *answer)

    def _go_on(self, connection: Connection, status: int, head: bytes, body: bytes) -> None:
        if status >= 300:
            self._refused(connection, status, head)
            return
        if connection.step == 0 and (found := ID.search(body)):
            connection.id = found[1].decode()
        connection.step += 1
        if connection.step < len(self.asking.steps):
            self._send(connection)  # a round that was begun is brought to its end
            return
        self.answers.rounds += self.last < self.ends
        self._begin(connection)

    def _refused(self, connection: Connection, status: int, head: bytes) -> None:
        pause = RETRY_AFTER.search(head)
        if self.asking.is_patient and status == 503 and pause:
            self.count += 1
            due = min(self.last + float(pause[1]), self.ends)
            heapq.heappush(self.waiting, (due, self.count, connection))
            return
        self.failures[str(status)] += 1
        self._begin(connection)

    def _lose(self, connection: Connection) -> None:
        """Note that the server hung up, and come back on another connection."""
        self.selector.unregister(connection.socket)
        connection.socket.close()
        self.failures["lost"] += 1
        if time.perf_counter() >= self.ends:
            self.busy -= 1
        else:
            self._begin(self._open())

    def _wake(self, now: float) -> None:
        """Let those ask again who have waited as long as they were told."""
        while self.waiting and self.waiting[0][0] <= now:
            self._begin(heapq.heappop(self.waiting)[2])

    def _patience(self) -> float:
        if not self.waiting:
            return 0.25
        return max(0.0, min(0.25, self.waiting[0][0] - time.perf_counter()))


def read(text: str) -> Asking:
    """Return what is asked."""
    said = json.loads(text)
    said["steps"] = [Step(**step) for step in said["steps"]]
    said["callers"] = [tuple(caller) for caller in said["callers"]]
    return Asking(**said)


if __name__ == "__main__":
    json.dump(asdict(Load(read(sys.stdin.read())).run()), sys.stdout)
