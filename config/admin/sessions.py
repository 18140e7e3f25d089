"""One's own logins: from where, since when, and an end to those that should not be."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views import View

from config.logins import note
from config.sessions import BEGAN, BROWSER, FROM, SEEN, SessionStore
from organizations import clock

LOOKED_AT = 2_000
"""Among how many logins of all staff one's own are looked for, those that end last first."""
OTHERS = "others"


class Login(NamedTuple):
    """A login that has not ended."""

    name: str
    """What a button calls it: the key of a session opens it, so no page shows it."""
    key: str
    began_at: datetime | None
    seen_at: datetime | None
    address: str
    browser: str
    is_this: bool


def logins_of(request: HttpRequest) -> list[Login]:
    """Return the logins of whoever asks, this one first, then those that were used last."""
    found = list(_own(request))
    return sorted(found, key=lambda each: (each.is_this, each.seen_at or _EVER), reverse=True)


_EVER = datetime.min.replace(tzinfo=UTC)


def _own(request: HttpRequest) -> Iterator[Login]:
    rows = Session.objects.filter(expire_date__gt=clock.now()).order_by("-expire_date")
    for row in rows[:LOOKED_AT]:
        said = SessionStore().decode(row.session_data)
        if said.get(SESSION_KEY) == str(request.user.pk):
            yield Login(
                name=sha256(row.session_key.encode()).hexdigest(),
                key=row.session_key,
                began_at=_moment(said.get(BEGAN)),
                seen_at=_moment(said.get(SEEN)),
                address=str(said.get(FROM, "")),
                browser=str(said.get(BROWSER, "")),
                is_this=row.session_key == request.session.session_key,
            )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class OwnLogins(View):
    """The list of one's own logins, and the end of one of them or of all others."""

    def get(self, request: HttpRequest) -> HttpResponse:
        context: dict[str, Any] = {
            **admin.site.each_context(request),
            "title": "Your logins",
            "logins": logins_of(request),
        }
        return TemplateResponse(request, "admin/own_logins.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        named = request.POST.get("login", "")
        ended = [
            each for each in logins_of(request) if not each.is_this and named in (OTHERS, each.name)
        ]
        for each in ended:
            SessionStore(each.key).delete()
        if ended:
            assert isinstance(request.user, User)
            said = "1 login" if len(ended) == 1 else f"{len(ended)} logins"
            note(request.user, request.user, f"Ended {said} of their own")
            messages.success(request, f"{said} ended.")
        else:
            messages.info(request, "No such login is open any more.")
        return redirect("own-logins")
