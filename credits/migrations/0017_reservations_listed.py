"""Reservations by status and time, for their list."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0016_reclaim'),
        ('organizations', '0009_words_of_groups'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(fields=['wallet', 'created_at', 'id'], name='reservation_newest_first'),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(condition=models.Q(('status', 'settled'), _negated=True), fields=['wallet', 'status', 'created_at', 'id'], name='reservation_of_status'),
        ),
    ]
