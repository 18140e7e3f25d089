"""An auditor with a page of Python and an export comes to the same hashes as the database."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection, transaction

from credits.models import LedgerEntry
from organizations.statements import fetch_one
from tests import factories as f
from tests.credits import auditor
from tests.credits.tampering import make_world, tampered

pytestmark = pytest.mark.django_db(transaction=True)

HERE = Path(__file__).parent
EXPORT = (HERE / "export.sql").read_text()
OPERATIONS = Path(settings.BASE_DIR) / "docs" / "operations.md"
SESSIONS = [
    "timezone = 'UTC'",
    "timezone = 'Asia/Kathmandu'",
    "datestyle = 'German, DMY'",
    "bytea_output = 'escape'",
    "extra_float_digits = -15",
    "intervalstyle = 'sql_standard'",
    "standard_conforming_strings = off",
]
TEXTS = ["", " ", "~", "1:1", "Käse, 寿司, 🧾", 'quote "\\/', "line\nbreak", "e\u0301", "x" * 500]
HASH = """SELECT encode(credits_entry_hash_1(
    decode(%s, 'hex'), %s::uuid, %s::bigint, %s::uuid, %s::bigint, %s, %s::numeric, %s::numeric, %s::numeric, %s::numeric, %s::uuid, %s::bigint,
    %s::uuid, %s::uuid, %s, %s, %s, %s, %s::timestamptz, credits_draws_text_1(%s::uuid[], %s::numeric[]), %s), 'hex')"""
GRANT = """SELECT credits_grant_text_1(
    %s::uuid, %s::uuid, %s, %s::numeric, %s::integer, %s::timestamptz, %s::timestamptz, %s::integer, %s::integer, %s::timestamptz)"""


@contextmanager
def session(setting: str) -> Iterator[None]:
    """A transaction in which values are written as somebody's session may have it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL {setting}")
        yield


def exported() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(EXPORT.replace("row_to_json(ledger)", "row_to_json(ledger)::text"))
        return [line for (line,) in cursor.fetchall()]


def in_sql(entry: auditor.Row) -> str:
    """Return the hash that the database makes of an entry as it is exported."""
    draws = entry["draws"]
    grants = sorted(entry["grants"], key=lambda grant: str(grant["id"]))
    values = [
        *(entry[name] for name in auditor.ENTRY.split()),
        entry["posted_at"],
        [draw["grant_id"] for draw in draws],
        [draw["amount"] for draw in draws],
        "".join(grant_in_sql(grant) for grant in grants),
    ]
    row = fetch_one(HASH, values)
    assert row is not None
    return str(row[0])


def grant_in_sql(grant: auditor.Row) -> str:
    columns = f"{auditor.GRANT} expires_at term_starts_at seat upgrade created_at".split()
    row = fetch_one(GRANT, [grant[column] for column in columns])
    assert row is not None
    return str(row[0])


class Dice(Random):
    """Rows as an export may show them: whatever the columns allow."""

    def maybe(self, value: Callable[[], str]) -> str | None:
        return None if self.random() < 0.3 else value()

    def uuid(self) -> str:
        return str(UUID(int=self.getrandbits(128)))

    def integer(self) -> str:
        return str(self.choice([0, 1, 9, 10, self.getrandbits(62)]))

    def amount(self) -> str:
        return f"{self.choice(['', '-'])}{self.choice([0, 1, self.getrandbits(58)])}.{self.randrange(10**6):06}"

    def text(self) -> str:
        return self.choice(TEXTS)

    def moment(self) -> str:
        span = timedelta(microseconds=self.randrange(10**17) - 10**16)
        moment = datetime(1990, 1, 1, tzinfo=UTC) + self.choice([timedelta(0), span])
        return moment.isoformat()

    def grant(self) -> auditor.Row:
        return {
            "id": self.uuid(),
            "wallet_id": self.uuid(),
            "source": self.text(),
            "amount": self.amount(),
            "priority": str(self.randrange(1000)),
            "expires_at": self.maybe(self.moment),
            "term_starts_at": self.maybe(self.moment),
            "seat": str(self.randrange(3)),
            "upgrade": str(self.randrange(3)),
            "created_at": self.moment(),
        }

    def entry(self) -> auditor.Row:
        entry: dict[str, Any] = {
            "previous_hash": self.randbytes(32).hex(),
            "kind": self.choice(["settle", "grant", "reversal"]),
            "metadata": json.dumps({"note": self.text()}, ensure_ascii=self.random() < 0.5),
            "posted_at": self.moment(),
            "draws": [
                {"grant_id": self.uuid(), "amount": self.amount()} for _ in range(self.randrange(4))
            ],
            "grants": [self.grant() for _ in range(self.randrange(3))],
        }
        entry |= {name: self.uuid() for name in ("wallet_id", "id")}
        entry |= {name: self.integer() for name in ("number", "period_id")}
        entry |= {name: self.amount() for name in ("amount", "balance_after", "allowance_after")}
        entry |= {name: self.text() for name in ("reference", "reason", "performed_by")}
        nullable = ("reservation_id", "reverses_id", "transfer_id")
        entry |= {name: self.maybe(self.uuid) for name in nullable}
        entry |= {"counted_in_id": self.maybe(self.integer), "usage_after": self.maybe(self.amount)}
        return entry


class TestAuditor:
    @pytest.mark.parametrize("setting", SESSIONS)
    def test_comes_to_the_same_hash_of_whatever_an_entry_may_say(self, setting: str) -> None:
        dice = Dice(setting)
        with session(setting):
            for entry in (dice.entry() for _ in range(100)):
                assert auditor.hash_of(entry) == in_sql(entry), entry

    def test_finds_every_kind_of_entry_as_it_was_written(self) -> None:
        parent, child = make_world()
        f.grant(parent, 1, reference="Käse, 寿司, 🧾", now=f.at("2026-06-04"))
        hold = f.reserve(
            child, 1, metadata={"note": '"\\/ \n', "n": [1.50, None, {}]}, now=f.at("2026-06-04")
        )
        f.settle(hold, "0.000001", now=f.at("2026-06-04"))

        for setting in SESSIONS:
            with session(setting):
                lines = exported()
            assert list(auditor.wrong(lines)) == [], setting
        assert {json.loads(line)["kind"] for line in lines} == set(LedgerEntry.Kind)

    @pytest.mark.parametrize(
        ("edit", "problem"),
        [
            ("UPDATE credits_ledgerentry SET reason = 'gift' WHERE number = 2", "its hash is not"),
            ("UPDATE credits_grant SET priority = priority + 1", "its hash is not"),
            ("DELETE FROM credits_grantdraw", "its hash is not"),
            ("DELETE FROM credits_ledgerentry WHERE number = 2", "does not continue"),
        ],
    )
    def test_finds_what_was_edited(self, edit: str, problem: str) -> None:
        make_world()

        with tampered(edit):
            found = list(auditor.wrong(exported()))

        assert found
        assert all(problem in each for each in found)

    @pytest.mark.parametrize(
        ("name", "language"), [("auditor.py", "python"), ("export.sql", "sql")]
    )
    def test_is_what_the_documents_show(self, name: str, language: str) -> None:
        blocks = re.findall(rf"```{language}\n(.*?)```", OPERATIONS.read_text(), re.DOTALL)

        assert (HERE / name).read_text() in blocks
