"""Entries that are taken back, once each; and what it takes to tell later what was held, and on what status, at a moment."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

from credits.models import AmountField

TRANSFERS = ["allocate", "refill", "sweep"]
STATUSES = [("active", "Active"), ("suspended", "Suspended"), ("archived", "Archived")]
KNOWN_CHANGES = """
INSERT INTO credits_statuschange (wallet_id, status, changed_at)
SELECT w.id, o.status, coalesce(o.archived_at, o.updated_at)
FROM credits_wallet w JOIN organizations_organization o ON o.id = w.organization_id WHERE o.status <> 'active';
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0004_counters_not_negative")]
    operations = [
        migrations.RemoveConstraint("ledgerentry", "ledgerentry_transfer_has_an_id"),
        migrations.RemoveConstraint("ledgerentry", "ledgerentry_one_charge_per_reservation"),
        migrations.AlterField(
            "ledgerentry",
            "reverses",
            models.ForeignKey(
                "credits.ledgerentry",
                null=True,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reversed_by",
            ),
        ),
        migrations.AddConstraint(
            "ledgerentry",
            models.CheckConstraint(
                name="ledgerentry_transfer_has_an_id",
                condition=Q(kind="reversal")
                | Q(kind__in=TRANSFERS, transfer_id__isnull=False)
                | (~Q(kind__in=TRANSFERS) & Q(transfer_id__isnull=True)),
            ),
        ),
        migrations.AddConstraint(
            "ledgerentry",
            models.UniqueConstraint(
                fields=["reservation"],
                condition=Q(kind="settle", reverses__isnull=True),
                name="ledgerentry_one_charge_per_reservation",
            ),
        ),
        migrations.AddConstraint(
            "ledgerentry",
            models.UniqueConstraint(
                fields=["reverses"],
                condition=Q(reverses__isnull=False),
                name="ledgerentry_reversed_once",
            ),
        ),
        migrations.AddConstraint(
            "ledgerentry",
            models.CheckConstraint(
                name="ledgerentry_reverses_by_kind",
                condition=Q(kind="settle")
                | Q(kind="reversal", reverses__isnull=False)
                | (~Q(kind__in=["settle", "reversal"]) & Q(reverses__isnull=True)),
            ),
        ),
        migrations.CreateModel(
            "Growth",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("credits", AmountField()),
                ("grown_at", models.DateTimeField()),
                (
                    "reservation",
                    models.ForeignKey(
                        "credits.reservation",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="growths",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        name="growth_credits_positive", condition=Q(credits__gt=0)
                    )
                ]
            },
        ),
        migrations.CreateModel(
            "StatusChange",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("status", models.CharField(choices=STATUSES, max_length=9)),
                ("changed_at", models.DateTimeField()),
                (
                    "wallet",
                    models.ForeignKey(
                        "credits.wallet",
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="status_changes",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["wallet", "changed_at"], name="statuschange_as_of")
                ],
                "constraints": [
                    models.CheckConstraint(
                        name="statuschange_status_known",
                        condition=Q(status__in=["active", "suspended", "archived"]),
                    )
                ],
            },
        ),
        migrations.RunSQL(KNOWN_CHANGES, migrations.RunSQL.noop),
    ]
