"""Funding a child: POST /api/v1/organizations/{org}/credits/allocate."""

from typing import Any

import pytest

from credits.models import LedgerEntry
from organizations.models import IdempotencyKey, Organization
from tests import factories as f
from tests.callers import Caller, caller_of, child_path, details, error, ok
from tests.callers import clock as clock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.fixture
def family() -> tuple[Organization, Organization]:
    return f.make_family(funded=1_000)


@pytest.fixture
def parent(family: tuple[Organization, Organization]) -> Organization:
    return family[0]


@pytest.fixture
def child(family: tuple[Organization, Organization]) -> Organization:
    return family[1]


@pytest.fixture
def boss(parent: Organization) -> Caller:
    return caller_of(parent)


class TestAllocate:
    def test_answers_the_transfer(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        f.grant(child, 30)
        f.reserve(child, 10)

        answer = boss.allocate(
            child, 200, key="k", description="June\ntop-up", metadata={"invoice": "7"}
        )

        (entry,) = LedgerEntry.objects.filter(wallet__organization=parent, kind="allocate")
        assert ok(answer) == {
            "id": entry.public_id,
            "created": "2026-05-10T12:00:00.000Z",
            "allocated": 200,
            "description": "June\ntop-up",
            "metadata": {"invoice": "7"},
            "balance": 230,
            "available": 220,
            "replayed": False,
        }
        assert f.money_of(parent) == f.amounts(800, 0, 800)
        assert entry.performed_by == boss_key_of(boss)

    def test_needs_neither_description_nor_metadata(
        self, boss: Caller, child: Organization
    ) -> None:
        body = ok(boss.allocate(child, 1, key="k"))

        assert (body["description"], body["metadata"]) == (None, {})

    def test_moves_once_for_its_key(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        first = ok(boss.allocate(child, 200, key="k", metadata={"a": "b"}))
        f.spend(child, 50)

        again = ok(boss.allocate(child, 200, key="k", metadata={"a": "b"}))

        assert again == first | {"replayed": True}
        assert f.wallet_of(parent).balance == 800
        assert f.wallet_of(child).balance == 150

    def test_moves_the_last_credit_once_and_says_so_again(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        """The key is looked for before the balance: the retry of the last allocation succeeds."""
        ok(boss.allocate(child, 1_000, key="k"))

        assert ok(boss.allocate(child, 1_000, key="k"))["replayed"] is True
        assert f.wallet_of(parent).balance == 0

    def test_moves_again_for_another_key(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        ok(boss.allocate(child, 200, key="k-1"))
        ok(boss.allocate(child, 200, key="k-2"))

        assert f.wallet_of(parent).balance == 600

    def test_requires_a_key(self, boss: Caller, parent: Organization, child: Organization) -> None:
        assert error(boss.allocate(child, 200)) == (400, "IDEMPOTENCY_REQUIRED")
        assert f.wallet_of(parent).balance == 1_000

    def test_refuses_a_key_that_was_used_for_another_amount(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        ok(boss.allocate(child, 200, key="k"))

        assert error(boss.allocate(child, 201, key="k")) == (409, "IDEMPOTENCY_CONFLICT")
        assert f.wallet_of(parent).balance == 800

    def test_refuses_a_key_that_was_used_for_another_child(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        other = f.make_organization(parent=parent)
        ok(boss.allocate(child, 200, key="k"))

        assert error(boss.allocate(other, 200, key="k")) == (409, "IDEMPOTENCY_CONFLICT")

    def test_refuses_more_than_the_parent_has(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        answer = boss.allocate(child, 1_001, key="k")

        assert error(answer) == (402, "BILLING_EXHAUSTED")
        assert details(answer) == {"reason": "balance"}
        assert f.money_of(parent) == f.amounts(1_000, 0, 1_000)
        assert f.money_of(child) == f.amounts(0, 0, 0)

    def test_leaves_its_key_free_when_refused(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        boss.allocate(child, 1_500, key="k")
        f.grant(parent, 500)

        assert ok(boss.allocate(child, 1_500, key="k"))["replayed"] is False

    def test_never_moves_an_allowance(self, parent: Organization) -> None:
        reseller = f.make_organization(allowance=500, funded=10)
        customer = f.make_organization(parent=reseller)

        assert error(caller_of(reseller).allocate(customer, 11, key="k")) == (
            402,
            "BILLING_EXHAUSTED",
        )

    def test_never_moves_what_an_open_hold_needs(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        f.reserve(parent, 900)

        assert error(boss.allocate(child, 101, key="k")) == (402, "BILLING_EXHAUSTED")
        assert ok(boss.allocate(child, 100, key="k"))["allocated"] == 100

    def test_reaches_a_suspended_child(self, boss: Caller, child: Organization) -> None:
        f.suspend(child)

        assert ok(boss.allocate(child, 100, key="k"))["balance"] == 100

    def test_refuses_an_archived_child(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        f.archive(child)

        assert error(boss.allocate(child, 100, key="k")) == (409, "CONFLICT")
        assert f.wallet_of(parent).balance == 1_000

    def test_replays_even_when_the_child_was_archived_since(
        self, boss: Caller, child: Organization
    ) -> None:
        first = ok(boss.allocate(child, 100, key="k"))
        f.archive(child)

        assert ok(boss.allocate(child, 100, key="k")) == first | {"replayed": True}

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"credits": 0},
            {"credits": -5},
            {"credits": 1.5},
            {"credits": 1.0},
            {"credits": "5"},
            {"credits": True},
            {"credits": None},
            {"credits": 10**13 + 1},
            {"credits": 5, "description": "d" * 501},
            {"credits": 5, "description": None},
            {"credits": 5, "description": 5},
            {"credits": 5, "metadata": {"k": 5}},
            {"credits": 5, "metadata": {"k" * 41: "v"}},
            {"credits": 5, "metadata": {"k": "v" * 501}},
            {"credits": 5, "metadata": {f"k{n}": "v" for n in range(51)}},
            {"credits": 5, "metadata": None},
            {"credits": 5, "amount": 5},
        ],
    )
    def test_refuses_a_body_that_breaks_the_rules(
        self, boss: Caller, parent: Organization, child: Organization, body: dict[str, Any]
    ) -> None:
        answer = boss.post(f"{child_path(child)}/credits/allocate", body, key="k")

        assert error(answer) == (422, "VALIDATION")
        assert f.wallet_of(parent).balance == 1_000
        assert not IdempotencyKey.objects.exists()

    def test_takes_the_longest_that_the_rules_allow(
        self, boss: Caller, child: Organization
    ) -> None:
        metadata = {f"{n:040}": "v" * 250 for n in range(50)}

        body = ok(boss.allocate(child, 5, key="k" * 255, description="d" * 500, metadata=metadata))

        assert body["metadata"] == metadata

    def test_needs_org_admin(self, parent: Organization, child: Organization) -> None:
        assert error(caller_of(parent, "*").allocate(child, 5, key="k")) == (403, "FORBIDDEN_SCOPE")

    def test_asks_whose_child_it_is_before_it_asks_for_a_key(
        self, boss: Caller, parent: Organization
    ) -> None:
        _, stranger = f.make_family()

        for other in (parent, stranger):
            assert error(boss.allocate(other, 5)) == (404, "NOT_FOUND")

    def test_moves_nothing_upward(self, parent: Organization, child: Organization) -> None:
        f.allocate(child, 100)

        answer = caller_of(child).allocate(parent, 5, key="k")

        assert error(answer) == (403, "FORBIDDEN_SCOPE")


def boss_key_of(boss: Caller) -> str:
    body: str = ok(boss.get("/whoami"))["apiKeyId"]
    return body
