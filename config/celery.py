"""The Celery application. Tasks live in each app's tasks.py, and when they are rung for in the database.

The broker is a doorbell, not a ledger: every task finds its rows in the database, does each of them
once, and is rung again within the minute. So a lost message costs a minute, a message delivered
twice costs nothing, and nothing that a request needs waits for a worker.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("purser")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
