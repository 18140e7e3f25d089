"""Events that refund a part of what another was charged; there may be several of one."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0016_reclaim'),
        ('organizations', '0008_what_the_workers_count'),
        ('usage', '0011_rates_of_units_only'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='usageevent',
            name='usageevent_credits_not_negative',
        ),
        migrations.RemoveConstraint(
            model_name='usageevent',
            name='usageevent_corrects_by_source',
        ),
        migrations.RemoveConstraint(
            model_name='usageevent',
            name='usageevent_corrected_once',
        ),
        migrations.AddIndex(
            model_name='usageevent',
            index=models.Index(condition=models.Q(('corrects__isnull', False)), fields=['corrects'], name='usageevent_beside'),
        ),
        migrations.AddConstraint(
            model_name='usageevent',
            constraint=models.CheckConstraint(condition=models.Q(('credits__gte', 0), models.Q(('credits__lt', 0), ('source__in', ['forgiven', 'correction', 'refund'])), _connector='OR'), name='usageevent_credits_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='usageevent',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('corrects__isnull', False), ('credits__lt', 0), ('source__in', ['correction', 'refund'])), models.Q(('corrects__isnull', False), ('source', 'rerated')), models.Q(models.Q(('source__in', ['correction', 'rerated', 'refund']), _negated=True), ('corrects__isnull', True)), _connector='OR'), name='usageevent_corrects_by_source'),
        ),
        migrations.AddConstraint(
            model_name='usageevent',
            constraint=models.UniqueConstraint(condition=models.Q(('corrects__isnull', False), models.Q(('source', 'refund'), _negated=True)), fields=('corrects', 'source'), name='usageevent_corrected_once'),
        ),
    ]
