"""For how many US dollars a credit stands: 0.01, as it was said in the code until now."""

from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0024_rehearsals'),
    ]

    operations = [
        migrations.AddField(
            model_name='catalogue',
            name='credit_usd',
            field=models.DecimalField(db_default=Decimal('0.01'), decimal_places=10, default=Decimal('0.01'), max_digits=14),
        ),
        migrations.AddConstraint(
            model_name='catalogue',
            constraint=models.CheckConstraint(condition=models.Q(('credit_usd__gt', 0), ('credit_usd__lte', 1000)), name='catalogue_credit_is_worth_something'),
        ),
    ]
