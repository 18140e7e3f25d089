"""A row of whatever the demo has none of, so that every page of the console is there to be looked at. Run in the house, never in a test itself."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from axes.models import AccessAttempt, AccessFailureLog
from django.contrib import admin
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.test.utils import setup_test_environment
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice

from credits.services import rehearsing
from credits.tasks import REHEARSE
from organizations import clock, jobs, proposals
from organizations.models import AlertRule, Env, Failure, Finding, Job, Organization
from tests import factories as f
from tests.admin.people import client_of, use
from tests.usage import people as p
from tests.usage.bringing import looked_at
from usage import what_if
from usage.models import AcceptedDifference, AIModel, PriceProposal
from usage.services import groups
from usage.services.noticing import NOTICE
from usage.services.what_if import WHAT_IF, ask

HOST = "127.0.0.1"
DAY = timedelta(days=1)
CUSTOMERS = """external_id,name,parent,allowance,monthly_cap
quay-1,Quayside Radio,,500,2000
quay-2,Quayside Records,quay-1,"1,000",2000
quay-3,Quayside Books,quay-1,250,
quay-4,Quayside Maps,quay-1,250,none
"""


def make() -> None:
    """Make them. Once is enough."""
    now = clock.now()
    child = Organization.objects.get(name="Brightwater Publishing", env=Env.LIVE)
    ben = at_a_desk("ben")
    _of_the_calendar(child)
    _of_money(child, ben)
    _of_rules(child)
    _of_prices()
    looked_at("people", "organization,name\nnobody,Ana\n", now=now)
    ask(
        changes=what_if.Changes({}),
        month=date(now.year, now.month, 1),
        organization=child,
        asked_by="ben",
        now=now,
    )
    TOTPDevice.objects.create(user=staff_called("nora"), name="app")
    _of_logins()
    jobs.run(NOTICE, now=clock.now, worker="rows")


def addresses() -> Iterator[str]:
    """Yield where the first row of each table is, and its first version, which no link may lead to; and what is about the login of a colleague."""
    for page in ("password_change", "reset_second_factor"):
        yield reverse(f"admin:auth_user_{page}", args=[staff_called("nora").pk])
    for model in admin.site._registry:
        own = model._default_manager.order_by("pk").first()
        if own is not None:
            yield _page(model, "change", own.pk)
        version = model.history.first() if hasattr(model, "history") else None
        if version is not None:
            key = getattr(version, str(model._meta.pk.attname))
            yield _page(model, "simple_history", key, version.pk)


def _page(model: Any, what: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)


def to_be_shown() -> None:
    """Make what pictures show: budgets, a file of customers, credits for many, what waits for another person, and answers of a worker. Once is enough."""
    now = clock.now()
    child = Organization.objects.get(name="Brightwater Publishing", env=Env.LIVE)
    ben = at_a_desk("ben")
    _budgets(child)
    looked_at(
        "customers", CUSTOMERS, now=now, performed_by="ben", reason="Moved from the old system"
    )
    _for_many(ben, amount="500", reason="Goodwill after Tuesday's outage")
    firm = Organization.objects.get(name="Oakline Legal")
    use(ben, "grant", firm, amount="150000", reason="Order 1108, paid in advance", category="paid")
    _asked_of_a_worker(child)
    jobs.run(NOTICE, now=clock.now, worker="rows")


def _asked_of_a_worker(child: Organization) -> None:
    """Have the next renewals looked at, and this month gone through at other prices."""
    now = clock.now()
    ahead = now + 32 * DAY
    rehearsing.begin_rehearsal(until=ahead, reason="Next month", performed_by="ben", now=now)
    dearer = what_if.Changes(rules={"downgrade": Decimal(2_000)}, multiplier=Decimal("1.25"))
    month = date(now.year, now.month, 1)
    ask(changes=dearer, month=month, organization=child, asked_by="ben", now=now)
    for work in (REHEARSE, WHAT_IF):
        while jobs.run(work, now=clock.now, worker="rows"):
            pass


def _budgets(child: Organization) -> None:
    now = clock.now()
    ada, felix, yuki = child.actors.filter(kind="user").order_by("id")[:3]
    for key, name, kind, members, cap in (
        ("lab", "Editorial lab", "entity", (ada, yuki), 3_000),
        ("covers", "Covers", "entity", (felix,), 1_200),
        ("print", "Print desk", "team", (ada, felix), 2_500),
    ):
        group = groups.create_group(organization=child, kind=kind, key=key, name=name, now=now)
        for member in members:
            groups.add_member(group=group, actor=member)
        p.limit(child, cap, "group", group=group)
    p.limit(child, 4_000, "actor", actor=ada)
    p.limit(child, 1_500, "resource", resource_type="app", resource_id="writer")
    p.budget_warning(child, 80, 100, budget=9_000)
    p.thresholds(child, downgrade=9_000, shutoff=12_000)


def _for_many(ben: Client, **fields: str) -> None:
    found = Organization.objects.filter(env=Env.LIVE, parent__isnull=False)
    ids = ",".join(str(id) for id in found.values_list("pk", flat=True))
    usual = {"once": uuid4(), "priority": "50", "category": "goodwill", "step": "preview"}
    ben.post(f"/admin/organizations/organization/many/grant/?ids={ids}", {**usual, **fields})


def at_a_desk(name: str) -> Client:
    """Return a client of an administrator, which remembers the forms that it is shown."""
    if not hasattr(mail, "outbox"):
        setup_test_environment()
    return client_of(staff_called(name), HTTP_HOST=HOST)


def staff_called(name: str) -> User:
    """Return an administrator."""
    return User.objects.filter(username=name).first() or User.objects.create_superuser(name)


def _of_the_calendar(child: Organization) -> None:
    now = clock.now()
    job = Job.objects.earliest("started_at")
    Finding.objects.create(
        job=job, organization=child, check_name="sums", subject=child.public_id, detail="1, not 2"
    )
    Failure.objects.create(
        kind="expire",
        organization=child,
        error="KeyError: 'x'",
        attempts=8,
        first_failed_at=now - DAY,
        last_failed_at=now,
    )


def _of_money(child: Organization, ben: Client) -> None:
    now = clock.now()
    f.make_key(child, name="trying", env=Env.TEST, now=now)
    f.schedule(child, 30, effective_at=now + DAY, now=now)
    use(ben, "grant", child, amount="150000")
    _for_many(ben, amount="5", reason="goodwill")
    rehearsing.begin_rehearsal(
        until=now + 32 * DAY, reason="the next month", performed_by="ben", now=now
    )


def _of_rules(child: Organization) -> None:
    ada = child.actors.order_by("id").first()
    p.limit(child, 4_000, "actor", actor=ada)
    p.thresholds(child, downgrade=90_000, shutoff=95_000)
    p.budget_warning(child, 80, 100, budget=30_000)
    AlertRule.objects.create(organization=child, dry_within_days=3)


def _of_logins() -> None:
    """Have somebody fail to log in."""
    said = {"username": "stranger", "ip_address": "192.0.2.7", "user_agent": "a browser"}
    asked = {"http_accept": "text/html", "path_info": "/admin/login/"}
    AccessFailureLog.objects.create(**said, **asked)
    AccessAttempt.objects.create(**said, **asked, failures_since_start=1)


def _of_prices() -> None:
    now = clock.now()
    model = AIModel.objects.order_by("slug").first()
    assert model is not None
    p.markup(since=now + 30 * DAY)
    p.markup(of=Organization.objects.get(name="Oakline Legal"), since=now + 30 * DAY)
    AcceptedDifference.objects.create(
        model=model,
        unit="input_tokens",
        own=Decimal(2),
        listed=Decimal(1),
        reason="agreed",
        accepted_by="ben",
        accepted_at=now,
    )
    asked = PriceProposal(
        action="markup",
        payload={
            "id": None,
            "is_deleted": False,
            "fields": {
                "provider": "",
                "model_id": None,
                "starts_at": (now + 40 * DAY).isoformat(),
                "factor": "2",
            },
        },
        subject="add markup: all models",
        effect="prices change by 100 %",
        reason="costs",
        proposed_by="ben",
    )
    proposals.propose(asked, now=now)
