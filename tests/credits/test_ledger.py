"""The one door: how entries are numbered and hashed, how grants are drawn, and that nobody goes around."""

import ast
from collections.abc import Collection, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.db import transaction
from django.db.transaction import TransactionManagementError

from credits import ledger, verification
from credits.models import GENESIS, BillingPeriod, Grant, LedgerEntry, Wallet
from organizations.models import Organization
from tests.credits.tampering import make_world
from tests.factories import (
    NOW,
    STAFF,
    Amount,
    adjust,
    amounts,
    entries_of,
    grant,
    grants_of,
    grow,
    later,
    make_family,
    make_organization,
    money_of,
    reserve,
    settle,
    spend,
    wallet_of,
)

Kind = LedgerEntry.Kind
database = pytest.mark.django_db(transaction=True)


class TestWallet:
    @pytest.mark.parametrize(
        ("balance", "reserved", "allowance", "says"),
        [
            # what it says: available, debt, prepaid, transferable
            (100, 0, 0, (100, 0, 100, 100)),
            (100, 30, 0, (70, 0, 100, 70)),
            (100, 30, 40, (70, 0, 60, 60)),
            (100, 70, 40, (30, 0, 60, 30)),
            (100, 120, 40, (0, 0, 60, 0)),
            (40, 0, 40, (40, 0, 0, 0)),
            (-5, 0, 0, (0, 5, -5, 0)),
            (-5, 10, 0, (0, 5, -5, 0)),
            (0, 0, 0, (0, 0, 0, 0)),
        ],
    )
    def test_says_what_may_be_spent_and_what_may_leave(
        self, balance: int, reserved: int, allowance: int, says: tuple[int, ...]
    ) -> None:
        wallet = Wallet(
            balance=Decimal(balance),
            reserved=Decimal(reserved),
            allowance_remaining=Decimal(allowance),
        )

        said = (wallet.available, wallet.debt, wallet.prepaid, wallet.transferable)

        assert said == amounts(*says)
        assert wallet.unreserved == balance - reserved


class TestTake:
    @pytest.mark.parametrize(
        ("remaining", "amount", "taken"),
        [
            ([10], 4, [-4]),
            ([10], 10, [-10]),
            ([10], 12, [-10]),
            ([10, 5], 12, [-10, -2]),
            ([10, 5, 7], 15, [-10, -5]),
            ([10, 5], 0, []),
            ([], 3, []),
            (["0.000001", 5], "0.000002", ["-0.000001", "-0.000001"]),
        ],
    )
    def test_draws_in_order_up_to_the_amount(
        self, remaining: list[Amount], amount: Amount, taken: list[Amount]
    ) -> None:
        grants = [Grant(remaining=Decimal(each)) for each in remaining]

        draws = ledger.take(grants, Decimal(amount))

        assert tuple(draw.amount for draw in draws) == amounts(*taken)
        assert [draw.grant for draw in draws] == grants[: len(draws)]


@database
class TestLiveGrants:
    def test_are_in_the_order_in_which_they_are_drawn(self) -> None:
        organization = make_organization()
        terms: dict[str, tuple[int, int | None]] = {
            # name: priority, days to its expiry
            "fifth": (50, None),
            "fourth": (50, 9),
            "first": (1, None),
            "third": (50, 8),
            "sixth": (50, None),
            "last": (90, 1),
            "second": (49, 9),
        }
        names = {}
        for name, (priority, days) in terms.items():
            ends = None if days is None else later(days=days)
            names[grant(organization, 1, priority=priority, expires_at=ends).id] = name

        order = [names[g.entry_id] for g in ledger.live_grants(wallet_of(organization))]

        assert order == ["first", "second", "third", "fourth", "fifth", "sixth", "last"]

    def test_are_those_that_hold_something(self) -> None:
        organization = make_organization(funded=5)
        spend(organization, 5)
        grant(organization, 1)

        live = ledger.live_grants(wallet_of(organization))

        assert live == grants_of(organization)[1:]


@database
class TestLock:
    def test_returns_the_wallets_in_the_order_in_which_it_locked_them(self) -> None:
        parent, child = make_family()

        with transaction.atomic():
            locked = ledger.lock(parent.id, child.id)

        assert [wallet.organization for wallet in locked] == [parent, child]

    def test_reads_them_after_they_are_locked(self) -> None:
        organization = make_organization(funded=10)

        with transaction.atomic():
            (wallet,) = ledger.lock(organization.id)

        assert (wallet.balance, wallet.config.monthly_cap) == (Decimal(10), None)
        assert ledger.open_period(wallet).index == 0

    def test_refuses_an_organization_without_a_wallet(self) -> None:
        with pytest.raises(Wallet.DoesNotExist), transaction.atomic():
            ledger.lock(UUID("01980000-0000-7000-8000-000000000001"))

    def test_is_impossible_outside_a_transaction(self) -> None:
        organization = make_organization()

        with pytest.raises(TransactionManagementError):
            ledger.lock(organization.id)


@database
class TestOpenPeriod:
    def test_is_missed_where_there_is_none(self) -> None:
        with pytest.raises(BillingPeriod.DoesNotExist):
            ledger.open_period(Wallet())


@database
class TestTransfer:
    @transaction.atomic
    def transfer(self, payer: Organization, payee: Organization, amount: int) -> None:
        source, target = ledger.lock(payer.id, payee.id)
        note = ledger.Note(STAFF, NOW)
        ledger.transfer(source, target, Decimal(amount), kind=Kind.ALLOCATE, note=note)

    def test_refuses_a_wallet_that_would_pay_itself(self) -> None:
        organization = make_organization(funded=10)

        with pytest.raises(ValueError, match="cannot pay itself"):
            self.transfer(organization, organization, 1)

        assert money_of(organization) == amounts(10, 0, 10)

    def test_refuses_what_may_not_leave(self) -> None:
        parent, child = make_family(funded=10)

        with pytest.raises(ledger.InsufficientCredits):
            self.transfer(parent, child, 11)

        assert money_of(child) == amounts(0, 0, 0)


@database
class TestSixPlaces:
    @pytest.mark.parametrize("credits", ["0.0000001", "1.0000005", "0.9999999"])
    def test_are_the_most_that_any_amount_has(self, credits: str) -> None:
        organization = make_organization(funded=10)
        hold = reserve(organization, 5)

        for command in (
            lambda: grant(organization, credits),
            lambda: adjust(organization, credits),
            lambda: adjust(organization, f"-{credits}"),
            lambda: reserve(organization, credits),
            lambda: grow(hold, f"5{credits[1:]}"),
            lambda: settle(hold, credits),
        ):
            with pytest.raises(ValueError, match="six places at most"):
                command()

        assert money_of(organization) == amounts(10, 5, 5)


@database
class TestChain:
    def test_is_numbered_from_one_without_a_gap(self) -> None:
        for organization in make_world():
            numbers = [entry.number for entry in entries_of(organization)]

            assert numbers == list(range(1, len(numbers) + 1))
            assert len(numbers) > 5

    def test_adds_up_entry_by_entry(self) -> None:
        for organization in make_world():
            entries = entries_of(organization)

            for before, after in pairwise(entries):
                assert after.balance_after == before.balance_after + after.amount
            assert entries[-1].balance_after == wallet_of(organization).balance

    def test_links_every_hash_to_the_one_before(self) -> None:
        for organization in make_world():
            entries = entries_of(organization)

            assert bytes(entries[0].previous_hash) == GENESIS
            for before, after in pairwise(entries):
                assert bytes(after.previous_hash) == bytes(before.hash)
            assert bytes(wallet_of(organization).head_hash) == bytes(entries[-1].hash)

    def test_never_repeats_a_hash(self) -> None:
        make_world()

        hashes = [bytes(entry.hash) for entry in LedgerEntry.objects.all()]

        assert len(set(hashes)) == len(hashes)

    @pytest.mark.parametrize(
        "metadata",
        [
            {},
            {"job": "A-17", "note": "Käse, 寿司, 🧾", "quote": '"\\/'},
            {"b": "2", "a": "1"},
            {"nested": {"list": ["1", None, True, 3]}},
            {"line": " ", "escape": "\\u0041", "empty": ""},
        ],
    )
    def test_survives_the_way_through_the_database(self, metadata: dict[str, object]) -> None:
        organization = make_organization(funded=10)

        settle(reserve(organization, 5, metadata=metadata), "4.5")

        assert entries_of(organization)[-1].metadata == metadata
        assert verification.verify(wallet_of(organization)) is None


ONLY_THE_LEDGER_WRITES = {
    "balance",
    "reserved",
    "remaining",
    "allowance_remaining",
    "head_number",
    "event_position",
    "head_hash",
}
MAKES_AN_ENTRY = {"LedgerEntry", "GrantDraw", "models.LedgerEntry", "models.GrantDraw"} | {
    f"{model}.objects.{call}"
    for model in ("LedgerEntry", "GrantDraw", "Grant")
    for call in ("create", "bulk_create", "update_or_create", "get_or_create")
}
LEDGER = Path("credits/ledger")


class TestOneDoor:
    def test_nobody_else_writes_credits(self) -> None:
        paths = source_files(ONLY_THE_LEDGER_WRITES)
        writers = {path.parent for path in paths for _ in writes_in(tree_of(path))}

        assert writers == {LEDGER}

    def test_nobody_else_makes_entries(self) -> None:
        paths = source_files({name.split(".objects.")[0] for name in MAKES_AN_ENTRY})
        makers = {path.parent for path in paths if makes_entries(tree_of(path))}

        assert makers == {LEDGER}


def source_files(names: Collection[str]) -> Iterator[Path]:
    """Yield the files of ours that have one of these names in them: the others need not be taken to pieces."""
    for app in ("organizations", "credits", "usage", "config"):
        for path in (settings.BASE_DIR / app).rglob("*.py"):
            if "migrations" not in path.parts:
                text = path.read_text()
                if any(name in text for name in names):
                    yield path.relative_to(settings.BASE_DIR)


def tree_of(path: Path) -> ast.Module:
    return ast.parse((settings.BASE_DIR / path).read_text())


def makes_entries(tree: ast.Module) -> bool:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(ast.unparse(call.func) in MAKES_AN_ENTRY for call in calls)


def writes_in(tree: ast.Module) -> Iterator[str]:
    """Yield every assignment to a field that belongs to the ledger, and every update that names one."""
    for node in ast.walk(tree):
        for target in targets_of(node):
            if isinstance(target, ast.Attribute) and target.attr in ONLY_THE_LEDGER_WRITES:
                yield ast.unparse(target)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("update", ".save")):
            named = {keyword.arg for keyword in node.keywords}
            listed = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
            yield from filter(None, (named | listed) & ONLY_THE_LEDGER_WRITES)


def targets_of(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return [node.target]
    return []
