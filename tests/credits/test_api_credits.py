"""Reading a wallet: GET /api/v1/credits, and a child's."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.models import BillingPeriod, LedgerEntry, Wallet
from organizations.models import Organization
from tests import factories as f
from tests.callers import caller_of, child_path, error, ok
from tests.callers import clock as clock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


def of_april(clock: time_machine.Traveller) -> Organization:
    """Return the organization of the contract's example, in the middle of its April."""
    now = f.at("2026-04-15")
    clock.move_to(now)
    organization = f.make_organization(allowance=1_000, funded=5_400, now=now)
    f.spend(organization, 400, now=now)
    f.reserve(organization, 120, now=now)
    return organization


def stored() -> list[Any]:
    """Return all that a write would change: wallets, periods and the length of the ledger."""
    return [
        list(Wallet.objects.order_by("id").values()),
        list(BillingPeriod.objects.order_by("id").values()),
        LedgerEntry.objects.count(),
    ]


EXAMPLE = {
    "balance": 6000,
    "available": 5880,
    "includedRemaining": 600,
    "prepaidBalance": 5400,
    "reservedCredits": 120,
    "includedThisPeriod": 1000,
    "usedThisPeriod": 400,
    "currentPeriod": {
        "start": "2026-04-01T00:00:00.000Z",
        "end": "2026-05-01T00:00:00.000Z",
        "usedCredits": 400,
    },
    "subscriptionTier": None,
    "billingStatus": "active",
    "estimatedCreditsPerFormat": {},
    "ingestCostsBilled": {"github": False, "website": False, "appstore": False},
}


class TestOwnCredits:
    def test_answers_the_example_of_the_contract(self, clock: time_machine.Traveller) -> None:
        organization = of_april(clock)

        body = ok(caller_of(organization).get("/credits"))

        assert body.pop("expiring") == [{"credits": 600, "expiresAt": "2026-05-01T00:00:00.000Z"}]
        assert body == {"organizationId": organization.public_id, **EXAMPLE}

    def test_writes_fractions_exactly_and_whole_numbers_as_integers(self) -> None:
        organization = f.make_organization(funded="1000000000000.000001")
        f.spend(organization, "0.3")

        answer = caller_of(organization).get("/credits")

        assert b'"balance":999999999999.700001,' in answer.content
        assert b'"usedThisPeriod":0.3,' in answer.content
        assert b'"reservedCredits":0,' in answer.content

    def test_shows_debt_as_a_negative_balance_and_nothing_available(self) -> None:
        organization = f.make_organization(funded=10)
        f.settle(f.reserve(organization, 10), 35)

        body = ok(caller_of(organization).get("/credits"))

        assert (body["balance"], body["available"]) == (-25, 0)
        assert (body["includedRemaining"], body["prepaidBalance"]) == (0, -25)
        assert body["usedThisPeriod"] == 35

    def test_needs_the_scope(self) -> None:
        organization = f.make_organization()

        assert error(caller_of(organization, "usage:write").get("/credits")) == (
            403,
            "FORBIDDEN_SCOPE",
        )
        assert caller_of(organization, "credits:read").get("/credits").status_code == 200

    def test_asks_the_database_a_handful_of_times(self) -> None:
        caller = caller_of(f.make_organization(allowance=10))
        caller.get("/credits")

        with CaptureQueriesContext(connection) as queries:
            caller.get("/credits")

        assert len(queries) <= 5, [query["sql"] for query in queries]


class TestChildCredits:
    def test_answers_the_same_shape(self) -> None:
        parent, child = f.make_family(funded=500)
        f.allocate(child, 40)

        body = ok(caller_of(parent).get(f"{child_path(child)}/credits"))

        assert body == ok(caller_of(child).get("/credits"))
        assert body == EXAMPLE | {
            "organizationId": child.public_id,
            "balance": 40,
            "available": 40,
            "includedRemaining": 0,
            "prepaidBalance": 40,
            "reservedCredits": 0,
            "includedThisPeriod": 0,
            "usedThisPeriod": 0,
            "currentPeriod": {
                "start": "2026-05-01T00:00:00.000Z",
                "end": "2026-06-01T00:00:00.000Z",
                "usedCredits": 0,
            },
        }

    def test_is_what_a_parent_sees_when_it_acts_in_the_child(self) -> None:
        parent, child = f.make_family(funded=500)
        f.allocate(child, 40)

        acting = caller_of(parent, acting=child)

        assert ok(acting.get("/credits")) == ok(caller_of(child).get("/credits"))

    @pytest.mark.parametrize("end", [f.suspend, f.archive])
    def test_is_readable_when_the_child_is_no_longer_active(
        self, end: Callable[[Organization], Any]
    ) -> None:
        parent, child = f.make_family()
        end(child)

        body = ok(caller_of(parent).get(f"{child_path(child)}/credits"))

        assert body["billingStatus"] == Organization.objects.get(id=child.id).status

    def test_needs_org_admin(self) -> None:
        parent, child = f.make_family()

        answer = caller_of(parent, "*").get(f"{child_path(child)}/credits")

        assert error(answer) == (403, "FORBIDDEN_SCOPE")

    def test_exists_for_direct_children_only(self) -> None:
        parent, _ = f.make_family()
        _, stranger = f.make_family()
        caller = caller_of(parent)

        for other in (parent, stranger):
            assert error(caller.get(f"{child_path(other)}/credits")) == (404, "NOT_FOUND")

    def test_takes_a_bare_uuid(self) -> None:
        parent, child = f.make_family()

        body = ok(caller_of(parent).get(f"/organizations/{child.id}/credits"))

        assert body["organizationId"] == child.public_id

    def test_refuses_a_malformed_id(self) -> None:
        answer = caller_of(f.make_organization()).get("/organizations/org_5/credits")

        assert error(answer) == (422, "VALIDATION")


class TestReadAfterABoundary:
    """What time has made due and nobody has posted yet."""

    def test_shows_the_new_period(self, clock: time_machine.Traveller) -> None:
        organization = f.make_organization(funded=100)
        f.spend(organization, 30)
        caller = caller_of(organization)
        clock.move_to(f.at("2026-06-01"))

        body = ok(caller.get("/credits"))

        assert body["usedThisPeriod"] == 0
        assert body["currentPeriod"] == {
            "start": "2026-06-01T00:00:00.000Z",
            "end": "2026-07-01T00:00:00.000Z",
            "usedCredits": 0,
        }
        assert body["balance"] == 70

    def test_shows_the_old_one_until_the_last_microsecond(
        self, clock: time_machine.Traveller
    ) -> None:
        organization = f.make_organization(funded=100)
        f.spend(organization, 30)
        caller = caller_of(organization)
        clock.move_to(f.at("2026-05-31 23:59:59.999999"))

        assert ok(caller.get("/credits"))["usedThisPeriod"] == 30

    def test_shows_the_allowance_of_the_new_term(self, clock: time_machine.Traveller) -> None:
        organization = f.make_organization(allowance=1_000, rollover_limit=50, funded=10)
        f.spend(organization, 900)
        f.set_terms(organization, allowance=2_000)
        caller = caller_of(organization)
        clock.move_to(f.at("2026-06-01"))

        body = ok(caller.get("/credits"))

        assert body["includedThisPeriod"] == 2_050
        assert body["includedRemaining"] == 2_050
        assert body["prepaidBalance"] == 10
        assert body["balance"] == 2_060

    def test_counts_many_boundaries_that_nobody_posted(self, clock: time_machine.Traveller) -> None:
        organization = f.make_organization(anchored_on=date(2026, 1, 31), allowance=10)
        caller = caller_of(organization)
        clock.move_to(f.at("2027-03-01"))

        body = ok(caller.get("/credits"))

        assert body["currentPeriod"]["start"] == "2027-02-28T00:00:00.000Z"
        assert body["currentPeriod"]["end"] == "2027-03-31T00:00:00.000Z"
        assert body["balance"] == 10

    def test_shows_no_credits_that_have_lapsed(self, clock: time_machine.Traveller) -> None:
        organization = f.make_organization(funded=7)
        f.grant(organization, 100, expires_at=f.later(hours=1))
        caller = caller_of(organization)
        clock.move_to(f.later(hours=1))

        body = ok(caller.get("/credits"))

        assert (body["balance"], body["available"], body["prepaidBalance"]) == (7, 7, 7)

    def test_shows_no_hold_whose_time_has_passed(self, clock: time_machine.Traveller) -> None:
        organization = f.make_organization(funded=100)
        f.reserve(organization, 60, ttl=timedelta(minutes=1))
        caller = caller_of(organization)
        clock.move_to(f.later(minutes=1))

        body = ok(caller.get("/credits"))

        assert (body["reservedCredits"], body["available"]) == (0, 100)

    def test_shows_an_archived_wallet_emptied_of_what_its_last_hold_kept(
        self, clock: time_machine.Traveller
    ) -> None:
        parent, child = f.make_family(funded=500)
        f.allocate(child, 100)
        f.reserve(child, 60, ttl=timedelta(minutes=1))
        f.archive(child)
        caller = caller_of(parent)
        clock.move_to(f.later(minutes=1))

        body = ok(caller.get(f"{child_path(child)}/credits"))

        assert (body["balance"], body["reservedCredits"]) == (0, 0)

    def test_is_what_the_next_command_finds(self, clock: time_machine.Traveller) -> None:
        organization = f.make_organization(allowance=1_000, rollover_limit=300, funded=55)
        f.grant(organization, 70, expires_at=f.at("2026-06-20"))
        f.spend(organization, 200)
        f.reserve(organization, 40)
        caller = caller_of(organization)
        now = f.at("2026-07-02")
        clock.move_to(now)

        read = ok(caller.get("/credits"))
        f.renew(organization, now=now)
        f.expire(organization, now=now)

        assert read == ok(caller.get("/credits"))

    def test_leaves_no_write(self, clock: time_machine.Traveller) -> None:
        parent, child = f.make_family(funded=500)
        f.grant(child, 100, expires_at=f.later(hours=1))
        f.reserve(child, 60, ttl=timedelta(minutes=1))
        callers = caller_of(parent), caller_of(child)
        for caller in callers:  # the use of a key is noted, once a minute
            caller.get("/whoami")
        clock.move_to(f.at("2026-07-02"))
        before = stored()

        for path in (child_path(child), f"{child_path(child)}/credits", "/credits"):
            ok(callers[0].get(path))
        ok(callers[0].get(f"{child_path(child)}/credit-config"))
        ok(callers[1].get("/whoami"))

        assert stored() == before
