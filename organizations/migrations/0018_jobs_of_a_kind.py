"""The last job of a kind is found by itself: the first page of the console asks for a few of them."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0017_saved_views'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='job',
            index=models.Index(fields=['kind', '-started_at'], name='job_newest_of_kind'),
        ),
    ]
