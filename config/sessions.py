"""Sessions in the database that know when the login in them began, was last used, and when it was last shown who is there."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db

from organizations import clock

BEGAN, SEEN, SHOWN = "login_began_at", "login_seen_at", "login_shown_at"
"""In seconds."""
FROM, BROWSER = "login_from", "login_browser"
"""Whose login it is, for its owner to recognize it: an address, and what the browser calls itself."""


class SessionStore(db.SessionStore):
    """A session which writes down the moments of a login when it is first kept with one: that is when somebody logged in.

    Django empties it before another person's login.
    """

    def save(self, must_create: bool = False) -> Any:
        if SESSION_KEY in self:
            for moment in (BEGAN, SEEN, SHOWN):
                if moment not in self:
                    self[moment] = clock.now().timestamp()
        return super().save(must_create)
