"""The positions of events: counted from 1 by the wallet, under its lock, so that none is passed over and none can go unnoticed."""

from decimal import Decimal
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, connections, transaction

from credits.reconcile import reconcile
from organizations.models import Organization
from tests import factories as f
from tests.credits.tampering import charge_of, tamper, tampered
from tests.parallel import at_once
from tests.usage import people as p
from usage import services
from usage.models import RollupMark, UsageEvent, UsageRollup
from usage.reconcile import CHECKS
from usage.services import rollups
from usage.services.events import Told, record

pytestmark = pytest.mark.django_db(transaction=True)

NO_GAP = "the events of an organization are as many as its wallet has counted, with no gap"
MAY: dict[str, Any] = {
    "first_day": f.at("2026-05-01").date(),
    "last_day": f.at("2026-05-31").date(),
}


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


def tell(organization: Organization, *ids: str, credits: int = 1) -> None:
    told = [Told("job", id, f.NOW, credits=Decimal(credits)) for id in ids]
    record(organization=organization, told=told, performed_by=f.KEY, now=f.NOW)


def positions(organization: Organization) -> list[tuple[int, str]]:
    """Return each event's position and source, in that order."""
    events = UsageEvent.objects.filter(organization=organization)
    return list(events.order_by("position").values_list("position", "source"))


def gaps() -> list[str]:
    return [found.detail for found in reconcile(CHECKS) if found.check == NO_GAP]


class TestPositions:
    def test_are_counted_from_one_whatever_tells_the_work(self, organization: Organization) -> None:
        ada = p.make_actor(organization)
        p.use(p.work(organization, 8, actor=ada), 8)
        tell(organization, "a", "b")
        p.forgive(ada, 2)
        services.reverse_event(
            event=UsageEvent.objects.get(external_id="a"),
            reason="failed",
            performed_by=f.STAFF,
            now=f.NOW,
        )
        p.use(p.work(organization, 1), 0)

        assert positions(organization) == [
            (1, "reservation"),
            (2, "job"),
            (3, "job"),
            (4, "forgiven"),
            (5, "correction"),
            (6, "reservation"),
        ]
        assert f.wallet_of(organization).event_position == 6

    def test_are_each_organizations_own(self, organization: Organization) -> None:
        other = f.make_organization("Other", funded=10)

        tell(organization, "a", "b")
        tell(other, "a")

        assert positions(other) == [(1, "job")]

    def test_are_not_used_up_by_what_is_told_again(self, organization: Organization) -> None:
        work = p.hold(p.work(organization, 5))
        for _ in range(2):
            p.settle(work, 5)
            tell(organization, "a")

        tell(organization, "b")

        assert [position for position, _ in positions(organization)] == [1, 2, 3]

    def test_go_on_from_the_row_where_the_wallet_was_read_before_its_lock(
        self, organization: Organization
    ) -> None:
        entry = charge_of(p.use(p.work(organization, 5), 5))
        assert entry.wallet.event_position == 1
        tell(organization, "meanwhile")

        services.reverse(entry=entry, reason="failed", performed_by=f.STAFF, now=f.NOW)

        assert [source for _, source in positions(organization)] == [
            "reservation",
            "job",
            "correction",
        ]

    def test_are_given_to_work_on_own_keys_too(self, organization: Organization) -> None:
        Organization.objects.filter(pk=organization.pk).update(byok=True)
        sonnet, _ = p.make_models()

        work = p.hold(p.work(organization, millions=1, model=sonnet))
        p.settle(work, 1)
        tell(p.fresh(organization), "a")

        assert [event.byok for event in UsageEvent.objects.order_by("position")] == [True, True]
        assert f.wallet_of(organization).event_position == 2

    def test_cost_one_statement_however_many_events(self, organization: Organization) -> None:
        writes = []

        def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if "SET event_position" in sql or "credits_charge_1" in sql:
                writes.append(sql)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            tell(organization, *(str(n) for n in range(50)))

        assert len(writes) == 1


class TestWriters:
    def test_who_gives_up_leaves_no_gap(self, organization: Organization) -> None:
        with transaction.atomic():
            tell(organization, "a")
            transaction.set_rollback(True)

        tell(organization, "b")

        assert positions(organization) == [(1, "job")]

    def test_cannot_commit_out_of_order(self, organization: Organization) -> None:
        """Who begins later and is done sooner waits: he would be passed over by whoever reads up to the last position."""
        later_is_done = Event()

        def tell_later() -> None:
            tell(organization, "later")
            later_is_done.set()
            connections.close_all()

        with transaction.atomic():
            tell(organization, "sooner")
            thread = Thread(target=tell_later)
            thread.start()
            overtook = later_is_done.wait(timeout=0.5)
        thread.join()

        assert not overtook
        ids = UsageEvent.objects.order_by("position").values_list("external_id", flat=True)
        assert list(ids) == ["sooner", "later"]

    @pytest.mark.race
    def test_never_make_the_rollups_pass_over_an_event(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rollups, "PORTION", 3)

        def act(number: int) -> None:
            for turn in range(8):
                if number == 0:
                    rollups.roll_up(organization=organization, now=f.NOW)
                elif number % 2:
                    tell(organization, f"{number}-{turn}", credits=turn % 2)
                else:
                    p.use(p.work(organization, 1), turn % 2)

        at_once(5, act)
        while rollups.roll_up(organization=organization, now=f.NOW):
            pass

        assert [position for position, _ in positions(organization)] == list(range(1, 33))
        assert RollupMark.objects.get().position == 32
        assert sum(UsageRollup.objects.values_list("events", flat=True)) == 32
        used = 1_000 - f.wallet_of(organization).balance
        assert sum(UsageRollup.objects.values_list("credits", flat=True)) == used == 16


class TestGap:
    @pytest.fixture(autouse=True)
    def _free_work(self, organization: Organization) -> None:
        tell(organization, "a", "b", "c", credits=0)

    @pytest.mark.parametrize(
        ("gone", "told"),
        [
            ("a", "before position 2 some are missing"),
            ("b", "position 2 is missing"),
            ("c", "they end at position 2"),
        ],
    )
    def test_tells_of_free_work_that_somebody_deleted(self, gone: str, told: str) -> None:
        with tampered(f"DELETE FROM usage_usageevent WHERE external_id = '{gone}'"):
            (detail,) = gaps()

        assert detail == f"it has counted 3 events, 2 are there: {told}"

    def test_tells_of_all_that_are_gone(self) -> None:
        with tampered("DELETE FROM usage_usageevent"):
            (detail,) = gaps()

        assert detail == "it has counted 3 events, 0 are there: not one is left"

    def test_cannot_be_closed_by_moving_the_others_up(self) -> None:
        with tampered("DELETE FROM usage_usageevent WHERE position = 2"):
            tamper("UPDATE usage_usageevent SET position = 2 WHERE position = 3")
            (detail,) = gaps()

        assert detail == "it has counted 3 events, 2 are there: they end at position 2"

    def test_tells_of_nothing_where_nobody_touched_anything(self) -> None:
        assert gaps() == []
