"""Worlds that take longer to make than to ask: the first test of a process that needs one makes it, and for every other its rows are put back."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from django.utils import timezone

from tests import database

World = TypeVar("World")

FRESH = timedelta(minutes=5)
"""How old a world of the clock's time may be: a hold in it ends after a quarter of an hour."""


class Kept(Generic[World]):
    """A world of tests that use real transactions. What a test does to its rows no other sees; nobody changes what Python holds of it."""

    def __init__(self, name: str, make: Callable[[], World]) -> None:
        self._name = f"kept_{name}"
        self._make = make
        self._made: tuple[datetime, World] | None = None

    def get(self) -> World:
        """Return the world, in a database with all of its rows and no other."""
        now = timezone.now()
        if self._made is None or now - self._made[0] > FRESH:
            self._made = now, self._make()
            database.keep(self._name)
        else:
            database.bring_back(self._name)
        return self._made[1]
