"""Open holds that were made before they were counted, and the checksums of wallets. See credits/sql/checksums.sql."""

from django.db import migrations

FORWARD = """
UPDATE credits_wallet w SET open_holds = r.holds
FROM (SELECT wallet_id, count(*) AS holds FROM credits_reservation WHERE status = 'open' GROUP BY 1) r
WHERE r.wallet_id = w.id;
SELECT credits_write_checksums();
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0011_open_holds_limits")]
    operations = [migrations.RunSQL(FORWARD, "SELECT credits_write_checksums()")]
