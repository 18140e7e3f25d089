"""Every URL of the project: the admin, and the API."""

from django.contrib import admin
from django.urls import include, path

from config import openapi
from config.admin.logins import Reauthenticate, SecondFactor, SecondStep
from config.admin.sessions import OwnLogins
from config.health import calendar, healthz
from usage.admin import finder
from usage.urls import i5_urlpatterns

handler400 = "config.exceptions.bad_request"
handler404 = "config.exceptions.not_found"
handler500 = "config.exceptions.server_error"

urlpatterns = [
    # They are tried in this order, and most requests are for what gateways ask.
    path("api/v1/", include("usage.urls")),
    path("api/v1/", include("credits.urls")),
    path("api/v1/", include("organizations.urls")),
    path("api/", include(i5_urlpatterns)),
    path("healthz", healthz),
    path("healthz/calendar", calendar),
    path("admin/second-step/", SecondStep.as_view(), name="second-step"),
    path(
        "admin/is-it-you/", admin.site.admin_view(Reauthenticate.as_view()), name="reauthenticate"
    ),
    path(
        "admin/second-factor/", admin.site.admin_view(SecondFactor.as_view()), name="second-factor"
    ),
    path("admin/logins/", admin.site.admin_view(OwnLogins.as_view()), name="own-logins"),
    # Before the theme's own, which keeps what it found for five minutes.
    path("admin/search/", admin.site.admin_view(finder.find)),
    path("admin/", admin.site.urls),
    path("api/schema/", openapi.Schema.as_view(), name="schema"),
    path("api/docs/", openapi.Docs.as_view(url_name="schema")),
]
