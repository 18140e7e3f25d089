"""One action for many: asked once, shown for each, confirmed once, done to each once, by one person or by two."""

import time
from datetime import timedelta
from decimal import Decimal
from itertools import chain, repeat
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.admin import hold_actions
from credits.models import Grant, LedgerEntry, Reservation
from organizations import bulk
from organizations.admin import many as carrying_out
from organizations.models import BulkAction, Organization
from organizations.proposals import NotDecidable
from tests import factories as f
from tests.admin.people import client_of, staff_who_may, use
from tests.admin.test_pages import list_of
from tests.admin.test_refusals import refuse
from tests.usage import people as p
from usage import tasks
from usage.admin.many import BY_SLUG
from usage.models import Limit, UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)

SEES = (
    *("organizations.view_organization", "organizations.view_actor", "credits.view_wallet"),
    "organizations.view_bulkaction",
)


@pytest.fixture
def three() -> list[Organization]:
    """One with credits, one with none, one that is archived."""
    rich, poor, gone = (f.make_organization(name) for name in ("Rich", "Poor", "Gone"))
    f.grant(rich, 100)
    f.archive(gone)
    return [rich, poor, gone]


@pytest.fixture
def all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page has time for everybody, on a machine that is busy too."""
    monkeypatch.setattr(carrying_out, "PORTION_SECONDS", 600)


@pytest.fixture(autouse=True)
def _(all_at_once: None) -> None:
    """In every test but those that say otherwise."""


def form_url(slug: str, rows: Any = (), **across: str) -> str:
    lists = {
        **dict.fromkeys(("grant", "set-cap"), "organizations_organization"),
        "forgive": "usage_denial",
        "release-holds": "credits_reservation",
    }
    url = reverse(f"admin:{lists.get(slug, 'organizations_actor')}_many", args=[slug])
    chosen = across or {"ids": ",".join(str(row.pk) for row in rows)}
    return f"{url}?{urlencode(chosen)}"


def filled(client: Client, url: str, **fields: Any) -> dict[str, Any]:
    form = client.get(url).context["form"]
    usual = {bound.name: bound.value() for bound in form if bound.value() is not None}
    return {**usual, "reason": "the outage of May", **fields, "step": "preview"}


def ask(client: Client, slug: str, rows: Any = (), **fields: Any) -> BulkAction:
    """Fill in the form, and return what is asked for: looked at, and not done."""
    url = form_url(slug, rows)
    answer = client.post(url, filled(client, url, **fields))
    assert answer.status_code == 302, answer.context["form"].errors
    return BulkAction.objects.get(pk=answer["Location"].rstrip("/").split("/")[-2])


def page(row: BulkAction, what: str = "change") -> str:
    return reverse(f"admin:organizations_bulkaction_{what}", args=[row.pk])


def confirm(client: Client, row: BulkAction) -> Any:
    return client.post(page(row, "confirm"), follow=True)


def outcomes(row: BulkAction) -> dict[str, tuple[str, str]]:
    items = bulk.items_of(row).select_related("organization")
    return {item.organization.name: (item.outcome, item.said) for item in items}


def granted(organization: Organization) -> list[Decimal]:
    return list(
        Grant.objects.filter(wallet__organization=organization).values_list("remaining", flat=True)
    )


class TestBar:
    def test_offers_what_one_may_do(self, ana: Client, three: list[Organization]) -> None:
        html = ana.get(list_of(Organization)).content.decode()
        assert 'value="many-grant"' in html
        assert 'value="many-set-cap"' in html

        looks = staff_who_may("organizations.view_organization").get(list_of(Organization))
        assert "many-" not in looks.content.decode()
        assert 'value="export-selected"' in looks.content.decode()

    def test_leads_to_the_form_with_who_is_selected(
        self, ana: Client, three: list[Organization]
    ) -> None:
        ids = [str(each.pk) for each in three[:2]]

        answer = ana.post(
            list_of(Organization), {"action": "many-grant", "_selected_action": ids}, follow=True
        )

        assert "Grant for 2 organizations" in answer.content.decode()

    def test_leads_to_the_form_with_all_that_the_filters_leave(
        self, ana: Client, three: list[Organization]
    ) -> None:
        answer = ana.post(
            f"{list_of(Organization)}?q=Poor",
            {
                "action": "many-grant",
                "_selected_action": [str(three[1].pk)],
                "select_across": "1",
            },
            follow=True,
        )

        assert "Grant for 1 organization" in answer.content.decode()
        assert "q=Poor" in answer.request["QUERY_STRING"]

    def test_exports_the_selected(self, ana: Client, three: list[Organization]) -> None:
        answer = ana.post(
            list_of(Organization),
            {"action": "export-selected", "_selected_action": [str(three[0].pk)]},
        )

        lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
        assert len(lines) == 2
        assert "Rich" in lines[1]

    @pytest.mark.parametrize(
        "query",
        ["", "?ids=x,1,%00", "?ids=00000000-0000-0000-0000-000000000000", "?across=1&level=x&o=z"],
    )
    def test_takes_any_address(self, ana: Client, query: str) -> None:
        url = reverse("admin:organizations_organization_many", args=["grant"])

        assert ana.get(url + query).status_code == 200
        answer = ana.post(url + query, filled(ana, url, amount="5"))
        assert answer.status_code == 200
        assert "Select at least one." in answer.content.decode()
        assert ana.get(url.replace("grant", "nothing")).status_code == 404


class TestPreview:
    def test_says_what_it_would_do_to_each_and_does_nothing(
        self, ana: Client, three: list[Organization]
    ) -> None:
        before = [f.money_of(each) for each in three]

        row = ask(ana, "grant", three, amount="500", category="goodwill")

        items = {item.organization.name: item for item in bulk.items_of(row)}
        assert items["Rich"].figures["Available"] == ["100", "600"]
        assert (items["Rich"].effect, items["Poor"].effect) == ("", "unblocks")
        assert "archived" in items["Gone"].refusal
        assert [f.money_of(each) for each in three] == before
        html = ana.get(page(row)).content.decode()
        assert "Would be refused" in html
        assert "Grant for 3 organizations" in html
        totals = bulk.totals_of(row)
        assert (totals.amount, totals.refused, totals.unblocked) == (Decimal(1000), 1, 1)

    def test_shows_only_those_that_one_asks_for(
        self, ana: Client, three: list[Organization]
    ) -> None:
        row = ask(ana, "grant", three, amount="500")

        rows = ana.get(page(row), {"show": "refused"}).context["rows"]

        assert [each.item.organization.name for each in rows] == ["Gone"]
        assert ana.get(page(row), {"show": "nothing", "p": "x"}).status_code == 200

    def test_cuts_amounts_after_two_decimals(self, ana: Client, three: list[Organization]) -> None:
        row = ask(ana, "grant", three[:1], amount="0.123456")

        assert '<span title="100.123456">100.12</span>' in ana.get(page(row)).content.decode()

    def test_goes_back_with_what_was_typed(self, ana: Client, three: list[Organization]) -> None:
        row = ask(ana, "grant", three, amount="500")
        context = ana.get(page(row)).context

        answer = ana.post(
            context["edit_url"],
            dict(context["payload"]) | {"step": "edit"},
        )

        form = answer.context["form"]
        assert (form["amount"].value(), form["reason"].value()) == ("500", "the outage of May")
        assert form["once"].value() != str(row.pk)

    def test_names_the_field_that_is_wrong(self, ana: Client, three: list[Organization]) -> None:
        url = form_url("grant", three)

        answer = ana.post(url, filled(ana, url, amount="-5", reason=" "))

        assert set(answer.context["form"].errors) == {"amount", "reason"}
        assert not BulkAction.objects.exists()

    def test_leaves_to_a_worker_what_a_page_has_no_time_for(
        self, ana: Client, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(carrying_out, "AT_ONCE", 1)
        row = ask(ana, "grant", three[:2], amount="5")
        assert bulk.totals_of(row).rehearsed == 1
        html = ana.get(page(row)).content.decode()
        assert "data-look-again" in html
        assert "not looked at yet" in html
        assert "Not everybody was looked at yet" in confirm(ana, row).content.decode()

        tasks.resume.apply(throw=True)

        assert bulk.totals_of(row).rehearsed == 2
        assert "data-look-again" not in ana.get(page(row)).content.decode()

    def test_looks_no_longer_than_a_page_takes(
        self, ana: Client, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(carrying_out, "PORTION_SECONDS", 0)

        row = ask(ana, "grant", three, amount="5")

        assert bulk.totals_of(row).rehearsed == 1

    def test_looks_at_one_only_where_finding_them_took_as_long(
        self, ana: Client, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = chain([0], repeat(700))
        monkeypatch.setattr(time, "monotonic", lambda: next(now))

        row = ask(ana, "grant", three, amount="5")

        assert bulk.totals_of(row).rehearsed == 1

    def test_goes_on_portion_by_portion_as_long_as_it_is_open(
        self, ana: Client, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(carrying_out, "PORTION_SECONDS", 0)
        row = ask(ana, "grant", three, amount="5")
        assert f'action="{page(row, "go-on")}" data-go-on' in ana.get(page(row)).content.decode()

        far = [ana.post(page(row, "go-on")).json() for _ in range(2)]

        assert far == [
            {"done": 2, "percent": "66.7", "left": 1},
            {"done": 3, "percent": "100.0", "left": 0},
        ]
        assert "data-go-on" not in ana.get(page(row)).content.decode()
        assert "1 done, 0 skipped, 0 failed. 2 to go." in confirm(ana, row).content.decode()
        assert [ana.post(page(row, "go-on")).json()["left"] for _ in range(3)] == [1, 0, 0]
        assert granted(three[1]) == [5]
        assert ana.get(page(row, "go-on")).status_code == 405


class TestConfirm:
    def test_does_it_to_each_and_names_each(self, ana: Client, three: list[Organization]) -> None:
        row = ask(ana, "grant", three, amount="500", category="goodwill")

        html = confirm(ana, row).content.decode()

        assert "2 done, 0 skipped, 1 failed." in html
        assert outcomes(row)["Poor"] == ("done", "500 credits granted to Poor.")
        assert outcomes(row)["Gone"][0] == "failed"
        assert "archived" in outcomes(row)["Gone"][1]
        entry = LedgerEntry.objects.get(wallet__organization=three[1])
        assert (entry.performed_by, entry.reason) == ("staff:ana", "the outage of May")
        history = ana.get(
            reverse("admin:organizations_organization_history", args=[three[1].pk])
        ).content.decode()
        assert "With 2 others. Reason: the outage of May" in history

    def test_happens_once_however_often_it_is_sent(
        self, ana: Client, three: list[Organization]
    ) -> None:
        row = ask(ana, "grant", three[:2], amount="500")

        for _ in range(3):
            confirm(ana, row)
        tasks.resume.apply(throw=True)

        assert granted(three[1]) == [500]

    def test_a_form_that_is_sent_again_asks_for_the_same(
        self, ana: Client, three: list[Organization]
    ) -> None:
        url = form_url("grant", three)
        data = filled(ana, url, amount="500")

        for _ in range(2):
            assert ana.post(url, data).status_code == 302
        assert BulkAction.objects.count() == 1

        other = ana.post(url, {**data, "amount": "600"})
        assert "This form was already used, with other values." in other.content.decode()
        assert BulkAction.objects.count() == 1

    def test_skips_what_is_so_already(self, ana: Client, three: list[Organization]) -> None:
        use(ana, "set-cap", three[0], monthly_cap="50")
        row = ask(ana, "set-cap", three[:2], monthly_cap="50")

        confirm(ana, row)

        assert outcomes(row)["Rich"] == ("skipped", "It is so already.")
        assert outcomes(row)["Poor"][0] == "done"
        assert f.wallet_of(three[1]).config.history.latest().history_why == "the outage of May"

    def test_goes_on_after_a_worker_was_killed(
        self, ana: Client, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = ask(ana, "grant", three[:2], amount="5")
        monkeypatch.setattr(carrying_out, "AT_ONCE", 1)
        confirm(ana, row)
        assert bulk.totals_of(row).done == 1
        assert "1 to go." not in ana.get(page(row)).content.decode()
        assert "A worker goes on with it" in ana.get(page(row)).content.decode()

        def die(of: Any, item: Any) -> None:
            raise OperationalError("server closed the connection")

        with monkeypatch.context() as dying:
            dying.setattr(carrying_out, "do", die)
            with pytest.raises(OperationalError):
                tasks.resume.apply(throw=True)
        assert bulk.totals_of(row).finished == 1

        tasks.resume.apply(throw=True)

        assert bulk.totals_of(row).done == 2
        assert len(granted(three[0])) == 2
        assert granted(three[1]) == [5]

    def test_is_for_who_asked_in_a_day(self, ana: Client, three: list[Organization]) -> None:
        row = ask(ana, "grant", three[:2], amount="5")
        ben = staff_who_may("credits.grant", *SEES)

        assert "ana asked for it" in confirm(ben, row).content.decode().lower()
        with pytest.raises(NotDecidable, match="propose it anew"):
            bulk.confirm(id=row.pk, by="ana", limit=None, now=f.NOW + timedelta(days=1))
        ana.post(page(row, "decide"), {"decision": "refuse"})
        assert "It was given up." in confirm(ana, row).content.decode()
        assert granted(three[1]) == []

    def test_does_nothing_for_who_lost_the_right_meanwhile(
        self, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(carrying_out, "AT_ONCE", 1)
        ben = staff_who_may("credits.grant", "credits.grant_more", *SEES)
        row = ask(ben, "grant", [three[0]], amount="5")
        monkeypatch.setattr(carrying_out, "AT_ONCE", 0)
        confirm(ben, row)
        User.objects.get(username="ben").user_permissions.clear()

        tasks.resume.apply(throw=True)

        assert outcomes(row)["Rich"] == ("failed", "ben may not do this any more.")


class TestSecondPerson:
    @pytest.fixture(autouse=True)
    def limit(self, settings: Any) -> None:
        settings.SECOND_PERSON_ABOVE = Decimal(1000)

    def approver(self) -> Client:
        user = User.objects.create_superuser("zoe")
        return client_of(user)

    def test_the_sum_counts(self, ana: Client, three: list[Organization]) -> None:
        row = ask(ana, "grant", three[:2], amount="600")
        assert "Propose it" in ana.get(page(row)).content.decode()

        confirm(ana, row)

        row.refresh_from_db()
        assert row.state == "waiting"
        assert granted(three[1]) == []

    def test_another_approves_and_both_are_named(
        self, ana: Client, three: list[Organization]
    ) -> None:
        row = ask(ana, "grant", three[:2], amount="600")
        confirm(ana, row)

        self.approver().post(page(row, "decide"), {"decision": "approve"})

        entry = LedgerEntry.objects.get(wallet__organization=three[1])
        assert entry.performed_by == "staff:ana, approved by staff:zoe"
        assert bulk.totals_of(row).done == 2

    def test_pieces_count_together(self, ana: Client, three: list[Organization]) -> None:
        first = ask(ana, "grant", [three[0]], amount="600")
        confirm(ana, first)

        second = ask(ana, "grant", [three[1]], amount="600")
        confirm(ana, second)

        second.refresh_from_db()
        assert second.state == "waiting"

    def test_what_was_moved_there_by_hand_counts(
        self, ana: Client, three: list[Organization]
    ) -> None:
        use(ana, "grant", three[0], amount="900")

        row = ask(ana, "grant", three[:2], amount="200")
        confirm(ana, row)

        row.refresh_from_db()
        assert row.state == "waiting"

    def test_what_came_there_after_the_preview_fails_there(
        self, ana: Client, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = ask(ana, "grant", three[:2], amount="200")
        use(ana, "grant", three[0], amount="900")

        confirm(ana, row)

        assert outcomes(row)["Rich"][0] == "failed"
        assert "too much for one person" in outcomes(row)["Rich"][1]
        assert outcomes(row)["Poor"][0] == "done"

    def test_support_grants_less_alone(self, three: list[Organization], settings: Any) -> None:
        settings.GRANT_ALONE_UP_TO = Decimal(100)
        ben = staff_who_may("credits.grant", *SEES)

        row = ask(ben, "grant", three[:2], amount="60")
        confirm(ben, row)

        row.refresh_from_db()
        assert row.state == "waiting"


class TestPeople:
    def test_a_limit_is_set_for_many(self, ana: Client) -> None:
        organization = f.make_organization()
        people = [p.make_actor(organization, name) for name in ("Ada", "Ben")]

        row = ask(ana, "set-limit", people, cap="40")
        assert "not stopped by the limit" in ana.get(page(row)).content.decode()
        confirm(ana, row)

        assert list(Limit.objects.values_list("cap", flat=True)) == [40, 40]
        assert {item.said for item in bulk.items_of(row)} == {""}

    def test_many_are_switched_off_with_what_becomes_of_each(self, ana: Client) -> None:
        organization = f.make_organization(funded=100)
        people = [p.make_actor(organization, name) for name in ("Ada", "Ben")]
        p.hold(p.work(organization, credits=3, actor=people[0]))

        row = ask(ana, "switch-off", people)
        html = ana.get(page(row)).content.decode()
        assert "1, 3 credits" in html
        confirm(ana, row)

        assert not organization.actors.filter(active=True).exists()

    def test_who_was_refused_is_forgiven_once(self, ana: Client) -> None:
        organization = f.make_organization(funded=100)
        ada = p.make_actor(organization, "Ada")
        p.limit(organization, 10, "actor", actor=ada)
        p.use(p.work(organization, credits=10, actor=ada), 10)
        denials = [refuse(organization, amount, actor=ada) for amount in (5, 7_000)]

        row = ask(ana, "forgive", denials, amount="4")
        item = bulk.items_of(row).get()
        assert (item.actor, item.effect) == (ada, "unblocks")
        confirm(ana, row)

        assert bulk.totals_of(row).done == 1
        assert UsageEvent.objects.filter(source="forgiven").count() == 1

    def test_an_erased_person_has_no_name_in_what_was_done(self, ana: Client) -> None:
        organization = f.make_organization()
        ada = p.make_actor(organization, "Ada Nameless")
        row = ask(ana, "set-limit", [ada], cap="40")
        confirm(ana, row)

        use(ana, "erase-person", organization, actor=str(ada.pk))

        assert "Nameless" not in ana.get(page(row)).content.decode()
        file = b"".join(ana.get(page(row, "csv")).streaming_content)  # type: ignore[attr-defined]
        assert b"Nameless" not in file


class TestHolds:
    @pytest.fixture
    def holds(self) -> list[Reservation]:
        """Two of one organization, one of another; and one that is never selected."""
        first, second = (f.make_organization(name, funded=100) for name in ("One", "Two"))
        made = [f.reserve(each, amount) for each, amount in ((first, 1), (first, 2), (second, 4))]
        f.reserve(first, 8)
        return made

    def statuses(self) -> dict[int, str]:
        rows = Reservation.objects.order_by("credits").values_list("credits", "status")
        return {int(amount): str(status) for amount, status in rows}

    def test_that_are_selected_are_released(self, ana: Client, holds: list[Reservation]) -> None:
        chosen = {
            "action": "many-release-holds",
            "_selected_action": [str(hold.pk) for hold in holds],
        }
        asked = ana.post(list_of(Reservation), chosen, follow=True)
        assert "Release holds for 2 organizations" in asked.content.decode()

        row = ask(ana, "release-holds", holds)
        items = {item.organization.name: item for item in bulk.items_of(row)}
        assert items["One"].figures["How many"] == ["2", "0"]
        assert items["One"].figures["Reserved"] == ["11", "8"]
        assert set(self.statuses().values()) == {"open"}
        confirm(ana, row)

        assert self.statuses() == {**dict.fromkeys((1, 2, 4), "released"), 8: "open"}
        assert outcomes(row)["Two"] == ("done", "1 holds of Two are released.")

    def test_that_come_later_are_not_meant(self, ana: Client, holds: list[Reservation]) -> None:
        url = form_url("release-holds", across="1", q="One")
        row = BulkAction.objects.get(
            pk=ana.post(url, filled(ana, url))["Location"].rstrip("/").split("/")[-2]
        )
        f.reserve(holds[0].wallet.organization, 16)
        f.release(holds[1])

        confirm(ana, row)

        open_ones = [amount for amount, status in self.statuses().items() if status == "open"]
        assert open_ones == [4, 16]

    def test_that_are_closed_are_nobody_s(self, ana: Client, holds: list[Reservation]) -> None:
        f.release(holds[0])
        url = form_url("release-holds", holds[:1])

        assert "Select at least one." in ana.post(url, filled(ana, url)).content.decode()

    def test_are_no_more_than_are_released_at_once(
        self, ana: Client, holds: list[Reservation], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hold_actions, "RELEASED_AT_ONCE", 2)
        url = form_url("release-holds", holds)

        answer = ana.post(url, filled(ana, url))

        assert "At most 2 holds at once" in answer.content.decode()
        assert not BulkAction.objects.exists()

    def test_are_released_by_who_may(self, holds: list[Reservation]) -> None:
        ben = staff_who_may("credits.view_reservation", *SEES)

        assert "many-release-holds" not in ben.get(list_of(Reservation)).content.decode()
        assert ben.get(form_url("release-holds", holds)).status_code == 403


class TestRights:
    def test_only_who_may_do_one_may_do_many(self, three: list[Organization]) -> None:
        ben = staff_who_may(*SEES)

        assert ben.get(form_url("grant", three)).status_code == 403

    def test_only_who_sees_the_list_asks(self, three: list[Organization]) -> None:
        ben = staff_who_may("credits.grant")

        assert ben.get(form_url("grant", three)).status_code == 403

    def test_pages_are_for_who_sees_whom_they_are_about(
        self, ana: Client, three: list[Organization]
    ) -> None:
        row = ask(ana, "grant", three, amount="5")

        for right in SEES:
            if right == "organizations.view_actor":
                continue
            others = [each for each in SEES if each != right]
            client = staff_who_may(*others, name=right.replace(".", "-"))
            assert client.get(page(row)).status_code == 403
            assert client.get(page(row, "csv")).status_code == 403
            assert client.post(page(row, "go-on")).status_code == 403
        ben = staff_who_may(*SEES)
        assert ben.get(page(row)).status_code == 200
        assert ben.post(page(row, "confirm")).status_code == 403
        assert ben.post(page(row, "decide"), {"decision": "approve"}).status_code == 403


class TestSize:
    def test_a_page_asks_no_more_for_a_thousand_than_for_a_few(
        self, ana: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(carrying_out, "AT_ONCE", 0)

        def queries(count: int) -> list[int]:
            made = [f.make_organization(f"Customer {count} {n}") for n in range(count)]
            found = []
            url = form_url("grant", across="1", q=f"Customer {count}")
            data = filled(ana, url, amount="5")
            with CaptureQueriesContext(connection) as asking:
                answer = ana.post(url, data)
            assert answer.status_code == 302
            found.append(len(asking))
            with CaptureQueriesContext(connection) as looking:
                shown = ana.get(answer["Location"])
            assert shown.context["totals"].total == len(made)
            found.append(len(looking))
            return found

        few, many = queries(60), queries(1_000)

        assert many == few
        assert max(many) < 40

    def test_more_than_are_done_at_once_are_refused(
        self, ana: Client, three: list[Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bulk, "MOST", 2)
        url = form_url("grant", across="1")

        answer = ana.post(url, filled(ana, url, amount="5"))

        assert "At most 2 at once" in answer.content.decode()


def test_every_one_names_its_columns() -> None:
    assert len(BY_SLUG) == 6
    for each in BY_SLUG.values():
        assert each.columns
        assert each.title.endswith("…")


def test_a_file_says_what_came_of_each(ana: Client, three: list[Organization]) -> None:
    row = ask(ana, "grant", three, amount="500")
    confirm(ana, row)

    lines = b"".join(ana.get(page(row, "csv")).streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]

    assert lines[0].startswith("organization,organizationId,person,personId")
    assert len(lines) == 4
    assert any("failed" in line and "Gone" in line for line in lines)
