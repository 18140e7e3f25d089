"""The path of a request asks for no price that its process knows: prices are kept by the catalogue's version."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.trips import round_trips
from tests.usage import people as p
from usage.services import terms

OF_PRICES = ("usage_rate", "usage_aimodel", "usage_markup", "usage_customerprice")
RESERVATIONS, EVENTS = "/usage/reservations", "/usage/events"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000_000)


@pytest.fixture
def backend(organization: Organization) -> Caller:
    """A caller of an organization with prices of its own, and a model that sells several things in several ways."""
    p.make_models()
    p.set_price("sonnet", 5, "input_tokens", variant="service_tier=flex")
    p.set_price("sonnet", 20, "input_tokens", prompt_tokens_from=200_001)
    p.set_price("sonnet", 1_000, "web_searches")
    p.set_price("sonnet", 9, "input_tokens", hours="16:30-00:30")
    p.markup("0.8", of=organization)
    return caller_of(organization)


class Path:
    """Work from its reserve to its event, and what was asked of the database for it."""

    def __init__(self, backend: Caller) -> None:
        self.backend, self.number = backend, 0
        self.queries: list[str] = []
        self.trips = 0

    def go(self, **asked: Any) -> "Path":
        self.number += 1
        with round_trips() as trips, CaptureQueriesContext(connection) as captured:
            held = ok(self.backend.post(RESERVATIONS, asked), 201)
            done = {"credits": 1} if "estimatedCredits" in asked else {"usage": self.usage}
            ok(self.backend.post(f"{RESERVATIONS}/{held['id']}/settle", done))
            event = {"source": "t", "id": str(self.number), "model": "sonnet", "usage": self.usage}
            ok(self.backend.post(EVENTS, {"events": [event]}))
        self.queries = [each["sql"] for each in captured.captured_queries]
        self.trips = trips.count
        return self

    usage = {"inputTokens": 300_000, "outputTokens": 500, "webSearches": 1}

    @property
    def of_prices(self) -> list[str]:
        return [sql for sql in self.queries if any(f'"{table}"' in sql for table in OF_PRICES)]


ASKED = {
    "model": "sonnet",
    "inputTokens": 300_000,
    "maxOutputTokens": 500,
    "maxUnits": {"webSearches": 1},
}


class TestPath:
    def test_asks_for_no_price_that_is_known(self, backend: Caller) -> None:
        path = Path(backend)
        assert path.go(**ASKED).of_prices

        for asked in (ASKED, ASKED | {"variant": {"service_tier": "flex"}}):
            assert path.go(**asked).of_prices == []

    def test_takes_no_round_trip_more_than_work_in_credits(self, backend: Caller) -> None:
        path = Path(backend)
        path.go(**ASKED).go(estimatedCredits=5)

        assert path.go(**ASKED).trips == path.go(estimatedCredits=5).trips

    def test_asks_once_more_after_a_price_changed(
        self, backend: Caller, organization: Organization
    ) -> None:
        path = Path(backend)
        path.go(**ASKED).go(**ASKED)
        before = terms.current(organization).versions.catalogue

        p.set_price("sonnet", 2_000, "web_searches")

        assert terms.current(organization).versions.catalogue != before
        assert path.go(**ASKED).of_prices
        assert path.go(**ASKED).of_prices == []
