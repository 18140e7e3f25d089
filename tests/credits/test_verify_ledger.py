"""Walking the hash chain: whatever is changed behind the ledger's back is found, and the first bad row named."""

import random
from io import StringIO

import pytest
from django.core.management import CommandError, call_command, execute_from_command_line
from django.db import connection

from credits import verification
from credits.models import LedgerEntry, Wallet
from organizations.models import Organization
from tests.credits.sealing import folder as folder
from tests.credits.tampering import hash_of, make_world, tamper, tampered
from tests.factories import at, grant, wallet_of

pytestmark = pytest.mark.django_db(transaction=True)

ENTRY, DRAW, GRANT = "credits_ledgerentry", "credits_grantdraw", "credits_grant"
OTHER_PERIOD = "(SELECT max(id) + 1 FROM credits_billingperiod)"
FLIPPED = "set_byte({column}, 31, get_byte({column}, 31) # 1)"

TAKEN_BACK = "(SELECT reverses_id FROM credits_ledgerentry WHERE reverses_id IS NOT NULL)"
EDITS: dict[str, dict[str, tuple[str, str]]] = {
    # column: the expression it is changed to, and of which rows; the constraints would refuse the others
    ENTRY: {
        "id": ("gen_random_uuid()", "true"),
        "wallet_id": ("gen_random_uuid()", "true"),
        "number": ("number + 1000", "true"),
        "period_id": (OTHER_PERIOD, "true"),
        "kind": (
            "'adjust'",
            "kind IN ('grant', 'recharge', 'lapse') OR reservation_id IS NOT NULL AND reverses_id IS NULL",
        ),
        "amount": ("amount * 1.000001", "abs(amount) >= 1"),
        "balance_after": ("balance_after + 0.000001", "true"),
        "allowance_after": ("allowance_after + 0.000001", "true"),
        "usage_after": ("coalesce(usage_after, 0) + 0.000001", "true"),
        "reservation_id": ("gen_random_uuid()", "true"),
        "counted_in_id": (OTHER_PERIOD, "true"),
        "reverses_id": ("id", f"kind = 'settle' AND id NOT IN {TAKEN_BACK}"),
        "transfer_id": ("gen_random_uuid()", "transfer_id IS NOT NULL"),
        "reference": ("reference || 'x'", "kind IN ('grant', 'recharge', 'adjust', 'allocate')"),
        "reason": ("reason || ' '", "true"),
        "metadata": ("""metadata || '{"note": "gift"}'""", "true"),
        "performed_by": ("performed_by || 'x'", "true"),
        "posted_at": ("posted_at + interval '1 microsecond'", "true"),
        "previous_hash": (FLIPPED.format(column="previous_hash"), "true"),
        "hash": (FLIPPED.format(column="hash"), "true"),
    },
    DRAW: {
        "entry_id": ("gen_random_uuid()", "true"),
        "grant_id": ("gen_random_uuid()", "true"),
        "amount": ("amount * 1.000001", "abs(amount) >= 1"),
    },
    GRANT: {
        "id": ("gen_random_uuid()", "true"),
        "wallet_id": ("gen_random_uuid()", "true"),
        "entry_id": ("gen_random_uuid()", "true"),
        "source": ("'purchase'", "source IN ('grant', 'adjustment', 'allocation')"),
        "amount": ("amount + 0.000001", "true"),
        "priority": ("priority + 1", "true"),
        "expires_at": ("'1970-01-01Z'", "true"),
        "term_starts_at": ("term_starts_at + interval '1 microsecond'", "source = 'allowance'"),
        "upgrade": ("upgrade + 1", "source = 'allowance'"),
        "seat": ("seat + 1", "source = 'allowance'"),
        "created_at": ("created_at + interval '1 microsecond'", "true"),
    },
}
NOT_COVERED = {
    # what remains is what the draws left, a draw fits its checksum: `reconcile` says so; the last ones are computed
    (GRANT, "remaining"),
    (GRANT, "live"),
    # what staff call a grant, and what it is to the business, moves no credit
    (GRANT, "name"),
    (GRANT, "category"),
    (DRAW, "id"),
    (DRAW, "checksum"),
    (ENTRY, "previous_number"),
}
OWNERS = {
    # the entry that answers for a row of a table
    ENTRY: "SELECT id, wallet_id, number, id::text FROM credits_ledgerentry",
    DRAW: "SELECT e.id, e.wallet_id, e.number, d.id::text FROM credits_ledgerentry e"
    " JOIN credits_grantdraw d ON d.entry_id = e.id",
    GRANT: "SELECT e.id, e.wallet_id, e.number, g.id::text FROM credits_ledgerentry e"
    " JOIN credits_grant g ON g.entry_id = e.id",
}


def bad_entry_of(organization: Organization) -> verification.BadEntry | None:
    return verification.verify(wallet_of(organization))


class TestVerify:
    def test_finds_nothing_in_an_honest_world(self) -> None:
        make_world()

        assert [verification.verify(wallet) for wallet in Wallet.objects.all()] == [None] * 3

    def test_sees_every_kind_of_entry(self) -> None:
        """So that an honest world is not an empty one."""
        make_world()

        kinds = set(LedgerEntry.objects.values_list("kind", flat=True))

        assert kinds == set(LedgerEntry.Kind)

    def test_names_the_entry_of_any_row_that_was_edited(self) -> None:
        make_world()
        dice = random.Random(20260510)
        found = 0
        for _ in range(200):
            table = dice.choice(sorted(EDITS))
            column = dice.choice(sorted(EDITS[table]))
            value, where = EDITS[table][column]
            wallet_id, number, row = dice.choice(rows_of(table, where))
            edit = f"UPDATE {table} SET {column} = {value} WHERE id::text = '{row}'"

            with tampered(edit) as changed:
                bad = verification.verify(Wallet.objects.get(id=wallet_id))

            assert changed == 1, edit
            assert bad is not None, edit
            assert bad.number == number, edit
            found += 1
        assert found == 200

    @pytest.mark.parametrize("table", EDITS)
    def test_finds_an_edit_of_every_column(self, table: str) -> None:
        make_world()
        for column, (value, where) in EDITS[table].items():
            for wallet_id, number, row in rows_of(table, where)[:3]:
                edit = f"UPDATE {table} SET {column} = {value} WHERE id::text = '{row}'"

                with tampered(edit):
                    bad = verification.verify(Wallet.objects.get(id=wallet_id))

                assert bad is not None, edit
                assert bad.number == number, edit

    def test_has_an_edit_for_every_column(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE table_name = ANY(%s)",
                [list(EDITS)],
            )
            columns = set(cursor.fetchall())

        edited = {(table, column) for table, edits in EDITS.items() for column in edits}
        assert columns == edited | NOT_COVERED

    @pytest.mark.parametrize("number", [1, 3])
    def test_finds_a_forger_who_knows_how_to_hash(self, number: int) -> None:
        parent, _ = make_world()
        forged = hash_of_a_forgery(parent, number)

        with tampered(
            f"UPDATE {ENTRY} SET reason = 'gift', hash = '\\x{forged}'"
            f" WHERE number = {number} AND wallet_id = '{parent.wallet.id}'"
        ):
            bad = bad_entry_of(parent)

        assert bad is not None
        assert (bad.number, bad.problem) == (number + 1, "does not continue the entry before it")

    def test_finds_a_forger_of_the_last_entry(self) -> None:
        parent, _ = make_world()
        head = wallet_of(parent).head_number
        forged = hash_of_a_forgery(parent, head)

        with tampered(
            f"UPDATE {ENTRY} SET reason = 'gift', hash = '\\x{forged}'"
            f" WHERE number = {head} AND wallet_id = '{parent.wallet.id}'"
        ):
            bad = bad_entry_of(parent)

        assert bad is not None
        assert (bad.number, bad.problem) == (head, "its hash is not that of the wallet's head")

    def test_misses_the_middle(self) -> None:
        parent, _ = make_world()

        with tampered(f"DELETE FROM {ENTRY} WHERE number = 3 AND wallet_id = '{parent.wallet.id}'"):
            bad = bad_entry_of(parent)

        assert bad is not None
        assert (bad.number, bad.problem) == (3, "number 3 is missing")

    @pytest.mark.parametrize("missing", [1, 3])
    def test_misses_the_tail(self, missing: int) -> None:
        parent, _ = make_world()
        head = wallet_of(parent).head_number

        with tampered(
            f"DELETE FROM {ENTRY} WHERE number > {head - missing} AND wallet_id = '{parent.wallet.id}'"
        ):
            bad = bad_entry_of(parent)

        assert bad is not None
        assert bad.number == head - missing + 1
        assert (
            bad.problem == f"{head - missing} entries are there, the wallet's head is entry {head}"
        )

    def test_misses_everything(self) -> None:
        parent, _ = make_world()

        with tampered(f"DELETE FROM {ENTRY}"):
            bad = bad_entry_of(parent)

        assert bad is not None
        assert bad.number == 1

    @pytest.mark.parametrize("table", [DRAW, GRANT])
    def test_misses_the_rows_of_an_entry(self, table: str) -> None:
        make_world()
        for wallet_id, number, row in rows_of(table, "true"):
            with tampered(f"DELETE FROM {table} WHERE id::text = '{row}'"):
                bad = verification.verify(Wallet.objects.get(id=wallet_id))

            assert bad is not None
            assert bad.number == number

    def test_finds_an_entry_too_many(self) -> None:
        parent, _ = make_world()
        head = wallet_of(parent).head_number
        before = LedgerEntry.objects.get(wallet=parent.wallet, number=head)

        with tampered(
            f"UPDATE credits_wallet SET head_number = {head - 1} WHERE id = '{parent.wallet.id}'"
        ):
            bad = bad_entry_of(parent)

        assert bad is not None
        assert bad.number == before.number

    def test_takes_what_is_posted_meanwhile_for_no_edit(self) -> None:
        parent, _ = make_world()
        read_before = wallet_of(parent)
        grant(parent, 5, now=at("2026-06-03"))

        assert verification.verify(read_before) is None

    def test_finds_an_entry_too_many_although_more_is_posted_meanwhile(self) -> None:
        parent, _ = make_world()
        read_before = wallet_of(parent)
        grant(parent, 5, now=at("2026-06-03"))
        tail = wallet_of(parent).head_number

        with tampered(
            f"UPDATE credits_wallet SET head_number = {tail - 1} WHERE id = '{parent.wallet.id}'"
        ):
            bad = verification.verify(read_before)

        assert bad is not None
        assert bad.number == tail

    def test_finds_a_head_that_is_not_the_last_hash(self) -> None:
        parent, _ = make_world()
        head = wallet_of(parent).head_number

        with tampered("UPDATE credits_wallet SET head_hash = sha256(head_hash)"):
            bad = bad_entry_of(parent)

        assert bad is not None
        assert bad.number == head

    @pytest.mark.parametrize("moment", ["infinity", "20000-01-01Z"])
    def test_finds_a_value_that_cannot_even_be_read(self, moment: str) -> None:
        parent, _ = make_world()

        with tampered(
            f"UPDATE {ENTRY} SET posted_at = '{moment}' WHERE number = 3 AND wallet_id = '{parent.wallet.id}'"
        ):
            bad = bad_entry_of(parent)

        assert bad is not None
        assert bad.number == 3
        assert bad.problem == "its hash is not that of its content"

    def test_reads_a_chain_that_is_longer_than_a_batch(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(verification, "BATCH", 2)
        parent, _ = make_world()

        assert bad_entry_of(parent) is None


class TestCommand:
    def test_says_how_many_ledgers_it_walked(self) -> None:
        make_world()
        out = StringIO()

        call_command("verify_ledger", stdout=out)

        assert out.getvalue() == "3 ledgers, every hash fits; nothing was sealed yet\n"

    @pytest.mark.broken_books
    def test_names_the_first_bad_row_of_each_ledger_and_fails(self) -> None:
        parent, child = make_world()
        tamper(f"UPDATE {ENTRY} SET reason = 'gift' WHERE number IN (2, 4)")
        out = StringIO()

        with pytest.raises(CommandError, match="3 ledgers were changed behind their back"):
            call_command("verify_ledger", stdout=out)

        lines = out.getvalue().splitlines()
        assert len(lines) == 3
        for organization in (parent, child):
            wallet = f"wallet {organization.wallet.id}"
            named = f"{organization.public_id} ({organization.name}): entry 2 of {wallet}: its hash is not"
            assert any(line.startswith(named) for line in lines)

    @pytest.mark.broken_books
    def test_walks_one_ledger_if_it_is_told_whose(self) -> None:
        parent, child = make_world()
        tamper(f"UPDATE {ENTRY} SET reason = 'gift' WHERE wallet_id = '{parent.wallet.id}'")
        out = StringIO()

        call_command("verify_ledger", organization=child.public_id, stdout=out)

        assert out.getvalue() == "1 ledgers, every hash fits; nothing was sealed yet\n"
        with pytest.raises(CommandError):
            call_command("verify_ledger", organization=parent.public_id, stdout=out)

    def test_refuses_what_is_no_id(self) -> None:
        with pytest.raises(CommandError, match="org_<uuid> expected"):
            call_command("verify_ledger", organization="org_1")

    @pytest.mark.broken_books
    def test_exits_with_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        make_world()
        tamper(f"UPDATE {ENTRY} SET reason = 'gift' WHERE number = 1")

        with pytest.raises(SystemExit) as leaving:
            execute_from_command_line(["manage.py", "verify_ledger"])

        assert leaving.value.code == 1
        assert "changed behind their back" in capsys.readouterr().err


def hash_of_a_forgery(organization: Organization, number: int) -> str:
    """Return the hash that an entry would have if its reason were another."""
    entry = LedgerEntry.objects.get(wallet__organization=organization, number=number)
    return hash_of(entry, reason="'gift'").hex()


def rows_of(table: str, where: str) -> list[tuple[str, int, str]]:
    """Return the rows of a table as (wallet, number of the entry that answers for it, id), in a fixed order."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT o.ledger, o.position, o.row FROM ({OWNERS[table]}) AS o (entry, ledger, position, row)"
            f" JOIN {table} ON {table}.id::text = o.row WHERE {where} ORDER BY o.ledger, o.position, o.row"
        )
        return [(str(wallet), int(number), str(row)) for wallet, number, row in cursor.fetchall()]
