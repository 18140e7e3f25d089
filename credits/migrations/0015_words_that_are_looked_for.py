"""An index of the words of reasons, for the finder."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0014_one_admission'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='ledgerentry',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('reason', config='simple'), condition=models.Q(('reason', ''), _negated=True), name='ledgerentry_words'),
        ),
    ]
