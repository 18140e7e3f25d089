"""Giving back what the work of a hold was charged: POST …/usage/reservations/{id}/refund."""

from decimal import Decimal
from typing import Any

import pytest

from credits import services as credits_services
from credits.models import LedgerEntry, Reservation
from organizations.models import Actor, Organization
from tests import factories as f
from tests.callers import Caller, caller_of, error, ok
from tests.callers import clock as clock
from tests.factories import KEY, NOW, STAFF, later
from tests.races.threads import of, together
from tests.usage import people as p
from tests.usage.test_corrections import costs, rerate_once
from usage import services
from usage.models import UsageEvent
from usage.pricing import Tokens
from usage.services import rollups

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(allowance=15, funded=100)


def refund(hold: Reservation, amount: Any = None, **options: Any) -> services.Refund:
    return services.refund(
        organization=f.owner_of(hold),
        reservation_id=hold.id,
        amount=None if amount is None else Decimal(str(amount)),
        reason="failed",
        performed_by=KEY,
        **{"now": NOW} | options,
    )


def done(organization: Organization, credits: int, **options: Any) -> Reservation:
    return f.settle(f.reserve(organization, credits), credits, **options)


def remaining(organization: Organization) -> list[int]:
    return [int(grant.remaining) for grant in f.grants_of(organization)]


class TestRefund:
    def test_gives_all_back_to_the_grants_and_off_the_counters(
        self, organization: Organization
    ) -> None:
        ada = p.make_actor(organization)
        hold = p.settle(p.hold(p.work(organization, 40, actor=ada)), 40)

        given = refund(hold)

        assert (given.entry.kind, int(given.entry.amount)) == ("reversal", 40)
        assert (given.event.source, int(given.event.credits)) == ("refund", -40)
        assert given.event.corrects == UsageEvent.objects.get(reservation=hold)
        assert given.event.entry == given.entry
        assert remaining(organization) == [15, 100]
        assert f.periods_of(organization)[0].used == 0
        assert p.counted(organization, "2026-05", actor=ada) == (0, 0)
        assert p.counted(organization, "2026-05") == (0, 0)

    def test_gives_parts_back_the_last_drawn_first(self, organization: Organization) -> None:
        hold = done(organization, 40)

        totals = [refund(hold, 20).total, refund(hold, "10.5").total, refund(hold).total]

        assert totals == [20, Decimal("30.5"), 40]
        assert remaining(organization) == [15, 100]
        assert [int(e.credits) for e in UsageEvent.objects.order_by("position")] == [
            *(40, -20, -10, -9)
        ]

    def test_never_gives_back_more_than_was_charged(self, organization: Organization) -> None:
        hold = done(organization, 40)

        with pytest.raises(credits_services.InvalidAmount):
            refund(hold, "40.000001")
        refund(hold, 30)
        with pytest.raises(credits_services.AlreadyReversed, match=r"10\.000000 are left"):
            refund(hold, 11)
        refund(hold)
        for amount in (None, 1):
            with pytest.raises(credits_services.AlreadyReversed):
                refund(hold, amount)
        assert f.wallet_of(organization).balance == 115

    def test_pays_the_debt_of_the_work_first(self) -> None:
        organization = f.make_organization(funded=10)
        hold = f.settle(f.reserve(organization, 10), 30)

        refund(hold, 25)

        assert f.money_of(organization) == f.amounts(5, 0, 5)

    def test_lapses_what_returns_to_a_grant_that_has_ended(self) -> None:
        organization = f.make_organization()
        f.grant(organization, 30, expires_at=later(days=1))
        hold = done(organization, 30)

        refund(hold, now=later(days=2))

        assert f.money_of(organization) == f.amounts(0, 0, 0)
        assert [e.kind for e in f.entries_of(organization)][-2:] == ["reversal", "lapse"]

    def test_counts_in_the_reports_of_the_day_of_the_work(self, organization: Organization) -> None:
        hold = done(organization, 40)
        rollups.roll_up(organization=organization, now=NOW)

        refund(hold, 30, now=later(days=3))

        day = NOW.date()
        (row,) = rollups.report(organization, "day", first_day=day, last_day=day)
        assert (row["credits"], row["events"]) == (10, 1)

    @pytest.mark.parametrize("status", ["open", "released", "expired"])
    def test_is_refused_for_what_was_not_settled(
        self, organization: Organization, status: str
    ) -> None:
        hold = f.reserve(organization, 10)
        if status == "released":
            f.release(hold)

        with pytest.raises(services.NotSettled, match=status):
            refund(hold, now=later(hours=1) if status == "expired" else NOW)

    def test_is_refused_for_work_that_was_free(self, organization: Organization) -> None:
        free = f.settle(f.reserve(organization, 10), 0)
        with pytest.raises(services.NothingToReverse, match="free"):
            refund(free)
        credits_services.update_organization(
            organization=organization, changes={"byok": True}, now=NOW
        )
        model = p.make_model("haiku")
        own = p.hold(p.work(organization, tokens=Tokens(input=1, output=1), model=model))
        p.settle(own, 5)

        with pytest.raises(services.NothingToReverse, match="own keys"):
            refund(own)

    def test_of_work_that_was_taken_back_is_refused_and_the_other_way_round(
        self, organization: Organization
    ) -> None:
        taken, given = done(organization, 10), done(organization, 20)
        event = UsageEvent.objects.get(reservation=taken)
        services.reverse_event(event=event, reason="failed", performed_by=STAFF, now=NOW)
        with pytest.raises(credits_services.AlreadyReversed):
            refund(taken)

        refund(given)
        with pytest.raises(credits_services.AlreadyReversed):
            f.reverse(LedgerEntry.objects.get(reservation=given, kind="settle"))
        with pytest.raises(credits_services.AlreadyReversed):
            services.reverse_event(
                event=UsageEvent.objects.get(reservation=given),
                reason="failed",
                performed_by=STAFF,
                now=NOW,
            )

    @pytest.mark.parametrize("by_event", [True, False])
    def test_in_part_leaves_the_rest_to_be_taken_back(
        self, organization: Organization, by_event: bool
    ) -> None:
        hold = done(organization, 40)
        refund(hold, 30)

        if by_event:
            event = UsageEvent.objects.get(reservation=hold)
            services.reverse_event(event=event, reason="failed", performed_by=STAFF, now=NOW)
        else:
            f.reverse(LedgerEntry.objects.get(reservation=hold, kind="settle"))

        assert f.wallet_of(organization).balance == 115
        assert UsageEvent.objects.get(source="correction").credits == -10
        assert p.counted(organization, "2026-05") == (0, 0)

    def test_is_left_alone_by_rerate_and_follows_one(self, organization: Organization) -> None:
        model = p.make_model("haiku")
        tokens = Tokens(input=1_000_000, output=1_000_000)  # 20 credits
        first, second = (
            services.settle(
                organization=organization,
                reservation_id=p.hold(p.work(organization, tokens=tokens, model=model)).id,
                tokens=tokens,
                performed_by=KEY,
                now=NOW,
            )
            for _ in range(2)
        )
        refund(first, 5)
        costs(model, 1)

        rerate_once(organization)

        assert refund(second).entry.amount == 2
        assert refund(first).entry.amount == 15
        assert f.wallet_of(organization).balance == 115

    def test_of_an_archived_child_goes_on_to_its_parent(self) -> None:
        parent, child = f.make_family(funded=100)
        f.allocate(child, 50)
        hold = done(child, 30)
        f.archive(child)

        refund(hold)

        assert f.wallet_of(child).balance == 0
        assert f.wallet_of(parent).balance == 100

    def test_with_a_reference_is_once_for_ever(self, organization: Organization) -> None:
        hold, other = done(organization, 40), done(organization, 40)
        first = refund(hold, 30, reference="back-1")

        again = refund(hold, 30, reference="back-1", now=later(days=40))

        assert (again.entry, again.event, int(again.total)) == (first.entry, first.event, 30)
        assert again.entry.replayed
        for whose, amount in ((hold, 29), (other, 30)):
            with pytest.raises(credits_services.ReferenceTaken):
                refund(whose, amount, reference="back-1")

    def test_of_what_was_forgiven_is_refused(self, organization: Organization) -> None:
        ada: Actor = p.make_actor(organization)
        hold = p.settle(p.hold(p.work(organization, 40, actor=ada)), 40)
        services.forgive(
            organization=organization,
            actor=ada,
            credits=Decimal(30),
            reason="sorry",
            performed_by=STAFF,
            now=NOW,
        )

        with pytest.raises(services.ForgivenMeanwhile):
            refund(hold)
        refund(hold, 10)


@pytest.mark.usefixtures("clock")
class TestDoor:
    @pytest.fixture
    def boss(self, organization: Organization) -> Caller:
        return caller_of(organization)

    def path(self, hold: Reservation) -> str:
        return f"/usage/reservations/{hold.public_id}/refund"

    def test_answers_the_hold_its_event_and_entry(
        self, boss: Caller, organization: Organization
    ) -> None:
        hold = done(organization, 40)

        body = {"credits": 12.5, "reason": "it failed", "reference": "case-7"}
        answer = ok(boss.post(self.path(hold), body, key="k"))

        event = UsageEvent.objects.get(source="refund")
        reservation = answer.pop("reservation")
        assert (reservation["id"], reservation["status"]) == (hold.public_id, "settled")
        assert reservation["settledCredits"] == 40
        assert answer == {
            "id": f.entries_of(organization)[-1].public_id,
            "eventId": event.public_id,
            "correctsId": UsageEvent.objects.get(reservation=hold).public_id,
            "credits": 12.5,
            "refundedCredits": 12.5,
            "reason": "it failed",
            "reference": "case-7",
            "created": "2026-05-10T12:00:00.000Z",
            "balance": 87.5,
            "available": 87.5,
            "replayed": False,
        }

    def test_happens_once_for_its_key(self, boss: Caller, organization: Organization) -> None:
        hold = done(organization, 40)
        body = {"credits": 10, "reason": "it failed"}
        first = ok(boss.post(self.path(hold), body, key="k"))

        again = boss.post(self.path(hold), body, key="k")

        assert ok(again) == first | {"replayed": True}
        assert again["X-Present-Status"] == "settled"
        assert f.wallet_of(organization).balance == 85

    def test_says_why_nothing_is_given_back(self, boss: Caller, organization: Organization) -> None:
        hold = f.reserve(organization, 10)
        body = {"reason": "it failed"}
        assert error(boss.post(self.path(hold), body, key="a")) == (409, "CONFLICT")
        f.settle(hold, 0)
        assert error(boss.post(self.path(hold), body, key="b")) == (409, "CONFLICT")
        paid = done(organization, 10)
        too_much = body | {"credits": 11}
        assert error(boss.post(self.path(paid), too_much, key="c")) == (422, "VALIDATION")
        ok(boss.post(self.path(paid), body, key="d"))
        assert error(boss.post(self.path(paid), body, key="e")) == (409, "CONFLICT")

    def test_needs_a_key_a_reason_and_the_right(
        self, boss: Caller, organization: Organization
    ) -> None:
        hold = done(organization, 10)

        assert error(boss.post(self.path(hold), {"reason": "x"})) == (400, "IDEMPOTENCY_REQUIRED")
        assert error(boss.post(self.path(hold), {}, key="k")) == (422, "VALIDATION")
        gateway = caller_of(organization, "usage:write")
        assert error(gateway.post(self.path(hold), {"reason": "x"}, key="k"))[0] == 403


@pytest.mark.race
class TestRaces:
    def test_gives_back_no_more_than_was_charged(self, organization: Organization) -> None:
        hold = done(organization, 40)
        event = UsageEvent.objects.get(reservation=hold)

        outcomes = together(
            *[lambda: refund(hold, 15)] * 6,
            *[lambda: refund(hold)] * 2,
            lambda: services.reverse_event(
                event=event, reason="failed", performed_by=STAFF, now=NOW
            ),
        )

        assert of(credits_services.AlreadyReversed, outcomes)
        assert f.wallet_of(organization).balance == 115
        assert p.counted(organization, "2026-05") == (0, 0)
