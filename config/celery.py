"""The Celery application and its calendar. Tasks live in each app's tasks.py.

The broker is a doorbell, not a ledger: every task finds its rows in the database, does each of them
once, and is rung again within the minute. So a lost message costs a minute, a message delivered
twice costs nothing, and nothing that a request needs waits for a worker.
"""

import os

from celery import Celery
from celery.schedules import crontab, schedule

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("purser")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _every(seconds: int, task: str) -> dict[str, object]:
    """Ring for the task; a ring nobody answered is void before the next, so none pile up."""
    return {"task": task, "schedule": schedule(seconds), "options": {"expires": seconds - 5}}


# All times are UTC.
app.conf.beat_schedule = {
    "renew": _every(60, "credits.tasks.renew"),
    "expire reservations": _every(30, "credits.tasks.expire_reservations"),
    "lapse grants": _every(60, "credits.tasks.lapse_grants"),
    "end refill cooldowns": _every(30, "credits.tasks.end_refill_cooldowns"),
    "roll up usage": _every(300, "usage.tasks.roll_up_usage"),
    "prune idempotency keys": {
        "task": "organizations.tasks.prune_idempotency_keys",
        "schedule": crontab(minute="17"),
        "options": {"expires": 3300},
    },
    "prune denials": {
        "task": "usage.tasks.prune_denials",
        "schedule": crontab(minute="23"),
        "options": {"expires": 3300},
    },
}
