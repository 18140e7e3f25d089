"""How imports are carried out: whole or not at all for each organization, once whoever dies, within bounds; and by whom."""

import threading
import tracemalloc
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext

from credits.services import create_actor
from organizations import jobs
from organizations.models import Actor, Import, ImportPart, ImportRow, Organization
from tests import factories as f
from tests.usage.bringing import OTHER, bring, carried_out, looked_at, parts, states, work, wrong
from usage.models import UsageEvent
from usage.services import imports
from usage.services.imports import carrying

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """The end of a worker in the middle of something."""


@pytest.fixture
def three() -> list[Organization]:
    return [f.make_organization(name, external_id=name) for name in ("a", "b", "c")]


def people(*names: str, each: int = 2) -> str:
    lines = [f"{name},P{number},{number}" for name in names for number in range(each)]
    return "organization,name,external_id\n" + "\n".join(lines) + "\n"


def started(kind: str, text: str, **options: Any) -> Import:
    whole = looked_at(kind, text, **options)
    imports.start_import(whole=whole, by=f.STAFF, now=f.NOW)
    return whole


def made_in(organizations: list[Organization]) -> list[int]:
    return [each.actors.count() for each in organizations]


class TestOrganization:
    def test_is_done_whole_or_not_at_all_and_keeps_nobody_from_theirs(
        self, three: list[Organization]
    ) -> None:
        whole = started(
            "balances", "organization,credits,reference\na,5,r1\nb,5,r1\nb,5,r2\nc,5,r1\n"
        )
        # Between the dry run and now somebody used a reference for something else.
        f.grant(three[1], 7, reference="r2")

        work()

        balances = [f.wallet_of(each).balance for each in three]
        assert balances == [5, 7, 5]
        assert states(whole) == ["made", "failed", "failed", "made"]
        assert [row for row, *_ in wrong(whole)] == [4]
        assert [state for _, state, _ in parts(whole)] == ["done", "failed", "done"]
        assert "Row 4: reference r2 is that of" in parts(whole)[1][2].replace(
            "Reference", "reference"
        )
        whole.refresh_from_db()
        assert whole.finished_at == f.NOW

    def test_whose_rows_meet_a_fault_of_ours_keeps_nobody_from_theirs(
        self, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = started("people", people("a", "b", "c"))
        kind = imports.KINDS["people"]
        make = kind.make

        def faulty(rows: Any, organization: Any, doing: Any) -> Any:
            outcomes = make(rows, organization, doing)
            if organization.external_id == "b":
                raise KeyError("something")
            return outcomes

        monkeypatch.setattr(kind, "make", faulty)
        work()

        assert made_in(three) == [2, 0, 2]
        assert parts(whole)[1] == ("b", "failed", carrying.OURS)

    def test_is_asked_again_where_only_the_database_was_away(
        self, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = started("people", people("a", "b"))
        kind = imports.KINDS["people"]
        make, times = kind.make, iter([OperationalError("too many")])

        def away(*given: Any) -> Any:
            for error in times:
                raise error
            return make(*given)

        monkeypatch.setattr(kind, "make", away)
        with pytest.raises(OperationalError):
            jobs.run(imports.IMPORT, now=lambda: f.NOW, worker="w")
        assert states(whole) == ["new"] * 4

        later = f.NOW + timedelta(minutes=2)
        jobs.run(imports.IMPORT, now=lambda: later, worker="w")

        assert states(whole) == ["made"] * 4


class TestWorker:
    @pytest.mark.parametrize("after", [0, 1, 2])
    def test_that_is_killed_in_the_middle_is_followed_by_one_that_goes_on(
        self, three: list[Organization], monkeypatch: pytest.MonkeyPatch, after: int
    ) -> None:
        whole = started("people", people("a", "b", "c"))
        kind = imports.KINDS["people"]
        make, done = kind.make, []

        def killed(rows: Any, organization: Any, doing: Any) -> Any:
            outcomes = make(rows, organization, doing)
            done.append(organization)
            if len(done) == after + 1:
                raise Killed
            return outcomes

        with monkeypatch.context() as patch:
            patch.setattr(kind, "make", killed)
            with pytest.raises(Killed):
                jobs.run(imports.IMPORT, now=lambda: f.NOW, worker="first")
        assert made_in(three) == [2] * after + [0] * (3 - after)

        work(now=f.NOW + timedelta(minutes=1))

        assert made_in(three) == [2, 2, 2]
        assert states(whole) == ["made"] * 6
        assert Actor.history.count() == 6

    def test_that_is_killed_while_it_looks_is_followed_by_one_that_goes_on(
        self, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = bring("balances", "organization,credits\na,5\nb,5\nc,5\n")
        look, looked = carrying._look, []

        def killed(*given: Any, **options: Any) -> None:
            looked.append(given)
            if len(looked) == 2:
                raise Killed
            look(*given, **options)

        with monkeypatch.context() as patch:
            patch.setattr(carrying, "_look", killed)
            with pytest.raises(Killed):
                jobs.run(imports.IMPORT, now=lambda: f.NOW, worker="first")

        work(now=f.NOW + timedelta(minutes=1))

        whole.refresh_from_db()
        assert states(whole) == ["new"] * 3
        assert whole.weight == 15

    def test_beside_another_does_nothing_twice(self, three: list[Organization]) -> None:
        whole = started("balances", "organization,credits\na,5\nb,5\nc,5\n")
        barrier, failed = threading.Barrier(2), []

        def carry() -> None:
            try:
                barrier.wait()
                carrying.carry_on(whole, now=f.NOW)
            except Exception as error:  # noqa: BLE001
                failed.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=carry) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failed == []
        assert [len(f.entries_of(each)) for each in three] == [1, 1, 1]
        assert states(whole) == ["made"] * 3


class TestLooking:
    def test_writes_nothing_but_what_it_saw(self, three: list[Organization]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT md5(string_agg(w::text, '')) FROM credits_wallet w")
            before = cursor.fetchone()
            for text in (people("a", "b"), "organization,credits\na,5\n"):
                looked_at("people" if "name" in text else "balances", text)
            cursor.execute("SELECT md5(string_agg(w::text, '')) FROM credits_wallet w")
            after = cursor.fetchone()

        assert before == after
        assert made_in(three) == [0, 0, 0]
        assert [f.entries_of(each) for each in three] == [[], [], []]

    def test_says_what_each_organization_would_get(self, three: list[Organization]) -> None:
        create_actor(organization=three[0], name="P0", external_id="0", now=f.NOW)

        whole = looked_at("people", people("a", "b"))

        assert parts(whole) == [
            ("a", "ready", "1 person, 1 there already"),
            ("b", "ready", "2 people"),
        ]
        assert states(whole) == ["known", "new", "new", "new"]

    def test_of_too_many_rows_of_one_organization_says_so(
        self, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imports.KINDS["people"], "most_of_one", 3)

        whole = looked_at("people", people("a", each=4))

        assert wrong(whole) == [
            (2, "organization", "More than 3 rows of one organization: divide the file.")
        ]

    def test_of_what_the_file_itself_got_wrong_says_so(self, three: list[Organization]) -> None:
        whole = looked_at("people", "organization,name,external_id\na,P,1,too many\n")

        assert wrong(whole) == [
            (2, "", "More cells than there are columns: is a separator in a text?")
        ]


def start(whole: Import, by: str = f.STAFF, **options: Any) -> str:
    """Start an import, and return why not."""
    try:
        imports.start_import(whole=whole, by=by, now=options.pop("now", f.NOW), **options)
    except imports.NotStartable as error:
        return str(error)
    return ""


class TestStart:
    def test_waits_until_all_was_looked_at(self, three: list[Organization]) -> None:
        assert start(bring("people", people("a"))) == "not all of it was looked at yet"

    def test_is_refused_while_anything_is_wrong(self, three: list[Organization]) -> None:
        whole = looked_at("people", people("a", "nobody"))

        assert start(whole) == "2 rows are wrong: mend the file and bring it again"
        work()
        assert made_in(three) == [0, 0, 0]

    def test_is_refused_after_a_day(self, three: list[Organization]) -> None:
        whole = looked_at("people", people("a"))

        late = f.NOW + timedelta(hours=24, seconds=1)
        assert "more than 24 hours ago" in start(whole, now=late)

    def test_happens_once(self, three: list[Organization]) -> None:
        whole = looked_at("people", people("a"))

        assert start(whole) == ""
        assert f"{f.STAFF} started it" in start(whole)

    def test_of_many_credits_takes_another_person_who_may_approve(
        self, three: list[Organization]
    ) -> None:
        whole = looked_at("balances", "organization,credits\na,60\nb,50\n")
        limit: Any = {"above": Decimal(100)}

        assert "another has to start it" in start(whole, **limit)
        assert "another has to start it" in start(whole, OTHER, may_approve=False, **limit)
        assert start(whole, OTHER, **limit) == ""
        work()

        (entry,) = f.entries_of(three[0])
        assert entry.performed_by == f"{f.STAFF}, approved by {OTHER}"

    def test_of_many_credits_in_pieces_takes_another_person_too(
        self, three: list[Organization]
    ) -> None:
        first, second = (
            looked_at("balances", f"organization,credits,reference\na,60,{n}\n") for n in (1, 2)
        )

        assert start(first, above=Decimal(100)) == ""
        assert "another has to start it" in start(second, above=Decimal(100))
        assert start(second, above=Decimal(100), now=f.later(hours=23)) != ""

    def test_of_few_or_where_one_person_is_enough_takes_nobody_else(
        self, three: list[Organization]
    ) -> None:
        text = "organization,credits\na,60\nb,40\n"

        assert start(looked_at("balances", text), above=Decimal(100)) == ""
        assert start(looked_at("balances", text.replace("60", "6000")), above=None) == ""

    def test_of_a_limit_that_is_none_takes_another_person(self, three: list[Organization]) -> None:
        text = "organization,of,credits\na,everybody,none\n"
        whole = looked_at("limits", text)

        assert "another has to start it" in start(whole, above=Decimal(100_000))


class TestStop:
    def test_leaves_what_is_done_and_does_no_more(
        self, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(carrying, "PARTS", 1)
        whole = started("people", people("a", "b", "c"))
        carrying.carry_on(whole, now=f.NOW)

        assert imports.stop_import(whole=whole, by=OTHER, now=f.NOW)
        assert not imports.stop_import(whole=whole, by=OTHER, now=f.NOW)
        work()

        assert made_in(three) == [2, 0, 0]
        assert parts(whole)[1:] == [
            ("b", "failed", f"Stopped by {OTHER}."),
            ("c", "failed", f"Stopped by {OTHER}."),
        ]
        assert all(row.cells == {} for row in whole.row_set.all())

    def test_forgets_what_was_never_started(self, three: list[Organization]) -> None:
        whole = bring("people", people("a"))

        imports.stop_import(whole=whole, by=f.STAFF, now=f.NOW)
        work()

        assert (Import.objects.count(), ImportRow.objects.count()) == (0, 0)


class TestKept:
    def test_is_what_was_made_and_not_what_the_file_said(self, three: list[Organization]) -> None:
        whole = carried_out("people", "organization,name,external_id\na,Zoë Secret,z-1\n")

        row = whole.row_set.get()
        assert (row.cells, row.made) == ({}, three[0].actors.get().public_id)

    def test_for_ninety_days_or_for_seven_if_nothing_came_of_it(
        self, three: list[Organization]
    ) -> None:
        carried_out("people", people("a"))
        looked_at("people", people("b"))

        def left(**span: float) -> int:
            imports.prune(now=f.later(**span))
            return Import.objects.count()

        assert [left(days=6), left(days=8), left(days=89), left(days=91)] == [2, 1, 1, 0]
        assert (ImportPart.objects.count(), ImportRow.objects.count()) == (0, 0)


class TestManyRows:
    @pytest.mark.parametrize(
        "rows", [pytest.param(2_000), pytest.param(10_000, marks=pytest.mark.slow)]
    )
    def test_are_booked_with_queries_that_grow_by_the_hundred(
        self, three: list[Organization], rows: int
    ) -> None:
        """Of one organization: rows are written a thousand at a time, and events booked by 250."""

        def measure(rows: int) -> int:
            lines = "".join(f"a,old,{rows}-{n},2026-01-05T10:00:00Z,1\n" for n in range(rows))
            with CaptureQueriesContext(connection) as queries:
                carried_out("usage", f"organization,source,id,occurred_at,credits\n{lines}")
            return len(queries)

        few, many = measure(100), measure(rows)

        assert UsageEvent.objects.count() == rows + 100
        assert many - few < rows / 20

    def test_are_read_in_little_memory(self) -> None:
        lines = "".join(f"c{n},Customer {n},,b{n}@acme.example\n" for n in range(20_000))
        content = f"external_id,name,parent,billing_email\n{lines}".encode()
        tracemalloc.start()
        table = imports.read_file(imports.KINDS["customers"], content)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert len(table.rows) == 20_000
        assert peak < 64 * 1024 * 1024

    def test_of_as_many_customers_take_as_much_for_each(self) -> None:
        def queries(first: int, rows: int) -> int:
            lines = "".join(f"c{n},Customer {n}\n" for n in range(first, first + rows))
            with CaptureQueriesContext(connection) as captured:
                carried_out("customers", f"external_id,name\n{lines}")
            return len(captured)

        few, many = queries(0, 5), queries(100, 15)

        assert many - few < 10 * 60
