"""Who appears in the tests of the Omni contract: users, their groups, and what they spend."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from credits import services as credits_services
from credits.models import Reservation
from organizations.models import Actor, Group, Organization
from tests import factories as f
from tests.callers import Caller
from usage import services
from usage.models import AIModel
from usage.pricing import Tokens
from usage.services import groups

CONTROLS = "/ai/credit-controls"
USERS = f"{CONTROLS}/users"
ENTITY_GROUPS = f"{CONTROLS}/entity-groups"
USER_GROUPS = f"{CONTROLS}/user-groups"
USAGE = "/ai/credit-usage"
NOBODY = "01980000-0000-7000-8000-000000000000"
SEPTEMBER = {"periodStart": 1788220800000, "periodEnd": 1790812800000}
IN_SEPTEMBER = f.at("2026-09-14 12:00")


def make_user(organization: Organization, name: str = "Ana", **fields: Any) -> Actor:
    return credits_services.create_actor(organization=organization, name=name, now=f.NOW, **fields)


def make_group(
    organization: Organization, kind: str, key: str, *members: Actor, **fields: Any
) -> Group:
    group = groups.create_group(
        organization=organization, kind=kind, key=key, name=key, now=f.NOW, **fields
    )
    for member in members:
        groups.add_member(group=group, actor=member)
    return group


def make_team(organization: Organization, key: str, *members: Actor, **fields: Any) -> Group:
    return make_group(organization, Group.Kind.TEAM, key, *members, **fields)


def make_entity(organization: Organization, key: str, *members: Actor) -> Group:
    return make_group(organization, Group.Kind.ENTITY, key, *members)


def ask(
    organization: Organization,
    credits: f.Amount | None = None,
    *,
    actor: Actor | None = None,
    model: AIModel | None = None,
    tokens: Tokens | None = None,
    now: datetime = IN_SEPTEMBER,
) -> Reservation | services.Denied | services.Left:
    """Try to hold credits, or the price of tokens, for somebody's work."""
    exact = None if credits is None else Decimal(credits)
    fresh = Organization.objects.get(id=organization.id)
    work = services.Work(fresh, credits=exact, actor=actor, model=model, tokens=tokens)
    return services.reserve(work, now=now, performed_by=f.KEY)


def spend(organization: Organization, credits: f.Amount, **options: Any) -> Reservation:
    """Do work that costs what was held for it; the test fails if it is refused."""
    held = ask(organization, credits, **options)
    assert isinstance(held, Reservation), held
    return services.settle(
        organization=organization,
        reservation_id=held.id,
        performed_by=f.KEY,
        now=options.get("now", IN_SEPTEMBER),
        credits=Decimal(credits),
    )


def reason(outcome: Reservation | services.Denied | services.Left) -> str:
    """Return why work was refused; the test fails if it was not."""
    assert not isinstance(outcome, Reservation), outcome
    return outcome.reason


def refused(answer: Any, status: int = 400) -> str:
    """Return the sentence of a refusal in Omni's envelope; the test fails if it has another shape."""
    phrases = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
    body = answer.json()
    assert (answer.status_code, set(body), body.get("status")) == (
        status,
        {"detail", "status"},
        status,
    ), answer.content
    phrase, _, sentence = body["detail"].partition(": ")
    assert phrase == phrases[status]
    return str(sentence)


def listed(caller: Caller, path: str, **query: Any) -> Any:
    """Return the records of the first page."""
    answer = caller.get(path, **query)
    assert answer.status_code == 200, answer.content
    return answer.json()["records"]
