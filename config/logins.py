"""How long a login of staff lasts, when it needs a second factor, and when it must be shown again who is there."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import authenticate, logout
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_login_failed
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_otp import devices_for_user
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from config.lockout import address_of
from config.sessions import BEGAN, BROWSER, FROM, SEEN, SHOWN
from organizations import clock
from organizations.statements import fetch_one

ADMIN = "/admin/"
SEEN_EVERY = timedelta(minutes=1)
LONGEST_BROWSER = 200

OPEN = {"admin:login", "admin:logout", "admin:jsi18n", "second-step"}
"""Pages for whoever is half logged in."""
ENROLMENT = {"second-factor", "reauthenticate", "admin:password_change"}
"""Pages for whoever has yet to set up a second factor."""
GUARDED = {
    "admin:auth_user_add",
    "admin:auth_user_change",
    "admin:auth_user_delete",
    "admin:auth_user_password_change",
    "admin:auth_user_reset_second_factor",
    "admin:auth_group_add",
    "admin:auth_group_change",
    "admin:auth_group_delete",
    "admin:organizations_proposal_decide",
    "admin:organizations_bulkaction_decide",
    "admin:usage_priceproposal_decide",
    "admin:organizations_import_start",
    "admin:password_change",
    "second-factor",
}
"""Pages that change who may do what or how they log in, or approve: who is there must have been shown a short while ago."""

DEVICES: tuple[type[Device], ...] = (TOTPDevice, StaticDevice)
_HAS_DEVICE = "SELECT " + " OR ".join(
    f"EXISTS (SELECT FROM {kind._meta.db_table} WHERE user_id = %s AND confirmed)"
    for kind in DEVICES
)

Next = Callable[[HttpRequest], HttpResponse]


class Expiry:
    """Ends logins that are too old, or that nobody used for too long."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(ADMIN) and request.user.is_authenticated:
            _end_or_go_on(request, clock.now())
        return self.get_response(request)


def _end_or_go_on(request: HttpRequest, now: datetime) -> None:
    idle = _since(request, SEEN, now)
    if (
        _since(request, BEGAN, now) >= timedelta(seconds=settings.SESSION_COOKIE_AGE)
        or idle >= settings.SESSION_IDLE
    ):
        logout(request)
    elif idle >= SEEN_EVERY or FROM not in request.session:
        request.session[SEEN] = now.timestamp()
        request.session[FROM] = address_of(request) or ""
        request.session[BROWSER] = request.META.get("HTTP_USER_AGENT", "")[:LONGEST_BROWSER]


def _since(request: HttpRequest, moment: str, now: datetime) -> timedelta:
    """Return how long ago a moment of the login was. A login that knows none is older than any."""
    return timedelta(seconds=now.timestamp() - request.session.get(moment, 0))


class Gate:
    """Between a login and the pages of the admin: the second factor, and showing again who is there."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if not request.path_info.startswith(ADMIN):
            return None
        return self._way_in(request)

    def _way_in(self, request: HttpRequest) -> HttpResponse | None:
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name in OPEN:
            return None
        if not request.user.is_authenticated:
            return None  # the page itself asks for a login
        if must_enrol(request) and name not in ENROLMENT:
            return redirect("second-factor")
        if must_verify(request):
            return detour(request, "second-step")
        if name in GUARDED and not shown_lately(request):
            return detour(request, "reauthenticate")
        return None


def detour(request: HttpRequest, page: str) -> HttpResponse:
    """Send somebody to a page that leads back here."""
    answer = redirect(page)
    answer["Location"] += "?" + urlencode({"next": request.get_full_path()})
    return answer


def must_verify(request: HttpRequest) -> bool:
    """Whether somebody has a second factor and did not use it yet."""
    return not is_verified(request) and has_device(request.user)


def must_enrol(request: HttpRequest) -> bool:
    """Whether somebody needs a second factor and has none."""
    needed = settings.ADMIN_REQUIRE_OTP and not is_verified(request)
    return needed and not has_device(request.user)


def has_device(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether somebody has a confirmed device, of whichever kind: one question, for every page asks it."""
    found = fetch_one(_HAS_DEVICE, [user.pk] * len(DEVICES))
    return found == (True,)


def is_verified(request: HttpRequest) -> bool:
    """Whether the second factor was used in this login."""
    return getattr(request.user, "otp_device", None) is not None


def shown_lately(request: HttpRequest) -> bool:
    """Whether whoever is logged in showed a short while ago who they are."""
    return _since(request, SHOWN, clock.now()) < settings.REAUTHENTICATE_AFTER


def shown(request: HttpRequest) -> None:
    """Write down that somebody showed who they are."""
    request.session[SHOWN] = clock.now().timestamp()


def knows_password(request: HttpRequest, password: str) -> bool:
    """Whether a password is that of whoever is logged in. Failures count as failed logins."""
    name = request.user.get_username()
    return authenticate(request, username=name, password=password) == request.user


def device_of_code(request: HttpRequest, code: str) -> Device | None:
    """Return the confirmed device of whoever is logged in that made a code, which is used up by it.

    A wrong one counts as a failed login, and makes the device deaf for a second, then two, four, and so on.
    """
    model = TOTPDevice if len(code) == 6 and code.isdigit() else StaticDevice
    with transaction.atomic():
        own = model.objects.devices_for_user(request.user, confirmed=True).select_for_update()
        found = next((device for device in own if device.verify_token(code)), None)
    if found is None:
        credentials = {"username": request.user.get_username()}
        user_login_failed.send(__name__, credentials=credentials, request=request)
    return found


def forget_devices(user: AbstractBaseUser | AnonymousUser) -> int:
    """Remove every device of somebody, recovery codes too, and return how many there were."""
    devices = list(devices_for_user(user, confirmed=None))
    for device in devices:
        device.delete()
    return len(devices)


def note(user: AbstractBaseUser | AnonymousUser, target: User, text: str) -> None:
    """Write into the log of the admin what somebody did to a login."""
    LogEntry.objects.log_actions(
        user_id=user.pk or 0,
        queryset=[target],
        action_flag=CHANGE,
        change_message=text,
        single_object=True,
    )
