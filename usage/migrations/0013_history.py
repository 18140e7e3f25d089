"""Work that is told as history: events that nothing was charged for and no counter knows of."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('credits', '0016_reclaim'),
        ('organizations', '0008_what_the_workers_count'),
        ('usage', '0012_refunds'),
    ]

    operations = [
        migrations.AddField(
            model_name='usageevent',
            name='charged',
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddConstraint(
            model_name='usageevent',
            constraint=models.CheckConstraint(condition=models.Q(('charged', True), models.Q(('byok', False), ('corrects', None), ('counter_ids__len', 0), ('entry', None), ('reservation', None)), _connector='OR'), name='usageevent_history_counts_nowhere'),
        ),
    ]
