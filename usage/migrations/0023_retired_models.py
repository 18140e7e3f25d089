"""From when on a model does no new work."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0022_what_if'),
    ]

    operations = [
        migrations.AddField(
            model_name='aimodel',
            name='retired_at',
            field=models.DateTimeField(blank=True, help_text='From then on no new work is admitted on it. Empty: it is not retired.', null=True),
        ),
        migrations.AddField(
            model_name='historicalaimodel',
            name='retired_at',
            field=models.DateTimeField(blank=True, help_text='From then on no new work is admitted on it. Empty: it is not retired.', null=True),
        ),
    ]
