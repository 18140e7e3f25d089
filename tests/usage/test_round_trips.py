"""How often the path of a request goes to the database: counted at libpq, `BEGIN`, `COMMIT` and `SELECT 1` too."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from credits.models import Reservation
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.trips import round_trips
from tests.usage import people as p

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


def trips_of(call: Callable[[], Any]) -> int:
    with round_trips() as trips:
        call()
    return trips.count


class Gateway:
    """A gateway whose requests are counted against every cap that there is."""

    def __init__(self, organization: Organization) -> None:
        self.caller: Caller = caller_of(organization)
        p.make_models()
        p.set_rate(p.make_model("other", credits_per_million=None), 7, since=p.SINCE)
        ada = p.make_actor(organization, external_id="u-1")
        p.make_group(organization, "acme", ada, kind="entity")
        p.limit(organization, 900, "actor", actor=ada)
        p.limit(organization, 800, "entity_default")
        p.limit(organization, 700, "resource", resource_type="app", resource_id="a")
        p.thresholds(organization, downgrade=500, shutoff=600)
        self.work = {
            "model": "sonnet",
            "inputTokens": 1_000,
            "maxOutputTokens": 1_000,
            "actorId": ada.public_id,
            "entityType": "app",
            "entityId": "a",
            "metadata": {"trace": "1"},
        }
        self.number = 0

    def name_by_external_id(self) -> None:
        """Name the actor by what the product calls it, and let the process read once whose that is."""
        del self.work["actorId"]
        self.work["actorExternalId"] = "u-1"
        self.check()

    def reserve(self) -> str:
        self.number += 1
        held = self.caller.post("/usage/reservations", self.work, key=f"r-{self.number}")
        return str(ok(held, 201)["id"])

    def settle(self, rsv_id: str, **cost: Any) -> Any:
        cost = cost or {"inputTokens": 900, "outputTokens": 300, "cachedInputTokens": 50}
        path = f"/usage/reservations/{rsv_id}/settle"
        return ok(self.caller.post(path, cost, key=f"s-{rsv_id}"))

    def check(self) -> Any:
        body = {name: value for name, value in self.work.items() if name != "metadata"}
        return ok(self.caller.post("/usage/check", body))


@pytest.fixture(params=["a root", "a child"])
def gateway(request: pytest.FixtureRequest) -> Gateway:
    organization = f.make_organization(funded=1_000)
    if request.param == "a child":
        terms: dict[str, Any] = {"refill_threshold": 5, "refill_amount": 20, "monthly_cap": 10_000}
        organization = f.make_organization("Child", parent=organization, **terms)
        f.grant(organization, 1_000)
    made = Gateway(organization)
    connection.close()  # by a session that has prepared nothing for others
    # A session prepares each statement when it first sees it, and a process reads terms and keys that it does not know.
    for _ in range(2):
        made.settle(made.reserve())
    made.check()
    return made


class TestRequestPath:
    def test_holds_in_two(self, gateway: Gateway) -> None:
        assert trips_of(gateway.reserve) <= 2

    def test_settles_in_two(self, gateway: Gateway) -> None:
        rsv_id = gateway.reserve()

        assert trips_of(lambda: gateway.settle(rsv_id)) <= 2

    @pytest.mark.parametrize(
        "cost",
        [
            {
                "response": {
                    "provider": "anthropic",
                    "usage": {"input_tokens": 9, "output_tokens": 3},
                }
            },
            {"usage": {"inputTokens": 900, "outputTokens": 3}, "model": "sonnet"},
        ],
    )
    def test_settles_in_no_more_however_it_is_told(self, gateway: Gateway, cost: Any) -> None:
        rsv_id = gateway.reserve()

        assert trips_of(lambda: gateway.settle(rsv_id, **cost)) <= 2

    def test_looks_once_more_for_the_prices_of_another_model(self, gateway: Gateway) -> None:
        cost = {"usage": {"inputTokens": 900, "outputTokens": 3}, "model": "other"}
        gateway.settle(gateway.reserve(), **cost)
        rsv_id = gateway.reserve()

        assert trips_of(lambda: gateway.settle(rsv_id, **cost)) <= 3

    def test_holds_units_and_variants_in_two(self, gateway: Gateway) -> None:
        p.set_price("sonnet", 1, "web_searches")
        gateway.work |= {"maxUnits": {"webSearches": 3}, "variant": {"service_tier": "default"}}
        gateway.settle(gateway.reserve())

        assert trips_of(gateway.reserve) <= 2

    def test_prepares_nothing_again(self, gateway: Gateway) -> None:
        with round_trips() as trips:
            gateway.settle(gateway.reserve())
            gateway.check()

        assert trips.prepared == [], trips

    def test_checks_in_one(self, gateway: Gateway) -> None:
        assert trips_of(gateway.check) <= 1

    def test_needs_no_more_where_the_actor_is_named_by_its_external_id(
        self, gateway: Gateway
    ) -> None:
        gateway.name_by_external_id()

        assert trips_of(gateway.check) <= 1
        assert trips_of(gateway.reserve) <= 2
        assert len(set(Reservation.objects.values_list("actor", flat=True))) == 1

    def test_reads_a_wallet_in_two(self, gateway: Gateway) -> None:
        gateway.caller.get("/credits")

        assert trips_of(lambda: ok(gateway.caller.get("/credits"))) <= 2

    def test_counts_requests_on_the_way(self, gateway: Gateway, settings: Any) -> None:
        settings.RATE_LIMIT_REQUEST_PATH = 1_000_000
        settings.REDIS_URL = ""
        gateway.check()

        assert trips_of(gateway.check) <= 1
        assert trips_of(gateway.reserve) <= 2

    def test_gives_an_answer_again_without_a_transaction(self, gateway: Gateway) -> None:
        for _ in range(2):  # the second is given again, so its statements are prepared
            gateway.reserve()
            gateway.number -= 1

        assert trips_of(gateway.reserve) <= 3
        assert Reservation.objects.count() == 3
