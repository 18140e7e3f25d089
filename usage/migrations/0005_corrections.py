"""Events that correct events: what was charged is taken back, or stands at another price, and nothing is changed."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_byok_is_free"), ("credits", "0005_corrections")]
    operations = [
        migrations.RemoveConstraint("usageevent", "usageevent_credits_not_negative"),
        migrations.AddField(
            "usageevent",
            "corrects",
            models.ForeignKey(
                "usage.usageevent",
                null=True,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="corrected_by",
            ),
        ),
        migrations.AddConstraint(
            "usageevent",
            models.CheckConstraint(
                name="usageevent_credits_not_negative",
                condition=Q(credits__gte=0)
                | Q(source__in=["forgiven", "correction"], credits__lt=0),
            ),
        ),
        migrations.AddConstraint(
            "usageevent",
            models.CheckConstraint(
                name="usageevent_corrects_by_source",
                condition=Q(source="correction", corrects__isnull=False, credits__lt=0)
                | Q(source="rerated", corrects__isnull=False)
                | (~Q(source__in=["correction", "rerated"]) & Q(corrects__isnull=True)),
            ),
        ),
        migrations.AddConstraint(
            "usageevent",
            models.UniqueConstraint(
                fields=["corrects", "source"],
                condition=Q(corrects__isnull=False),
                name="usageevent_corrected_once",
            ),
        ),
    ]
