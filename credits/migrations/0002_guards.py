"""What a column constraint cannot say: append-only, zero-sum, gapless, contiguous, resolved once. See credits/sql/guards.sql."""

from pathlib import Path

from django.db import migrations

FORWARD = (Path(__file__).parent.parent / "sql" / "guards.sql").read_text()
BACKWARD = """
DROP TRIGGER grant_is_fixed ON credits_grant;
DROP TRIGGER reservation_resolves_once ON credits_reservation;
ALTER TABLE credits_billingperiod DROP CONSTRAINT billingperiod_contiguous, DROP COLUMN continues_at;
ALTER TABLE credits_ledgerentry DROP CONSTRAINT ledgerentry_no_gap, DROP COLUMN previous_number;
DROP TRIGGER ledgerentry_transfer_sums_to_zero ON credits_ledgerentry;
DROP TRIGGER grantdraw_no_truncate ON credits_grantdraw;
DROP TRIGGER grantdraw_append_only ON credits_grantdraw;
DROP TRIGGER ledgerentry_no_truncate ON credits_ledgerentry;
DROP TRIGGER ledgerentry_append_only ON credits_ledgerentry;
DROP FUNCTION credits_grant_is_fixed, credits_reservation_resolves_once, credits_transfer_sums_to_zero, credits_append_only;
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_initial"), ("organizations", "0002_guards")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
