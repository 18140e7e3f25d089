"""Many at once under every cap: an actor's, a group's bucket, a resource's budget, the organization's cap, the pool."""

import random
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import connection

from credits.models import Reservation, UsageCounter
from credits.services import BillingExhausted
from organizations.models import Organization
from tests import factories as f
from tests.races.threads import in_rounds, of, together
from tests.usage import people as p
from usage import services
from usage.models import UsageEvent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

CALLERS = 64


def crowd(organization: Organization, **subject: object) -> list[Callable[[], object]]:
    what = p.work(organization, 3, **subject)
    return [lambda: p.ask(what)] * CALLERS


class TestReserve:
    @pytest.mark.parametrize("scope", ["actor", "group", "resource", "cap", "pool"])
    def test_never_crosses_a_cap_on_its_first_use(self, scope: str) -> None:
        organization = f.make_organization(funded=100 if scope == "pool" else 10_000)
        actor = p.make_actor(organization)
        acme = p.make_group(organization, "acme", actor, kind="entity")
        app = {"resource_type": "app", "resource_id": "sales"}
        if scope == "actor":
            p.limit(organization, 100, "actor", actor=actor)
        elif scope == "group":
            p.limit(organization, 100, "group", group=acme)
        elif scope == "resource":
            p.limit(organization, 100, "resource", **app)
        elif scope == "cap":
            f.set_terms(organization, monthly_cap=100)

        outcomes = together(*crowd(organization, actor=actor, **app))

        assert len(of(Reservation, outcomes)) == 33
        assert len(of(BillingExhausted, outcomes)) == CALLERS - 33
        assert p.counted(organization, "2026-05", actor=actor) == (0, 99)
        assert p.counted(organization, "2026-05", group=acme) == (0, 99)
        assert p.counted(organization, "2026-05", **app) == (0, 99)
        assert p.counted(organization, "2026-05") == (0, 99)

    def test_keeps_every_cap_at_once_while_work_comes_and_goes_over_the_end_of_a_month(
        self,
    ) -> None:
        organization = f.make_organization(funded=700, monthly_cap=500)
        ada, bob = p.make_actor(organization), p.make_actor(organization, "Bob")
        acme = p.make_group(organization, "acme", ada, bob, kind="entity")
        app = {"resource_type": "app", "resource_id": "sales"}
        p.limit(organization, 150, "actor", actor=ada)
        p.limit(organization, 250, "group", group=acme)
        p.limit(organization, 200, "resource", **app)
        deadlocks = _deadlocks()

        def act(number: int) -> Callable[[int], object]:
            rng = random.Random(number)

            def once(turn: int) -> object:
                now = f.at("2026-05-31 23:59:00") if turn < 6 else f.at("2026-06-01 00:01:00")
                resource = app if rng.random() < 0.5 else {}
                who = p.work(
                    organization, rng.randint(1, 9), actor=rng.choice([ada, bob]), **resource
                )
                held = p.ask(who, now=now)
                if isinstance(held, Reservation) and rng.random() < 0.8:
                    return p.settle(
                        held, rng.randint(0, int(held.credits)), now=f.at("2026-06-01 00:02:00")
                    )
                return held

            return once

        rounds = in_rounds(12, *[act(number) for number in range(16)])

        outcomes = [outcome for turn in rounds for outcome in turn]
        assert len(of(Reservation, outcomes)) + len(of(BillingExhausted, outcomes)) == len(outcomes)
        assert _deadlocks() == deadlocks
        caps = {ada.id: 150, acme.id: 250, "sales": 200}
        for counter in UsageCounter.objects.all():
            cap = caps.get(counter.actor_id or counter.group_id or counter.resource_id)
            assert cap is None or counter.used + counter.reserved <= cap
            assert counter.used == _events_of(counter)
        for period in f.periods_of(organization):
            assert period.used + period.reserved <= 500


class TestSettle:
    def test_tells_one_event_for_32_callers(self) -> None:
        organization = f.make_organization(funded=100)
        held = p.hold(p.work(organization, 10, actor=p.make_actor(organization)))

        outcomes = together(*[lambda: p.settle(held, 7)] * 32)

        assert [r.settled_credits for r in of(Reservation, outcomes)] == [7] * 32
        assert UsageEvent.objects.get().credits == 7
        assert f.money_of(organization) == f.amounts(93, 0, 93)


class TestRecord:
    def test_charges_each_piece_once_however_often_it_is_told(self) -> None:
        organization = f.make_organization(funded=100)
        told = [services.Told("gateway", str(n), f.NOW, credits=Decimal(1)) for n in range(20)]

        def tell() -> object:
            order = random.sample(told, len(told))
            return services.record(
                organization=organization, told=order, performed_by=f.KEY, now=f.NOW
            )

        outcomes = together(*[tell] * 16)

        accepted = [r for results in of(list, outcomes) for r in results if r.status == "accepted"]
        assert len(accepted) == 20
        assert f.money_of(organization) == f.amounts(80, 0, 80)
        assert p.counted(organization, "2026-05") == (20, 0)


def _events_of(counter: UsageCounter) -> Decimal:
    events = UsageEvent.objects.filter(counter_ids__contains=[counter.pk])
    return sum((event.credits for event in events), Decimal(0))


def _deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        (count,) = cursor.fetchone() or (0,)
        return int(count)
