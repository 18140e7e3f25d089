"""Sessions of threads: of one thread at a time, and as new ones for the next."""

from contextlib import suppress
from threading import Barrier

import pytest
from django.db import OperationalError, connection

from tests.parallel import at_once

PATIENCE_SECONDS = 60
pytestmark = pytest.mark.django_db(transaction=True)


def told(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return str(cursor.fetchone()[0])


def process(_: int = 0) -> str:
    return told("SELECT pg_backend_pid()")


class TestOwnSession:
    def test_belongs_to_one_thread(self) -> None:
        all_have_one = Barrier(4)

        def process_of_its_own(_: int) -> str:
            number = process()
            # Who were done sooner would leave theirs to who begin later.
            all_have_one.wait(PATIENCE_SECONDS)
            return number

        assert len({process(), *at_once(4, process_of_its_own)}) == 5

    def test_goes_on_as_a_new_one(self) -> None:
        def change(_: int) -> str:
            told("SELECT set_config('lock_timeout', '1234ms', false)")
            told("SELECT set_config('TimeZone', 'Asia/Tokyo', false)")
            told("SELECT 1 FROM pg_advisory_lock(4711)")
            return process()

        (first,) = at_once(1, change)
        ((second, *said),) = at_once(
            1,
            lambda _: (
                process(),
                told("SHOW TimeZone"),
                told("SHOW lock_timeout") == "1234ms",
                told("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"),
            ),
        )

        assert second == first
        assert said == ["UTC", False, "0"]

    def test_that_ended_is_nobodys(self) -> None:
        def end(_: int) -> None:
            with suppress(OperationalError):
                told("SELECT pg_terminate_backend(pg_backend_pid())")

        at_once(1, end)

        assert at_once(1, lambda _: told("SELECT 1")) == ["1"]
