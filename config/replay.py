"""Sending a usage trace to a running server, as a gateway would: reserve, do the work, settle.

Afterwards the server's ledger is read back, over HTTP like everything else, and compared with what was settled: line by line, digit by
digit.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil
from typing import Any, NamedTuple, Protocol

import simplejson
import urllib3
from urllib3.util import Retry, Timeout

from config.trace import Work, price
from organizations import wire
from organizations.ids import new_id

ZERO = Decimal(0)
PAGE = 100
ATTEMPTS_MORE = 8
"""How often a call is tried again after a 429, a 503 or a broken connection: for half a minute or so, always with the same key."""


class Unreachable(Exception):
    """Nobody answers, or not as Purser does."""


class Refused(Exception):
    """The server answers, and says no."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    seconds: float
    retries: int

    @property
    def error(self) -> str:
        """What went wrong, as the server calls it: `409 CONFLICT`."""
        return f"{self.status} {self._in('error', 'code')}".strip()

    @property
    def message(self) -> str:
        return self._in("error", "message")

    @property
    def reason(self) -> str:
        """Which limit denied it: `balance`, `cap`."""
        return self._in("error", "details", "reason") or self.error

    def _in(self, *path: str) -> str:
        value = self.body
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return str(value or "")


class Entry(NamedTuple):
    """A ledger entry, as far as it is compared."""

    project: str | None
    workflow: str | None
    credits: Decimal


class Client:
    """The four calls of the API that a replay needs, over connections that are kept."""

    def __init__(self, url: str, key: str, *, connections: int) -> None:
        self._base = f"{url.rstrip('/')}/api/v1"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._http = urllib3.PoolManager(
            maxsize=connections,
            timeout=Timeout(connect=5, read=60),
            retries=Retry(
                total=ATTEMPTS_MORE,
                redirect=False,
                allowed_methods=None,
                status_forcelist={429, 503},
                backoff_factor=0.2,
                backoff_max=5,
                raise_on_status=False,
            ),
        )

    def greet(self) -> str:
        """Return the name of the organization that the key opens, or fail at once.

        :raises Refused: if the key opens none
        :raises Unreachable: if nobody answers
        """
        return str(self._get("/whoami", retries=False)["organizationName"])

    def require_model(self, slug: str) -> None:
        """Fail at once if work cannot run on this model at all.

        :raises Refused: if the server does not know the model, or no price of it
        """
        body = {"model": slug, "inputTokens": 1, "maxOutputTokens": 1}
        answer = self._call("POST", "/usage/check", body=body)
        if answer.status != 200:
            raise Refused(f"model {slug}: {answer.error}: {answer.message}")

    def reserve(
        self, estimate: Mapping[str, Any], *, key: str, metadata: Mapping[str, str]
    ) -> Answer:
        body = {**estimate, "metadata": metadata}
        return self._call("POST", "/usage/reservations", key=key, body=body)

    def settle(self, reservation: str, took: Mapping[str, Any], *, key: str) -> Answer:
        path = f"/usage/reservations/{reservation}/settle"
        return self._call("POST", path, key=key, body=took)

    def balance(self) -> Decimal:
        """Return the balance of the key's wallet."""
        return Decimal(self._get("/credits")["balance"])

    def last_event(self) -> str | None:
        """Return the id of the newest entry of the ledger, or null if it has none."""
        items = self._get("/credits/events?limit=1")["items"]
        return items[0]["eventId"] if items else None

    def entries_since(self, event: str | None) -> Iterator[Entry]:
        """Yield the entries that were posted after that one, newest first."""
        query = f"/credits/events?limit={PAGE}"
        cursor = ""
        while cursor is not None:
            page = self._get(query + (f"&cursor={cursor}" if cursor else ""))
            for item in page["items"]:
                if item["eventId"] == event:
                    return
                yield Entry(item["projectId"], item["workflowId"], Decimal(item["credits"]))
            cursor = page["nextCursor"]

    def _get(self, path: str, **options: Any) -> Any:
        answer = self._call("GET", path, **options)
        if answer.status != 200:
            raise Refused(f"{self._base} answers {answer.error}: {answer.message}")
        if not isinstance(answer.body, Mapping):
            raise Unreachable(f"what answers at {self._base} is not Purser")
        return answer.body

    def _call(
        self, method: str, path: str, *, key: str | None = None, body: Any = None, **options: Any
    ) -> Answer:
        options["headers"] = self._headers | ({"Idempotency-Key": key} if key else {})
        options["body"] = None if body is None else wire.dumps(body)
        begun = time.perf_counter()
        try:
            response = self._http.request(method, self._base + path, **options)
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"{self._base} does not answer: {_reason(error)}") from error
        seconds = time.perf_counter() - begun
        retries = len(response.retries.history) if response.retries else 0
        return Answer(response.status, _read(response.data), seconds, retries)


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None)
    return type(inner or error).__name__


def _read(data: bytes) -> Any:
    """Return a JSON body, numbers as they are written; what is not JSON is nothing."""
    try:
        return simplejson.loads(data, use_decimal=True)
    except ValueError:
        return None


@dataclass
class Tally:
    """What happened, counted."""

    settled: dict[int, Decimal] = field(default_factory=dict)
    """What each line cost, where it was settled."""
    held: Decimal = ZERO
    denials: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"reserve": [], "settle": []})
    elapsed: float = 0

    @property
    def requests(self) -> int:
        return len(self.settled) + self.denials.total() + self.errors.total()

    @property
    def charged(self) -> Decimal:
        return sum(self.settled.values(), ZERO)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest of the values that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[ceil(len(ordered) * percent / 100) - 1]


class Pricing(Protocol):
    """How a request is asked for and settled: by whom its price is known."""

    def estimate(self, work: Work, *, longest_answer: int) -> dict[str, Any]:
        """Return the most that a request may take, as a reservation says it."""

    def took(self, work: Work) -> dict[str, Any]:
        """Return what a request did take, as a settlement says it."""

    def cost(self, work: Work, settled: Answer) -> Decimal:
        """Return what the ledger should say of a request that was settled."""


@dataclass(frozen=True)
class ByCredits:
    """The client knows the price: so many credits for 1,000 tokens, in or out."""

    per_1000: Decimal

    def estimate(self, work: Work, *, longest_answer: int) -> dict[str, Any]:
        tokens = work.context_tokens + longest_answer
        return {"estimatedCredits": price(tokens, per_1000=self.per_1000)}

    def took(self, work: Work) -> dict[str, Any]:
        return {"credits": price(work.tokens, per_1000=self.per_1000)}

    def cost(self, work: Work, settled: Answer) -> Decimal:
        return price(work.tokens, per_1000=self.per_1000)


@dataclass(frozen=True)
class ByModel:
    """The server knows the price: the client tells the tokens, and is answered what they cost."""

    model: str

    def estimate(self, work: Work, *, longest_answer: int) -> dict[str, Any]:
        # Even of an empty answer the least that can be asked for is one token.
        most = max(1, longest_answer)
        return {
            "model": self.model,
            "inputTokens": work.context_tokens,
            "maxOutputTokens": most,
        }

    def took(self, work: Work) -> dict[str, Any]:
        return {"inputTokens": work.context_tokens, "outputTokens": work.generated_tokens}

    def cost(self, work: Work, settled: Answer) -> Decimal:
        return Decimal(settled.body["settledCredits"])


class Replay:
    """One run of a trace against one wallet."""

    def __init__(
        self,
        client: Client,
        trace: Sequence[Work],
        *,
        pricing: Pricing,
        concurrency: int = 1,
        speed: float | None = None,
    ) -> None:
        self.id = f"replay-{new_id()}"
        self.tally = Tally()
        self._client = client
        self._trace = trace
        self._pricing = pricing
        self._concurrency = concurrency
        self._speed = speed
        self._longest_answer = max(work.generated_tokens for work in trace)
        self._waiting = iter(trace)
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def run(self, *, on_done: Callable[[], object]) -> None:
        """Send the whole trace, in its order; Ctrl-C ends it after the requests that are under way."""
        begun = time.perf_counter()
        with ThreadPoolExecutor(self._concurrency) as pool:
            try:
                lanes = [pool.submit(self._lane, begun, on_done) for _ in range(self._concurrency)]
                for lane in lanes:
                    lane.result()
            except KeyboardInterrupt:
                pass
            finally:
                self._stop.set()
        self.tally.elapsed = time.perf_counter() - begun

    def _lane(self, begun: float, on_done: Callable[[], object]) -> None:
        """Take one request after the other, until there is none."""
        while not self._stop.is_set():
            with self._lock:
                work = next(self._waiting, None)
            if work is None or self._waits_in_vain(work, begun):
                return
            self._send(work)
            on_done()

    def _waits_in_vain(self, work: Work, begun: float) -> bool:
        """Wait until the request is due, if time counts. True if we were stopped meanwhile."""
        if self._speed is None:
            return False
        offset = (work.came_at - self._trace[0].came_at).total_seconds() / self._speed
        return self._stop.wait(max(0.0, begun + offset - time.perf_counter()))

    def _send(self, work: Work) -> None:
        """Hold the most that the request can cost, then settle what it did cost."""
        estimate = self._pricing.estimate(work, longest_answer=self._longest_answer)
        metadata = {"projectId": self.id, "workflowId": _name(work.line)}
        try:
            held = self._client.reserve(estimate, key=self._key(work, "reserve"), metadata=metadata)
            self._note("reserve", held, work)
            if held.status != 201:
                return
            took = self._pricing.took(work)
            key = self._key(work, "settle")
            self._note("settle", self._client.settle(str(held.body["id"]), took, key=key), work)
        except Unreachable:
            with self._lock:
                self.tally.errors["no answer"] += 1

    def _key(self, work: Work, call: str) -> str:
        return f"{self.id}-{work.line}-{call}"

    def _note(self, call: str, answer: Answer, work: Work) -> None:
        with self._lock:
            tally = self.tally
            tally.seconds[call].append(answer.seconds)
            tally.retries += answer.retries
            if answer.status == 402:
                tally.denials[answer.reason] += 1
            elif answer.status == 201:
                tally.held += Decimal(answer.body["credits"])
            elif answer.status == 200:
                tally.settled[work.line] = self._pricing.cost(work, answer)
            else:
                tally.errors[answer.error] += 1


def _name(line: int) -> str:
    return f"line {line}"


class Audit(NamedTuple):
    """What the ledger says of a replay, beside what its client says."""

    entries: int
    booked: Decimal
    differences: list[str]

    @property
    def agrees(self) -> bool:
        return not self.differences


def audit(client: Client, replay: Replay, *, last_event: str | None, balance: Decimal) -> Audit:
    """Compare the ledger since `last_event` with what the replay settled, and the wallet with both.

    :param balance: that of the wallet before the replay
    """
    balance_now = client.balance()
    posted = list(client.entries_since(last_event))
    ours = [entry for entry in posted if entry.project == replay.id]
    booked: dict[str, Decimal] = {}
    for entry in ours:
        line = str(entry.workflow)
        booked[line] = booked.get(line, ZERO) - entry.credits
    settled = {_name(line): cost for line, cost in replay.tally.settled.items() if cost}
    differences = [
        f"{line}: settled {settled.get(line, ZERO):f}, booked {booked.get(line, ZERO):f}"
        for line in sorted({*settled, *booked}, key=lambda line: (len(line), line))
        if settled.get(line) != booked.get(line)
    ]
    expected = balance + sum((entry.credits for entry in posted), ZERO)
    if balance_now != expected:
        differences.append(f"the balance is {balance_now:f}, the entries make it {expected:f}")
    return Audit(len(ours), sum(booked.values(), ZERO), differences)
