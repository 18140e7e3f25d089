"""A month once more by other rules: what stays as it was, who would have been refused or moved to another model, and what it would have cost."""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import Sum

from credits.models import Reservation
from organizations import jobs
from organizations.models import Organization
from tests import factories as f
from tests.usage import people as p
from usage import services, what_if
from usage.models import AIModel, UsageEvent, WhatIf, WhatIfLine, WhatIfPart
from usage.services import denials, trials
from usage.services import what_if as questions
from usage.services.what_if import WHAT_IF, NothingChanges, ask
from usage.what_if import EVERYBODY, Changes, Course, Verdict

pytestmark = pytest.mark.django_db(transaction=True)

MAY = date(2026, 5, 1)
NEXT = f.at("2026-06-03")


def answered(organization: Organization | None = None, **changes: Any) -> WhatIf:
    asked = ask(
        changes=Changes(**changes), month=MAY, organization=organization, asked_by="ana", now=NEXT
    )
    while jobs.run(WHAT_IF, now=lambda: NEXT, worker="w"):
        pass
    return asked


def cost(asked: WhatIf) -> Any:
    sums = asked.parts.aggregate(before=Sum("credits_before"), after=Sum("credits_after"))
    return sums["before"], sums["after"]


def lines(asked: WhatIf, outcome: str) -> list[tuple[str, str, int]]:
    found = WhatIfLine.objects.filter(part__what_if=asked, outcome=outcome)
    named = found.select_related("actor").order_by("actor__name", "refused_by")
    return [(line.actor.name if line.actor else "", line.refused_by, line.pieces) for line in named]


def tried(what: services.Work, *, settled: int | None = None, at: datetime) -> bool:
    """Hold and settle work as a gateway does, a refusal noted; say whether it was admitted."""
    try:
        held = p.ask(what, now=at)
    except services.NotAllowed as denial:
        denials.record(what, denial, now=at, request_id="req_1")
        return False
    if not isinstance(held, Reservation):
        assert isinstance(held, services.Denied)
        denials.record(what, held, now=at, request_id="req_1")
        return False
    millions = None if what.tokens is None else Decimal(what.tokens.output) / p.MILLION
    p.settle(held, settled, millions=None if settled else millions, now=at)
    return True


def told(line: WhatIfLine) -> tuple[Any, ...]:
    amounts = (line.credits_before, line.credits_after)
    return (line.actor_id, line.outcome, line.refused_by, line.pieces, *amounts, line.first_at)


def day(number: int, hour: int = 12) -> datetime:
    return f.at(f"2026-05-{number:02}") + timedelta(hours=hour)


@pytest.fixture
def customer() -> Organization:
    return f.make_organization(funded=1_000, now=f.at("2026-04-20"))


class TestNothingChanged:
    def test_comes_out_as_it_was_to_the_last_digit(
        self, customer: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A month of everything: holds, refusals, downgrades, forgiving, refunds, reversals; in portions of seven."""
        monkeypatch.setattr(trials, "EVENTS_AT_ONCE", 7)
        dice = random.Random(7)
        sonnet, _ = p.make_models()
        p.thresholds(customer, downgrade=150, shutoff=900)
        people = [p.make_actor(customer, name, now=day(1)) for name in ("Ada", "Ben", "Cleo")]
        p.limit(customer, 60, "actor", actor=people[0])
        f.set_terms(customer, monthly_cap=Decimal(400), now=day(1))
        admitted = 0
        for number in range(60):
            at = day(1 + number // 3, 8 + number % 3)
            who = dice.choice(people)
            millions = Decimal(dice.randrange(1, 2_000_000)) / 1_000_000
            what = p.work(customer, model=sonnet, actor=who, millions=millions)
            admitted += tried(what, at=at)
        events = UsageEvent.objects.filter(organization=customer)
        assert 30 < admitted < 60
        assert events.filter(model="haiku").exists()
        first = events.order_by("position")[0]
        services.reverse_event(event=first, reason="r", performed_by=f.STAFF, now=day(25))
        p.forgive(people[1], 1)

        asked = answered(customer)

        net = events.exclude(source="forgiven").aggregate(sum=Sum("credits"))["sum"]
        assert cost(asked) == (net, net)
        assert set(WhatIfLine.objects.values_list("outcome", flat=True)) == {"kept"}
        assert sum(line.pieces for line in WhatIfLine.objects.all()) == admitted

    def test_needs_a_customer_to_ask_about(self) -> None:
        with pytest.raises(NothingChanges):
            ask(changes=Changes(), month=MAY, asked_by="ana", now=NEXT)

    def test_of_a_month_without_work_is_nothing(self, customer: Organization) -> None:
        asked = answered(customer, rules={"monthly_cap": Decimal(0)})

        assert cost(asked) == (0, 0)
        assert asked.parts.get().finished_at is not None


class TestAnotherCap:
    def test_of_a_billing_period_refuses_what_is_above_it(self, customer: Organization) -> None:
        ada = p.make_actor(customer, now=day(1))
        for number in range(1, 6):
            tried(p.work(customer, 10, actor=ada), settled=10, at=day(number))

        asked = answered(customer, rules={"monthly_cap": Decimal(35)})

        assert lines(asked, "refused") == [("Ada", "cap", 2)]
        assert cost(asked) == (50, 30)
        refused = WhatIfLine.objects.get(outcome="refused")
        assert (refused.first_at, refused.last_at) == (day(4), day(5))

    def test_counts_what_the_period_had_used_before_the_month(self) -> None:
        customer = f.make_organization(
            funded=1_000, now=f.at("2026-04-20"), anchored_on=date(2026, 4, 20)
        )
        tried(p.work(customer, 30), settled=30, at=f.at("2026-04-25"))
        for number in (2, 25):
            tried(p.work(customer, 10), settled=10, at=day(number))

        asked = answered(customer, rules={"monthly_cap": Decimal(35)})

        assert lines(asked, "refused") == [("", "cap", 1)]
        assert WhatIfLine.objects.get(outcome="refused").first_at == day(2)

    def test_of_a_person_is_theirs_alone(self, customer: Organization) -> None:
        ada, ben = (p.make_actor(customer, name, now=day(1)) for name in ("Ada", "Ben"))
        for who in (ada, ben):
            for number in range(1, 4):
                tried(p.work(customer, 10, actor=who), settled=10, at=day(number))

        asked = answered(customer, limits={what_if.actor_key(ada.id): Decimal(20)})

        assert lines(asked, "refused") == [("Ada", "actor", 1)]

    def test_of_everybody_spares_whom_a_limit_of_their_own_is_set(
        self, customer: Organization
    ) -> None:
        ada, ben = (p.make_actor(customer, name, now=day(1)) for name in ("Ada", "Ben"))
        p.limit(customer, 500, "actor", actor=ada)
        for who in (ada, ben):
            tried(p.work(customer, 10, actor=who), settled=10, at=day(2))

        asked = answered(customer, limits={EVERYBODY: Decimal(5)})

        assert lines(asked, "refused") == [("Ben", "actor", 1)]

    def test_of_a_shared_budget(self, customer: Organization) -> None:
        ada = p.make_actor(customer, now=day(1))
        lab = p.make_group(customer, "lab", ada, kind="entity")
        for number in range(1, 4):
            tried(p.work(customer, 10, actor=ada), settled=10, at=day(number))

        asked = answered(customer, limits={what_if.group_key(lab.id): Decimal(15)})

        assert lines(asked, "refused") == [("Ada", "group", 2)]

    def test_that_is_higher_admits_what_was_refused(self, customer: Organization) -> None:
        ada = p.make_actor(customer, now=day(1))
        p.limit(customer, 25, "actor", actor=ada)
        for number in range(1, 5):
            tried(p.work(customer, 10, actor=ada), settled=10, at=day(number))

        asked = answered(customer, limits={what_if.actor_key(ada.id): Decimal(35)})

        assert lines(asked, "admitted") == [("Ada", "actor", 1)]
        assert cost(asked) == (20, 30)

    def test_refuses_no_work_that_was_told_when_it_was_done(self, customer: Organization) -> None:
        told = services.Told(source="jobs", id="1", occurred_at=day(3), credits=Decimal(10))
        services.record(organization=customer, told=[told], performed_by=f.KEY, now=day(3, 13))

        asked = answered(customer, rules={"monthly_cap": Decimal(1)})

        assert lines(asked, "refused") == []
        assert cost(asked) == (10, 10)


class TestAnotherThreshold:
    def test_moves_work_to_the_fallback_at_its_price(self, customer: Organization) -> None:
        sonnet, _ = p.make_models()
        for number in range(1, 5):
            tried(p.work(customer, model=sonnet, millions=1), at=day(number))

        asked = answered(customer, rules={"downgrade": Decimal(20)})

        assert lines(asked, "downgraded") == [("", "", 2)]
        assert cost(asked) == (40, 24)

    def test_moves_no_work_that_was_asked_for_in_credits(self, customer: Organization) -> None:
        """It costs as much on any model: there is nothing to save."""
        sonnet, _ = p.make_models()
        for number in range(1, 5):
            tried(p.work(customer, 12, model=sonnet), settled=10, at=day(number))

        asked = answered(customer, rules={"downgrade": Decimal(20)})

        assert lines(asked, "downgraded") == []
        assert cost(asked) == (40, 40)

    def test_moves_nothing_to_a_fallback_that_was_retired_by_then(
        self, customer: Organization
    ) -> None:
        sonnet, haiku = p.make_models()
        AIModel.objects.filter(pk=haiku.pk).update(retired_at=day(4))
        for number in range(1, 5):
            tried(p.work(customer, model=sonnet, millions=1), at=day(number))

        asked = answered(customer, rules={"downgrade": Decimal(20)})

        assert lines(asked, "downgraded") == [("", "", 1)]
        assert cost(asked) == (40, 32)

    def test_that_is_gone_spares_what_was_moved(self, customer: Organization) -> None:
        sonnet, _ = p.make_models()
        p.thresholds(customer, downgrade=20)
        for number in range(1, 5):
            tried(p.work(customer, model=sonnet, millions=1), at=day(number))

        asked = answered(customer, rules={"downgrade": None})

        assert lines(asked, "spared") == [("", "", 2)]
        assert cost(asked) == (24, 40)

    def test_shuts_off(self, customer: Organization) -> None:
        for number in range(1, 4):
            tried(p.work(customer, 10), settled=10, at=day(number))

        asked = answered(customer, rules={"shutoff": Decimal(20)})

        assert lines(asked, "refused") == [("", "shutoff", 1)]


class TestRetiredModels:
    def test_are_refused_by_other_rules_too(self, customer: Organization) -> None:
        sonnet, _ = p.make_models()
        AIModel.objects.filter(pk=sonnet.pk).update(retired_at=day(2))
        work = p.work(customer, model=sonnet, millions=1)
        assert [tried(work, at=day(number)) for number in (1, 2)] == [True, False]

        asked = answered(customer, rules={"monthly_cap": Decimal(1_000)})

        assert lines(asked, "admitted") == []
        assert cost(asked) == (10, 10)


class TestAnotherProfile:
    def test_refuses_models_of_tiers_that_it_lacks(self, customer: Organization) -> None:
        sonnet, haiku = p.make_models()
        ada = p.make_actor(customer, now=day(1))
        narrow = p.make_profile(customer, "narrow", cap=None, tiers="everyday")
        for model in (sonnet, haiku):
            tried(p.work(customer, model=model, actor=ada, millions=1), at=day(2))

        asked = answered(customer, profile=narrow.id)

        assert lines(asked, "refused") == [("Ada", "tier", 1)]
        assert cost(asked) == (12, 2)


class TestOtherPrices:
    def test_are_those_of_another_moment(self, customer: Organization) -> None:
        sonnet, _ = p.make_models()
        tried(p.work(customer, model=sonnet, millions=1), at=day(2))
        p.set_rate(sonnet, 15, since=f.at("2026-07-01"))

        asked = answered(customer, prices_of=f.at("2026-07-01"))

        assert cost(asked) == (10, 15)

    def test_are_those_of_the_customer(self, customer: Organization) -> None:
        sonnet, _ = p.make_models()
        p.markup(3, of=customer)
        for number in range(1, 4):
            tried(p.work(customer, model=sonnet, millions=1), at=day(number))
        p.set_rate(sonnet, 15, since=f.at("2026-07-01"))

        dearer = answered(customer, prices_of=f.at("2026-07-01"))
        moved = answered(customer, rules={"downgrade": Decimal(50)})

        assert cost(dearer) == (90, 135)
        assert cost(moved) == (90, 66)

    def test_meet_every_customer_of_the_month(self, customer: Organization) -> None:
        sonnet, _ = p.make_models()
        other = f.make_organization("Other", funded=100, now=f.at("2026-04-20"))
        f.make_organization("Idle", funded=100, now=f.at("2026-04-20"))
        for each in (customer, other):
            tried(p.work(each, model=sonnet, millions=1), at=day(2))

        asked = answered(multiplier=Decimal("1.25"))

        assert cost(asked) == (20, 25)
        assert asked.parts.count() == 2

    def test_that_are_higher_empty_the_pool_sooner(self) -> None:
        sonnet, _ = p.make_models()
        customer = f.make_organization(funded=40, now=f.at("2026-04-20"))
        for number in range(1, 5):
            tried(p.work(customer, model=sonnet, millions=1), at=day(number))

        asked = answered(customer, multiplier=Decimal(2))

        assert lines(asked, "refused") == [("", "pool", 2)]
        assert cost(asked) == (40, 40)

    def test_round_up_once(self, customer: Organization) -> None:
        sonnet, _ = p.make_models()
        tried(p.work(customer, model=sonnet, millions=Decimal("0.000001")), at=day(2))

        asked = answered(customer, multiplier=Decimal("1.00001"))

        assert cost(asked) == (Decimal("0.00001"), Decimal("0.000011"))


class TestMonthAgain:
    def test_answers_what_a_worker_answers(self, customer: Organization) -> None:
        ada = p.make_actor(customer, now=day(1))
        p.limit(customer, 45, "actor", actor=ada)
        for number in range(1, 7):
            tried(p.work(customer, 10, actor=ada), settled=10, at=day(number))
        asked = answered(customer, rules={"monthly_cap": Decimal(35)})

        with transaction.atomic():
            again = questions.MonthAgain(customer, now=day(28))
            f.set_terms(customer, monthly_cap=Decimal(35), now=day(28))
            again.read_rules()
            found = again.lines()
            transaction.set_rollback(True)

        by_worker = WhatIfLine.objects.filter(part__what_if=asked)
        assert {told(line) for line in found} == {told(line) for line in by_worker}
        assert len(found) == by_worker.count() > 1
        assert WhatIf.objects.count() == 1

    @pytest.mark.parametrize("much", ["work", "refusals"])
    def test_of_much_is_not_gone_through(
        self, customer: Organization, monkeypatch: pytest.MonkeyPatch, much: str
    ) -> None:
        monkeypatch.setattr(questions, "GONE_THROUGH", 2)
        f.set_terms(customer, monthly_cap=Decimal(35), now=day(1))
        for number in (2, 3):
            need = 10 if much == "work" else 1_000
            tried(p.work(customer, need), settled=10, at=day(number))

        again = questions.MonthAgain(customer, now=day(28))

        assert (again.is_much, again.lines()) == (True, [])
        assert not WhatIf.objects.exists()


class TestAnswering:
    def test_goes_on_where_it_was_and_counts_nothing_twice(
        self, customer: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trials, "EVENTS_AT_ONCE", 2)
        for number in range(1, 6):
            tried(p.work(customer, 10), settled=10, at=day(number))
        asked = ask(
            changes=Changes(rules={"monthly_cap": Decimal(35)}),
            month=MAY,
            organization=customer,
            asked_by="ana",
            now=NEXT,
        )
        WHAT_IF.do(organization=customer, now=NEXT, place=None)
        assert asked.parts.get().finished_at is None

        while jobs.run(WHAT_IF, now=lambda: NEXT, worker="w"):
            pass

        assert cost(asked) == (50, 30)
        assert sum(line.pieces for line in WhatIfLine.objects.all()) == 5

    def test_leaves_no_work_behind(self, customer: Organization) -> None:
        answered(customer, rules={"monthly_cap": Decimal(1)})

        assert jobs.run(WHAT_IF, now=lambda: NEXT, worker="w") is None
        assert not WhatIfPart.objects.filter(finished_at=None).exists()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Verdict(True), Verdict(True), "kept"),
        (Verdict(False, "cap"), Verdict(False, "actor"), "kept"),
        (Verdict(True), Verdict(False, "cap"), "refused"),
        (Verdict(False, "cap"), Verdict(True), "admitted"),
        (Verdict(True), Verdict(True, on_fallback=True), "downgraded"),
        (Verdict(True, on_fallback=True), Verdict(True), "spared"),
    ],
)
def test_outcome(before: Verdict, after: Verdict, expected: str) -> None:
    assert what_if.outcome(before, after) == expected


def test_what_is_written_is_read() -> None:
    changes = Changes(
        rules={"monthly_cap": None, "shutoff": Decimal("1.5")},
        limits={EVERYBODY: Decimal(3)},
        profile=UUID(int=5),
        prices_of=NEXT,
        multiplier=Decimal("1.25"),
    )
    course = Course(Decimal("1.5"), Decimal(2), {"actor 1": Decimal(3)}, {"4": Decimal(5)})

    assert what_if.changes_of(changes.as_json()) == changes
    assert what_if.course_of(course.as_json()) == course


class TestPrune:
    def test_forgets_what_is_older_than_90_days_with_its_answer(
        self, customer: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(questions, "FORGOTTEN_AT_ONCE", 1)
        other = f.make_organization("Other", funded=10, now=day(1))
        for each in (customer, other):
            p.use(p.work(each, 5), 5, now=day(2))
        answered(multiplier=Decimal(2))
        kept = ask(
            changes=Changes(multiplier=Decimal(2)),
            month=MAY,
            asked_by="ana",
            now=NEXT + timedelta(days=1),
        )
        assert WhatIfLine.objects.exists()

        assert questions.prune(now=NEXT + timedelta(days=90)) == 0
        assert questions.prune(now=NEXT + timedelta(days=90, seconds=1)) == 1
        assert list(WhatIf.objects.all()) == [kept]
        assert WhatIfPart.objects.count() == 2
        assert not WhatIfLine.objects.exists()
