"""Rows that say whether they are as they were last written. See credits/sql/checksums.sql."""

from pathlib import Path

from django.db import migrations

FORWARD = (Path(__file__).parent.parent / "sql" / "checksums.sql").read_text()
BACKWARD = """
DROP FUNCTION credits_write_checksums;
DROP TRIGGER zz_wallet_checksum ON credits_wallet;
DROP TRIGGER zz_billingperiod_checksum ON credits_billingperiod;
DROP TRIGGER zz_reservation_checksum ON credits_reservation;
DROP TRIGGER zz_grantdraw_checksum ON credits_grantdraw;
DROP FUNCTION credits_write_checksum;
DROP FUNCTION credits_checksum(credits_wallet), credits_checksum(credits_billingperiod),
    credits_checksum(credits_reservation), credits_checksum(credits_grantdraw);
ALTER TABLE credits_wallet DROP COLUMN checksum;
ALTER TABLE credits_billingperiod DROP COLUMN checksum;
ALTER TABLE credits_reservation DROP COLUMN checksum;
ALTER TABLE credits_grantdraw DROP COLUMN checksum;
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0002_guards")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
