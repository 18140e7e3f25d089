"""Failed logins: counted in the database by django-axes, kept for staff to see, and after too many a pause that ends by itself.

Two bounds: a few failures for a name from one address, and ten times as many for a name from anywhere, so that neither one machine
nor many can guess for long. While the pause lasts nothing more is counted: who goes on trying makes it no longer, and nobody is locked out for
ever by somebody else.
"""

from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessFailureLog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from unfold.forms import AuthenticationForm

FROM_ANYWHERE = 10
"""How many times as many failures a name may have from all addresses together."""
KEPT = 100_000
"""How many failures are kept to be looked at: whoever asks makes them."""


def address_of(request: HttpRequest) -> str | None:
    """Return whose request it is: what the outermost proxy that is ours saw, or who is connected to us.

    Callers write the header as they like; only the entries that our own proxies appended are true.
    """
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    count = settings.TRUSTED_PROXIES
    text = hops[-count] if 0 < count <= len(hops) else request.META.get("REMOTE_ADDR", "")
    return _in_one_spelling(text)


@lru_cache(maxsize=1_000)
def _in_one_spelling(text: str) -> str | None:
    """Return an address as it is compared, or None where it is none."""
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return None


class Lockout(AxesStandaloneBackend):
    """Refuses whoever failed too often. A shell that asks without a request has no address to be refused by."""

    def authenticate(self, request: HttpRequest | None, *args: Any, **kwargs: Any) -> Any:
        return None if request is None else super().authenticate(request, *args, **kwargs)


class Handler(AxesDatabaseHandler):
    """What counts as too many, and how many failures are kept."""

    def get_failures(self, request: HttpRequest, credentials: Any = None) -> int:
        from_here, from_anywhere = (
            sum(attempts.values_list("failures_since_start", flat=True))
            for attempts in self.get_user_attempts(request, credentials)
        )
        worst: int = max(from_here, from_anywhere // FROM_ANYWHERE)
        return worst

    def remove_out_of_limit_failure_logs(self, **kwargs: Any) -> int:
        # The library's own would delete the newest.
        newest = AccessFailureLog.objects.order_by("-id").values_list("id", flat=True).first() or 0
        removed: int = AccessFailureLog.objects.filter(id__lte=newest - KEPT).delete()[0]
        return removed


class LoginForm(AuthenticationForm):
    """The login of the theme, which also says that there is a pause."""

    def get_invalid_login_error(self) -> Any:
        error = super().get_invalid_login_error()
        if getattr(self.request, "axes_locked_out", False):
            error.message = pause()
        return error


def pause() -> str:
    """Return what whoever failed too often is told."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    return f"Too many failed logins. Wait {minutes} minutes, then try again."


def answer(request: HttpRequest, response: HttpResponse, credentials: Any) -> HttpResponse:
    """Answer 429 with the page that says so."""
    response.status_code = 429
    response["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME.total_seconds()))
    return response


def is_allowed(request: HttpRequest, credentials: dict[str, Any]) -> bool:
    """Whether somebody may try to log in now. If not, the answer will be 429."""
    if AxesProxyHandler.is_allowed(request, credentials):
        return True
    vars(request).update(axes_locked_out=True, axes_credentials=credentials)
    return False
