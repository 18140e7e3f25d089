"""Reports: what was used, by day, resource and person; right whether the worker ran or not."""

import random
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from organizations import jobs
from organizations.models import Organization
from tests import factories as f
from tests.books import findings
from tests.organizations.people import client
from tests.usage import people as p
from usage import tasks
from usage.models import RollupMark, UsageEvent, UsageRollup, UsageTotal
from usage.services import rollups

pytestmark = pytest.mark.django_db(transaction=True)

MAY: dict[str, Any] = {
    "first_day": f.at("2026-05-01").date(),
    "last_day": f.at("2026-05-31").date(),
}


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


def busy(organization: Organization, pieces: int = 30, *, seed: int = 1) -> None:
    """Let two people work on two apps on some days of May."""
    rng = random.Random(seed)
    actors = list(organization.actors.order_by("id")) or [
        p.make_actor(organization),
        p.make_actor(organization, "Bob"),
    ]
    last = UsageEvent.objects.filter(organization=organization).order_by("position").last()
    first_day = last.occurred_at.day if last else 10
    for day in sorted(rng.randint(first_day, 12) for _ in range(pieces)):
        resource = {"resource_type": "app", "resource_id": rng.choice("ab")}
        what = p.work(organization, 5, actor=rng.choice(actors), **resource)
        p.use(what, rng.randint(0, 5), now=f.at(f"2026-05-{day} 13:00"))


class TestReport:
    def test_adds_up_to_what_was_charged(self, organization: Organization) -> None:
        busy(organization)

        by_day = rollups.report(organization, "day", "work_type", **MAY)
        by_resource = rollups.report(
            organization, "resource_type", "resource_id", "work_type", **MAY
        )

        charged = 1_000 - f.wallet_of(organization).balance
        assert sum(row["credits"] for row in by_day) == charged
        assert sum(row["credits"] for row in by_resource) == charged
        assert sum(row["events"] for row in by_day) == 30

    def test_is_the_same_before_between_and_after_the_worker(
        self, organization: Organization
    ) -> None:
        busy(organization)
        before = rollups.report(organization, "day", "actor_id", **MAY)

        tasks.roll_up_usage()
        after = rollups.report(organization, "day", "actor_id", **MAY)
        busy(organization, 10, seed=2)
        between = rollups.report(organization, "day", "actor_id", **MAY)
        tasks.roll_up_usage()

        assert after == before
        assert rollups.report(organization, "day", "actor_id", **MAY) == between
        assert sum(row["events"] for row in between) == 40

    def test_of_days_includes_the_first_and_the_last(self, organization: Organization) -> None:
        for moment in ("2026-05-11", "2026-05-12 23:59:59.999999", "2026-05-13"):
            p.use(p.work(organization, 1), 1, now=f.at(moment))

        days: dict[str, Any] = {
            "first_day": f.at("2026-05-11").date(),
            "last_day": f.at("2026-05-12").date(),
        }
        rows = rollups.report(organization, "day", **days)

        assert [row["day"].day for row in rows] == [11, 12]

    def test_of_the_top_begins_with_the_largest(self, organization: Organization) -> None:
        for name, credits in (("Ada", 5), ("Bob", 9), ("Cyd", 7)):
            actor = p.make_actor(organization, name)
            p.use(p.work(organization, credits, actor=actor), credits)

        rows = rollups.report(organization, "actor_id", limit=2, **MAY)

        assert [row["credits"] for row in rows] == [9, 7]

    def test_shows_nobody_elses(self, organization: Organization) -> None:
        busy(f.make_organization("Stranger", funded=1_000))

        assert rollups.report(organization, "day", **MAY) == []


class TestRollUp:
    def test_counts_every_event_once(self, organization: Organization) -> None:
        busy(organization)

        first = rollups.roll_up(organization=organization, now=f.NOW)
        again = rollups.roll_up(organization=organization, now=f.NOW)

        assert [first, again] == [30, 0]
        assert sum(row.events for row in UsageRollup.objects.all()) == 30
        last = UsageEvent.objects.order_by("-position").first()
        assert last is not None
        assert RollupMark.objects.get().position == last.position

    def test_can_be_thrown_away_without_changing_an_answer(
        self, organization: Organization
    ) -> None:
        busy(organization)
        rollups.roll_up(organization=organization, now=f.NOW)
        before = rollups.report(organization, "day", "resource_id", **MAY)

        UsageRollup.objects.all().delete()
        RollupMark.objects.all().delete()

        assert rollups.report(organization, "day", "resource_id", **MAY) == before
        assert sum(row["credits"] for row in before) > Decimal(0)


class TestTotals:
    """What reports ask for most stands beside the rollups, added up by day and by month."""

    SPANS = (
        ("2026-03-01", "2026-06-30"),  # whole months
        ("2026-03-20", "2026-05-05"),  # the end of one, the beginning of another
        ("2026-03-02", "2026-05-30"),  # months but for a day
        ("2026-04-03", "2026-04-09"),  # within one
        ("2026-04-02", "2026-04-29"),
        ("2026-04-11", "2026-04-11"),
    )
    ASKED = (
        ("actor_id",),
        ("resource_type", "resource_id", "work_type"),
        ("month", "work_type"),
        ("day",),
    )

    @pytest.fixture
    def organization(self) -> Organization:
        """Let two people work on apps on some days of spring, and add up a part of it."""
        rng, begun = random.Random(4), f.at("2026-03-01")
        organization = f.make_organization(funded=1_000, now=begun)
        actors = [p.make_actor(organization, name, now=begun) for name in ("Ada", "Bob")]
        for number, day in enumerate(sorted(rng.randrange(122) for _ in range(40))):
            moment = begun + timedelta(days=day)
            resource = {"resource_type": "app", "resource_id": rng.choice("abc")}
            what = p.work(organization, 5, actor=rng.choice(actors), **resource)
            p.use(what, rng.randint(0, 5), now=moment)
            if number == 30:
                rollups.roll_up(organization=organization, now=moment)
        return organization

    @pytest.mark.parametrize("span", SPANS, ids=" to ".join)
    def test_say_what_the_events_say(
        self, organization: Organization, span: tuple[str, str]
    ) -> None:
        first, last = (f.at(day) for day in span)
        done = UsageEvent.objects.filter(
            occurred_at__gte=first, occurred_at__lt=last + timedelta(days=1)
        )
        days: dict[str, Any] = {"first_day": first.date(), "last_day": last.date()}

        for asked in self.ASKED:
            found = rollups.report(organization, *asked, **days)

            told: dict[tuple[Any, ...], list[Decimal]] = {}
            for event in done:
                told.setdefault(key_of(event, asked), []).append(event.credits)
            assert {
                tuple(row[name] for name in asked): (row["credits"], row["events"]) for row in found
            } == {key: (sum(credits), len(credits)) for key, credits in told.items()}

    def test_change_no_report_when_they_are_deleted(self, organization: Organization) -> None:
        before = rollups.report(organization, "actor_id", **MAY)

        UsageTotal.objects.filter(of="work").delete()

        assert not RollupMark.objects.exists()
        assert rollups.report(organization, "actor_id", **MAY) == before
        assert rollups.roll_up(organization=organization, now=f.NOW) == 40
        assert rollups.report(organization, "actor_id", **MAY) == before

    @pytest.mark.broken_books
    def test_are_found_when_they_are_edited(self, organization: Organization) -> None:
        assert not findings()

        UsageTotal.objects.filter(pk=UsageTotal.objects.earliest("pk").pk).update(credits=99_999)

        checks = {found.split(": ")[0] for found in findings()}
        assert checks == {"a total is what the events of its span say"}


def key_of(event: UsageEvent, dimensions: Sequence[str]) -> tuple[Any, ...]:
    """Return where a report by these dimensions counts an event."""
    day = event.occurred_at.date()
    of_time = {"day": day, "month": day.replace(day=1)}
    return tuple(of_time[name] if name in of_time else getattr(event, name) for name in dimensions)


class TestFarBehind:
    def test_is_refused_until_the_worker_has_added_it_up(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rollups, "TAIL", 9)
        monkeypatch.setattr(rollups, "PORTION", 5)
        busy(organization, 10)
        caller = client(f.make_key(organization)[1])

        refused = caller.get("/api/usage/top-consumers")
        rollups.roll_up(organization=organization, now=f.NOW)
        answered = caller.get("/api/usage/top-consumers")

        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "10 pieces of work" in refused.json()["message"]
        assert answered.status_code == 200


class TestForgiving:
    def test_gives_a_person_room_and_leaves_the_reports_as_they_were(
        self, organization: Organization
    ) -> None:
        ada = p.make_actor(organization)
        p.use(p.work(organization, 10, actor=ada), 10)
        before = rollups.report(organization, "day", "actor_id", **MAY)

        p.forgive(ada, 4)
        live = rollups.report(organization, "day", "actor_id", **MAY)
        rollups.roll_up(organization=organization, now=f.NOW)

        assert p.counted(organization, "2026-05", actor=ada)[0] == 6
        assert p.counted(organization, "2026-05")[0] == 10
        assert live == before
        assert rollups.report(organization, "day", "actor_id", **MAY) == before


class TestCatchingUp:
    """A worker that is far behind adds portion after portion, and keeps the wallet for none longer than a moment."""

    def test_goes_portion_by_portion(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rollups, "PORTION", 7)
        busy(organization, 20)
        expected = rollups.report(organization, "day", "actor_id", **MAY)

        portions = [rollups.roll_up(organization=organization, now=f.NOW) for _ in range(4)]

        assert portions == [7, 7, 6, 0]
        assert rollups.report(organization, "day", "actor_id", **MAY) == expected
        assert sum(UsageRollup.objects.values_list("events", flat=True)) == 20

    def test_is_done_by_one_run_of_the_job(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rollups, "PORTION", 7)
        busy(organization, 20)

        run = jobs.run(tasks.ROLL_UP, now=lambda: f.NOW, worker="w")

        assert run is not None
        assert run.done == 1
        latest = UsageEvent.objects.latest("position").position
        assert RollupMark.objects.get().position == latest


class TestDeletedRollups:
    """Rollups are numbers that are kept only to be fast: whoever deletes some changes no report."""

    @pytest.mark.parametrize("some", [{}, {"resource_id": "a"}])
    def test_change_no_report(self, organization: Organization, some: dict[str, str]) -> None:
        busy(organization)
        rollups.roll_up(organization=organization, now=f.NOW)
        before = rollups.report(organization, "day", "actor_id", "resource_id", **MAY)

        UsageRollup.objects.filter(**some).delete()

        assert rollups.report(organization, "day", "actor_id", "resource_id", **MAY) == before
        busy(organization, 3, seed=2)
        now = rollups.report(organization, "day", "actor_id", "resource_id", **MAY)
        assert rollups.roll_up(organization=organization, now=f.NOW) == 33
        assert rollups.report(organization, "day", "actor_id", "resource_id", **MAY) == now

    def test_leave_those_of_others(self, organization: Organization) -> None:
        other = f.make_organization(funded=100)
        for each in (organization, other):
            busy(each, 3)
            rollups.roll_up(organization=each, now=f.NOW)

        UsageRollup.objects.filter(organization=organization).delete()

        assert RollupMark.objects.get().organization == other


class TestEditedRollups:
    @pytest.mark.broken_books
    @pytest.mark.parametrize(
        "change", [{"credits": 99_999}, {"events": 7}, {"resource_id": "elsewhere"}]
    )
    def test_are_found(self, organization: Organization, change: dict[str, Any]) -> None:
        busy(organization, 3)
        rollups.roll_up(organization=organization, now=f.NOW)
        assert not findings()

        UsageRollup.objects.filter(pk=UsageRollup.objects.earliest("pk").pk).update(**change)

        checks = {found.split(": ")[0] for found in findings()}
        assert checks == {"a rollup is what the events of its day say"}
