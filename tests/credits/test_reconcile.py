"""The books: every check finds what it is there for, and an honest world breaks none."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command, execute_from_command_line
from django.db import connection

from credits.reconcile import CHECKS, reconcile
from tests.books import findings
from tests.credits.tampering import make_world, tamper, tampered

pytestmark = pytest.mark.django_db(transaction=True)

WALLET = "UPDATE credits_wallet SET"
ENTRY, GRANT, DRAW = (
    "UPDATE credits_ledgerentry SET",
    "UPDATE credits_grant SET",
    "credits_grantdraw",
)
PERIOD, HOLD = "UPDATE credits_billingperiod SET", "UPDATE credits_reservation SET"
ANOTHER = "(SELECT id FROM credits_wallet w WHERE w.id <> wallet_id LIMIT 1)"
LAST = "number = (SELECT max(e.number) FROM credits_ledgerentry e WHERE e.wallet_id = credits_ledgerentry.wallet_id)"
OF_A_TRANSFER = (
    "(SELECT min(id::text)::uuid FROM credits_ledgerentry WHERE transfer_id IS NOT NULL)"
)

REVERSALS = "(SELECT id FROM credits_ledgerentry WHERE kind = 'reversal')"

TO_COME = (
    "INSERT INTO credits_pendinggrant (id, wallet_id, amount, name, category, priority, effective_at, reference, reason, performed_by, created_at,"
    " begun_at, cancelled_by, cancelled_because) SELECT gen_random_uuid(), id, 1, '', 'paid', 50, '2026-05-11Z', '', '', 'x', '2026-05-10Z',"
    " {begun}, '', '' FROM credits_wallet"
)

BROKEN: dict[str, list[str]] = {
    # What breaks the check, and nothing that the constraints would refuse.
    "balance is what remains in the grants, less debt": [
        f"{GRANT} remaining = remaining - 0.000001 WHERE remaining > 0",
        f"{GRANT} remaining = 0.000001 WHERE remaining = 0",
        f"{WALLET} balance = balance + 0.000001",
    ],
    "balance is the sum of the ledger": [
        f"{WALLET} balance = balance + 0.000001",
        f"{ENTRY} amount = amount + 0.000001 WHERE kind = 'grant'",
        "DELETE FROM credits_ledgerentry WHERE kind = 'recharge'",
    ],
    "reserved is the sum of the open reservations": [
        f"{WALLET} reserved = reserved + 0.000001",
        f"{WALLET} open_holds = open_holds + 1",
        f"{HOLD} status = 'released', closed_at = created_at WHERE status = 'open'",
        "DELETE FROM credits_reservation WHERE status = 'open'",
    ],
    "the allowance is what remains of allowance grants": [
        f"{WALLET} allowance_remaining = allowance_remaining - 1 WHERE allowance_remaining > 0",
        f"{GRANT} source = 'grant', term_starts_at = NULL WHERE source = 'allowance'",
    ],
    "the next lapse is no later than the soonest expiry": [
        f"{WALLET} lapse_at = NULL",
        f"{WALLET} lapse_at = lapse_at + interval '1 day'",
        f"{GRANT} expires_at = '2026-06-03Z' WHERE remaining > 0",
    ],
    "what is pending is looked at when it begins": [TO_COME.format(begun="NULL")],
    "what began is a grant, and what is pending is none": [
        TO_COME.format(begun="'2026-05-11Z'"),
    ],
    "every grant remains what its draws left": [
        f"{GRANT} remaining = remaining - 0.000001 WHERE remaining > 0",
        f"UPDATE {DRAW} SET amount = amount + 0.000001",
        f"DELETE FROM {DRAW} WHERE amount < 0",
    ],
    "a grant is first filled by the entry that made it": [
        f"{GRANT} entry_id = (SELECT e.id FROM credits_ledgerentry e WHERE e.number = 1 LIMIT 1) WHERE source = 'purchase'",
    ],
    "what an entry brings is in the grants that it made": [
        f"{GRANT} amount = amount + 0.000001 WHERE source = 'purchase'",
        f"{GRANT} entry_id = (SELECT e.id FROM credits_ledgerentry e WHERE e.kind = 'settle' LIMIT 1) WHERE source = 'purchase'",
    ],
    "the draws of an entry are its amount, less the change of debt": [
        f"UPDATE {DRAW} SET amount = amount - 0.000001 WHERE amount < 0",
        f"DELETE FROM {DRAW} WHERE amount < 0",
    ],
    "the ledger is numbered, chained and added up without a gap": [
        f"{ENTRY} number = number + 1000 WHERE {LAST}",
        f"{ENTRY} balance_after = balance_after + 0.000001 WHERE number = 1",
        f"{ENTRY} previous_hash = hash WHERE number = 2",
        f"{ENTRY} hash = set_byte(hash, 0, get_byte(hash, 0) # 1) WHERE number = 1",
        "DELETE FROM credits_ledgerentry WHERE number = 2",
    ],
    "the head of a wallet is its last entry": [
        f"{WALLET} head_number = head_number + 1",
        f"{WALLET} head_hash = set_byte(head_hash, 0, get_byte(head_hash, 0) # 1)",
        f"DELETE FROM credits_ledgerentry WHERE {LAST}",
        f"{ENTRY} allowance_after = allowance_after + 1 WHERE {LAST}",
        f"{WALLET} posted_at = posted_at + interval '1 microsecond'",
    ],
    "the times of a ledger run with its numbers": [
        f"{ENTRY} posted_at = posted_at - interval '1 year' WHERE {LAST}",
    ],
    "a transfer is two entries of one family that sum to zero": [
        f"DELETE FROM credits_ledgerentry WHERE id = {OF_A_TRANSFER}",
        f"{ENTRY} amount = amount * 2 WHERE id = {OF_A_TRANSFER}",
        f"{ENTRY} transfer_id = gen_random_uuid() WHERE id = {OF_A_TRANSFER}",
        "UPDATE organizations_organization SET parent_id = NULL WHERE parent_id IS NOT NULL",
    ],
    "a settled reservation was charged once, what it says": [
        f"{HOLD} settled_credits = settled_credits + 0.000001 WHERE status = 'settled'",
        "DELETE FROM credits_ledgerentry WHERE kind = 'settle'",
        f"{ENTRY} reservation_id = NULL WHERE kind = 'settle'",
    ],
    "reversals go against what they take back, and come to no more": [
        f"{ENTRY} amount = amount + 0.000001 WHERE kind = 'reversal' AND transfer_id IS NULL",
        f"{ENTRY} counted_in_id = NULL WHERE kind = 'reversal'",
        f"{ENTRY} reservation_id = NULL WHERE kind = 'reversal'",
        (
            f"{ENTRY} reverses_id = (SELECT e.id FROM credits_ledgerentry e WHERE e.kind = 'lapse' LIMIT 1)"
            " WHERE kind = 'reversal' AND reservation_id IS NOT NULL AND number IN"
            " (SELECT max(e.number) FROM credits_ledgerentry e WHERE e.kind = 'reversal' GROUP BY e.wallet_id)"
        ),
    ],
    "a reversal returns credits to where they came from": [
        f"UPDATE {DRAW} SET amount = amount + 0.000001 WHERE amount > 0 AND entry_id IN {REVERSALS}",
        (
            f"UPDATE {DRAW} SET grant_id = (SELECT g.id FROM credits_grant g WHERE g.source = 'purchase')"
            f" WHERE amount < 0 AND entry_id IN {REVERSALS}"
        ),
    ],
    "a transfer is taken back on both its sides alike": [
        "DELETE FROM credits_ledgerentry WHERE kind = 'reversal' AND transfer_id IS NOT NULL AND amount < 0",
        f"{ENTRY} transfer_id = gen_random_uuid() WHERE kind = 'reversal' AND transfer_id IS NOT NULL",
    ],
    "a reference means the entry that was posted with it, or to which staff moved it": [
        "UPDATE credits_reference SET text = text || 'x'",
        "UPDATE credits_reference SET wallet_id = gen_random_uuid()",
        "UPDATE credits_reference SET namespace = 'received' WHERE namespace = 'allocated'",
        "DELETE FROM credits_reference",
        "DELETE FROM credits_referencemove",
        f"{ENTRY} reference = 'pay-9' WHERE kind = 'grant' AND number = 1",
    ],
    "work that is charged again follows the reversal of its charge": [
        f"{ENTRY} counted_in_id = NULL WHERE kind = 'settle' AND reverses_id IS NOT NULL",
        f"{ENTRY} reservation_id = NULL WHERE kind = 'settle' AND reverses_id IS NOT NULL",
        (
            f"{ENTRY} reverses_id = (SELECT e.id FROM credits_ledgerentry e WHERE e.kind = 'grant' LIMIT 1)"
            " WHERE kind = 'settle' AND reverses_id IS NOT NULL"
        ),
    ],
    "a period has reserved what its open reservations hold": [
        f"{PERIOD} reserved = reserved + 0.000001",
        f"{HOLD} period_id = (SELECT max(id) FROM credits_billingperiod) WHERE status = 'open'",
    ],
    "a period has used what the entries that it counts say": [
        f"{PERIOD} used = used + 0.000001",
        f"{ENTRY} counted_in_id = NULL WHERE kind = 'settle'",
    ],
    "a period has recharged what its recharges brought, less what was taken back of them": [
        f"{PERIOD} recharged = recharged + 0.000001",
        f"{ENTRY} kind = 'recharge' WHERE kind = 'grant' AND number = 1",
    ],
    "a counter has reserved what its open reservations hold": [
        (
            "INSERT INTO credits_usagecounter (wallet_id, month, resource_type, resource_id, used, reserved)"
            " SELECT id, '2031-06-01', '', '', 0, 1 FROM credits_wallet"
        ),
        (
            "INSERT INTO credits_usagecounter (wallet_id, month, resource_type, resource_id, used, reserved, free_reserved)"
            " SELECT id, '2031-06-01', '', '', 0, 0, 1 FROM credits_wallet"
        ),
    ],
    "a statement opens where the last one closed, and adds up": [
        f"{PERIOD} opening_balance = opening_balance + 0.000001 WHERE index = 1",
        f"{PERIOD} opening_balance = 1 WHERE index = 0",
        f"{PERIOD} closing_balance = closing_balance + 0.000001 WHERE index = 0 AND closed_at IS NOT NULL",
        f"{PERIOD} index = 5 WHERE index = 1",
        (
            f"{ENTRY} period_id = (SELECT p.id FROM credits_billingperiod p WHERE p.index = 1"
            " AND p.wallet_id = credits_ledgerentry.wallet_id) WHERE number = 1 AND kind = 'renew'"
        ),
    ],
    "periods follow one another without a gap or an overlap": [
        f"{PERIOD} starts_at = starts_at + interval '1 hour' WHERE index = 1",
        f"{PERIOD} ends_at = ends_at - interval '1 microsecond' WHERE index = 0",
        "DELETE FROM credits_billingperiod WHERE index = 0 AND closed_at IS NOT NULL",
    ],
    "the open period of a wallet is its own last one": [
        f"{WALLET} period_id = NULL",
        (
            f"{WALLET} period_id = (SELECT p.id FROM credits_billingperiod p WHERE p.index = 0"
            " AND p.wallet_id = credits_wallet.id) WHERE EXISTS (SELECT FROM credits_billingperiod p"
            " WHERE p.index = 1 AND p.wallet_id = credits_wallet.id)"
        ),
        f"{PERIOD} closed_at = starts_at, closing_balance = opening_balance WHERE closed_at IS NULL",
    ],
    "nothing refers to another wallet's rows": [
        f"{GRANT} wallet_id = {ANOTHER} WHERE source = 'purchase'",
        (
            f"UPDATE {DRAW} SET entry_id = (SELECT e.id FROM credits_ledgerentry e, credits_grant g"
            " WHERE g.id = grant_id AND e.wallet_id <> g.wallet_id LIMIT 1)"
            f" WHERE id = (SELECT min(id) FROM {DRAW})"
        ),
        (
            f"{ENTRY} period_id = (SELECT p.id FROM credits_billingperiod p"
            " WHERE p.wallet_id <> credits_ledgerentry.wallet_id LIMIT 1) WHERE kind = 'recharge'"
        ),
        (
            f"{HOLD} period_id = (SELECT p.id FROM credits_billingperiod p"
            " WHERE p.wallet_id <> credits_reservation.wallet_id LIMIT 1) WHERE status = 'open'"
        ),
    ],
    "a term is renewed once": [
        (
            "DROP INDEX grant_one_renewal_per_term;"
            f"{GRANT} term_starts_at = (SELECT min(g.term_starts_at) FROM credits_grant g WHERE g.wallet_id = credits_grant.wallet_id)"
            " WHERE source = 'allowance'"
        ),
        f"{GRANT} source = 'grant', term_starts_at = NULL WHERE source = 'allowance'",
        f"{GRANT} term_starts_at = term_starts_at - interval '1 year' WHERE source = 'allowance'",
        f"{GRANT} expires_at = expires_at + interval '1 month' WHERE source = 'allowance'",
    ],
    "a term has brought the shares of its seats, and no more than its allowance": [
        f"{PERIOD} allowance = 0 WHERE allowance > 0",
        f"{PERIOD} seats = 1, share = 1000, allowance_per_user = 1000 WHERE closed_at IS NULL",
        f"{PERIOD} seats = 1 - index, term_starts_at = '2026-05-01Z' WHERE index < 2",
        f"{GRANT} seat = 1 WHERE source = 'allowance'",
    ],
    "nothing refers to a row that is not there": [
        f"{WALLET} organization_id = gen_random_uuid() WHERE balance = 0",
        "DELETE FROM credits_wallet WHERE balance = 0",
        f"{ENTRY} reservation_id = gen_random_uuid() WHERE kind = 'settle'",
        "DELETE FROM credits_reservation WHERE status = 'settled'",
        f"{GRANT} entry_id = gen_random_uuid()",
        f"UPDATE {DRAW} SET entry_id = gen_random_uuid()",
        f"UPDATE {DRAW} SET grant_id = gen_random_uuid()",
        "DELETE FROM credits_billingperiod WHERE closed_at IS NULL",
        f"{HOLD} counter_ids = '{{77}}'",
    ],
    "every organization has a wallet, and every wallet its terms": [
        "DELETE FROM credits_wallet WHERE balance = 0",
        "DELETE FROM credits_creditconfig",
    ],
    "a wallet is as it was last written": [
        f"{WALLET} created_at = created_at - interval '1 day'",
        f"{WALLET} refill_cooldown_ends_at = '2026-06-01Z'",
    ],
    "a billing period is as it was last written": [
        f"{PERIOD} closed_at = closed_at + interval '1 second' WHERE closed_at IS NOT NULL",
    ],
    "a reservation is as it was last written": [
        f"{HOLD} performed_by = 'somebody else'",
        f"{HOLD} settled_with = NULL WHERE status = 'settled'",
    ],
    "a draw is as it was written": [f"UPDATE {DRAW} SET id = id + 1000000"],
    "an idempotency key has its answer": [
        (
            "INSERT INTO organizations_idempotencykey (organization_id, key, fingerprint, created_at)"
            " SELECT id, 'k-1', '\\x00', created_at FROM organizations_organization"
        ),
    ],
}


class TestReconcile:
    def test_finds_nothing_in_an_honest_world(self) -> None:
        make_world()

        assert reconcile() == []

    def test_finds_what_each_check_is_there_for(self) -> None:
        make_world()
        for check, statements in BROKEN.items():
            for sql in statements:
                with tampered(sql) as changed:
                    found = {finding.check for finding in reconcile()}

                assert changed, sql
                assert check in found, sql

    def test_has_a_break_for_every_check(self) -> None:
        assert set(BROKEN) == set(CHECKS)

    def test_takes_longer_than_a_request_may(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '1ms'")
        try:
            assert reconcile({"slow": "SELECT NULL::uuid, 'x', '' FROM pg_sleep(0.05)"}) != []
        finally:
            connection.close()

    @pytest.mark.broken_books
    def test_names_the_row_and_its_numbers(self) -> None:
        parent, _ = make_world()
        wallet = parent.wallet
        tamper(f"UPDATE credits_wallet SET reserved = 7 WHERE id = '{wallet.id}'")

        finding, edited = reconcile()

        assert finding.check == "reserved is the sum of the open reservations"
        assert finding.subject == edited.subject == f"wallet {wallet.id}"
        assert finding.detail == "reserved is 7.000000, its open reservations hold 0"
        assert finding.organization_id == edited.organization_id == parent.id
        assert edited.check == "a wallet is as it was last written"

    def test_names_wallet_and_number_of_an_entry(self) -> None:
        parent, _ = make_world()
        wallet = parent.wallet

        with tampered(
            f"{ENTRY} balance_after = balance_after + 1 WHERE number = 2 AND wallet_id = '{wallet.id}'"
        ):
            found = reconcile()

        chained = [f for f in found if f.check.startswith("the ledger is numbered")]
        assert [f.subject.split(" (")[0] for f in chained] == [
            f"entry 2 of wallet {wallet.id}",
            f"entry 3 of wallet {wallet.id}",
        ]
        assert chained[0].detail == "it makes 1000.000000 and 50.000000 to 1051.000000"
        assert {f.organization_id for f in found} == {parent.id}

    def test_knows_no_organization_where_it_is_not_there(self) -> None:
        parent, _ = make_world()

        with tampered(
            f"{WALLET} organization_id = gen_random_uuid() WHERE id = '{parent.wallet.id}'"
        ):
            found = reconcile()

        assert f"wallet {parent.wallet.id}" in {f.subject for f in found}
        assert {f.organization_id for f in found if str(parent.wallet.id) in f.subject} == {None}


class TestFindings:
    """The negative control of the fixture that looks at the books after every test."""

    def test_are_none_in_an_honest_world(self) -> None:
        make_world()

        assert findings() == []

    @pytest.mark.broken_books
    def test_hold_what_the_checks_and_the_hashes_say(self) -> None:
        parent, _ = make_world()
        tamper(f"UPDATE credits_wallet SET reserved = 7 WHERE id = '{parent.wallet.id}'")
        tamper("UPDATE credits_ledgerentry SET reason = 'gift' WHERE kind = 'recharge'")

        by_check, by_checksum, by_hash = findings()

        assert by_check.startswith("reserved is the sum of the open reservations: wallet ")
        assert by_checksum.startswith("a wallet is as it was last written: wallet ")
        assert by_hash.startswith("every hash is that of its content: entry 2 of wallet ")


class TestCommand:
    def test_says_how_much_it_checked(self) -> None:
        make_world()
        out = StringIO()

        call_command("reconcile", stdout=out)

        assert out.getvalue().endswith("checks, nothing found\n")

    @pytest.mark.broken_books
    def test_prints_what_it_found_and_fails(self) -> None:
        parent, _ = make_world()
        tamper(f"UPDATE credits_wallet SET reserved = 7 WHERE id = '{parent.wallet.id}'")
        out = StringIO()

        with pytest.raises(CommandError, match="2 findings"):
            call_command("reconcile", stdout=out)

        assert "reserved is the sum of the open reservations: wallet " in out.getvalue()

    @pytest.mark.broken_books
    def test_exits_with_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        make_world()
        tamper("UPDATE credits_wallet SET head_number = head_number + 1")

        with pytest.raises(SystemExit) as leaving:
            execute_from_command_line(["manage.py", "reconcile"])

        assert leaving.value.code == 1
        assert "the books are not right" in capsys.readouterr().err
