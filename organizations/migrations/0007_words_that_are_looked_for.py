"""Indexes of the words of names, emails and external ids, for the finder."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0006_format_of_an_answer'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='actor',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', 'email', 'external_id', config='simple'), name='actor_words'),
        ),
        migrations.AddIndex(
            model_name='organization',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', 'billing_email', config='simple'), name='organization_words'),
        ),
    ]
