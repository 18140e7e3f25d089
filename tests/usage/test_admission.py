"""What the one admission locks, at which level it decides, and what is kept of its answers."""

from datetime import date
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
import time_machine
from django.db import InternalError, connection, transaction

from credits import ledger
from credits.ledger import holds
from credits.models import Reservation, UsageCounter
from organizations import wire
from organizations.models import Actor, IdempotencyKey
from tests import factories as f
from tests.callers import caller_of, error, ok
from tests.callers import clock as clock
from tests.parallel import locked
from tests.races.threads import together
from tests.usage import people as p
from tests.usage.test_terms_version import wait_for_a_waiter
from usage.models import Denial
from usage.serializers import reservations as shapes

pytestmark = pytest.mark.django_db(transaction=True)


class TestParent:
    """Of a child that is below its refill threshold the parent is locked if a refill fires, and else left alone."""

    def test_is_left_alone_by_a_child_that_is_shut_off(self) -> None:
        parent, child = f.make_refilled_family(child_has=10)
        p.thresholds(child, shutoff=0)

        with locked(parent):
            assert p.refusal(p.work(child, 8)) == "shutoff"

    def test_is_left_alone_by_a_child_at_its_cap(self) -> None:
        parent, child = f.make_refilled_family(child_has=10, monthly_cap=5)

        with locked(parent):
            assert p.refusal(p.work(child, 8)) == "cap"

    def test_is_left_alone_once_it_is_known_to_be_dry(self) -> None:
        parent, child = f.make_refilled_family(parent_has=3, child_has=10)
        p.hold(p.work(child, 6))

        with locked(parent):
            assert p.hold(p.work(child, 1)).credits == 1
            assert p.refusal(p.work(child, 9)) == "balance"

    def test_is_asked_again_as_soon_as_it_has_something(self) -> None:
        parent, child = f.make_refilled_family(parent_has=3, child_has=10)
        p.hold(p.work(child, 6))

        f.grant(parent, 100)

        assert p.hold(p.work(child, 9)).credits == 9
        assert len(f.refills_of(child)) == 1


class TestKeyThatIsTakenMeanwhile:
    @pytest.mark.race
    @pytest.mark.usefixtures("clock")
    def test_undoes_the_hold_and_is_found(self) -> None:
        organization = f.make_organization(funded=100)
        caller = caller_of(organization)
        is_taken = Event()

        def take() -> None:
            with transaction.atomic():
                IdempotencyKey.objects.create(
                    organization=organization,
                    key="k",
                    fingerprint=b"another",
                    status_code=200,
                    body="{}",
                    created_at=f.NOW,
                )
                is_taken.set()
                wait_for_a_waiter()

        def ask() -> Any:
            assert is_taken.wait(30)
            return error(caller.reserve(10, key="k"))

        _, answer = together(take, ask)

        assert answer == (409, "IDEMPOTENCY_CONFLICT")
        assert f.wallet_of(organization).reserved == 0


class TestHoldsWhoseTimeHasPassed:
    def test_are_given_back_portion_by_portion_and_nobody_is_denied_meanwhile(
        self, monkeypatch: pytest.MonkeyPatch, clock: time_machine.Traveller
    ) -> None:
        monkeypatch.setattr(ledger, "EXPIRED_AT_ONCE", 3)
        monkeypatch.setattr(holds, "EXPIRED_AT_ONCE", 3)
        organization = f.make_organization(funded=8)
        for _ in range(8):
            p.hold(p.work(organization, 1))
        caller = caller_of(organization)
        clock.move_to(f.later(hours=1))

        first = caller.reserve(8, key="k")
        second = caller.reserve(8, key="k")
        third = caller.reserve(8, key="k")

        assert error(first) == error(second) == (503, "UNAVAILABLE")
        assert first["Retry-After"] == "1"
        assert ok(third, 201)["credits"] == 8
        assert not Denial.objects.exists()

    def test_are_no_reason_for_a_check_to_say_no(
        self, monkeypatch: pytest.MonkeyPatch, clock: time_machine.Traveller
    ) -> None:
        monkeypatch.setattr(ledger, "EXPIRED_AT_ONCE", 3)
        monkeypatch.setattr(holds, "EXPIRED_AT_ONCE", 3)
        organization = f.make_organization(funded=4)
        for _ in range(4):
            p.hold(p.work(organization, 1))
        caller = caller_of(organization)
        clock.move_to(f.later(hours=1))

        first = caller.post("/usage/check", {"estimatedCredits": 4})
        second = caller.post("/usage/check", {"estimatedCredits": 4})

        assert error(first) == (503, "UNAVAILABLE")
        assert ok(second)["decision"] == "allow"


class TestIsolation:
    def test_is_refused_where_a_statement_does_not_see_what_others_committed(self) -> None:
        organization = f.make_organization(funded=10)
        wanted = ledger.Wanted(organization.id, f.NOW, [ledger.Candidate(Decimal(1))])

        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            with pytest.raises(InternalError, match="READ COMMITTED"):
                ledger.hold(wanted)


KEPT = (
    '{"id" : "01a219cd-09de-7000-8140-bde2d2e493a9", "status" : "open", "credits" : 4.000000, "settled_credits" : null,'
    ' "late" : false, "actor_id" : "01a219cd-0562-7000-9870-94d797abefd4", "group_id" : null, "resource_type" : "app",'
    ' "resource_id" : "a", "requested_model" : "sonnet", "effective_model" : "haiku", "decision" : "downgrade", "byok" : false,'
    ' "output" : 2000000, "rated_at" : "2026-01-01T00:00:00+00:00", "figures" : [0,600.000000,500.000000,0.000000,1780272000.000000,'
    "1,900.000000,0.000000,1.500000,1780272000.000000,3,null,0.000000,0.000000,1780272000.000000,"
    "4,null,500.000000,1.500000,1780272000.000000,5,1000.000000,0.000000,1.500000,null],"
    ' "expires_at" : 1778415300.000000}'
)
"""What is kept of an answer in format 1. It stays readable as long as keys live that were stored so: never change it."""

TOLD = (
    '{"id":"rsv_01a219cd-09de-7000-8140-bde2d2e493a9","status":"open","credits":4,"settledCredits":null,'
    '"requestedModel":"sonnet","effectiveModel":"haiku","decision":"downgrade","byok":false,"maxOutputTokens":2000000,'
    '"ratedAt":"2026-01-01T00:00:00.000Z","limits":['
    '{"scope":"shutoff","id":"ORG","cap":600,"used":500,"reserved":0,"remaining":100,"resetsAt":"2026-06-01T00:00:00.000Z",'
    '"binding":false},'
    '{"scope":"actor","id":"act_01a219cd-0562-7000-9870-94d797abefd4","cap":900,"used":0,"reserved":1.5,"remaining":898.5,'
    '"resetsAt":"2026-06-01T00:00:00.000Z","binding":true},'
    '{"scope":"resource","id":"app/a","cap":null,"used":0,"reserved":0,"remaining":null,"resetsAt":"2026-06-01T00:00:00.000Z",'
    '"binding":false},'
    '{"scope":"organization","id":"ORG","cap":null,"used":500,"reserved":1.5,"remaining":null,'
    '"resetsAt":"2026-06-01T00:00:00.000Z","binding":false},'
    '{"scope":"pool","id":"ORG","cap":1000,"used":0,"reserved":1.5,"remaining":998.5,"resetsAt":null,"binding":false}],'
    '"expiresAt":"2026-05-10T12:15:00.000Z","late":false}'
)


class TestCounters:
    """Each subject's is looked up by the whole of its index, however many others the wallet has in the month."""

    @pytest.mark.parametrize("kind", ["actor", "group", "new"])
    def test_of_others_are_not_read(self, kind: str) -> None:
        organization = f.make_organization(funded=100)
        others = [
            Actor(organization=organization, name=str(n), created_at=f.NOW, updated_at=f.NOW)
            for n in range(300)
        ]
        actors = Actor.objects.bulk_create(others)
        wallet = f.wallet_of(organization)
        UsageCounter.objects.bulk_create(
            UsageCounter(wallet=wallet, month=date(2026, 5, 1), actor=actor)
            for actor in actors[:-1]
        )
        group = p.make_group(organization, "acme", kind="entity") if kind == "group" else None
        actor = {"actor": actors[200], "group": None, "new": actors[-1]}[kind]
        what = p.work(organization, 1, actor=actor, group=group)

        with transaction.atomic(), connection.cursor() as cursor:
            # Three hundred are few enough to be read one after the other.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("DISCARD PLANS")
            before = rows_read("credits_usagecounter")
            p.hold(what)
            read = rows_read("credits_usagecounter") - before
            cursor.execute("DISCARD PLANS")

        assert read < 20


def rows_read(table: str) -> int:
    """Return how many rows of a table this transaction has read by now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = %s",
            [table],
        )
        return int(cursor.fetchone()[0])


class TestKept:
    def test_answers_of_the_first_format_are_rendered_to_the_same_bytes(self) -> None:
        organization = f.make_organization()

        kept = shapes.remembered(KEPT, organization)
        told = wire.dumps(shapes.said(kept, now=f.NOW, to_child=False))

        assert told.decode() == TOLD.replace("ORG", organization.public_id)

    @pytest.mark.usefixtures("clock")
    @pytest.mark.parametrize("what", ["credits", "tokens"])
    def test_answers_are_given_again_to_the_letter(self, what: str) -> None:
        p.make_models()
        organization = f.make_organization(funded=100, monthly_cap=90, allowance=5)
        caller = caller_of(organization)
        work: dict[str, Any] = {"estimatedCredits": 1.25, "metadata": {"a": "ä"}}
        cost: dict[str, Any] = {"credits": 1.5}
        if what == "tokens":
            work = {"model": "sonnet", "inputTokens": 1_000, "maxOutputTokens": 77_777}
            cost = {"inputTokens": 999, "outputTokens": 3}

        held = caller.post("/usage/reservations", work, key="r")
        path = f"/usage/reservations/{ok(held, 201)['id']}/settle"
        settled = caller.post(path, cost, key="s")
        ok(settled)

        assert caller.post("/usage/reservations", work, key="r").content == held.content
        assert caller.post(path, cost, key="s").content == settled.content
        assert set(IdempotencyKey.objects.values_list("format", flat=True)) == {1, 2}
        assert Reservation.objects.count() == 1
