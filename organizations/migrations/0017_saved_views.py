"""Views of lists that staff save."""

import organizations.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0016_history_of_an_organization'),
    ]

    operations = [
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('list', models.CharField(max_length=100)),
                ('name', models.CharField(max_length=60)),
                ('query', models.CharField(max_length=2000)),
                ('owner', models.CharField(max_length=150)),
                ('is_shared', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'permissions': [('share_view', 'Share views of lists with everybody, and delete shared ones')],
                'constraints': [models.UniqueConstraint(fields=('list', 'owner', 'name'), name='savedview_one_of_a_name'), models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='savedview_has_a_name')],
            },
        ),
    ]
