"""The hash of an entry: one definition, that SQL makes and anybody can follow."""

from datetime import datetime
from typing import Any

import pytest
from django.db import connection, transaction

from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

GOLDEN = "7a8351d19c6211d10dcfbe26d00e99470d83a76e127eb6f4f1ae06efc6b4db10"
ENTRY = {
    "previous": "'\\x{}'::bytea".format("00" * 32),
    "wallet": "'01980000-0000-7000-8000-000000000002'",
    "number": "7",
    "id": "'01980000-0000-7000-8000-000000000001'",
    "period": "3",
    "kind": "'settle'",
    "amount": "-1.5",
    "balance_after": "10",
    "allowance_after": "4",
    "usage_after": "2.5",
    "reservation": "'01980000-0000-7000-8000-000000000003'",
    "counted_in": "3",
    "reverses": "NULL",
    "transfer": "NULL",
    "reference": "''",
    "reason": "'why, Käse, 寿司'",
    "metadata": """'{"a": "1", "b": "2"}'::jsonb::text""",
    "performed_by": "'key_1'",
    "posted_at": "'2026-05-10T12:00:00.000001Z'",
    "draws": "credits_draws_text_1(ARRAY['01980000-0000-7000-8000-000000000004']::uuid[], ARRAY[-1.5])",
    "grants": (
        "credits_grant_text_1('01980000-0000-7000-8000-000000000004', '01980000-0000-7000-8000-000000000002', 'grant', 20, 50, NULL, NULL,"
        " 0, 0, '2026-05-10T12:00:00Z')"
    ),
}
OTHER = {
    "previous": "sha256('')",
    "kind": "'adjust'",
    "usage_after": "NULL",
    "reservation": "gen_random_uuid()",
    "reverses": "gen_random_uuid()",
    "transfer": "gen_random_uuid()",
    "wallet": "gen_random_uuid()",
    "id": "gen_random_uuid()",
    "counted_in": "NULL",
    "reference": "NULL",
    "reason": "NULL",
    "metadata": "'{}'",
    "performed_by": "'key_2'",
    "posted_at": "'2026-05-10T12:00:00.000002Z'",
    "draws": "''",
    "grants": "''",
}
"""Another value for each argument; a number is another by one."""


def answer(expression: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}")
        return cursor.fetchone()[0]


def entry_hash(**changes: str) -> str:
    arguments = ", ".join(f"{name} => {value}" for name, value in (ENTRY | changes).items())
    return str(answer(f"encode(credits_entry_hash_1({arguments}), 'hex')"))


class TestEntryHash:
    def test_is_what_it_was_when_the_first_ledgers_were_written(self) -> None:
        """Whoever changes what is hashed, or how, makes every ledger there is look tampered with: another way gets another number."""
        assert entry_hash() == GOLDEN

    @pytest.mark.parametrize("argument", ENTRY)
    def test_changes_with_whatever_is_said(self, argument: str) -> None:
        other = OTHER.get(argument, f"{ENTRY[argument]} + 1")

        assert entry_hash(**{argument: other}) != entry_hash()

    def test_tells_nothing_from_an_empty_text(self) -> None:
        assert entry_hash(reason="''") != entry_hash(reason="NULL")

    def test_does_not_depend_on_the_places_of_an_amount_or_the_zone_of_a_time(self) -> None:
        spelled = entry_hash(
            amount="-1.50000000",
            balance_after="1e1",
            posted_at="'2026-05-10T17:45:00.000001+05:45'",
        )

        assert spelled == entry_hash()

    def test_does_not_depend_on_the_order_of_draws(self) -> None:
        first, second = (
            "'01980000-0000-7000-8000-000000000004'",
            "'01980000-0000-7000-8000-000000000005'",
        )

        one = answer(f"credits_draws_text_1(ARRAY[{first}, {second}]::uuid[], ARRAY[1, 2])")
        other = answer(f"credits_draws_text_1(ARRAY[{second}, {first}]::uuid[], ARRAY[2, 1])")

        assert one == other

    @pytest.mark.parametrize(
        "session",
        [
            "timezone = 'Asia/Kathmandu'",
            "datestyle = 'German, DMY'",
            "bytea_output = 'escape'",
            "extra_float_digits = -15",
            "standard_conforming_strings = off",
        ],
    )
    def test_is_the_same_in_every_session(self, session: str) -> None:
        with transaction.atomic():
            answer("1")
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL {session}")
            said = entry_hash(previous="decode(repeat('00', 32), 'hex')")

        assert said == GOLDEN


class TestClamp:
    @pytest.mark.parametrize(
        ("posted_at", "moment"),
        [
            ("NULL", NOW),
            ("'2026-05-10T11:00:00Z'", NOW),
            ("'2026-05-10T12:00:01Z'", "2026-05-10T12:00:01+00:00"),
            ("'2026-05-10T12:01:00Z'", "2026-05-10T12:01:00+00:00"),
            ("'2026-05-10T12:01:00.000001Z'", NOW),
        ],
    )
    def test_never_goes_back_before_the_last_entry_but_for_more_than_a_minute(
        self, posted_at: str, moment: datetime | str
    ) -> None:
        expected = datetime.fromisoformat(moment) if isinstance(moment, str) else moment

        assert answer(f"credits_clamp_1('{NOW.isoformat()}', {posted_at})") == expected
