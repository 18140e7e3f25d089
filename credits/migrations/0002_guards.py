"""What a column constraint cannot say, and what the database therefore refuses whoever asks: the application, a shell, an admin with psql.

Each guard in prose first, then its SQL; the functions stand in `sql/`. One statement per entry, one subcommand per ALTER TABLE.
"""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


FORWARD = [
    # The ledger is append-only. Entries and draws are never changed, deleted or truncated; corrections are new entries.
    function("credits_append_only"),
    """CREATE TRIGGER ledgerentry_append_only BEFORE UPDATE OR DELETE ON credits_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION credits_append_only()""",
    """CREATE TRIGGER ledgerentry_no_truncate BEFORE TRUNCATE ON credits_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION credits_append_only()""",
    """CREATE TRIGGER grantdraw_append_only BEFORE UPDATE OR DELETE ON credits_grantdraw
    FOR EACH ROW EXECUTE FUNCTION credits_append_only()""",
    """CREATE TRIGGER grantdraw_no_truncate BEFORE TRUNCATE ON credits_grantdraw
    FOR EACH STATEMENT EXECUTE FUNCTION credits_append_only()""",
    # A transfer is exactly two entries, on two wallets, that sum to zero. Checked when the transaction commits, because between the
    # first entry and the second it cannot be true yet.
    function("credits_transfer_sums_to_zero"),
    """CREATE CONSTRAINT TRIGGER ledgerentry_transfer_sums_to_zero AFTER INSERT ON credits_ledgerentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.transfer_id IS NOT NULL)
    EXECUTE FUNCTION credits_transfer_sums_to_zero()""",
    # The numbers of a wallet's ledger have no gap: every entry but the first refers to the one before it.
    """ALTER TABLE credits_ledgerentry
    ADD COLUMN previous_number bigint GENERATED ALWAYS AS (NULLIF(number - 1, 0)) STORED""",
    """ALTER TABLE credits_ledgerentry
    ADD CONSTRAINT ledgerentry_no_gap FOREIGN KEY (wallet_id, previous_number)
        REFERENCES credits_ledgerentry (wallet_id, number)""",
    # Reversals take back together never more than their entry moved, and each goes against its sign.
    function("credits_reversals_within_their_entry"),
    """CREATE TRIGGER ledgerentry_reversed_within_itself AFTER INSERT ON credits_ledgerentry
    FOR EACH ROW WHEN (NEW.kind = 'reversal') EXECUTE FUNCTION credits_reversals_within_their_entry()""",
    # Periods have no gap and no overlap: every period but the first begins where another of its wallet ends.
    """ALTER TABLE credits_billingperiod
    ADD COLUMN continues_at timestamptz GENERATED ALWAYS AS (CASE WHEN index > 0 THEN starts_at END) STORED""",
    """ALTER TABLE credits_billingperiod
    ADD CONSTRAINT billingperiod_contiguous FOREIGN KEY (wallet_id, continues_at)
        REFERENCES credits_billingperiod (wallet_id, ends_at)""",
    # A reservation leaves 'open' once. Settled and released are final; an expired one may still be settled, late.
    function("credits_reservation_resolves_once"),
    """CREATE TRIGGER reservation_resolves_once BEFORE UPDATE ON credits_reservation
    FOR EACH ROW WHEN (OLD.status <> 'open') EXECUTE FUNCTION credits_reservation_resolves_once()""",
    # Of a grant only what remains may change.
    function("credits_grant_is_fixed"),
    """CREATE TRIGGER grant_is_fixed BEFORE UPDATE OF id, wallet_id, entry_id, source, amount, priority, expires_at, term_starts_at, seat,
    upgrade, created_at, name, category ON credits_grant FOR EACH ROW EXECUTE FUNCTION credits_grant_is_fixed()""",
    # One that begins later stays what was agreed on, and begins or is cancelled once.
    function("credits_pendinggrant_is_fixed"),
    """CREATE TRIGGER pendinggrant_is_fixed BEFORE DELETE OR UPDATE OF id, wallet_id, amount, name, category, priority, effective_at,
    expires_at, reference, reason, performed_by, created_at ON credits_pendinggrant
    FOR EACH ROW EXECUTE FUNCTION credits_pendinggrant_is_fixed()""",
    """CREATE TRIGGER pendinggrant_ends_once BEFORE UPDATE ON credits_pendinggrant
    FOR EACH ROW WHEN (OLD.begun_at IS NOT NULL OR OLD.cancelled_at IS NOT NULL) EXECUTE FUNCTION credits_pendinggrant_is_fixed()""",
    """CREATE TRIGGER pendinggrant_no_truncate BEFORE TRUNCATE ON credits_pendinggrant
    FOR EACH STATEMENT EXECUTE FUNCTION credits_pendinggrant_is_fixed()""",
    # What a reference means is for ever. What staff moved of its text is written down beside it, and never changed.
    function("credits_reference_is_fixed"),
    """CREATE TRIGGER reference_is_fixed BEFORE DELETE OR UPDATE OF id, wallet_id, namespace, entry_id ON credits_reference
    FOR EACH ROW EXECUTE FUNCTION credits_reference_is_fixed()""",
    """CREATE TRIGGER reference_no_truncate BEFORE TRUNCATE ON credits_reference
    FOR EACH STATEMENT EXECUTE FUNCTION credits_reference_is_fixed()""",
    """CREATE TRIGGER referencemove_append_only BEFORE UPDATE OR DELETE ON credits_referencemove
    FOR EACH ROW EXECUTE FUNCTION credits_append_only()""",
    """CREATE TRIGGER referencemove_no_truncate BEFORE TRUNCATE ON credits_referencemove
    FOR EACH STATEMENT EXECUTE FUNCTION credits_append_only()""",
]
BACKWARD = [
    "DROP TRIGGER referencemove_no_truncate ON credits_referencemove",
    "DROP TRIGGER referencemove_append_only ON credits_referencemove",
    "DROP TRIGGER reference_no_truncate ON credits_reference",
    "DROP TRIGGER reference_is_fixed ON credits_reference",
    "DROP FUNCTION credits_reference_is_fixed",
    "DROP TRIGGER pendinggrant_no_truncate ON credits_pendinggrant",
    "DROP TRIGGER pendinggrant_ends_once ON credits_pendinggrant",
    "DROP TRIGGER pendinggrant_is_fixed ON credits_pendinggrant",
    "DROP FUNCTION credits_pendinggrant_is_fixed",
    "DROP TRIGGER grant_is_fixed ON credits_grant",
    "DROP FUNCTION credits_grant_is_fixed",
    "DROP TRIGGER reservation_resolves_once ON credits_reservation",
    "DROP FUNCTION credits_reservation_resolves_once",
    "ALTER TABLE credits_billingperiod DROP CONSTRAINT billingperiod_contiguous",
    "ALTER TABLE credits_billingperiod DROP COLUMN continues_at",
    "DROP TRIGGER ledgerentry_reversed_within_itself ON credits_ledgerentry",
    "DROP FUNCTION credits_reversals_within_their_entry",
    "ALTER TABLE credits_ledgerentry DROP CONSTRAINT ledgerentry_no_gap",
    "ALTER TABLE credits_ledgerentry DROP COLUMN previous_number",
    "DROP TRIGGER ledgerentry_transfer_sums_to_zero ON credits_ledgerentry",
    "DROP FUNCTION credits_transfer_sums_to_zero",
    "DROP TRIGGER grantdraw_no_truncate ON credits_grantdraw",
    "DROP TRIGGER grantdraw_append_only ON credits_grantdraw",
    "DROP TRIGGER ledgerentry_no_truncate ON credits_ledgerentry",
    "DROP TRIGGER ledgerentry_append_only ON credits_ledgerentry",
    "DROP FUNCTION credits_append_only",
]


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
