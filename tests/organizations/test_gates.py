"""Gates: a wallet that is locked occupies a few threads, and one that moves as many as there are places."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError
from psycopg import errors

from organizations import gates as module
from organizations.gates import Gates, WalletBusy

ONE, OTHER = uuid4(), uuid4()


def timed_out() -> OperationalError:
    error = OperationalError("canceling statement due to lock timeout")
    error.__cause__ = errors.LockNotAvailable("canceling statement due to lock timeout")
    return error


def wait_in_vain(gates: Gates, wallet: UUID) -> None:
    with pytest.raises(OperationalError), gates.through(wallet):
        raise timed_out()


def is_open(gates: Gates, wallet: UUID) -> bool:
    """Say whether somebody is let through, by looking."""
    try:
        with gates.through(wallet):
            raise ZeroDivisionError  # of which nothing is concluded
    except WalletBusy:
        return False
    except ZeroDivisionError:
        return True


@pytest.fixture
def gates() -> Gates:
    return Gates(places=3, places_if_stuck=1, places_of_all_stuck=2, patience_seconds=0.01)


class TestThrough:
    def test_has_so_many_places(self, gates: Gates) -> None:
        with ExitStack() as inside:
            for _ in range(3):
                inside.enter_context(gates.through(ONE))

            assert not is_open(gates, ONE)

        assert is_open(gates, ONE)

    def test_is_of_one_wallet(self, gates: Gates) -> None:
        with ExitStack() as inside:
            for _ in range(3):
                inside.enter_context(gates.through(ONE))

            assert is_open(gates, OTHER)

    def test_waits_for_a_place_of_a_wallet_that_moves(self) -> None:
        gates = Gates(places=1, patience_seconds=60)
        entered, leave = threading.Event(), threading.Event()

        def stay() -> None:
            with gates.through(ONE):
                entered.set()
                leave.wait()

        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(stay)
            entered.wait()
            second = threads.submit(is_open, gates, ONE)
            leave.set()

            assert second.result()
            first.result()

    def test_says_when_to_come_again(self, gates: Gates) -> None:
        with ExitStack() as inside:
            for _ in range(3):
                inside.enter_context(gates.through(ONE))

            with pytest.raises(WalletBusy) as refused, gates.through(ONE):
                pass

        assert refused.value.wait == 1

    def test_keeps_nothing_of_who_left(self, gates: Gates) -> None:
        for _ in range(10):
            with gates.through(uuid4()):
                pass

        assert (gates.inside, gates.stuck) == ({}, {})


class TestStuck:
    def test_sends_away_at_once_whom_it_would_keep_waiting(self, gates: Gates) -> None:
        gates.patience_seconds = 600
        wait_in_vain(gates, ONE)

        with gates.through(ONE):
            assert not is_open(gates, ONE)

    def test_lets_a_few_try(self, gates: Gates) -> None:
        wait_in_vain(gates, ONE)

        assert is_open(gates, ONE)

    def test_ends_with_the_first_that_gets_through(self, gates: Gates) -> None:
        wait_in_vain(gates, ONE)
        with gates.through(ONE):
            pass

        with gates.through(ONE), gates.through(ONE):
            assert is_open(gates, ONE)

    def test_does_not_end_with_what_says_nothing_of_the_lock(self, gates: Gates) -> None:
        wait_in_vain(gates, ONE)
        assert is_open(gates, ONE)

        with gates.through(ONE):
            assert not is_open(gates, ONE)

    def test_has_few_places_for_all_wallets_together(self, gates: Gates) -> None:
        wallets = [uuid4() for _ in range(3)]
        for wallet in wallets:
            wait_in_vain(gates, wallet)

        with gates.through(wallets[0]), gates.through(wallets[1]):
            assert not is_open(gates, wallets[2])
            assert is_open(gates, ONE)

    def test_is_remembered_of_so_many(self, gates: Gates, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "STUCK_KEPT", 3)
        for _ in range(10):
            wait_in_vain(gates, uuid4())

        assert len(gates.stuck) == 3
