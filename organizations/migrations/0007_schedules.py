"""The calendar as it comes: rows that staff may edit, of what is rung for and how often. All times are UTC."""

from django.db import migrations

INTERVALS = [
    ("renew", 20, "credits.tasks.renew"),
    ("expire reservations", 30, "credits.tasks.expire_reservations"),
    ("lapse grants", 30, "credits.tasks.lapse_grants"),
    ("end refill cooldowns", 30, "credits.tasks.end_refill_cooldowns"),
    ("resume", 30, "usage.tasks.resume"),
    ("roll up usage", 300, "usage.tasks.roll_up_usage"),
]
TIMES = [
    ("seal the ledger", "20", "0", "credits.tasks.seal_ledger"),
    ("reconcile", "10", "3", "usage.tasks.reconcile"),
    ("verify the ledger", "40", "3", "credits.tasks.verify_ledger"),
    ("prune", "17", "*", "usage.tasks.prune"),
]


def seed(apps, schema_editor):
    PeriodicTask = apps.get_model("django_celery_beat", "PeriodicTask")
    IntervalSchedule = apps.get_model("django_celery_beat", "IntervalSchedule")
    CrontabSchedule = apps.get_model("django_celery_beat", "CrontabSchedule")
    for name, seconds, task in INTERVALS:
        interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period="seconds")
        # A ring that nobody answered is void before the next, so none pile up.
        PeriodicTask.objects.create(
            name=name, task=task, interval=interval, expire_seconds=seconds - 5
        )
    for name, minute, hour, task in TIMES:
        crontab, _ = CrontabSchedule.objects.get_or_create(
            minute=minute, hour=hour, timezone="UTC"
        )
        PeriodicTask.objects.create(name=name, task=task, crontab=crontab, expire_seconds=3_300)


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0006_jobs'),
        ('django_celery_beat', '0019_alter_periodictasks_options'),
    ]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
