"""What every installation begins with: two usage profiles for everybody, from where on Purser alerts, and the calendar as it comes.

The calendar is rows that staff may edit, of what is rung for and how often. All times are UTC.
"""

from datetime import UTC, datetime
from uuid import UUID

from django.db import migrations

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
PROFILES = [
    {
        "id": UUID("019b7600-0000-7000-8000-000000000001"),
        "name": "Standard",
        "slug": "standard",
        "description": "For everybody: everyday and advanced models.",
        "credit_cap_per_month": 5000,
        "allowed_model_tiers": ["everyday", "advanced"],
    },
    {
        "id": UUID("019b7600-0000-7000-8000-000000000002"),
        "name": "Premium",
        "slug": "premium",
        "description": "Every model, without a cap of its own.",
        "credit_cap_per_month": None,
        "allowed_model_tiers": ["everyday", "advanced", "strategic"],
    },
]
# From where on Purser alerts, of everybody who has no rule of their own.
ALERTS = {
    "near_cap_percent": 80,
    "cap_within_days": 7,
    "dry_within_days": 7,
    "debt_above": 0,
    "debt_growth": 500,
    "refusals_at_least": 20,
    "refusals_factor": 3,
}

INTERVALS = [
    ("renew", 20, "credits.tasks.renew"),
    ("expire reservations", 30, "credits.tasks.expire_reservations"),
    ("lapse grants", 30, "credits.tasks.lapse_grants"),
    ("end refill cooldowns", 30, "credits.tasks.end_refill_cooldowns"),
    ("resume", 30, "usage.tasks.resume"),
    ("roll up usage", 300, "usage.tasks.roll_up_usage"),
    ("answer what-ifs", 20, "usage.tasks.answer_what_ifs"),
    ("take stock", 300, "usage.tasks.take_stock"),
    ("notice", 300, "usage.tasks.notice"),
    ("import rows", 10, "usage.tasks.import_rows"),
]
TIMES = [
    ("seal the ledger", "20", "0", "credits.tasks.seal_ledger"),
    ("reconcile", "10", "3", "usage.tasks.reconcile"),
    ("verify the ledger", "40", "3", "credits.tasks.verify_ledger"),
    ("prune", "17", "*", "usage.tasks.prune"),
    ("compare prices", "25", "4", "usage.tasks.compare_prices"),
]


def add_profiles(apps, schema_editor):
    profiles = apps.get_model("organizations", "UsageProfile")
    for profile in PROFILES:
        profiles.objects.create(created_at=SINCE, updated_at=SINCE, **profile)


def remove_profiles(apps, schema_editor):
    ids = [profile["id"] for profile in PROFILES]
    apps.get_model("organizations", "UsageProfile").objects.filter(id__in=ids).delete()


def add_alerts(apps, schema_editor):
    apps.get_model("organizations", "AlertRule").objects.create(**ALERTS)


def remove_alerts(apps, schema_editor):
    apps.get_model("organizations", "AlertRule").objects.filter(organization=None).delete()


def add_schedules(apps, schema_editor):
    PeriodicTask = apps.get_model("django_celery_beat", "PeriodicTask")
    IntervalSchedule = apps.get_model("django_celery_beat", "IntervalSchedule")
    CrontabSchedule = apps.get_model("django_celery_beat", "CrontabSchedule")
    for name, seconds, task in INTERVALS:
        interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period="seconds")
        # A ring that nobody answered is void before the next, so none pile up.
        void_after = seconds - min(5, seconds // 4)
        PeriodicTask.objects.create(
            name=name, task=task, interval=interval, expire_seconds=void_after
        )
    for name, minute, hour, task in TIMES:
        crontab, _ = CrontabSchedule.objects.get_or_create(
            minute=minute, hour=hour, timezone="UTC"
        )
        PeriodicTask.objects.create(name=name, task=task, crontab=crontab, expire_seconds=3_300)


def remove_schedules(apps, schema_editor):
    names = [name for name, *_ in [*INTERVALS, *TIMES]]
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0004_storage"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [
        migrations.RunPython(add_profiles, remove_profiles),
        migrations.RunPython(add_alerts, remove_alerts),
        migrations.RunPython(add_schedules, remove_schedules),
    ]
