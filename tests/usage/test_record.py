"""Batches of told work: booked in portions, each once for ever, whatever happens between two of them."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from credits import ledger
from credits.models import UsageCounter
from organizations.models import Organization
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests import factories as f
from tests.callers import caller_of, error, ok
from tests.callers import clock as clock
from tests.races.threads import of, together
from tests.usage import people as p
from usage import services
from usage.models import Rate, UsageEvent
from usage.pricing import Tokens
from usage.services import Told, events, groups, terms, told

pytestmark = pytest.mark.django_db(transaction=True)

PORTION = events.PORTION
Results = Sequence[services.Result]


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=10_000)


def pieces(count: int, **fields: Any) -> list[Told]:
    return [Told("job", str(n), f.NOW, credits=Decimal(1), **fields) for n in range(count)]


def tell(organization: Organization, told: Sequence[Told]) -> list[services.Result]:
    return services.record(organization=organization, told=told, performed_by=f.KEY, now=f.NOW)


def statuses(results: Results) -> dict[str, int]:
    """Return how many there are of each status."""
    found = [result.status for result in results]
    return {status: found.count(status) for status in found}


def settled(organization: Organization) -> list[int]:
    """Return what each charge took, oldest first."""
    charges = organization.wallet.entries.filter(kind="settle").order_by("number")
    return [int(-entry.amount) for entry in charges]


def before_charge(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
    """Do something just before a portion is charged: of the first, the second …"""
    charged: list[object] = []
    charge = ledger.charge_told

    def spied(*args: Any, **options: Any) -> ledger.Charged:
        charged.append(args)
        if len(charged) == number:
            act()
        return charge(*args, **options)

    monkeypatch.setattr(ledger, "charge_told", spied)


def before_portion(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
    """Do something between two portions, when no transaction is open: before the first, the second …"""
    begun: list[object] = []
    book = events._book

    def spied(*args: Any) -> Any:
        begun.append(args)
        if len(begun) == number:
            act()
        return book(*args)

    monkeypatch.setattr(events, "_book", spied)


def while_it_waits(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something once when a portion is read and priced, and has no lock yet."""
    acts = [act]
    read_and_price = told.read_and_price

    def spied(*args: Any, **options: Any) -> Any:
        priced = read_and_price(*args, **options)
        if acts:
            acts.pop()()
        return priced

    monkeypatch.setattr(events, "read_and_price", spied)


class TestRecord:
    def test_books_in_portions_that_are_transactions_of_their_own(
        self, organization: Organization
    ) -> None:
        results = tell(organization, pieces(2 * PORTION + 1))

        assert [result.id for result in results] == [str(n) for n in range(2 * PORTION + 1)]
        assert statuses(results) == {"accepted": 2 * PORTION + 1}
        assert settled(organization) == [PORTION, PORTION, 1]
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT xmin::text) FROM usage_usageevent")
            assert cursor.fetchone() == (3,)

    def test_says_of_each_event_which_entry_charged_it(self, organization: Organization) -> None:
        tell(organization, pieces(PORTION + 2))

        entries = organization.wallet.entries.filter(kind="settle").order_by("number")
        assert [entry.usage_events.count() for entry in entries] == [PORTION, 2]

    def test_takes_as_many_statements_for_many_subjects_as_for_one(
        self, organization: Organization
    ) -> None:
        def statements(kind: str, subjects: int) -> int:
            told = [
                Told(
                    kind,
                    str(n),
                    f.NOW,
                    credits=Decimal(1),
                    resource_type="app",
                    resource_id=str(n % subjects),
                )
                for n in range(PORTION)
            ]
            with CaptureQueriesContext(connection) as captured:
                tell(organization, told)
            return len(captured)

        tell(organization, pieces(1))

        assert statements("one", 1) == statements("many", PORTION) <= 12
        assert UsageCounter.objects.count() == PORTION + 1

    def test_counts_every_subject_in_its_month(self, organization: Organization) -> None:
        f.renew(organization, now=f.at("2026-06-02"))
        ada, bob = p.make_actor(organization), p.make_actor(organization, "Bob")
        acme = p.make_group(organization, "acme", ada, kind="entity")
        app: dict[str, Any] = {"resource_type": "app", "resource_id": "sales"}
        may, june = f.at("2026-05-20"), f.at("2026-06-01")
        told = [
            Told("job", "1", may, credits=Decimal(1), actor_id=ada.id),
            Told("job", "2", june, credits=Decimal(2), actor_id=ada.id, **app),
            Told("job", "3", june, credits=Decimal(4), actor_id=bob.id, entity="acme"),
            Told("job", "4", june, credits=Decimal(8), **app),
        ]

        services.record(organization=organization, told=told, performed_by=f.KEY, now=june)

        def used(month: str, **subject: Any) -> int:
            return int(p.counted(organization, month, **subject)[0])

        assert [used("2026-05"), used("2026-06")] == [1, 14]
        assert [used("2026-05", actor=ada), used("2026-06", actor=ada)] == [1, 2]
        assert [used("2026-05", group=acme), used("2026-06", group=acme)] == [1, 6]
        assert [used("2026-06", actor=bob), used("2026-06", **app)] == [4, 10]
        assert settled(organization) == [14, 1]

    def test_looks_each_event_up_by_the_index_however_many_there_are(
        self, organization: Organization
    ) -> None:
        tell(organization, pieces(4 * PORTION))
        ids = [str(n) for n in range(PORTION)]
        asked: list[Any] = [["job"] * PORTION, ids, organization.id]

        with connection.cursor() as cursor:
            cursor.execute("ANALYZE usage_usageevent")
            cursor.execute(f"EXPLAIN {events._EARLIER}", asked)
            plan = "\n".join(line for (line,) in cursor)

        assert "Index Scan using usageevent_once_for_ever" in plan
        assert "Filter" not in plan

    def test_keeps_every_text_as_it_is_told(self, organization: Organization) -> None:
        texts = ["a\\b", "a\tb", "a\nb", "a\rb", "\\N", "\\.", "{}", "a,b", '"', "ä€𝄞", "\\"]
        app: dict[str, Any] = {"resource_type": "app"}
        told = [
            Told(text, text, f.NOW, credits=Decimal(1), resource_id=text, **app) for text in texts
        ]

        first, again = tell(organization, told), tell(organization, told)

        assert statuses(first) == {"accepted": len(texts)}
        assert statuses(again) == {"duplicate": len(texts)}
        rows = UsageEvent.objects.order_by("position")
        assert list(rows.values_list("source", "external_id", "resource_id")) == [
            (text, text, text) for text in texts
        ]

    def test_knows_what_an_earlier_portion_booked(self, organization: Organization) -> None:
        told = pieces(PORTION)

        results = tell(organization, [*told, *told])

        assert statuses(results[:PORTION]) == {"accepted": PORTION}
        assert statuses(results[PORTION:]) == {"duplicate": PORTION}
        assert all(result.credits == 1 for result in results)
        assert settled(organization) == [PORTION]

    def test_keeps_what_was_booked_before_a_portion_failed(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail() -> None:
            raise OperationalError("the server went away")

        told = pieces(3 * PORTION)
        with monkeypatch.context() as patch:
            before_charge(patch, 3, fail)
            with pytest.raises(OperationalError):
                tell(organization, told)
        booked = settled(organization)

        again = tell(organization, told)

        assert booked == [PORTION, PORTION]
        assert statuses(again[: 2 * PORTION]) == {"duplicate": 2 * PORTION}
        assert statuses(again[2 * PORTION :]) == {"accepted": PORTION}
        assert settled(organization) == [PORTION] * 3

    def test_is_refused_from_the_portion_on_before_which_it_was_suspended(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before_portion(monkeypatch, 2, lambda: f.suspend(organization))

        with pytest.raises(OrganizationSuspended):
            tell(organization, pieces(2 * PORTION))

        assert settled(organization) == [PORTION]

    def test_says_what_was_booked_before_it_was_archived(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, child = f.make_family()
        before_portion(monkeypatch, 2, lambda: f.archive(child))

        results = tell(child, pieces(3 * PORTION))

        assert statuses(results[:PORTION]) == {"accepted": PORTION}
        assert statuses(results[PORTION:]) == {"rejected": 2 * PORTION}
        assert results[-1].reason == f"{child.public_id} is archived"
        with pytest.raises(OrganizationArchived):
            tell(child, pieces(1))

    @pytest.mark.usefixtures("clock")
    def test_answers_503_where_a_portion_failed_and_duplicates_when_told_again(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail() -> None:
            raise OperationalError("the server went away")

        backend = caller_of(organization)
        told = [{"source": "job", "id": str(n), "credits": 1} for n in range(PORTION + 1)]
        with monkeypatch.context() as patch:
            before_charge(patch, 2, fail)
            assert error(backend.post("/usage/events", {"events": told})) == (503, "UNAVAILABLE")

        results = ok(backend.post("/usage/events", {"events": told}))["results"]

        assert [result["status"] for result in results] == ["duplicate"] * PORTION + ["accepted"]

    def test_on_own_keys_counts_and_charges_nothing(self, organization: Organization) -> None:
        Organization.objects.filter(pk=organization.pk).update(byok=True)

        results = tell(organization, pieces(3))

        assert [result.credits for result in results] == [0, 0, 0]
        assert settled(organization) == []
        assert not UsageCounter.objects.exists()
        assert {event.list_credits for event in UsageEvent.objects.all()} == {1}

    @pytest.mark.race
    def test_charges_two_batches_of_the_same_once(self, organization: Organization) -> None:
        told = pieces(2 * PORTION + 50)

        outcomes = together(*[lambda: tell(organization, told)] * 4)

        answers = of(list, outcomes)
        assert [len(results) for results in answers] == [len(told)] * 4
        for number in range(len(told)):
            found = sorted(results[number].status for results in answers)
            assert found == ["accepted", "duplicate", "duplicate", "duplicate"]
        assert f.money_of(organization)[0] == 10_000 - len(told)
        assert p.counted(organization, "2026-05") == (len(told), 0)


class TestTerms:
    """What was changed and acknowledged while a batch waited for the wallet is what it is booked by."""

    def test_on_own_keys_nothing_is_charged(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = Organization.objects.filter(pk=organization.pk)
        while_it_waits(monkeypatch, lambda: own.update(byok=True))

        (result,) = tell(organization, pieces(1))

        assert result.status == "accepted"
        assert result.credits == 0
        assert settled(organization) == []

    def test_the_charge_limit_is_that_of_the_lock(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        while_it_waits(monkeypatch, lambda: f.set_terms(organization, charge_limit="0.5"))

        (result,) = tell(organization, pieces(1))

        assert result.reason == "1 credits: one piece of work may cost 0.5 at most"

    def test_an_actor_counts_for_the_group_that_it_is_in_by_then(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ada = p.make_actor(organization)
        acme = p.make_group(organization, "acme", ada, kind="entity")
        zenith = p.make_group(organization, "zenith", kind="entity")

        def move() -> None:
            groups.remove_member(group=acme, actor=ada)
            groups.add_member(group=zenith, actor=ada)

        while_it_waits(monkeypatch, move)

        tell(organization, pieces(1, actor_id=ada.id))

        assert UsageEvent.objects.get().group == zenith
        assert p.counted(organization, "2026-05", group=acme) == (0, 0)
        assert p.counted(organization, "2026-05", group=zenith) == (1, 0)

    def test_work_costs_what_the_rate_card_says_by_then(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sonnet = p.make_model("sonnet", credits_per_million=10)
        work = Told("job", "1", f.NOW, tokens=Tokens(output=p.MILLION), model="sonnet")
        rates = Rate.objects.filter(model=sonnet)
        while_it_waits(monkeypatch, lambda: rates.update(amount=Decimal(3)))

        (result,) = tell(organization, [work])

        assert result.credits == 3

    def test_a_suspension_refuses(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        while_it_waits(monkeypatch, lambda: f.suspend(organization))

        with pytest.raises(OrganizationSuspended):
            tell(organization, pieces(1))

    def test_are_kept_for_the_portions_to_come(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stale = terms.stale_count()
        while_it_waits(monkeypatch, lambda: f.set_terms(organization, charge_limit=2))

        results = tell(organization, pieces(3 * PORTION))

        assert statuses(results) == {"accepted": 3 * PORTION}
        assert terms.stale_count() == stale + 1
