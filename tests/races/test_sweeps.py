"""Work of the calendar that is very much for one wallet: done in portions, each committed before the next, while the wallet is in use.

Portions and commits are counted, and who comes between two of them has to get the lock at once: seconds say nothing on a busy machine.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from credits import tasks
from credits.ledger import EXPIRED_AT_ONCE
from credits.models import CreditConfig, Reservation
from organizations import jobs
from organizations.jobs import running
from organizations.models import Organization
from tests.big_world import multiply
from tests.credits.tampering import tamper
from tests.factories import (
    amounts,
    at,
    later,
    make_organization,
    money_of,
    periods_of,
    reserve,
    spend,
)
from tests.races.threads import of, together
from tests.usage import people as p
from usage.models import RollupMark, UsageEvent, UsageRollup
from usage.services import rollups
from usage.tasks import ROLL_UP

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 20_000
"""How many rows are made in one statement."""
IS_FREE = "SELECT id FROM credits_wallet FOR UPDATE NOWAIT"
WHO_IS_FREE = "SELECT id FROM credits_wallet FOR UPDATE SKIP LOCKED"


@contextmanager
def before_each_lock(do: Callable[[], None]) -> Iterator[None]:
    """Do something whenever this session is about to lock a wallet: between two portions, if they are transactions."""

    def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "FOR NO KEY UPDATE" in sql and "credits_wallet" in sql:
            do()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        yield


def ask_elsewhere(sql: str) -> list[Any]:
    """Ask in another session, which waits for nobody."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor)
    finally:
        other.close()


class InUse:
    """A wallet that is spent from now and then, by others, between two portions."""

    def __init__(self, organization: Organization, every: int) -> None:
        self.organization, self.every = organization, every
        self.portions = 0
        self.outcomes: list[object] = []

    def __call__(self) -> None:
        self.portions += 1
        ask_elsewhere(IS_FREE)
        if self.portions % self.every == 0:
            self.outcomes += together(lambda: spend(self.organization, 1, now=later(minutes=5)))


class TestHoldsOfOneWallet:
    @pytest.mark.slow
    def test_200_000_go_a_thousand_at_a_time(self) -> None:
        self.expire(200_000, every=20)

    def test_a_few_thousand_go_a_thousand_at_a_time(self) -> None:
        self.expire(3_500, every=2)

    def expire(self, count: int, every: int) -> None:
        organization = make_organization(funded=count + 1_000)
        CreditConfig.objects.filter(wallet=organization.wallet).update(open_holds_limit=2 * count)
        hold = reserve(organization, 1)
        for done in range(1, count, AT_ONCE):
            multiply(hold, min(AT_ONCE, count - done), id="gen_random_uuid()")
        more, whose = count - 1, f"= '{organization.wallet.id}'"
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE credits_wallet SET reserved = reserved + {more}, open_holds = open_holds + {more} WHERE id {whose}"
            )
            for counter in ("billingperiod", "usagecounter"):
                cursor.execute(
                    f"UPDATE credits_{counter} SET reserved = reserved + {more} WHERE wallet_id {whose}"
                )
        use = InUse(organization, every)

        with before_each_lock(use):
            run = jobs.run(
                tasks.EXPIRE, now=lambda: later(hours=1), worker="w", seconds=float("inf")
            )

        assert run is not None
        assert run.job.finished_at is not None
        assert not Reservation.objects.filter(status="open").exists()
        assert count / EXPIRED_AT_ONCE <= use.portions <= count / EXPIRED_AT_ONCE + 1
        assert len(use.outcomes) == use.portions // every
        assert not of(Exception, use.outcomes)
        left = count + 1_000 - len(use.outcomes)
        assert money_of(organization) == amounts(left, 0, left)


class TestRollupFarBehind:
    @pytest.mark.slow
    @pytest.mark.broken_books
    def test_300_000_events_are_added_in_portions(self) -> None:
        self.catch_up(300_000, every=50)

    @pytest.mark.broken_books
    def test_a_few_thousand_events_are_added_in_portions(self) -> None:
        self.catch_up(2_300, every=2)

    def catch_up(self, count: int, every: int) -> None:
        organization = make_organization(funded=1_000)
        p.use(p.work(organization, 1), 1)
        event = UsageEvent.objects.get(organization=organization)
        alone = {"id": "gen_random_uuid()", "entry_id": "NULL", "reservation_id": "NULL"}
        for done in range(1, count, AT_ONCE):
            place = f"n + {done}"
            copies = min(AT_ONCE, count - done)
            multiply(event, copies, **alone, position=place, external_id=f"({place})::text")
        tamper(
            f"UPDATE credits_wallet SET event_position = {count} WHERE id = '{organization.wallet.id}'"
        )
        use = InUse(organization, every)

        with before_each_lock(use):
            jobs.run(ROLL_UP, now=lambda: later(hours=1), worker="w", seconds=float("inf"))

        assert count / rollups.PORTION <= use.portions <= count / rollups.PORTION + 2
        assert use.outcomes
        assert not of(Exception, use.outcomes)
        assert RollupMark.objects.get().position >= count
        assert sum(UsageRollup.objects.values_list("events", flat=True)) >= count


class TestRenewals:
    def test_of_a_batch_hold_no_more_wallets_than_a_portion(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A batch is of 200; whoever renews has locked no more than what is done together, and nothing between two boundaries."""
        monkeypatch.setattr(running, "TOGETHER", 2)
        organizations = [make_organization(allowance=10) for _ in range(7)]
        free: list[int] = []
        most: list[int] = []

        def count_free(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            locks = "FOR NO KEY UPDATE" in sql and "credits_wallet" in sql
            if locks:
                free.append(len(ask_elsewhere(IS_FREE)))
            found = execute(sql, params, many, context)
            if locks:
                most.append(7 - len(ask_elsewhere(WHO_IS_FREE)))
            return found

        with connection.execute_wrapper(count_free):
            jobs.run(tasks.RENEW, now=lambda: at("2026-07-15"), worker="w")

        assert set(free) == {7}
        assert max(most) == 2
        assert [len(periods_of(one)) for one in organizations] == [3] * 7
