"""The calendar rings for what staff import: whoever brought a file waits for what it would do."""

from django.db import migrations

NAME, SECONDS, TASK = "import rows", 10, "usage.tasks.import_rows"


def add_schedule(apps, schema_editor):
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule")
    interval, _ = intervals.objects.get_or_create(every=SECONDS, period="seconds")
    # A ring that nobody answered is void before the next, so none pile up.
    apps.get_model("django_celery_beat", "PeriodicTask").objects.create(
        name=NAME, task=TASK, interval=interval, expire_seconds=SECONDS - 2
    )


def remove_schedule(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):

    dependencies = [
        ('django_celery_beat', '0019_alter_periodictasks_options'),
        ('organizations', '0006_imports'),
        ('usage', '0029_accepted_differences'),
    ]

    operations = [
        migrations.RunPython(add_schedule, remove_schedule),
    ]
