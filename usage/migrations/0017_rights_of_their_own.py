"""A right of its own for each thing that staff do with work."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0016_how_work_was_served'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='usageevent',
            options={'permissions': [('forgive', 'Forgive what somebody used'), ('spend', 'Give keys that spend credits')]},
        ),
    ]
