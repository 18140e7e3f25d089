"""One piece of work of many that were charged together, taken back alone."""

from datetime import datetime
from decimal import Decimal

import pytest

from credits import services as credits_services
from credits.models import LedgerEntry
from organizations.models import Actor, Organization
from tests import factories as f
from tests.factories import NOW, STAFF, at, later
from tests.usage import people as p
from tests.usage.test_corrections import MAY, costs, in_tokens, rerate_once, tell, told_by
from usage import services
from usage.models import AIModel, UsageEvent
from usage.services import corrections, rollups
from usage.services.events import Told

pytestmark = pytest.mark.django_db(transaction=True)


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


def batch(organization: Organization, *credits: int, actor: Actor | None = None) -> LedgerEntry:
    """Tell some work together; return what charged it."""
    actor_id = actor.id if actor else None
    work = [
        Told("job", str(number), NOW, credits=Decimal(cost), actor_id=actor_id)
        for number, cost in enumerate(credits)
    ]
    tell(organization, *work)
    return f.entries_of(organization)[-1]


def event(number: int) -> UsageEvent:
    return UsageEvent.objects.get(source="job", external_id=str(number))


def take_back(told: UsageEvent, *, now: datetime = NOW, reference: str = "") -> LedgerEntry:
    return services.reverse_event(
        event=told, reason="failed", performed_by=STAFF, now=now, reference=reference
    )


def reverse(entry: LedgerEntry) -> LedgerEntry:
    return services.reverse(entry=entry, reason="failed", performed_by=STAFF, now=NOW)


def remaining(organization: Organization) -> list[int]:
    return [int(grant.remaining) for grant in f.grants_of(organization)]


class TestReverseEvent:
    def test_gives_back_what_it_cost_and_leaves_the_rest(
        self, organization: Organization, ada: Actor
    ) -> None:
        charge = batch(organization, 10, 20, 30, actor=ada)

        reversal = take_back(event(1))

        assert (reversal.kind, int(reversal.amount)) == ("reversal", 20)
        assert reversal.reverses == charge
        assert f.money_of(organization) == f.amounts(960, 0, 960)
        assert told_by(organization) == [("job", 10), ("job", 20), ("job", 30), ("correction", -20)]
        correction = UsageEvent.objects.get(source="correction")
        assert (correction.corrects, correction.entry) == (event(1), reversal)
        assert f.periods_of(organization)[0].used == 40
        assert p.counted(organization, "2026-05", actor=ada) == (40, 0)
        assert p.counted(organization, "2026-05") == (40, 0)

    def test_returns_to_what_was_drawn_last_first(self) -> None:
        one = f.make_organization(allowance=15, funded=20)
        batch(one, 10, 20, 30)  # 15 of the allowance, 20 prepaid, 25 of debt

        for number, left, balance in ((0, [0, 0], -15), (1, [0, 5], 5), (2, [15, 20], 35)):
            take_back(event(number))
            assert (remaining(one), int(f.money_of(one)[0])) == (left, balance)

    def test_never_returns_more_than_the_charge(self, organization: Organization) -> None:
        charge = batch(organization, 10, 20, 30)
        take_back(event(2))

        whole = reverse(charge)

        assert whole.amount == 30
        assert f.money_of(organization)[0] == 1_000
        assert [amount for source, amount in told_by(organization) if source == "correction"] == [
            -30,
            -10,
            -20,
        ]
        assert p.counted(organization, "2026-05") == (0, 0)
        with pytest.raises(credits_services.AlreadyReversed, match="#2 was reversed by #3, #4"):
            reverse(charge)

    def test_happens_once(self, organization: Organization) -> None:
        batch(organization, 10, 20)
        take_back(event(0))

        with pytest.raises(
            credits_services.AlreadyReversed, match=f"{event(0).public_id} was taken back by #3"
        ):
            take_back(event(0))

        assert f.money_of(organization)[0] == 980

    def test_is_refused_once_the_whole_was_taken_back(self, organization: Organization) -> None:
        reverse(batch(organization, 10, 20))

        with pytest.raises(credits_services.AlreadyReversed):
            take_back(event(0))

    def test_with_a_reference_answers_the_first(self, organization: Organization) -> None:
        batch(organization, 10, 10)
        first = take_back(event(0), reference="re-1")

        again = take_back(event(0), reference="re-1", now=later(days=400))

        assert (again.pk, again.replayed) == (first.pk, True)
        with pytest.raises(credits_services.ReferenceTaken, match=first.public_id):
            take_back(event(1), reference="re-1")

    def test_takes_back_the_work_of_a_hold(self, organization: Organization) -> None:
        p.use(p.work(organization, 8), 8)

        take_back(UsageEvent.objects.get())

        assert f.money_of(organization) == f.amounts(1_000, 0, 1_000)

    def test_counts_in_the_month_and_the_period_of_the_work(
        self, organization: Organization, ada: Actor
    ) -> None:
        batch(organization, 10, 20, actor=ada)
        f.renew(organization, now=at("2026-06-01"))

        take_back(event(1), now=at("2026-06-02"))

        may, june = f.periods_of(organization)
        assert (may.used, june.used) == f.amounts(10, 0)
        assert may.closing_balance == 970
        assert p.counted(organization, "2026-05", actor=ada) == (10, 0)
        assert f.lines_of(organization)[-1] == ("reversal", 20, 1)

    def test_changes_the_reports_of_the_day_of_the_work(self, organization: Organization) -> None:
        batch(organization, 10, 20, 30)
        rollups.roll_up(organization=organization, now=NOW)

        take_back(event(1), now=later(days=3))

        (row,) = rollups.report(organization, "day", **MAY)
        assert (row["day"], row["credits"]) == (NOW.date(), 40)
        rollups.roll_up(organization=organization, now=NOW)
        assert rollups.report(organization, "day", **MAY) == [row]

    def test_lapses_what_returns_to_a_grant_that_has_ended(self) -> None:
        one = f.make_organization(allowance=100)
        batch(one, 10, 20)

        take_back(event(1), now=at("2026-06-02"))

        assert f.lines_of(one)[-2:] == [("reversal", 20, 1), ("lapse", -20, 1)]
        assert f.money_of(one)[0] == 100

    def test_sends_what_returns_to_an_archived_child_on_to_its_parent(self) -> None:
        parent, child = f.make_family(funded=100)
        f.allocate(child, 50)
        batch(child, 10, 20)
        f.archive(child)

        take_back(event(1))

        assert [f.money_of(one)[0] for one in (parent, child)] == [90, 0]

    def test_refuses_what_was_forgiven(self, organization: Organization, ada: Actor) -> None:
        batch(organization, 10, 20, actor=ada)
        p.forgive(ada, 15)

        with pytest.raises(services.ForgivenMeanwhile, match=r"15\.000000 are left"):
            take_back(event(1))

        assert f.money_of(organization)[0] == 970

    def test_refuses_what_cost_nothing(self, organization: Organization) -> None:
        batch(organization, 10, 0)

        with pytest.raises(services.NothingToReverse):
            take_back(event(1))
        assert [corrections.may_reverse(event(number)) for number in (0, 1)] == [True, False]


class TestPricedAgain:
    def test_prices_the_rest_again_and_leaves_what_was_taken_back(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        tell(organization, in_tokens("0"), in_tokens("1"), in_tokens("2"))
        take_back(event(1))
        costs(sonnet, 7)

        done = rerate_once(organization)

        assert (done.events, int(done.difference)) == (2, -6)
        assert f.lines_of(organization)[1:] == [
            ("settle", -30, 0),
            ("reversal", 10, 0),
            ("reversal", 20, 0),
            ("settle", -14, 0),
        ]
        assert f.money_of(organization)[0] == 986
        assert p.counted(organization, "2026-05") == (14, 0)
        assert rerate_once(organization).events == 0

    def test_is_taken_back_by_what_stands_for_it(
        self, organization: Organization, sonnet: AIModel
    ) -> None:
        tell(organization, in_tokens("0"), in_tokens("1"))
        costs(sonnet, 7)
        rerate_once(organization)
        latest = UsageEvent.objects.get(source="rerated", corrects=event(0))

        with pytest.raises(
            credits_services.AlreadyReversed, match=f"{latest.public_id} stands for it"
        ):
            take_back(event(0))
        reversal = take_back(latest)

        assert reversal.amount == 7
        assert f.money_of(organization)[0] == 993
        costs(sonnet, 9)
        rerate_once(organization)
        assert f.money_of(organization)[0] == 991
