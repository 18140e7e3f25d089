"""Roles × pages × actions, as data: whoever adds a page or an action says here who opens it. And no page shows a link that refuses its reader."""

import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group as StaffGroup
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import resolve, reverse

from config.admin.links import may_open, only_followable
from config.staff_roles import ROLES
from organizations.models import Organization
from tests import factories as f
from tests.admin.people import client_of, url_of
from tests.usage import people as p
from usage.admin.organizations import ACTIONS
from usage.models import Limit

pytestmark = pytest.mark.django_db(transaction=True)

LETTERS = dict(zip("VSOFAM", ROLES, strict=True))
"""Viewer, support, operator, finance, approver, administrator ("may all")."""
ALL = "VSOFAM"
PAGES = {
    "auth.group": ("M", "M", "M"),
    "auth.user": ("M", "M", "M"),
    "axes.accessattempt": ("", "", ""),
    "axes.accessfailurelog": ("M", "", ""),
    "axes.accesslog": ("M", "", ""),
    "credits.billingperiod": (ALL, "", ""),
    "credits.creditconfig": (ALL, "", "OAM"),
    "credits.grant": (ALL, "", ""),
    "credits.grantdraw": (ALL, "", ""),
    "credits.ledgerentry": (ALL, "", ""),
    "credits.pendinggrant": (ALL, "", ""),
    "credits.rehearsal": (ALL, "OM", ""),
    "credits.reservation": (ALL, "", ""),
    "credits.statuschange": (ALL, "", ""),
    "credits.usagecounter": (ALL, "", ""),
    "credits.wallet": (ALL, "", ""),
    "django_celery_beat.crontabschedule": ("M", "M", ""),
    "django_celery_beat.intervalschedule": ("M", "M", ""),
    "django_celery_beat.periodictask": ("M", "M", "M"),
    "organizations.actor": (ALL, "OM", "OM"),
    "organizations.alert": (ALL, "", ""),
    "organizations.alertrule": (ALL, "OAM", "OAM"),
    "organizations.apikey": (ALL, "", ""),
    "organizations.bulkaction": (ALL, "", ""),
    "organizations.budgetwarning": (ALL, "OAM", "OAM"),
    "organizations.failure": (ALL, "", ""),
    "organizations.finding": (ALL, "", ""),
    "organizations.group": (ALL, "OM", "OM"),
    "organizations.idempotencykey": ("M", "", ""),
    "organizations.import": ("OM", "OM", ""),
    "organizations.job": (ALL, "", ""),
    "organizations.organization": (ALL, "OM", ""),
    "organizations.proposal": (ALL, "", ""),
    "organizations.usageprofile": (ALL, "OAM", "OAM"),
    "usage.accepteddifference": (ALL, "", ""),
    "usage.aimodel": (ALL, "AM", "AM"),
    "usage.denial": (ALL, "", ""),
    "usage.monthlyuse": (ALL, "", ""),
    "usage.limit": (ALL, "OAM", "OAM"),
    "usage.rate": (ALL, "AM", "AM"),
    "usage.markup": (ALL, "AM", "AM"),
    "usage.customerprice": (ALL, "AM", "AM"),
    "usage.priceproposal": (ALL, "", ""),
    "usage.rollupmark": ("M", "", ""),
    "usage.thresholds": (ALL, "OAM", "OAM"),
    "usage.usageevent": (ALL, "", ""),
    "usage.usagerollup": (ALL, "", ""),
    "usage.whatif": (ALL, "OAM", ""),
}
"""For each model: who sees its rows, who adds some, who changes them on their page."""
BUTTONS = {
    "adjust": "FAM",
    "allocate": "OFAM",
    "archive": "M",
    "cancel-grant": "SFAM",
    "edit": "OAM",
    "erase-person": "OM",
    "forgive": "SOAM",
    "forgive-all": "SOAM",
    "grant": "SFAM",
    "mint-key": "OM",
    "move-reference": "FAM",
    "new-actor": "OM",
    "recharge": "OFAM",
    "reclaim": "OFAM",
    "release-holds": "OM",
    "rerate": "FAM",
    "reset-sandbox": "OAM",
    "resume": "OM",
    "reverse": "OFAM",
    "reverse-event": "OFAM",
    "revoke-key": "OM",
    "rotate-key": "OM",
    "set-cap": "OAM",
    "set-limit": "OAM",
    "set-overdraft": "OAM",
    "suspend": "OM",
    "switch-off": "OM",
    "switch-on": "OM",
    "upgrade": "OAM",
    "void-grant": "FAM",
}
"""For each action: who opens its form."""
HREF = re.compile(r'<a\b[^>]*?\bhref="([^"]+)"')


@pytest.fixture
def world(transactional_db: None) -> Organization:
    """An organization with a row of most things."""
    _, child = f.make_family(funded=1_000)
    models = p.make_models()
    ada = p.make_actor(child, "Ada")
    team = p.make_group(child, "atlas", ada)
    p.limit(child, 400, "actor", actor=ada)
    p.limit(child, 600, "group", group=team)
    p.thresholds(child, shutoff=900)
    p.make_profile(child, "trainee", cap=9)
    f.allocate(child, 500)
    p.settle(p.hold(p.work(child, model=models[0], actor=ada, millions=1)), millions=1)
    p.refusal(p.work(child, 5_000, actor=ada))
    f.make_key(child)
    return child


def who_is(letter: str) -> Client:
    user = User.objects.create_user(f"one-{letter}", is_staff=True)
    user.groups.add(StaffGroup.objects.get(name=LETTERS[letter]))
    return client_of(user)


def url(label: str, page: str) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_{page}")


class TestMatrix:
    def test_is_complete(self) -> None:
        assert PAGES.keys() == {model._meta.label_lower for model in admin.site._registry}
        assert BUTTONS.keys() == {action.slug for action in ACTIONS}

    @pytest.mark.parametrize("letter", LETTERS)
    def test_is_what_each_role_is_answered(self, world: Organization, letter: str) -> None:
        client = who_is(letter)
        wrong = []
        for label, (see, add, change) in PAGES.items():
            opened = [(url(label, "changelist"), see)]
            opened += [(url(label, "add"), add)] if add else []
            opened += [(row, see) for row in rows_of(label)]
            wrong += [where for where, who in opened if answers(client, where) != (letter in who)]
            wrong += [row for row in rows_of(label) if letter not in change and saves(client, row)]
        for slug, who in BUTTONS.items():
            where = url_of(slug, world)
            if answers(client, where) != (letter in who):
                wrong.append(where)
        assert wrong == []

    @pytest.mark.parametrize("letter", LETTERS)
    def test_lets_take_care_of_alerts_at_once(self, transactional_db: None, letter: str) -> None:
        client = who_is(letter)

        for deed in ("acknowledge", "silence"):
            where = reverse("admin:organizations_alert_many", args=[deed])
            assert answers(client, where) == (letter in "SOFAM")


def rows_of(label: str) -> list[str]:
    model = next(model for model in admin.site._registry if model._meta.label_lower == label)
    first = model._default_manager.order_by("pk").first()
    name = f"admin:{label.replace('.', '_')}_change"
    return [] if first is None else [reverse(name, args=[first.pk])]


def answers(client: Client, where: str) -> bool:
    """Whether a page opens; it fails only by refusing."""
    status = client.get(where).status_code
    assert status in (200, 302, 403), (where, status)
    return status != 403


def saves(client: Client, where: str) -> bool:
    return client.post(where, {}).status_code != 403


class Reader:
    """Somebody who only looks: what a page said once it says again, so it is asked for once."""

    def __init__(self, client: Client) -> None:
        self.get = cache(client.get)


class TestLinks:
    @pytest.mark.parametrize("letter", "VO")
    def test_that_are_shown_open(self, world: Organization, letter: str) -> None:
        reader = Reader(who_is(letter))
        refused = []
        for page, link in walk(reader, world):
            if reader.get(link).status_code >= 400:
                refused.append((page, link))
        assert refused == []

    def test_of_somebody_with_one_right_open_too(self, world: Organization) -> None:
        user = User.objects.create_user("ben", is_staff=True)
        user.user_permissions.add(right("view_organization"))
        reader = Reader(client_of(user))
        page = reverse("admin:organizations_organization_change", args=[world.pk])

        for link in set(links_of(reader, page)):
            assert reader.get(link).status_code < 400, link

    def test_stay_as_text_and_buttons_go(self, world: Organization) -> None:
        request = (
            client_of(User.objects.create_user("ben", is_staff=True)).get("/admin/").wsgi_request
        )
        limit = reverse("admin:usage_limit_change", args=[Limit.objects.first().pk])  # type: ignore[union-attr]
        html = (
            f'<a class="text-link" href="{limit}?a=1&amp;b=2">40 <b>credits</b></a> '
            f'<a class="btn" href="{limit}">Change</a> <a href="/admin/">Home</a>'
        )

        shown = only_followable(html, request)

        assert shown == '40 <b>credits</b>  <a href="/admin/">Home</a>'
        assert may_open(request, "/admin/nothing/at/all/")


def right(codename: str) -> Permission:
    return Permission.objects.get(codename=codename)


def walk(reader: Reader, world: Organization) -> Iterator[tuple[str, str]]:
    """Yield a link of each kind on each kind of page that a role sees: lists, their first rows, and the tabs of an organization."""
    home = reverse("admin:organizations_organization_change", args=[world.pk])
    pages = ["/admin/", home]
    for label in PAGES:
        pages += [url(label, "changelist"), *rows_of(label)]
    pages += [link for link in links_of(reader, home) if link.startswith(f"{home}?tab=")]
    seen = set()
    for page in dict.fromkeys(pages):
        for link in links_of(reader, page):
            kind = (resolve(urlsplit(link).path).view_name, "?" in link)
            if kind not in seen:
                seen.add(kind)
                yield page, link
    assert len(seen) > 20


def links_of(reader: Reader, page: str) -> list[str]:
    """Return what a page of ours that opens leads to on our own side."""
    answer = reader.get(page)
    if answer.status_code != 200:
        return []
    hrefs = [unescape(href) for href in HREF.findall(answer.content.decode())]
    full = [href if href.startswith("/") else f"{page}{href}" for href in hrefs if href[:1] in "/?"]
    return [href for href in full if href.startswith("/admin/") and "logout" not in href]
