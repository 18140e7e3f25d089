"""Wires the three apps together: settings, URLs, errors, the calendar, and what starts it all."""

# Shared tasks belong to this application in every process, the web server's too.
from config.celery import app as celery_app

__all__ = ["celery_app"]
