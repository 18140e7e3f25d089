"""What a 402 says, what it keeps from a child, and what of the request survives it."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.models import LedgerEntry, Reservation
from organizations.models import IdempotencyKey, Organization
from tests import factories as f
from tests.callers import Caller, caller_of, details, error, ok
from tests.callers import clock as clock
from tests.usage import people as p
from usage.models import Denial
from usage.services import denials

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


def limits(answer: Any) -> dict[str, Any]:
    """Return the limits of an answer by their scope."""
    body = answer.json()
    told = body["limits"] if "limits" in body else body["error"]["details"]["limits"]
    return {limit["scope"]: limit for limit in told}


class TestDenial:
    def test_by_the_pool_says_what_is_affordable(self) -> None:
        organization = f.make_organization(funded=100, allowance=50)
        f.reserve(organization, 30)

        answer = caller_of(organization).reserve(120.5)

        assert error(answer) == (402, "BILLING_EXHAUSTED")
        assert details(answer) == {
            "reason": "balance",
            "limits": [
                {
                    "scope": "organization",
                    "id": organization.public_id,
                    "cap": None,
                    "used": 0,
                    "reserved": 30,
                    "remaining": None,
                    "resetsAt": "2026-06-01T00:00:00.000Z",
                    "binding": False,
                },
                {
                    "scope": "pool",
                    "id": organization.public_id,
                    "cap": 150,
                    "used": 0,
                    "reserved": 30,
                    "remaining": 120,
                    "resetsAt": "2026-06-01T00:00:00.000Z",
                    "binding": True,
                },
            ],
            "affordableCredits": 120,
            "affordableOutputTokens": None,
            "unblocksAt": "2026-05-10T12:15:00.000Z",
        }

    def test_knows_no_relief_where_no_allowance_comes(self) -> None:
        answer = caller_of(f.make_organization(funded=1)).reserve(2)

        assert details(answer)["unblocksAt"] is None

    def test_knows_no_relief_where_the_term_is_the_last(self) -> None:
        organization = f.make_organization(allowance=1)
        f.set_terms(organization, cancel_at_period_end=True)

        answer = caller_of(organization).reserve(2)

        assert details(answer)["unblocksAt"] is None

    def test_by_the_cap_names_it_and_says_when_it_resets(self) -> None:
        organization = f.make_organization(funded=1_000, monthly_cap=100)
        f.spend(organization, 60)

        answer = caller_of(organization).reserve(41)

        told = details(answer)
        assert (told["reason"], told["affordableCredits"]) == ("cap", 40)
        assert told["unblocksAt"] == "2026-06-01T00:00:00.000Z"
        assert limits(answer)["organization"] == {
            "scope": "organization",
            "id": organization.public_id,
            "cap": 100,
            "used": 60,
            "reserved": 0,
            "remaining": 40,
            "resetsAt": "2026-06-01T00:00:00.000Z",
            "binding": True,
        }
        assert limits(answer)["pool"]["binding"] is False

    def test_affordable_is_what_the_next_request_gets(self) -> None:
        organization = f.make_organization(funded=70, monthly_cap=100)
        caller = caller_of(organization)
        affordable = details(caller.reserve(100))["affordableCredits"]

        assert ok(caller.reserve(affordable), 201)["credits"] == 70

    def test_by_a_cap_of_zero_denies_everything(self) -> None:
        caller = caller_of(f.make_organization(funded=70, monthly_cap=0))

        for credits in (0, 0.000001, 1):
            assert details(caller.reserve(credits))["reason"] == "cap"

    def test_stores_nothing_under_its_key(self) -> None:
        organization = f.make_organization(funded=10)
        caller = caller_of(organization)

        denied = caller.reserve(11, key="k")
        f.grant(organization, 1)

        assert error(denied) == (402, "BILLING_EXHAUSTED")
        assert ok(caller.reserve(11, key="k"), 201)["credits"] == 11

    def test_says_its_request_id(self) -> None:
        answer = caller_of(f.make_organization()).reserve(1)

        assert answer.json()["error"]["requestId"] == answer["x-request-id"]


class TestToAChild:
    """The cap is its parent's business: a key of the child learns only that it was the reason."""

    @pytest.fixture
    def family(self) -> tuple[Organization, Organization]:
        parent, child = f.make_family(monthly_cap=100)
        f.allocate(child, 500)
        f.spend(child, 60)
        return parent, child

    def test_a_denial_by_the_cap_tells_the_reason_alone(
        self, family: tuple[Organization, Organization]
    ) -> None:
        _, child = family

        answer = caller_of(child).reserve(41)

        assert error(answer) == (402, "BILLING_EXHAUSTED")
        assert details(answer) == {
            "reason": "cap",
            "limits": [
                {
                    "scope": "pool",
                    "id": child.public_id,
                    "cap": 440,
                    "used": 0,
                    "reserved": 0,
                    "remaining": 440,
                    "resetsAt": None,
                    "binding": False,
                }
            ],
            "affordableCredits": None,
            "affordableOutputTokens": None,
            "unblocksAt": None,
        }
        assert "40" not in answer.json()["error"]["message"]

    def test_the_same_denial_tells_its_parent_everything(
        self, family: tuple[Organization, Organization]
    ) -> None:
        parent, child = family

        answer = caller_of(parent, acting=child).reserve(41)

        assert details(answer)["affordableCredits"] == 40
        assert limits(answer)["organization"]["cap"] == 100

    def test_a_denial_by_a_limit_of_its_own_tells_nothing_of_the_cap(
        self, family: tuple[Organization, Organization]
    ) -> None:
        _, child = family
        ada = p.make_actor(child)
        p.limit(child, 50, "actor", actor=ada)

        told = details(caller_of(child).reserve(51, actorId=ada.public_id))

        assert (told["reason"], told["affordableCredits"]) == ("actor_cap", None)
        assert [(limit["scope"], limit["binding"]) for limit in told["limits"]] == [
            ("actor", True),
            ("pool", False),
        ]

    def test_a_denial_by_the_pool_tells_what_is_affordable(self) -> None:
        _, child = f.make_family(monthly_cap=100)
        f.allocate(child, 7)

        told = details(caller_of(child).reserve(8))

        assert (told["reason"], told["affordableCredits"]) == ("balance", 7)
        assert [limit["scope"] for limit in told["limits"]] == ["pool"]
        assert told["limits"][0]["binding"] is True

    def test_a_hold_looks_as_if_there_were_no_cap(
        self, family: tuple[Organization, Organization]
    ) -> None:
        parent, child = family
        capped = caller_of(child).reserve(1)
        f.set_terms(child, monthly_cap=None)
        held = ok(caller_of(child).get(f"/usage/reservations/{ok(capped, 201)['id']}"))

        assert held == capped.json()
        assert list(limits(capped)) == ["pool"]
        assert limits(capped)["pool"]["binding"] is True
        seen_by_parent = caller_of(parent, acting=child).get(f"/usage/reservations/{held['id']}")
        assert limits(seen_by_parent)["organization"]["binding"] is True

    def test_a_verb_shows_no_more_than_the_hold(
        self, family: tuple[Organization, Organization]
    ) -> None:
        _, child = family
        caller = caller_of(child)
        held = ok(caller.reserve(1), 201)["id"]
        path = f"/usage/reservations/{held}"

        for answer in (
            caller.post(f"{path}/extend", {"expiresInSeconds": 5}),
            caller.post(f"{path}/grow", {"estimatedCredits": 2}),
            caller.post(f"{path}/grow", {"estimatedCredits": 90}),
            caller.settle(held, 1),
        ):
            assert list(limits(answer)) == ["pool"]


class TestRefillOfADeniedRequest:
    """A refill that was not enough stays, and the key of the request is free for the next attempt."""

    @pytest.fixture
    def family(self) -> tuple[Organization, Organization]:
        return f.make_family(refill_threshold=50, refill_amount=100)

    @pytest.mark.parametrize("key", [None, "k"])
    def test_stays(self, family: tuple[Organization, Organization], key: str | None) -> None:
        parent, child = family

        answer = caller_of(child).reserve(150, key=key)

        assert error(answer) == (402, "BILLING_EXHAUSTED")
        assert details(answer)["affordableCredits"] == 100
        assert f.wallet_of(child).balance == 100
        assert f.wallet_of(parent).balance == 900
        assert LedgerEntry.objects.filter(kind="refill").count() == 2
        assert not Reservation.objects.exists()
        assert not IdempotencyKey.objects.exists()

    def test_leaves_the_key_free_for_the_next_attempt(
        self, family: tuple[Organization, Organization], clock: time_machine.Traveller
    ) -> None:
        _, child = family
        caller = caller_of(child)
        denied = caller.reserve(150, key="k")
        clock.move_to(f.later(seconds=300))

        again = caller.reserve(150, key="k")

        assert error(denied) == (402, "BILLING_EXHAUSTED")
        assert ok(again, 201)["credits"] == 150
        assert f.wallet_of(child).balance == 200

    def test_leaves_the_key_free_for_another_request(
        self, family: tuple[Organization, Organization]
    ) -> None:
        _, child = family
        caller = caller_of(child)
        caller.reserve(150, key="k")

        assert ok(caller.reserve(90, key="k"), 201)["credits"] == 90

    @pytest.mark.parametrize("key", [None, "k"])
    def test_stays_when_a_hold_may_not_grow(
        self, family: tuple[Organization, Organization], key: str | None
    ) -> None:
        _, child = family
        f.grant(child, 60)
        caller = caller_of(child)
        held = ok(caller.reserve(10), 201)["id"]

        answer = caller.post(f"/usage/reservations/{held}/grow", {"estimatedCredits": 500}, key=key)

        assert error(answer) == (402, "BILLING_EXHAUSTED")
        assert f.wallet_of(child).balance == 160
        assert not IdempotencyKey.objects.exists()

    def test_is_not_repeated_by_the_denied_request_itself(
        self, family: tuple[Organization, Organization]
    ) -> None:
        parent, child = family
        caller: Caller = caller_of(child)

        for _ in range(5):
            caller.reserve(150, key="k")

        assert f.wallet_of(parent).balance == 900


class TestPrune:
    def test_forgets_denials_of_more_than_thirty_days_a_batch_at_a_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(denials, "PRUNE_BATCH", 2)
        organization = f.make_organization()
        ages = [timedelta(days=30), *[timedelta(days=30, minutes=n) for n in range(1, 6)]]
        for age in ages:
            moment = f.NOW - age
            Denial.objects.create(
                organization=organization,
                minute=moment,
                reason="cap",
                message="",
                created_at=moment,
            )

        with CaptureQueriesContext(connection) as captured:
            forgotten = denials.prune(now=f.NOW)

        assert forgotten == 5
        assert Denial.objects.get().created_at == f.NOW - timedelta(days=30)
        deletes = [each for each in captured.captured_queries if "DELETE" in (each["sql"] or "")]
        assert len(deletes) == 3
