"""A right of its own for each thing that staff do with people and organizations."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0012_external_ids'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='actor',
            options={'permissions': [('erase', 'Erase a person for good')]},
        ),
        migrations.AlterModelOptions(
            name='organization',
            options={'permissions': [('suspend', 'Suspend and resume an organization')]},
        ),
        migrations.AlterModelOptions(
            name='proposal',
            options={'permissions': [('approve', 'Approve what another person proposes, where one may do it oneself')]},
        ),
    ]
