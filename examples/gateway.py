"""A small AI gateway that asks Purser before each request and settles after it: copy it, and put your provider in.

    PURSER_API_KEY=lp_live_… python examples/gateway.py --url http://127.0.0.1:8000/api --actor act_…

plays a short scene against a running Purser and prints what happened. Besides Python it needs urllib3.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import urllib3

FINE = (200, 201, 402)  # a refusal is an answer like any other
NOT_NOW = (429, 502, 503, 504)
TRIES = 7
FIRST_HOLD = 200  # output tokens: a longer answer makes its hold grow while it streams


class PurserError(Exception):
    """Purser answers something that a gateway cannot go on from."""


class Purser:
    """The calls of Purser's API that a gateway needs."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = f"{url.rstrip('/')}/v1/usage"
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._http = urllib3.PoolManager(retries=False, timeout=10)

    def post(
        self, path: str, body: Mapping[str, Any], key: str = "", *, fine: Collection[int] = FINE
    ) -> tuple[int, dict[str, Any]]:
        """Return status and body, or raise PurserError if this status is not fine."""
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        answer = self._send("POST", path, body, headers)
        if answer.status not in fine:
            raise PurserError(f"POST {path}: {answer.status} {answer.data.decode()}")
        # Credits are exact: never let one become a float.
        return answer.status, json.loads(answer.data, parse_float=Decimal)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        """Send a request until it is answered.

        A 503, a timeout or a broken connection does not tell whether the work was done. So the same request is sent again with the
        same Idempotency-Key: if the first one did its work, this one gets its answer, and nothing is held or charged twice.
        """
        for tries in range(1, TRIES + 1):
            pause = min(0.1 * 2**tries, 5)
            try:
                answer = self._http.request(method, self._url + path, json=body, headers=headers)
            except urllib3.exceptions.HTTPError as error:
                if tries == TRIES:
                    raise PurserError(f"no answer to {method} {path}: {error}") from error
            else:
                if tries == TRIES or answer.status not in NOT_NOW or _is_switched_off(answer):
                    return answer
                pause = float(answer.headers.get("Retry-After", pause))
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _is_switched_off(answer: urllib3.BaseHTTPResponse) -> bool:
    """Say whether somebody has suspended the organization: to ask again changes nothing until they resume it."""
    return answer.status == 503 and b'"KILL_SWITCH"' in answer.data


@dataclass(frozen=True)
class Provider:
    """A pretend provider. A real one streams tokens too, pauses, times out, and breaks off."""

    tokens: int = 120
    fails_after: int | None = None
    fails_with: type[BaseException] = ConnectionError
    pause: float = 0

    def stream(self, model: str) -> Iterator[str]:
        time.sleep(self.pause)
        for number in range(self.tokens):
            if number == self.fails_after:
                raise self.fails_with("broke off" if number else "timed out")
            yield f"{model}-{number} "


@dataclass
class Journal:
    """What is under way, on disk: after a crash it tells what was done and not yet charged. A file for each job, so that many may write at once."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[str, dict[str, Any]]:
        return {path.stem: json.loads(path.read_text()) for path in self.folder.glob("*.json")}

    def note(self, job_id: str, work: Mapping[str, Any] | None) -> None:
        """Keep what a job did so far; None: it is over."""
        path = self.folder / f"{job_id}.json"
        if work is None:
            path.unlink(missing_ok=True)
            return
        # Written aside and put there whole: a crash leaves the old note or the new one.
        aside = path.with_suffix(".new")
        aside.write_text(json.dumps(work))
        aside.replace(path)


@dataclass
class Job:
    """One request of a customer, and what became of it. Its id is made before anything is sent: every key comes from it."""

    id: str
    prompt: int
    most: int  # output tokens
    lives: int = 60  # seconds that the hold is asked for; a heartbeat extends it
    outcome: str = "answered"
    tokens: int = 0
    grown: int = 0
    extended: int = 0
    hold: dict[str, Any] = field(default_factory=dict)  # as Purser said it last

    @property
    def credits(self) -> Decimal:
        return Decimal(self.hold.get("settledCredits") or 0)

    @property
    def work(self) -> dict[str, Any]:
        counts = {"inputTokens": self.prompt, "outputTokens": self.tokens}
        return {"reservation": self.hold["id"], **counts}


@dataclass
class Gateway:
    """Between customers and a provider: nothing runs that is not held, nothing that ran is not charged."""

    purser: Purser
    journal: Journal
    model: str
    actor: str | None = None

    def check(self, prompt: int, most: int) -> dict[str, Any]:
        """Ask without holding anything: what a user sees before pressing the button."""
        return self.purser.post("/check", self._ask(prompt, most))[1]

    def serve(self, job: Job, provider: Provider) -> Job:
        """Serve one request: hold, pass the answer on, charge what it took."""
        ask = self._ask(job.prompt, min(job.most, FIRST_HOLD)) | {"expiresInSeconds": job.lives}
        status, job.hold = self.purser.post("/reservations", ask, f"{job.id}-reserve")
        if status == 402:
            job.outcome, job.hold = f"refused: {job.hold['error']['details']['reason']}", {}
            return job
        self.journal.note(job.id, job.work)
        try:
            self._stream(job, provider)
        except ConnectionError as error:
            job.outcome = f"provider {error}"
        self.journal.note(job.id, job.work)
        job.hold = self.finish(job.id, job.work)
        return job

    def _stream(self, job: Job, provider: Provider) -> None:
        """Pass tokens on, and keep the hold alive and large enough while they come."""
        beat = time.monotonic()
        # What was asked for may be too dear now: the model to use is the one that Purser names.
        for _token in provider.stream(job.hold["effectiveModel"]):
            job.tokens += 1
            if job.tokens % 20 == 0:  # as many as a crash may lose
                self.journal.note(job.id, job.work)
            if time.monotonic() - beat > job.lives / 3:
                beat = time.monotonic()
                self._extend(job)
            if job.tokens == job.hold["maxOutputTokens"] and not self._grow(job):
                return

    def finish(self, job_id: str, work: Mapping[str, Any]) -> dict[str, Any]:
        """Settle what there was, as the provider says it; release if there was nothing."""
        verb = "settle" if work["outputTokens"] else "release"
        # The `usage` of the provider's answer goes here to the letter, cached tokens and all. An answer that broke off has none: then it
        # is what was counted on the way.
        usage = {"prompt_tokens": work["inputTokens"], "completion_tokens": work["outputTokens"]}
        response = {"provider": "openai", "flavor": "chat", "usage": usage}
        took = {"response": response} if verb == "settle" else {}
        # A hold that has expired can be settled, late; to release it there is nothing left.
        fine = (200,) if verb == "settle" else (200, 409)
        path = f"/reservations/{work['reservation']}/{verb}"
        _, answer = self.purser.post(path, took, f"{job_id}-{verb}", fine=fine)
        self.journal.note(job_id, None)
        return answer

    def recover(self) -> dict[str, dict[str, Any]]:
        """Finish what a crash left over. The hold may have expired: work is charged all the same, marked late."""
        return {name: self.finish(name, work) for name, work in self.journal.read().items()}

    def _ask(self, prompt: int, most: int) -> dict[str, Any]:
        """Say the work. `up_to` holds what is affordable, where an exact hold would be refused."""
        who = {"actorId": self.actor} if self.actor else {}
        tokens = {"inputTokens": prompt, "maxOutputTokens": most}
        return {"model": self.model, "mode": "up_to"} | tokens | who

    def _extend(self, job: Job) -> None:
        """Tell that the work is still running: its hold does not expire meanwhile."""
        job.extended += 1
        path, key = f"/reservations/{job.hold['id']}/extend", f"{job.id}-extend-{job.extended}"
        self.purser.post(path, {"expiresInSeconds": job.lives}, key)

    def _grow(self, job: Job) -> bool:
        """Hold credits for twice as long an answer. False if it may not be longer, or that is too dear."""
        total = min(job.most, 2 * job.tokens)
        if total > job.tokens:
            path, key = f"/reservations/{job.hold['id']}/grow", f"{job.id}-grow-{total}"
            status, answer = self.purser.post(path, {"maxOutputTokens": total}, key)
            if status == 200:
                job.hold, job.grown = answer, job.grown + 1
                return True
            job.outcome = "cut short: what is left buys no more"
        return False


def play(gateway: Gateway) -> bool:
    """Serve a few requests of a day, say what happened, and whether it is what should happen."""
    run = f"scene-{time.time_ns()}"

    def serve(name: str, provider: Provider, lives: int = 60) -> Job:
        job = gateway.serve(Job(f"{run}-{name}", prompt=900, most=1_000, lives=lives), provider)
        told = f"{job.outcome}; {job.tokens} tokens, {job.grown} × grown, {job.extended} × extended"
        print(f"{name}: {told}; {job.hold.get('status', 'nothing held')}, {job.credits} credits")
        return job

    can = gateway.check(prompt=900, most=1_000)
    print(f"check: {can['decision']}, {can['credits']} credits at most")
    short = serve("short", Provider())
    long = serve("long", Provider(tokens=700, pause=2.5), lives=6)
    silent = serve("times-out", Provider(fails_after=0))
    broken = serve("dies", Provider(fails_after=50))
    # As if the first answer had been lost: the same again, with the same key, charges nothing more.
    again = gateway.finish(short.id, short.work) if short.hold else {}
    with suppress(SystemExit):
        serve("crash", Provider(fails_after=90, fails_with=SystemExit), lives=1)
    time.sleep(1.5)
    late = gateway.recover().get(f"{run}-crash", {})
    checks = {
        "an answer is charged": can["decision"] != "deny" and short.credits > 0,
        "a long one extends its hold, and makes it grow": long.extended > 0 and long.grown > 1,
        "no answer costs nothing": silent.hold.get("status") == "released",
        "half an answer costs less": 0 < broken.credits < short.credits,
        "a lost answer is charged once": again == short.hold,
        "work is charged after a crash": late.get("status") == "settled" and late["late"],
    }
    for sentence, holds in checks.items():
        print(f"{'ok  ' if holds else 'NOT '} {sentence}")
    return all(checks.values())


def main() -> int:
    parser = argparse.ArgumentParser(description="Play a scene of a gateway against Purser.")
    parser.add_argument("--url", default="http://127.0.0.1:8000/api")
    # An argument is seen by everybody who may list processes; the environment is not.
    given = os.environ.get("PURSER_API_KEY")
    parser.add_argument(
        "--api-key",
        default=given,
        required=given is None,
        help="with the scope usage:write; better in the environment, as PURSER_API_KEY",
    )
    parser.add_argument("--actor", help="who spends: act_…; a personal key knows it itself")
    parser.add_argument("--model", default="gpt-4o-mini")
    options = parser.parse_args()
    purser = Purser(options.url, options.api_key)
    journal = Journal(Path(tempfile.mkdtemp()) / "journal")
    try:
        return 0 if play(Gateway(purser, journal, options.model, options.actor)) else 1
    except PurserError as error:
        sys.exit(f"gateway: {error}")


if __name__ == "__main__":
    sys.exit(main())
