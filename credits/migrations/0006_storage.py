"""How rows are kept: those that are written again and again find room for it on their page."""

from django.db import migrations

FILLFACTORS = {
    "credits_wallet": 50,
    "credits_billingperiod": 60,
    "credits_usagecounter": 60,
    "credits_grant": 80,
}


class Migration(migrations.Migration):
    dependencies = [("credits", "0005_raise_terms_version")]
    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} SET (fillfactor = {percent})",
            f"ALTER TABLE {table} RESET (fillfactor)",
        )
        for table, percent in FILLFACTORS.items()
    ]
