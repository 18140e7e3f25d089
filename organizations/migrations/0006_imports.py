"""Files of rows that staff bring from somewhere else: looked at first, then carried out, organization by organization."""


import django.db.models.deletion
import organizations.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0005_seeds'),
    ]

    operations = [
        migrations.CreateModel(
            name='Import',
            fields=[
                ('id', models.UUIDField(default=organizations.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=20)),
                ('file_name', models.CharField(max_length=200)),
                ('read_as', models.CharField(max_length=60)),
                ('reason', models.CharField(max_length=300)),
                ('performed_by', models.CharField(max_length=150)),
                ('reach', models.JSONField(default=dict)),
                ('rows', models.PositiveIntegerField()),
                ('parts', models.PositiveIntegerField()),
                ('weight', models.DecimalField(decimal_places=6, default=0, max_digits=30)),
                ('created_at', models.DateTimeField()),
                ('checked_at', models.DateTimeField(null=True)),
                ('problems', models.PositiveIntegerField(default=0)),
                ('started_at', models.DateTimeField(null=True)),
                ('started_by', models.CharField(blank=True, default='', max_length=150)),
                ('finished_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('checked_at__isnull', True), models.Q(('finished_at__isnull', True), ('started_at__isnull', False)), _connector='OR'), fields=['id'], name='import_to_do')],
                'constraints': [models.CheckConstraint(condition=models.Q(('started_at__isnull', True), models.Q(('checked_at__isnull', False), ('problems', 0)), _connector='OR'), name='import_carried_out_after_it_was_checked'), models.CheckConstraint(condition=models.Q(('finished_at__isnull', True), ('started_at__isnull', False), _connector='OR'), name='import_finished_after_it_was_started')],
            },
        ),
        migrations.CreateModel(
            name='ImportPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('turn', models.PositiveIntegerField()),
                ('above', models.PositiveIntegerField(null=True)),
                ('name', models.CharField(max_length=300)),
                ('rows', models.PositiveIntegerField()),
                ('state', models.CharField(choices=[('waiting', 'not looked at yet'), ('refused', 'wrong'), ('ready', 'ready'), ('done', 'done'), ('failed', 'failed')], default='waiting', max_length=7)),
                ('said', models.CharField(blank=True, default='', max_length=500)),
                ('organization', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='organizations.organization')),
                ('whole', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='part_set', to='organizations.import')),
            ],
        ),
        migrations.CreateModel(
            name='ImportRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('cells', models.JSONField(default=dict)),
                ('problems', models.JSONField(default=list)),
                ('state', models.CharField(choices=[('waiting', 'not looked at yet'), ('wrong', 'wrong'), ('new', 'would be made'), ('known', 'is there already'), ('made', 'made'), ('there', 'was there already'), ('failed', 'not made')], default='waiting', max_length=7)),
                ('made', models.CharField(blank=True, default='', max_length=60)),
                ('said', models.CharField(blank=True, default='', max_length=300)),
                ('secret_hash', models.BinaryField(null=True)),
                ('part', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='row_set', to='organizations.importpart')),
                ('whole', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='row_set', to='organizations.import')),
            ],
        ),
        migrations.AddIndex(
            model_name='importpart',
            index=models.Index(fields=['whole', 'state', 'turn'], name='importpart_by_state'),
        ),
        migrations.AddConstraint(
            model_name='importpart',
            constraint=models.UniqueConstraint(fields=('whole', 'turn'), name='importpart_one_per_turn'),
        ),
        migrations.AddIndex(
            model_name='importrow',
            index=models.Index(fields=['part', 'number'], name='importrow_of_part'),
        ),
        migrations.AddIndex(
            model_name='importrow',
            index=models.Index(condition=models.Q(('state__in', ['wrong', 'failed'])), fields=['whole', 'number'], name='importrow_wrong'),
        ),
        migrations.AddConstraint(
            model_name='importrow',
            constraint=models.UniqueConstraint(fields=('whole', 'number'), name='importrow_one_per_number'),
        ),
    ]
