"""A steady load of reservations on a running server, and how long each request took."""

import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

PREFIX = "/api/v1/usage/reservations"


@dataclass
class Timings:
    """Seconds of each request, and the statuses other than success."""

    seconds: list[float] = field(default_factory=list)
    others: list[int] = field(default_factory=list)

    def add(self, others: "Timings") -> None:
        self.seconds += others.seconds
        self.others += others.others

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Load:
    """Callers that each reserve and settle, over and over, at a fixed pace: a slow answer does not slow the next question."""

    def __init__(self, port: int, keys: Sequence[str], *, pairs_a_second: float) -> None:
        self.port = port
        self.keys = keys
        self.pause = len(keys) / pairs_a_second
        self.timings = Timings()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(key, n), daemon=True)
            for n, key in enumerate(keys)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def swap(self) -> Timings:
        """Return what was measured until now, and begin anew."""
        measured, self.timings = self.timings, Timings()
        return measured

    def _call(self, key: str, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        due = time.monotonic() + self.pause * number / len(self.keys)
        while not self._over.wait(max(0.0, due - time.monotonic())):
            due += self.pause
            held = self._ask(connection, PREFIX, {"estimatedCredits": 0.5}, headers)
            if held is not None:
                self._ask(connection, f"{PREFIX}/{held}/settle", {"credits": 0.25}, headers)
        connection.close()

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        body: dict[str, float],
        headers: dict[str, str],
    ) -> str | None:
        began = time.monotonic()
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        self.timings.seconds.append(time.monotonic() - began)
        if answer.status >= 300:
            self.timings.others.append(answer.status)
            return None
        held: str = json.loads(content)["id"]
        return held
