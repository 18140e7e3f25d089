"""One statement or a transaction: the same random questions, asked on the same state, are answered alike."""

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from credits.models import Reservation
from credits.services import BillingExhausted, ChargeTooLarge
from organizations.models import Actor, Organization
from tests import factories as f
from tests.usage import people as p
from usage import services
from usage.models import AIModel
from usage.pricing import Tokens
from usage.services import spending
from usage.services.wanting import Request

pytestmark = pytest.mark.django_db(transaction=True)

FACES, FEW = 12, 5
"""Customers, each with terms and a past of its own; and how many of them are asked outside of `make test-slow`."""
QUESTIONS = 25
"""That each is asked."""


def some(rng: random.Random, *choices: Any) -> Any:
    return rng.choice(choices)


def make_customer(rng: random.Random) -> Organization:
    """Make an organization on random terms: a child that is refilled, one that falls back, one in overdraft."""
    terms: dict[str, Any] = {
        "monthly_cap": some(rng, None, None, 0, 30, 200),
        "overdraft_limit": some(rng, 0, 0, 5, None),
        "charge_limit": some(rng, None, 15, 100_000),
        "when_empty": some(rng, "deny", "fallback"),
        "free_fallback_limit": some(rng, None, 0, 4, 10_000),
        "open_holds_limit": some(rng, None, 12, 10_000),
        "actor_open_holds_limit": some(rng, None, 4, 10_000),
        "allowance": some(rng, 0, 20),
    }
    if rng.random() < 0.4:
        parent = f.make_organization("Parent", funded=some(rng, 0, 60, 10_000))
        rule = {"refill_threshold": some(rng, 0, 5), "refill_amount": 20}
        return f.make_organization("Child", parent=parent, funded=0, **terms, **rule)
    return f.make_organization(funded=some(rng, 0, 3, 25, 500), **terms)


def people_of(rng: random.Random, organization: Organization) -> list[Actor]:
    actors = [p.make_actor(organization, name) for name in ("Ada", "Bob")]
    p.make_group(organization, "acme", actors[0], kind="entity")
    if rng.random() < 0.5:
        p.limit(organization, some(rng, 0, 10, 40), "actor", actor=actors[0])
    if rng.random() < 0.5:
        p.limit(organization, some(rng, 0, 8, 50), "entity_default")
    if rng.random() < 0.5:
        p.limit(organization, some(rng, 2, 60), "resource", resource_type="app", resource_id="a")
    if rng.random() < 0.5:
        p.thresholds(organization, downgrade=some(rng, 0, 5, 30), shutoff=some(rng, 40, 80))
    return actors


def question(rng: random.Random, organization: Organization, actors: list[Actor]) -> services.Work:
    app = some(rng, {}, {}, {"resource_type": "app", "resource_id": some(rng, "a", "b")})
    actor = some(rng, None, *actors)
    if rng.random() < 0.5:
        return p.work(organization, some(rng, 0, 1, 3, 12, 40), actor=actor, **app)
    tokens = Tokens(input=some(rng, 0, 200_000), output=some(rng, 1, 300_000, 2_000_000))
    model = AIModel.objects.get(slug=some(rng, "sonnet", "haiku"))
    return p.work(organization, tokens=tokens, model=model, actor=actor, **app)


def told(found: Any) -> Any:
    """Return what an answer says."""
    if isinstance(found, Reservation):
        names = "credits free_credits is_charged decision effective_model mode estimate figures period_id"
        return {name: getattr(found, name) for name in names.split()} | {
            "created_at": found.created_at,
            "expires_at": found.expires_at,
            "counters": len(found.counter_ids),
        }
    if isinstance(found, services.Decision):
        chosen = found.model.model.slug if found.model else ""
        output = found.tokens.output if found.tokens else None
        return (found.decision, found.credits, chosen, output, found.limits)
    said: tuple[Any, ...] = (type(found).__name__, str(found))
    if isinstance(found, BillingExhausted):
        said += (found.limits, found.affordable_credits, found.affordable_output_tokens)
    return said


def undone(ask: Callable[[], Any]) -> Any:
    """Ask, and undo whatever that did."""
    with transaction.atomic():
        try:
            return ask()
        except (services.NothingHeld, ChargeTooLarge) as error:
            return error
        finally:
            transaction.set_rollback(True)


@pytest.mark.parametrize(
    "seed",
    [*range(FEW), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(FEW, FACES))],
)
def test_answer_alike(seed: int) -> None:
    rng = random.Random(seed)
    p.make_models()
    organization = make_customer(rng)
    actors = people_of(rng, organization)
    at_once = held = 0
    for number in range(QUESTIONS):
        now = f.NOW + timedelta(minutes=number)
        work = question(rng, organization, actors)
        mode = some(rng, "exact", "exact", "up_to")
        lives = some(rng, timedelta(minutes=3), timedelta(hours=1))
        request = Request(work, now, mode, "reserve", f.KEY, lives)

        quick = undone(partial(spending.reserve_at_once, request))
        careful = undone(partial(spending.with_care, request))
        checked = undone(partial(services.check, work, now=now, mode=mode))

        if quick is not None:
            at_once += 1
            assert told(quick) == told(careful), number
        if isinstance(careful, Reservation):
            held += 1
            assert isinstance(checked, services.Decision)
            assert checked.credits == careful.credits
            assert checked.decision == careful.decision
        elif isinstance(careful, BillingExhausted):
            assert told(checked) == told(careful), number
        go_on(rng, work, mode, lives, now=now)
    assert at_once > 0 or held == 0


def go_on(
    rng: random.Random, work: services.Work, mode: str, lives: timedelta, *, now: Any
) -> None:
    """Let it happen, and now and then its end: so that the next is asked of another state."""
    try:
        held = services.reserve(work, now=now, performed_by=f.KEY, mode=mode, time_to_live=lives)
    except (services.NothingHeld, ChargeTooLarge):
        return
    if isinstance(held, Reservation) and rng.random() < 0.5:
        p.settle(held, min(held.foreseen, Decimal(some(rng, 0, 2, 40))), now=now)
