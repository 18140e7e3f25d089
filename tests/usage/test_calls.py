"""How many functions of Python the path of a request calls: what it costs, told by something that is the same on every machine."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.test import RequestFactory

from config.wsgi import application
from tests import factories as f
from tests.callers import PREFIX
from tests.callers import clock as clock
from tests.usage import people as p

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

WORK = {"model": "sonnet", "inputTokens": 900, "maxOutputTokens": 400}
TAKEN = {"inputTokens": 900, "outputTokens": 200}
TIMES = 6
"""The fewest of so many: the first ones meet a key, terms and statements that nobody knows yet, and now and then garbage is looked for."""


class Calls:
    """What was called while it was watched."""

    def __init__(self) -> None:
        self.count = 0

    def note(self, _: Any, event: str, __: Any) -> None:
        self.count += event == "call"

    @contextmanager
    def watched(self) -> Iterator[None]:
        before = sys.getprofile()
        sys.setprofile(self.note)
        try:
            yield
        finally:
            sys.setprofile(before)


class Gateway:
    """A gateway that asks as the server hands it over: past everything that a test client does."""

    def __init__(self) -> None:
        apps.get_app_config("config").ready()  # test clients bring back what that leaves out
        organization = f.make_organization(funded=1_000)
        p.make_models()
        p.thresholds(organization, downgrade=500, shutoff=600)
        _, self.secret = f.make_key(organization, scopes=["*"])
        self.number = 0

    def post(self, path: str, body: Any, calls: Calls) -> Any:
        self.number += 1
        head = {"authorization": f"Bearer {self.secret}", "idempotency-key": f"k-{self.number}"}
        environ = RequestFactory().post(PREFIX + path, body, "application/json", headers=head)
        with calls.watched():
            answer: Any = application(environ.environ, lambda *_: None)
            said = b"".join(answer)
            answer.close()
        assert answer.status_code in (200, 201), said
        return json.loads(said)

    def check(self) -> int:
        calls = Calls()
        self.post("/usage/check", WORK, calls)
        return calls.count

    def pair(self) -> int:
        calls = Calls()
        held = self.post("/usage/reservations", WORK, calls)
        self.post(f"/usage/reservations/{held['id']}/settle", TAKEN, calls)
        return calls.count


@pytest.fixture(autouse=True)
def _written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lines of the log be written where that always can be: other tests close what was there."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            monkeypatch.setattr(handler, "stream", io.StringIO())


# What they were when they were counted last, and a hundredth more: who needs more says here for what.
@pytest.mark.parametrize(("asked", "most"), [(Gateway.check, 1_050), (Gateway.pair, 2_150)])
def test_are_few(asked: Callable[[Gateway], int], most: int) -> None:
    gateway = Gateway()

    found = [asked(gateway) for _ in range(TIMES)]

    assert min(found) <= most, found
