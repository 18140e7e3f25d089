"""Work that is taken back, and a period that is priced again: what the events, the counters and the ledger then say."""

from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError

from credits import services as credits_services
from credits.models import LedgerEntry
from credits.reconcile import reconcile
from credits.services import AlreadyReversed
from organizations.models import Actor, Organization
from tests import factories as f
from tests.credits.tampering import charge_of, tampered
from tests.factories import NOW, STAFF, at, later
from tests.usage import people as p
from usage import services
from usage.models import AIModel, Rate, UsageEvent
from usage.pricing import Tokens
from usage.reconcile import CHECKS
from usage.services import corrections, rerating, rollups
from usage.services.events import Told, record

pytestmark = pytest.mark.django_db(transaction=True)
MAY: dict[str, Any] = {"first_day": at("2026-05-01").date(), "last_day": at("2026-05-31").date()}
EVENT, ENTRY = "usage_usageevent", "credits_ledgerentry"


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


@pytest.fixture
def ada(organization: Organization) -> Actor:
    return p.make_actor(organization)


@pytest.fixture
def sonnet() -> AIModel:
    model, _ = p.make_models()
    return model


def reverse(entry: LedgerEntry, *, now: datetime = NOW) -> LedgerEntry:
    return services.reverse(entry=entry, reason="failed", performed_by=STAFF, now=now)


def tell(organization: Organization, *told: Told, now: datetime = NOW) -> list[services.Result]:
    return record(organization=organization, told=told, performed_by=f.KEY, now=now)


def in_tokens(id: str, millions: f.Amount = 1, *, moment: datetime = NOW) -> Told:
    tokens = Tokens(output=int(Decimal(millions) * p.MILLION))
    return Told("job", id, moment, tokens=tokens, model="sonnet")


def rerate_once(organization: Organization, **options: int) -> services.Rerating:
    period = f.periods_of(organization)[0]
    return services.rerate(
        organization=organization,
        period=period,
        reason="wrong price",
        performed_by=STAFF,
        now=later(days=1),
        **options,
    )


def costs(model: AIModel, credits: f.Amount) -> None:
    """Correct what a model cost all along."""
    Rate.objects.filter(model=model).update(amount=Decimal(credits))


def told_by(organization: Organization) -> list[tuple[str, int]]:
    """Return each event's source and its credits, oldest first."""
    events = UsageEvent.objects.filter(organization=organization).order_by("position")
    return [(event.source, int(event.credits)) for event in events]


class TestReverse:
    def test_takes_back_the_event_of_a_hold(self, organization: Organization, ada: Actor) -> None:
        work = p.use(p.work(organization, 8, actor=ada), 8)

        reversal = reverse(charge_of(work), now=at("2026-06-02"))

        told, correction = UsageEvent.objects.order_by("position")
        assert (correction.source, int(correction.credits)) == ("correction", -8)
        assert (correction.corrects, correction.entry) == (told, reversal)
        assert (correction.month, correction.counter_ids) == (told.month, told.counter_ids)
        assert correction.metadata == {"reason": "failed", "performedBy": STAFF}

    def test_makes_room_below_every_cap_of_its_month(
        self, organization: Organization, ada: Actor
    ) -> None:
        p.limit(organization, 8, "actor", actor=ada)
        work = p.use(p.work(organization, 8, actor=ada), 8)

        reverse(charge_of(work))

        assert p.counted(organization, "2026-05", actor=ada) == (0, 0)
        assert p.counted(organization, "2026-05") == (0, 0)
        p.hold(p.work(organization, 8, actor=ada))

    def test_takes_back_all_that_was_told_together(self, organization: Organization) -> None:
        tell(organization, *(Told("job", str(n), NOW, credits=Decimal(n)) for n in range(4)))
        (charge,) = f.entries_of(organization)[1:]

        reverse(charge)

        assert told_by(organization)[4:] == [
            ("correction", -1),
            ("correction", -2),
            ("correction", -3),
        ]
        assert f.money_of(organization) == f.amounts(1_000, 0, 1_000)

    def test_changes_the_reports_of_the_day_of_the_work(self, organization: Organization) -> None:
        p.use(p.work(organization, 5), 5)
        work = p.use(p.work(organization, 8), 8)
        rollups.roll_up(organization=organization, now=NOW)

        reverse(charge_of(work), now=later(days=3))

        (row,) = rollups.report(organization, "day", **MAY)
        assert (row["day"], row["credits"], row["events"]) == (NOW.date(), 5, 2)
        rollups.roll_up(organization=organization, now=NOW)
        assert rollups.report(organization, "day", **MAY) == [row]

    def test_refuses_to_take_off_what_was_forgiven(
        self, organization: Organization, ada: Actor
    ) -> None:
        work = p.use(p.work(organization, 8, actor=ada), 8)
        p.forgive(ada, 5)

        with pytest.raises(
            services.ForgivenMeanwhile, match=r"3\.000000 are left of what Ada used"
        ):
            reverse(charge_of(work))

        assert f.money_of(organization) == f.amounts(992, 0, 992)

    def test_leaves_other_entries_to_credits(self, organization: Organization) -> None:
        (funding,) = f.entries_of(organization)

        reverse(funding)

        assert f.money_of(organization) == f.amounts(0, 0, 0)
        assert told_by(organization) == []

    def test_happens_once(self, organization: Organization) -> None:
        charge = charge_of(p.use(p.work(organization, 8), 8))
        reverse(charge)

        with pytest.raises(AlreadyReversed):
            reverse(charge)

        assert told_by(organization) == [("reservation", 8), ("correction", -8)]

    def test_keeps_its_sources_for_itself(self, organization: Organization) -> None:
        results = tell(
            organization,
            Told("correction", "1", NOW, credits=Decimal(1)),
            Told("rerated", "1", NOW, credits=Decimal(1)),
        )

        assert [result.status for result in results] == ["rejected", "rejected"]


class TestChargeOf:
    def test_is_what_charged_the_hold(self, organization: Organization) -> None:
        work = p.use(p.work(organization, 8), 8)

        assert corrections.charge_of(UsageEvent.objects.get()) == charge_of(work)

    def test_is_what_charged_the_told_work(self, organization: Organization) -> None:
        tell(organization, Told("job", "1", NOW, credits=Decimal(1)))

        assert corrections.charge_of(UsageEvent.objects.get()) == f.entries_of(organization)[-1]

    def test_says_why_there_is_none(self, organization: Organization, ada: Actor) -> None:
        p.use(p.work(organization, 8, actor=ada), 8)
        p.use(p.work(organization, 8, actor=ada), 0)
        p.forgive(ada, 5)
        organization.byok = True
        organization.save(update_fields=["byok"])
        tell(organization, Told("job", "1", NOW, credits=Decimal(1)))

        reasons = []
        for event in UsageEvent.objects.order_by("position")[1:]:
            with pytest.raises(services.NothingToReverse) as refusal:
                corrections.charge_of(event)
            reasons.append(str(refusal.value))

        assert reasons == [
            "the work was free: there is nothing to give back",
            "what was forgiven touched no wallet: there is nothing to give back",
            "work on the organization's own keys was not charged",
        ]


class TestRerate:
    def test_charges_the_work_of_holds_again_by_the_corrected_price(
        self, organization: Organization, sonnet: AIModel, ada: Actor
    ) -> None:
        p.settle(p.hold(p.work(organization, millions=2, model=sonnet, actor=ada)), millions=1)
        costs(sonnet, 7)

        done = rerate_once(organization)

        assert f.lines_of(organization)[1:] == [
            ("settle", -10, 0),
            ("reversal", 10, 0),
            ("settle", -7, 0),
        ]
        assert told_by(organization) == [("reservation", 10), ("correction", -10), ("rerated", 7)]
        assert (done.events, int(done.difference), done.next) == (1, -3, None)
        assert p.counted(organization, "2026-05", actor=ada) == (7, 0)
        assert f.periods_of(organization)[0].used == 7

    def test_points_at_the_old_ones(self, organization: Organization, sonnet: AIModel) -> None:
        work = p.settle(p.hold(p.work(organization, millions=1, model=sonnet)), millions=1)
        costs(sonnet, 7)

        rerate_once(organization)

        told, correction, again = UsageEvent.objects.order_by("position")
        _, charge, reversal, charged = f.entries_of(organization)
        assert (reversal.reverses, charged.reverses) == (charge, reversal)
        assert (correction.corrects, again.corrects) == (told, told)
        assert (correction.entry, again.entry) == (reversal, charged)
        assert charged.reservation == reversal.reservation == work

    def test_does_nothing_where_the_price_is_what_it_was(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        p.settle(p.hold(p.work(organization, millions=1, model=sonnet)), millions=1)

        done = rerate_once(organization)

        assert (done.events, done.next) == (0, None)
        assert len(f.entries_of(organization)) == 2

    def test_happens_once_for_one_correction(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        tell(organization, in_tokens("1"), in_tokens("2"))
        costs(sonnet, 7)
        rerate_once(organization)

        done = rerate_once(organization)

        assert done.events == 0
        assert f.money_of(organization) == f.amounts(986, 0, 986)

    def test_judges_an_event_by_its_latest_state(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        p.settle(p.hold(p.work(organization, millions=1, model=sonnet)), millions=1)
        for price in (7, 0, 12):
            costs(sonnet, price)
            rerate_once(organization)

        assert told_by(organization)[1:] == [
            ("correction", -10),
            ("rerated", 7),
            ("correction", -7),
            ("rerated", 0),
            ("rerated", 12),
        ]
        assert f.money_of(organization) == f.amounts(988, 0, 988)

    def test_charges_work_that_was_free_by_mistake(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        costs(sonnet, 0)
        p.settle(p.hold(p.work(organization, millions=1, model=sonnet)), millions=1)
        tell(organization, in_tokens("1"))
        costs(sonnet, 4)

        rerate_once(organization)

        assert f.money_of(organization) == f.amounts(992, 0, 992)

    def test_takes_along_what_was_charged_in_one_entry(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        tell(organization, in_tokens("1"), Told("job", "2", NOW, credits=Decimal(3)))
        costs(sonnet, 7)

        done = rerate_once(organization)

        assert done.events == 1
        assert f.lines_of(organization)[1:] == [
            ("settle", -13, 0),
            ("reversal", 13, 0),
            ("settle", -10, 0),
        ]
        assert told_by(organization)[2:] == [
            ("correction", -10),
            ("correction", -3),
            ("rerated", 7),
            ("rerated", 3),
        ]

    def test_prices_a_hold_by_the_moment_of_its_reserve(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        hold = p.hold(p.work(organization, millions=1, model=sonnet))
        p.settle(hold, millions=1, now=later(minutes=5))
        p.set_rate(sonnet, 99, since=later(minutes=1))

        done = rerate_once(organization)

        assert done.events == 0

    def test_prices_told_work_by_when_it_occurred(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        tell(organization, in_tokens("1", moment=at("2026-05-02")), in_tokens("2"))
        p.set_rate(sonnet, 20, since=at("2026-05-05"))

        rerate_once(organization)

        assert told_by(organization)[-2:] == [("rerated", 20), ("rerated", 10)]

    def test_leaves_alone_what_was_taken_back_for_good(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        work = p.settle(p.hold(p.work(organization, millions=1, model=sonnet)), millions=1)
        reverse(charge_of(work))
        costs(sonnet, 7)

        done = rerate_once(organization)

        assert done.events == 0
        assert f.money_of(organization) == f.amounts(1_000, 0, 1_000)

    def test_leaves_alone_what_was_not_charged(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        organization.byok = True
        organization.save(update_fields=["byok"])
        tell(organization, in_tokens("1"))
        p.settle(p.hold(p.work(organization, millions=1, model=sonnet)), millions=1)
        costs(sonnet, 7)

        done = rerate_once(organization)

        assert done.events == 0

    def test_leaves_other_periods_alone(self, organization: Organization, sonnet: AIModel) -> None:
        june = at("2026-06-02")
        tell(organization, in_tokens("1", moment=june), now=june)
        costs(sonnet, 7)

        done = rerate_once(organization)

        assert done.events == 0

    def test_says_what_has_no_price_any_more(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        tell(organization, in_tokens("1"))
        Rate.objects.all().delete()

        done = rerate_once(organization)

        (problem,) = done.problems
        assert "sonnet has no price" in problem

    def test_leaves_alone_whose_cheaper_price_was_forgiven_before(
        self, organization: Organization, sonnet: AIModel, ada: Actor
    ) -> None:
        p.settle(p.hold(p.work(organization, millions=1, model=sonnet, actor=ada)), millions=1)
        p.forgive(ada, 9)
        costs(sonnet, 7)

        done = rerate_once(organization)

        assert done.events == 0
        assert "was forgiven" in done.problems[0]

    def test_costs_a_customer_nothing_that_ended_meanwhile(self, sonnet: AIModel) -> None:
        one = f.make_organization(allowance=10, funded=100)
        p.settle(p.hold(p.work(one, millions=1, model=sonnet)), millions=1)
        f.renew(one, now=at("2026-06-01"))
        costs(sonnet, 7)

        period = f.periods_of(one)[0]
        services.rerate(
            organization=one, period=period, reason="x", performed_by=STAFF, now=at("2026-06-02")
        )

        assert f.money_of(one) == f.amounts(110, 0, 110)
        assert f.lines_of(one)[-3:] == [("reversal", 10, 1), ("settle", -7, 1), ("lapse", -3, 1)]

    def test_replaces_so_many_charges_at_once_and_says_where_to_go_on(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        for number in range(5):
            tell(organization, in_tokens(str(number)))
        costs(sonnet, 7)

        first = rerate_once(organization, at_most=2)
        rest = rerate_once(organization, at_most=5, after=first.next or 0)

        assert (first.events, rest.events, rest.next) == (2, 3, None)
        assert f.money_of(organization) == f.amounts(965, 0, 965)

    def test_goes_on_after_a_death_in_the_middle(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        for number in range(3):
            tell(organization, in_tokens(str(number)))
        costs(sonnet, 7)
        rerate_once(organization, at_most=1)
        with dying(), pytest.raises(IntegrityError):
            rerate_once(organization)

        done = rerate_once(organization)

        assert done.events == 2
        assert f.money_of(organization) == f.amounts(979, 0, 979)


class TestPreview:
    def test_says_of_each_event_the_old_price_and_the_new(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        tell(
            organization,
            in_tokens("1"),
            in_tokens("2", 2),
            Told("job", "3", NOW, credits=Decimal(3)),
        )
        costs(sonnet, 7)

        period = f.periods_of(organization)[0]
        differing = list(rerating.preview(organization, period, now=NOW))

        assert [
            (each.told.external_id, int(each.old), int(each.new), int(each.difference))
            for each in differing
        ] == [
            ("1", 10, 7, -3),
            ("2", 20, 14, -6),
        ]
        assert len(f.entries_of(organization)) == 2

    def test_reads_a_period_in_pages(self, organization: Organization, sonnet: AIModel) -> None:
        for number in range(5):
            tell(organization, in_tokens(str(number)))
        costs(sonnet, 7)

        period = f.periods_of(organization)[0]
        with mock.patch.object(rerating, "READ_AT_ONCE", 2):
            differing = list(rerating.preview(organization, period, now=NOW))

        assert len(differing) == 5


def dying() -> AbstractContextManager[object]:
    """Let the process come no further than the events."""
    error = IntegrityError("the process died")
    return mock.patch.object(UsageEvent.objects, "bulk_create", side_effect=error)


@pytest.fixture
def corrected(organization: Organization, sonnet: AIModel, ada: Actor) -> None:
    """Work that was taken back and work that was priced again, told one by one and together."""
    tell(organization, in_tokens("1"), in_tokens("2"))
    p.settle(p.hold(p.work(organization, millions=1, model=sonnet, actor=ada)), millions=1)
    costs(sonnet, 7)
    rerate_once(organization)
    charged = charge_of(p.use(p.work(organization, 5, actor=ada), 5, now=later(days=2)))
    reverse(charged, now=later(days=2))


CORRECTION = "source = 'correction'"
BROKEN: dict[str, list[str]] = {
    "a correction takes back what its event said, in its month": [
        f"UPDATE {EVENT} SET credits = credits - 1 WHERE {CORRECTION}",
        f"UPDATE {EVENT} SET counter_ids = '{{}}' WHERE {CORRECTION}",
        f"UPDATE {EVENT} SET month = '2026-06-01' WHERE {CORRECTION}",
    ],
    "an event is taken back by what takes back its charge": [
        f"UPDATE {EVENT} SET entry_id = NULL WHERE {CORRECTION}",
        f"UPDATE {EVENT} SET entry_id = (SELECT max(id::text)::uuid FROM {ENTRY}) WHERE {CORRECTION}",
    ],
    "work whose charge was taken back has its events taken back": [
        f"DELETE FROM {EVENT} WHERE {CORRECTION}",
        f"UPDATE {EVENT} SET credits = credits - 1 WHERE {CORRECTION}",
    ],
    "work is priced again only where its price was taken back": [
        f"DELETE FROM {EVENT} WHERE {CORRECTION}",
    ],
    "work that was charged is what its entry says": [
        f"UPDATE {EVENT} SET credits = credits - 1 WHERE source = 'rerated'",
    ],
    "a counter has used what its events say": [
        f"DELETE FROM {EVENT} WHERE source = 'rerated'",
        "UPDATE credits_usagecounter SET free_used = 1 WHERE num_nonnulls(actor_id, group_id) = 0 AND resource_type = ''",
    ],
}


@pytest.mark.usefixtures("corrected")
class TestReconcile:
    @pytest.mark.parametrize("check", BROKEN)
    def test_finds_a_wrong_correction(self, check: str) -> None:
        from_credits = {check: CHECKS[check]}
        for sql in BROKEN[check]:
            with tampered(sql) as changed:
                found = corrections_found(from_credits)

            assert changed, sql
            assert found, sql

    @pytest.mark.broken_books
    def test_finds_a_charge_that_was_taken_back_without_its_events(
        self, organization: Organization
    ) -> None:
        work = p.use(p.work(organization, 5), 5)

        credits_services.reverse(
            entry=charge_of(work), reason="mistake", performed_by=STAFF, now=later(days=3)
        )

        check = "work whose charge was taken back has its events taken back"
        assert corrections_found({check: CHECKS[check]})


def corrections_found(checks: dict[str, str]) -> list[str]:
    return [finding.subject for finding in reconcile(checks)]
