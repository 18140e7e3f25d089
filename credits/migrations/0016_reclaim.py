"""A kind of entry for what a parent takes back from its child."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0015_words_that_are_looked_for'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='ledgerentry',
            name='ledgerentry_transfer_has_an_id',
        ),
        migrations.RemoveConstraint(
            model_name='ledgerentry',
            name='ledgerentry_reference_by_kind',
        ),
        migrations.RemoveConstraint(
            model_name='ledgerentry',
            name='ledgerentry_kind_known',
        ),
        migrations.AlterField(
            model_name='ledgerentry',
            name='kind',
            field=models.CharField(choices=[('grant', 'Grant'), ('renew', 'Renew'), ('recharge', 'Recharge'), ('adjust', 'Adjust'), ('lapse', 'Lapse'), ('settle', 'Settle'), ('reversal', 'Reversal'), ('allocate', 'Allocate'), ('refill', 'Refill'), ('sweep', 'Sweep'), ('reclaim', 'Reclaim')], max_length=8),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(('kind', 'reversal'), models.Q(('kind__in', ['allocate', 'refill', 'sweep', 'reclaim']), ('transfer_id__isnull', False)), models.Q(models.Q(('kind__in', ['allocate', 'refill', 'sweep', 'reclaim']), _negated=True), ('transfer_id__isnull', True)), _connector='OR'), name='ledgerentry_transfer_has_an_id'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(('reference', ''), ('kind__in', ['grant', 'recharge', 'adjust', 'allocate', 'reversal', 'reclaim']), _connector='OR'), name='ledgerentry_reference_by_kind'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['grant', 'renew', 'recharge', 'adjust', 'lapse', 'settle', 'reversal', 'allocate', 'refill', 'sweep', 'reclaim'])), name='ledgerentry_kind_known'),
        ),
    ]
