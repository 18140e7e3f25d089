"""What time the workers last counted it to be."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0007_words_that_are_looked_for'),
    ]

    operations = [
        migrations.CreateModel(
            name='ClockMark',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('believed_at', models.DateTimeField()),
                ('said_at', models.DateTimeField()),
                ('counted', models.FloatField()),
                ('machine', models.CharField(max_length=100)),
                ('decisions', models.IntegerField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='clockmark_only_one')],
            },
        ),
    ]
