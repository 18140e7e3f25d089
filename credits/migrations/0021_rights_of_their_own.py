"""A right of its own for each thing that staff do with money."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0020_external_ids_decide'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='grant',
            options={'permissions': [('void', 'Void what is left of a grant')]},
        ),
        migrations.AlterModelOptions(
            name='ledgerentry',
            options={'permissions': [('grant', 'Grant credits, alone up to the amount set for it'), ('grant_more', 'Grant credits, alone up to the amount that needs a second person'), ('adjust', 'Adjust a balance, and change the reference of an entry'), ('recharge', 'Book a purchase of credits'), ('allocate', 'Move credits between a parent and its children'), ('reverse', 'Reverse entries, and take purchases and work back'), ('reprice', 'Price past work again')], 'verbose_name_plural': 'ledger entries'},
        ),
        migrations.AlterModelOptions(
            name='reservation',
            options={'permissions': [('release', 'Release holds that are open')]},
        ),
    ]
