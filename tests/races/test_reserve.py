"""Holds that are asked for at the same moment: never more than there is, never more than the cap."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper

from config import roles
from credits import migrations
from credits.models import LedgerEntry, Reservation
from credits.services import BillingExhausted
from tests.factories import (
    at,
    entries_of,
    make_organization,
    periods_of,
    spend,
    try_to_grow,
    try_to_reserve,
    wallet_of,
)
from tests.factories import reserve as hold
from tests.races.threads import of, together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

CALLERS = 64
MIGRATIONS = Path(migrations.__path__[0])
JUNE = at("2026-06-01")


def reasons(outcomes: list[object]) -> set[str]:
    return {denial.reason for denial in of(BillingExhausted, outcomes)}


class TestReserve:
    def test_overspends_nothing_on_the_first_use_of_a_wallet(self) -> None:
        organization = make_organization(funded=100)

        outcomes = together(*[lambda: try_to_reserve(organization, 3)] * CALLERS)

        assert len(of(Reservation, outcomes)) == 33
        assert len(of(BillingExhausted, outcomes)) == CALLERS - 33
        assert reasons(outcomes) == {"balance"}
        assert wallet_of(organization).reserved == 99

    def test_overspends_nothing_where_others_hold_and_spend_already(self) -> None:
        organization = make_organization(funded=200)
        spend(organization, 60)
        hold(organization, 40)

        outcomes = together(*[lambda: try_to_reserve(organization, "2.5")] * CALLERS)

        assert len(of(Reservation, outcomes)) == 40
        assert len(of(BillingExhausted, outcomes)) == CALLERS - 40
        assert wallet_of(organization).available == 0

    def test_goes_into_an_overdraft_as_far_as_it_is_allowed(self) -> None:
        organization = make_organization(funded=10, overdraft_limit=50)

        outcomes = together(*[lambda: try_to_reserve(organization, 7)] * CALLERS)

        assert len(of(Reservation, outcomes)) == 8
        assert wallet_of(organization).unreserved == -46

    def test_admits_nothing_to_an_empty_wallet(self) -> None:
        organization = make_organization()

        outcomes = together(*[lambda: try_to_reserve(organization, 1)] * CALLERS)

        assert len(of(BillingExhausted, outcomes)) == CALLERS

    def test_never_crosses_a_cap_on_its_first_use(self) -> None:
        organization = make_organization(funded=10_000, monthly_cap=100)

        outcomes = together(*[lambda: try_to_reserve(organization, 3)] * CALLERS)

        assert len(of(Reservation, outcomes)) == 33
        assert len(of(BillingExhausted, outcomes)) == CALLERS - 33
        assert reasons(outcomes) == {"cap"}

    def test_lands_on_a_cap_exactly(self) -> None:
        organization = make_organization(funded=10_000, monthly_cap=100)
        spend(organization, 20)

        outcomes = together(*[lambda: try_to_reserve(organization, 4)] * CALLERS)

        assert len(of(Reservation, outcomes)) == 20
        period = periods_of(organization)[-1]
        assert period.used == 20
        assert period.reserved == 80

    def test_holds_what_fits_and_not_more_with_up_to(self) -> None:
        organization = make_organization(funded=10_000, monthly_cap=100)

        outcomes = together(*[lambda: try_to_reserve(organization, 30, mode="up_to")] * CALLERS)

        held = sorted(reservation.credits for reservation in of(Reservation, outcomes))
        assert held == [10, 30, 30, 30]
        assert len(of(BillingExhausted, outcomes)) == CALLERS - 4

    def test_rolls_and_renews_once_on_the_first_use_after_a_boundary(self) -> None:
        organization = make_organization(funded=50, allowance=100, monthly_cap=1_000)
        spend(organization, 70)

        outcomes = together(*[lambda: try_to_reserve(organization, 4, now=JUNE)] * CALLERS)

        assert len(of(Reservation, outcomes)) == 37  # 150: the allowance again, the rest prepaid
        assert [period.starts_at for period in periods_of(organization)] == [at("2026-05-01"), JUNE]
        kinds = [entry.kind for entry in entries_of(organization)]
        assert kinds.count(LedgerEntry.Kind.RENEW) == 2
        assert kinds.count(LedgerEntry.Kind.LAPSE) == 1

    def test_starts_a_new_cap_once_on_the_first_use_after_a_boundary(self) -> None:
        organization = make_organization(funded=10_000, monthly_cap=100)
        spend(organization, 100)

        outcomes = together(*[lambda: try_to_reserve(organization, 3, now=JUNE)] * CALLERS)

        assert len(of(Reservation, outcomes)) == 33
        assert [period.used for period in periods_of(organization)] == [100, 0]

    def test_gives_way_once_to_holds_whose_time_has_passed(self) -> None:
        organization = make_organization(funded=90)
        for _ in range(3):
            hold(organization, 30)
        afterwards = at("2026-05-10 13:00")

        outcomes = together(*[lambda: try_to_reserve(organization, 4, now=afterwards)] * CALLERS)

        assert len(of(Reservation, outcomes)) == 22
        assert wallet_of(organization).reserved == 88

    def test_would_overspend_without_the_lock(self) -> None:
        organization = make_organization(funded=10)
        wait = "moment := w.moment;\n    PERFORM pg_advisory_xact_lock_shared(77);"
        edits = {" FOR NO KEY UPDATE;": ";", "moment := w.moment;": wait}
        is_held = Event()

        def let_all_read() -> None:
            """Let nobody go on before everybody has read."""
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(77)")
                is_held.set()
                wait_for_waiters(cursor, 8)
                cursor.execute("SELECT pg_advisory_unlock(77)")

        def ask() -> object:
            assert is_held.wait(60)
            return try_to_reserve(organization, 10)

        with edited("credits_hold_2", edits):
            outcomes = together(let_all_read, *[ask] * 8)

        assert len(of(Reservation, outcomes)) == 8
        assert wallet_of(organization).reserved == 80


@contextmanager
def edited(function: str, edits: dict[str, str]) -> Iterator[None]:
    """Replace some words of a function of the database as long as the block lasts."""
    was = (MIGRATIONS / "sql" / f"{function}.sql").read_text()
    was = was.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    other = was
    for old, new in edits.items():
        assert old in other
        other = other.replace(old, new)
    _execute_as_owner(other)
    try:
        yield
    finally:
        _execute_as_owner(was)


def _execute_as_owner(statement: str) -> None:
    with roles.as_owner(), connection.cursor() as cursor:
        cursor.execute(statement)


def wait_for_waiters(cursor: CursorWrapper, count: int) -> None:
    """Return once so many sessions wait for an advisory lock of this database."""
    waiting = """SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
    for _ in range(6_000):
        cursor.execute(waiting)
        if cursor.fetchone()[0] >= count:
            return
        cursor.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("they do not wait")


class TestGrow:
    def test_overspends_nothing(self) -> None:
        organization = make_organization(funded=100)
        holds = [hold(organization, 1) for _ in range(32)]

        outcomes = together(*[lambda r=r: try_to_grow(r, 6) for r in holds])

        assert len(of(Reservation, outcomes)) == 13  # 68 left, 5 more for each
        assert wallet_of(organization).reserved == 97

    def test_grows_one_hold_once_to_one_total(self) -> None:
        organization = make_organization(funded=100)
        growing = hold(organization, 1)

        outcomes = together(*[lambda: try_to_grow(growing, 60)] * 16)

        assert len(of(Reservation, outcomes)) == 16
        assert wallet_of(organization).reserved == 60
