"""Taking back: prepaid credits that no open hold needs, from a child to its parent. POST …/credits/reclaim."""

from typing import Any

import pytest

from credits import services
from credits.ledger import InsufficientCredits
from credits.models import LedgerEntry
from organizations.models import Organization
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests import factories as f
from tests.callers import Caller, caller_of, child_path, details, error, ok
from tests.callers import clock as clock
from tests.factories import NOW, later
from tests.races.threads import of, together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def family() -> tuple[Organization, Organization]:
    """A parent of 700, and its child of 300."""
    parent, child = f.make_family(funded=1_000)
    f.allocate(child, 300)
    return parent, child


@pytest.fixture
def parent(family: tuple[Organization, Organization]) -> Organization:
    return family[0]


@pytest.fixture
def child(family: tuple[Organization, Organization]) -> Organization:
    return family[1]


def lots_of(organization: Organization) -> list[tuple[int, Any, int]]:
    return [
        (int(lot.remaining), lot.expires_at, lot.priority)
        for lot in f.grants_of(organization)
        if lot.remaining
    ]


class TestReclaim:
    def test_moves_credits_to_the_parent_on_both_sides(
        self, parent: Organization, child: Organization
    ) -> None:
        sent, received = f.reclaim(child, "120.5")

        assert f.money_of(child) == f.amounts("179.5", 0, "179.5")
        assert f.money_of(parent) == f.amounts("820.5", 0, "820.5")
        assert (f.entries_of(child)[-1], f.entries_of(parent)[-1]) == (sent, received)
        assert sent.kind == received.kind == LedgerEntry.Kind.RECLAIM
        assert sent.transfer_id == received.transfer_id is not None

    def test_moves_all_that_may_leave_unless_said(
        self, parent: Organization, child: Organization
    ) -> None:
        f.reserve(child, 40)

        f.reclaim(child)

        assert f.money_of(child) == f.amounts(40, 40, 0)
        assert f.money_of(parent) == f.amounts(960, 0, 960)

    @pytest.mark.parametrize("amount", [261, None])
    def test_never_takes_what_holds_need(self, child: Organization, amount: int | None) -> None:
        f.reserve(child, 300 if amount is None else 40)

        with pytest.raises(InsufficientCredits):
            f.reclaim(child, amount)

        assert f.wallet_of(child).balance == 300

    def test_leaves_the_allowance(self) -> None:
        parent = f.make_organization()
        child = f.make_organization(parent=parent, allowance=500, funded=10)

        f.reclaim(child)

        assert f.money_of(child) == f.amounts(500, 0, 500)
        assert f.money_of(parent) == f.amounts(10, 0, 10)

    def test_takes_nothing_out_of_debt(self, child: Organization) -> None:
        f.settle(f.reserve(child, 300), 310)

        with pytest.raises(InsufficientCredits, match="nothing to take back"):
            f.reclaim(child)

    def test_gives_back_holds_whose_time_has_passed(self, child: Organization) -> None:
        f.reserve(child, 300)

        f.reclaim(child, 300, now=later(minutes=15))

        assert f.money_of(child) == f.amounts(0, 0, 0)

    def test_keeps_expiry_and_priority(self) -> None:
        parent, child = f.make_family(funded=0)
        f.grant(parent, 30, expires_at=later(days=5))
        f.grant(parent, 20, priority=10)
        f.allocate(child, 50)

        f.reclaim(child)

        assert sorted(lots_of(parent)) == [(20, None, 10), (30, later(days=5), 50)]

    def test_is_reversed_on_both_sides(self, parent: Organization, child: Organization) -> None:
        sent, _ = f.reclaim(child, 100)

        f.reverse(sent, amount=f.amounts(40)[0])

        assert f.money_of(child) == f.amounts(240, 0, 240)
        assert f.money_of(parent) == f.amounts(760, 0, 760)

    def test_is_refused_to_a_suspended_parent_and_from_an_archived_child(
        self, parent: Organization, child: Organization
    ) -> None:
        gone = f.make_organization(parent=parent)
        f.archive(gone)
        with pytest.raises(OrganizationArchived):
            f.reclaim(gone, 1)
        f.suspend(parent)

        with pytest.raises(OrganizationSuspended):
            f.reclaim(child, 1)

    def test_reaches_a_suspended_child(self, child: Organization) -> None:
        f.suspend(child)

        f.reclaim(child, 300)

        assert f.wallet_of(child).balance == 0

    @pytest.mark.parametrize("amount", [0, -1, 10**13 + 1])
    def test_refuses_an_amount_that_is_none(self, child: Organization, amount: int) -> None:
        with pytest.raises(services.InvalidAmount):
            f.reclaim(child, amount)


class TestReference:
    def test_moves_once_and_answers_what_was_done(
        self, parent: Organization, child: Organization
    ) -> None:
        first = f.reclaim(child, 100, reference="back-1")

        for amount in (100, None):
            again = f.reclaim(child, amount, reference="back-1")
            assert again == first
            assert again[0].replayed
            assert again[1].replayed
        assert f.wallet_of(child).balance == 200

    def test_of_something_else_is_a_conflict(
        self, parent: Organization, child: Organization
    ) -> None:
        other = f.make_organization(parent=parent)
        f.allocate(other, 100)
        f.reclaim(child, 100, reference="back-1")

        for whose, amount in ((child, 99), (other, 100)):
            with pytest.raises(services.ReferenceTaken, match="back-1"):
                f.reclaim(whose, amount, reference="back-1")

    @pytest.mark.parametrize("side", [0, 1])
    def test_that_either_side_used_for_a_refund_is_a_conflict(
        self, family: tuple[Organization, Organization], side: int
    ) -> None:
        gift = f.grant(family[side], 5)
        f.reverse(gift, reference="back-1")

        with pytest.raises(services.ReferenceTaken, match="back-1"):
            f.reclaim(family[1], 5, reference="back-1")

    def test_leaves_those_of_allocations_alone(self, child: Organization) -> None:
        f.allocate(child, 5, reference="order-1")

        sent, _ = f.reclaim(child, 5, reference="order-1")

        assert not sent.replayed


@pytest.mark.usefixtures("clock")
class TestDoor:
    def path(self, child: Organization) -> str:
        return f"{child_path(child)}/credits/reclaim"

    @pytest.fixture
    def boss(self, parent: Organization) -> Caller:
        return caller_of(parent)

    def test_answers_what_moved(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        f.reserve(child, 10)
        body = {"credits": 100.000001, "description": "June", "metadata": {"a": "b"}}

        answer = boss.post(self.path(child), body | {"reference": "back-1"}, key="k")

        entry = f.entries_of(parent)[-1]
        assert ok(answer) == {
            "id": entry.public_id,
            "created": "2026-05-10T12:00:00.000Z",
            "reclaimed": 100.000001,
            "description": "June",
            "metadata": {"a": "b"},
            "reference": "back-1",
            "balance": 199.999999,
            "available": 189.999999,
            "replayed": False,
        }
        (line, *_) = ok(boss.get("/credits/events"))["items"]
        assert (line["eventType"], line["credits"]) == ("allocation", 100.000001)
        assert line["metadata"]["direction"] == "in"

    def test_takes_all_and_moves_once_for_its_key(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        first = ok(boss.post(self.path(child), {}, key="k"))

        assert first["reclaimed"] == 300
        assert ok(boss.post(self.path(child), {}, key="k")) == first | {"replayed": True}
        assert error(boss.post(self.path(child), {"credits": 5}, key="k"))[0] == 409
        assert f.wallet_of(parent).balance == 1_000

    def test_requires_a_key(self, boss: Caller, child: Organization) -> None:
        assert error(boss.post(self.path(child), {})) == (400, "IDEMPOTENCY_REQUIRED")

    def test_refuses_more_than_may_leave(self, boss: Caller, child: Organization) -> None:
        answer = boss.post(self.path(child), {"credits": 301}, key="k")

        assert error(answer) == (402, "BILLING_EXHAUSTED")
        assert details(answer) == {"reason": "balance"}

    @pytest.mark.parametrize("credits", [0, -1, 0.0000001, "5", True, None])
    def test_refuses_what_is_no_amount(
        self, boss: Caller, child: Organization, credits: Any
    ) -> None:
        answer = boss.post(self.path(child), {"credits": credits}, key="k")

        assert error(answer) == (422, "VALIDATION")
        assert f.wallet_of(child).balance == 300

    def test_moves_within_the_sandbox_only(self, parent: Organization, child: Organization) -> None:
        _, secret = f.make_key(parent, scopes=("*", "org:admin"), env="test")

        answer = Caller(secret).post(self.path(child), {}, key="k")

        assert error(answer) == (404, "NOT_FOUND")


@pytest.mark.race
class TestRaces:
    def test_takes_back_no_credit_that_is_spent_at_once(
        self, parent: Organization, child: Organization
    ) -> None:
        outcomes = together(
            *[lambda: f.reclaim(child, 100, now=NOW)] * 4,
            *[lambda: f.try_to_reserve(child, 100)] * 4,
            *[lambda: f.allocate(child, 50)] * 2,
        )

        moved = sum(int(-sent.amount) for sent, _ in of(tuple, outcomes) if sent.kind == "reclaim")
        wallet = f.wallet_of(child)
        assert wallet.balance == 400 - moved >= wallet.reserved
        assert f.wallet_of(parent).balance == 600 + moved

    def test_of_one_reference_by_everybody_moves_once(
        self, parent: Organization, child: Organization
    ) -> None:
        outcomes = together(*[lambda: f.reclaim(child, 30, reference="back-1")] * 16)

        assert len({sent.pk for sent, _ in of(tuple, outcomes)}) == 1
        assert f.wallet_of(child).balance == 270
