"""What Django loads of this package when it starts: the checks, and what a request need not do at both of its ends."""

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries

from config import roles as roles


class Config(AppConfig):
    name = "config"

    def ready(self) -> None:
        """Let nobody be told of each request for whom it changes nothing: that took a fortieth of a check."""
        # Who calls Django does it once (config/wsgi.py).
        request_started.disconnect(close_old_connections)
        request_finished.disconnect(close_old_connections)
        # There is but the cache in memory, which has nothing to close.
        request_finished.disconnect(close_caches)
        # All requests have the same paths, and each begins by saying so.
        request_finished.disconnect(reset_urlconf)
        if not settings.DEBUG:  # else nobody keeps queries
            request_started.disconnect(reset_queries)
