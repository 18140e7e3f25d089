"""Everybody is warned of a cap a week ahead, as of credits that run out, where staff did not say that they never want such warnings."""

from django.db import migrations
from django.db.models import F


def warn_as_of_credits(apps, schema_editor):
    rules = apps.get_model("organizations", "AlertRule").objects
    rules.filter(organization=None).update(cap_within_days=F("dry_within_days"))


class Migration(migrations.Migration):
    dependencies = [("organizations", "0006_cap_reached_soon")]
    operations = [migrations.RunPython(warn_as_of_credits, migrations.RunPython.noop)]
