"""Entries are written, and hashed, by one statement."""

from pathlib import Path

from django.db import migrations


def function(name):
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


FORWARD = [function("credits_post_1")]
BACKWARD = ["DROP FUNCTION credits_post_1"]


class Migration(migrations.Migration):
    dependencies = [("credits", "0009_posted_at")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
