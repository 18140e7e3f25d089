"""An index of the words of groups, for lists of what they used."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0008_what_the_workers_count'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='group',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', 'key', config='simple'), name='group_words'),
        ),
    ]
