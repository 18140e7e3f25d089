"""What happens in a neighbourhood: a reseller with its children and others alone, for three months, as the services write it.

It is what every customer of the world lives through, and copies of it are all the small ones. A little of the work of each is done by the
services; the rest of it is that work again (`tests.scale.again`).
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from credits.models import LedgerEntry
from organizations import idempotency
from organizations.idempotency import Answer, Key
from organizations.models import Actor, Organization
from tests import factories as f
from tests.scale.again import work_again
from tests.scale.staff import Apart, concern
from tests.usage import people as p
from usage import services
from usage.models import AIModel, Denial
from usage.services import denials

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONTHS = 3
PREPAID = 1_000_000
NAMES = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Mary Jackson", "Edsger Dijkstra")
CHILDREN = ("Nordwind Games", "Blue Lantern", "Kestrel Films", "Marble Arch", "Quiet Valley")
ALONE = ("Acme Tools", "Lumen Labs", "Tidewater Bank", "Orchard Foods")


class Amounts(NamedTuple):
    """How much happens to a customer."""

    pieces: int
    """How many pieces of work there are, of all months."""
    denials: int
    grants: int = 1


def months_until(now: datetime) -> list[date]:
    """Return the first days of the months of a story, the running one last."""
    months = [now.date().replace(day=1)]
    while len(months) < MONTHS:
        months.insert(0, (months[0] - DAY).replace(day=1))
    return months


def neighbourhood(amounts: Amounts, apart: Apart, *, now: datetime) -> list[Organization]:
    """Let ten live: a reseller, its five children, and four alone. One is suspended in the end, one is archived, one is in debt."""
    begins_at = f.at(months_until(now)[0].isoformat()) + HOUR
    reseller = f.make_organization("Harbour Reseller", now=begins_at, allowance=500)
    children = [
        f.make_organization(name, parent=reseller, now=begins_at, allowance=100, monthly_cap=20_000)
        for name in CHILDREN
    ]
    alone = [f.make_organization(name, now=begins_at, allowance=50) for name in ALONE]
    found = [reseller, *children, *alone]
    for each in found:
        live(each, amounts, apart, now=now)
    f.allocate(children[0], 250, now=now - HOUR, reference="order 1")
    f.suspend(children[3], now=now)
    f.archive(children[4], now=now)
    owing = f.make_organization("Overdrawn", now=begins_at, overdraft_limit=None)
    p.use(p.work(owing, 7), 7, now=now - DAY)
    f.sandbox_of(alone[0], now=begins_at)
    return [*found, owing]


def live(
    organization: Organization,
    amounts: Amounts,
    apart: Apart,
    *,
    now: datetime,
    grow: Callable[[], None] = lambda: None,
) -> None:
    """Let an organization live through its months.

    :param grow: what makes it larger, once it is there
    """
    begins_at = organization.created_at
    people = found(organization, now=begins_at)
    grow()
    f.grant(organization, PREPAID, now=begins_at + HOUR, reference="payment 1", category="paid")
    if organization.parent_id is None:
        f.set_terms(organization, recharge_limit=1_000, now=begins_at + HOUR)
        f.recharge(organization, 10, now=begins_at + 2 * HOUR, reference="payment 2")
    months = months_until(now)
    for number, month in enumerate(months):
        first = max(f.at(month.isoformat()) + 6 * HOUR, begins_at + 6 * HOUR)
        begun = _work(organization, people, now=first)
        end = f.at(months[number + 1].isoformat()) if number + 1 < len(months) else now
        until = max(end - 3 * HOUR, begun + timedelta(minutes=1))
        work_again(organization, max(1, amounts.pieces // MONTHS - 4), until=until)
    _money(organization, amounts, now=now - 2 * HOUR)
    _refuse(organization, people[0], amounts.denials, now=now)
    concern(organization, people[0], apart, now=now)


def found(organization: Organization, *, now: datetime) -> list[Actor]:
    """Let people come, with groups, limits, keys, and rules of their own."""
    people = [
        p.make_actor(organization, name, now=now, external_id=f"person-{number}")
        for number, name in enumerate(NAMES)
    ]
    p.make_actor(organization, "Triage agent", kind="agent", now=now)
    profile = p.make_profile(organization, "own", cap=500_000)
    p.make_group(organization, "support", *people[:3], profile=profile)
    budget = p.make_group(organization, "atlas", people[3], kind="entity")
    p.limit(organization, 40_000, "actor", actor=people[0])
    p.limit(organization, 600_000, "group", group=budget)
    p.limit(organization, 700_000, "resource", resource_type="app", resource_id="app 1")
    p.limit(organization, 900_000, "actor_default")
    p.thresholds(organization, downgrade=800_000, shutoff=1_200_000)
    p.budget_warning(organization, 80, 100, budget=500_000)
    p.markup(1, of=organization)
    f.make_key(organization, now=now)
    f.make_key(organization, name="Ada's", actor=people[0], now=now)
    return people


def _work(organization: Organization, people: Sequence[Actor], *, now: datetime) -> datetime:
    """Do four pieces of work, on two models for three apps. Returns when the last was done."""
    models = list(AIModel.objects.filter(slug__in=["sonnet", "haiku"]).order_by("-slug"))
    for number in range(4):
        done_at = now + number * timedelta(minutes=10)
        what = p.work(
            organization,
            2 + number,
            actor=people[number],
            model=models[number % 2],
            resource_type="app",
            resource_id=f"app {number % 3}",
        )
        p.use(what, 1 + number, now=done_at)
    return done_at


def _money(organization: Organization, amounts: Amounts, *, now: datetime) -> None:
    """Give, take back, correct, and leave holds in every state."""
    for number in range(amounts.grants):
        f.grant(organization, 20, now=now, expires_at=now + (10 + number) * DAY, name="Welcome")
    f.adjust(organization, -5, now=now)
    charge = LedgerEntry.objects.filter(wallet__organization=organization, kind="settle")
    f.reverse(charge.latest("number"), now=now)
    f.schedule(organization, 30, effective_at=now + 20 * DAY, now=now)
    f.release(f.reserve(organization, 3, now=now), now=now)
    f.reserve(organization, 4, now=now, ttl=timedelta(minutes=5))
    f.expire(organization, now=now + HOUR)
    f.reserve(organization, 5, now=now + HOUR, ttl=20 * HOUR)
    key = Key.of(organization, "k-1", "POST", "/somewhere", {})
    idempotency.run(lambda: Answer(200, {"done": True}), key=key, now=now)


def _refuse(organization: Organization, ada: Actor, count: int, *, now: datetime) -> None:
    """Refuse somebody more than their limit, a minute after the other."""
    what = p.work(organization, 45_000, actor=ada)
    denied = p.ask(what, now=now)
    assert isinstance(denied, services.Denied)
    denials.record(what, denied, now=now, request_id=f"req_{organization.pk.hex[:20]}")
    kept = Denial.objects.filter(organization=organization).get()
    copies = [_minute(kept, number, count) for number in range(1, count)]
    Denial.objects.bulk_create(copies, batch_size=2_000)


def _minute(kept: Denial, number: int, of: int) -> Denial:
    span = number * (29 * DAY / of)
    values = {field.attname: getattr(kept, field.attname) for field in Denial._meta.concrete_fields}
    moments = {"minute": kept.minute - span, "created_at": kept.created_at - span}
    return Denial(**values | moments | {"id": None, "request_ids": []})
