"""The words by which the console calls things."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0007_what_a_refusal_keeps'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='denial',
            options={'verbose_name': 'refusal'},
        ),
    ]
