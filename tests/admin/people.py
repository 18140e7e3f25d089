"""Staff with more and with fewer rights, and how they click through an action."""

from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from config.sessions import BROWSER, FROM, SessionStore
from organizations.models import Organization


def client_of(user: User, **options: Any) -> Client:
    """Return a client who is logged in, and was here a moment ago: its first request writes down no login.

    Its session is written at once: to log in takes four times as long, and most tests of the admin begin so.
    """
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session[FROM] = session[BROWSER] = ""
    session.save(must_create=True)
    client = Client(**options)
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key or ""
    return client


def staff_who_may(*permissions: str, name: str = "ben") -> Client:
    """Return a client of somebody with these permissions only: `credits.view_wallet`."""
    user = User.objects.create_user(name, is_staff=True)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return client_of(user)


def page_of(organization: Organization, tab: str = "") -> str:
    page = reverse("admin:organizations_organization_change", args=[organization.id])
    return f"{page}?tab={tab}" if tab else page


def url_of(action: str, organization: Organization) -> str:
    return reverse(f"admin:organizations_organization_{action}", args=[organization.id])


def fill_in(client: Client, action: str, organization: Organization, **fields: Any) -> Any:
    """Open the form and return what would be sent: its key, the usual answers, and these fields."""
    form = client.get(url_of(action, organization)).context["form"]
    usual = {
        name: bound.value()
        for name, bound in ((field.name, field) for field in form)
        if bound.value() is not None
    }
    return {**usual, "reason": "asked for by mail", **fields}


def send(
    client: Client, action: str, organization: Organization, data: Any, *, step: str = "confirm"
) -> Any:
    return client.post(url_of(action, organization), {**data, "step": step})


def use(client: Client, action: str, organization: Organization, **fields: Any) -> Any:
    """Go through an action to its end: fill in, look at the preview, confirm."""
    data = fill_in(client, action, organization, **fields)
    preview = send(client, action, organization, data, step="preview")
    assert preview.templates[0].name == "admin/action_preview.html", preview.context["form"].errors
    return send(client, action, organization, data)


def badge(page: Any) -> str | None:
    """Return how many a page says that wait for whoever looks at it, beside the menu."""
    groups = page.context["sidebar_navigation"]
    lines = {line["title"]: line for group in groups for line in group["items"]}
    found: str | None = lines["Movements"].get("badge")
    return found
