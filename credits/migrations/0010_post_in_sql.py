"""Entries are written, and hashed, by one statement; wallets remember the moment of their last one."""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


FORWARD = [
    function("credits_post_1"),
    """UPDATE credits_wallet w SET posted_at = e.posted_at
    FROM credits_ledgerentry e WHERE e.wallet_id = w.id AND e.number = w.head_number""",
    "SELECT credits_write_checksums()",
]
BACKWARD = ["SELECT credits_write_checksums()", "DROP FUNCTION credits_post_1"]


class Migration(migrations.Migration):
    dependencies = [("credits", "0009_posted_at")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
