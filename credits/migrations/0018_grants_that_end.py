"""Grants that end, in the order in which they do."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0017_reservations_listed'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(condition=models.Q(('expires_at__isnull', False), ('live', True)), fields=['wallet', 'expires_at'], name='grant_ending'),
        ),
    ]
