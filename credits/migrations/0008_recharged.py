"""What was bought in a period stands in its row: whoever buys more need not add it up under the lock."""

from decimal import Decimal

import credits.models.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0007_indexes_that_are_asked'),
    ]

    operations = [
        migrations.AddField(
            model_name='billingperiod',
            name='recharged',
            field=credits.models.fields.AmountField(db_default=Decimal('0'), decimal_places=6, default=Decimal('0'), max_digits=24),
        ),
        migrations.RemoveConstraint(
            model_name='billingperiod',
            name='billingperiod_counters_not_negative',
        ),
        migrations.AddConstraint(
            model_name='billingperiod',
            constraint=models.CheckConstraint(condition=models.Q(('allowance__gte', 0), ('recharged__gte', 0), ('reserved__gte', 0), ('share__gte', 0), ('used__gte', 0)), name='billingperiod_counters_not_negative'),
        ),
    ]
