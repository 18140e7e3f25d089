"""The alert centre: the list and its states, what staff do about an alert, and where else it shows."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from organizations import alerts, clock
from organizations.models import Alert, AlertRule, Failure, Organization
from tests import factories as f
from tests.admin.browser import CONFIRMED, fill_in_page
from tests.admin.people import page_of, staff_who_may
from tests.usage.noticed import forget_the_calendar, look, open_alerts, steps_of, the_alert
from usage.admin import alert_words

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "admin:organizations_alert_changelist"
LOOK, CARE = "organizations.view_alert", "organizations.change_alert"
HOUR = timedelta(hours=1)


@pytest.fixture
def alert(transactional_db: None) -> Alert:
    """One of an organization that is in debt."""
    forget_the_calendar()
    organization = f.make_organization("Nordwind Games", funded=10, overdraft_limit=50)
    f.spend(organization, 30)
    look()
    return the_alert("in_debt")


@pytest.fixture
def carer() -> Client:
    return staff_who_may(LOOK, CARE, name="ana")


def page(alert: Alert, deed: str = "") -> str:
    if deed:
        return reverse(f"admin:organizations_alert_{deed}", args=[alert.pk])
    return reverse("admin:organizations_alert_change", args=[alert.pk])


def do(client: Client, alert: Alert, deed: str, **fields: Any) -> Any:
    return client.post(page(alert, deed), {"note": "called them", **fields})


def until(moment: datetime) -> dict[str, str]:
    return {"until_0": f"{moment:%Y-%m-%d}", "until_1": f"{moment:%H:%M:%S}"}


def listed(client: Client, **asked: str) -> list[Alert]:
    return list(client.get(reverse(LIST), asked).context["cl"].result_list)


def html(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


class TestTheList:
    def test_says_of_whom_what_was_seen_and_that_it_needs_somebody(
        self, carer: Client, alert: Alert
    ) -> None:
        shown = html(carer.get(reverse(LIST)))

        assert "Nordwind Games" in shown
        assert "20 credits of debt." in shown
        assert "needs somebody" in shown

    def test_shows_what_is_not_resolved_and_the_rest_where_it_is_asked_for(
        self, carer: Client, alert: Alert
    ) -> None:
        assert listed(carer) == [alert]
        f.grant(Organization.objects.get(), 20)
        look(f.later(minutes=5))

        assert listed(carer) == []
        assert listed(carer, state="resolved") == listed(carer, state="any") == [alert]

    @pytest.mark.parametrize("state", ["open", "acknowledged", "silenced", "resolved"])
    def test_is_narrowed_by_state_and_kind_as_chips(
        self, carer: Client, alert: Alert, state: str
    ) -> None:
        answer = carer.get(reverse(LIST), {"state": state, "kind__exact": "in_debt"})

        assert {chip.label for chip in answer.context["cl"].chips()} == {"state", "kind"}
        assert list(answer.context["cl"].result_list) == ([alert] if state == "open" else [])

    def test_is_found_by_the_name_of_whom_it_is_about_and_by_ids(
        self, carer: Client, alert: Alert
    ) -> None:
        own = alert.organization
        assert own is not None
        for text in ("nordwind", own.public_id, alert.public_id, "in_debt"):
            assert listed(carer, q=text) == [alert], text
        assert listed(carer, q="somebody else") == []

    def test_takes_as_many_statements_for_many_as_for_few(
        self, carer: Client, alert: Alert
    ) -> None:
        carer.get(reverse(LIST))
        with CaptureQueriesContext(connection) as few:
            carer.get(reverse(LIST))
        for number in range(12):
            f.spend(f.make_organization(f"Org {number}", overdraft_limit=50), 30)
        look()

        with CaptureQueriesContext(connection) as many:
            carer.get(reverse(LIST))

        assert len(open_alerts("in_debt")) == 13
        assert len(many) == len(few)

    def test_is_closed_to_whoever_may_not_see_alerts(self, alert: Alert) -> None:
        client = staff_who_may("organizations.view_job")

        assert client.get(reverse(LIST)).status_code == 403
        assert client.get(page(alert)).status_code == 403


class TestTakingCare:
    def test_acknowledging_says_who_and_why(self, carer: Client, alert: Alert) -> None:
        answer = do(carer, alert, "acknowledge")

        assert answer.url == page(alert)
        alert.refresh_from_db()
        assert alert.state(clock.now()) == "acknowledged"
        assert alert.acknowledged_by == "staff:ana"
        shown = html(carer.get(page(alert)))
        assert "called them" in shown
        assert "acknowledged by staff:ana" in shown.replace("</span>", "")

    def test_needs_a_reason(self, carer: Client, alert: Alert) -> None:
        answer = do(carer, alert, "acknowledge", note=" ")

        assert answer.context["form"].errors.keys() == {"note"}
        assert steps_of(alert) == ["fired"]

    def test_is_undone(self, carer: Client, alert: Alert) -> None:
        do(carer, alert, "acknowledge")

        do(carer, alert, "reopen")
        again = do(carer, alert, "reopen")

        alert.refresh_from_db()
        assert alert.state(clock.now()) == "open"
        assert "Nobody has acknowledged it" in str(again.context["form"].errors)
        assert steps_of(alert) == ["fired", "acknowledged", "reopened"]

    def test_silencing_holds_until_its_moment(self, carer: Client, alert: Alert) -> None:
        end = clock.now() + HOUR
        do(carer, alert, "silence", **until(end))

        alert.refresh_from_db()
        assert alert.state(end - 2 * timedelta(seconds=1)) == "silenced"
        assert alert.state(end) == "open"
        assert list(alerts.needing_somebody(now=clock.now())) == []
        assert list(alerts.needing_somebody(now=end)) == [alert]

    def test_a_silence_is_ended_before_its_time(self, carer: Client, alert: Alert) -> None:
        do(carer, alert, "silence", **until(clock.now() + HOUR))

        do(carer, alert, "end-silence")

        alert.refresh_from_db()
        assert alert.state(clock.now()) == "open"
        assert steps_of(alert) == ["fired", "silenced", "unsilenced"]

    def test_a_silence_that_is_over_already_is_refused_at_its_field(
        self, carer: Client, alert: Alert
    ) -> None:
        answer = do(carer, alert, "silence", **until(clock.now() - HOUR))

        assert answer.context["form"].errors.keys() == {"until"}

    def test_a_silence_outlasts_what_it_was_said_of(self, carer: Client, alert: Alert) -> None:
        end = f.later(days=2)
        by: dict[str, Any] = {"note": "n", "performed_by": "a", "now": f.NOW}
        alerts.silence(alert=alert, until=end, **by)
        organization = Organization.objects.get()
        f.grant(organization, 20)
        look(f.later(hours=1))
        f.spend(organization, 30)

        look(f.later(hours=2))

        other = the_alert("in_debt")
        assert other != alert
        assert (other.state(f.later(hours=2)), other.silenced_until) == ("silenced", end)

    def test_a_silence_that_was_ended_does_not_come_back(self, carer: Client, alert: Alert) -> None:
        by: dict[str, Any] = {"note": "n", "performed_by": "a", "now": f.NOW}
        alerts.silence(alert=alert, until=f.later(days=2), **by)
        organization = Organization.objects.get()
        f.grant(organization, 20)
        look(f.later(hours=1))
        f.spend(organization, 30)
        look(f.later(hours=2))

        alerts.end_silence(alert=the_alert("in_debt"), **by | {"now": f.later(hours=2)})
        f.grant(organization, 30)
        look(f.later(hours=3))
        f.spend(organization, 40)
        look(f.later(hours=4))

        assert the_alert("in_debt").silenced_until is None

    def test_of_what_is_resolved_is_refused(self, carer: Client, alert: Alert) -> None:
        f.grant(Organization.objects.get(), 20)
        look(f.later(minutes=5))

        answer = do(carer, alert, "acknowledge")

        assert "It is not true any more" in str(answer.context["form"].errors)

    def test_offers_what_fits_to_whoever_may(self, carer: Client, alert: Alert) -> None:
        assert [deed.slug for deed in carer.get(page(alert)).context["deeds"]] == [
            "acknowledge",
            "silence",
        ]
        reader = staff_who_may(LOOK)
        assert reader.get(page(alert)).context["deeds"] == []
        assert do(reader, alert, "acknowledge").status_code == 403
        assert reader.get(page(alert, "silence")).status_code == 403

    def test_leaves_no_note_in_the_log_of_the_admin(self, carer: Client, alert: Alert) -> None:
        do(carer, alert, "acknowledge")

        assert not LogEntry.objects.filter(change_message__contains="called").exists()

    def test_of_an_id_that_is_none_is_not_found(self, carer: Client, alert: Alert) -> None:
        alert.pk = Organization.objects.get().pk

        assert do(carer, alert, "acknowledge").status_code == 404


MANY = "admin:organizations_alert_many"


@pytest.fixture
def three(alert: Alert) -> list[Alert]:
    """That one, and two more of others."""
    for number in range(2):
        f.spend(f.make_organization(f"Org {number}", overdraft_limit=50), 30)
    look()
    return open_alerts("in_debt")


def choose(client: Client, deed: str, rows: list[Alert], **options: str) -> str:
    """Select rows on the list, and return the address of the form that asks."""
    data = {"action": f"many-{deed}", "_selected_action": [str(row.pk) for row in rows], **options}
    return str(client.post(reverse(LIST), data).headers["Location"])


def confirm(client: Client, address: str, preview: Any, **fields: Any) -> Any:
    shown = preview.context["shown"]
    data = {"note": "one cause", "step": "confirm", "shown": shown, **fields}
    return client.post(address, data, follow=True)


class TestManyAtOnce:
    def test_acknowledges_those_that_were_shown(self, carer: Client, three: list[Alert]) -> None:
        address = choose(carer, "acknowledge", three[:2])
        preview = carer.post(address, {"note": "one cause", "step": "preview"})
        shown = html(preview)

        assert "20 credits of debt." in shown
        assert "2 become <b>acknowledged</b>" in shown
        assert [steps_of(each) for each in three] == [["fired"]] * 3, "nothing is done yet"

        answer = confirm(carer, address, preview)

        assert "2 acknowledged." in html(answer)
        states = [Alert.objects.get(pk=each.pk).state(clock.now()) for each in three]
        assert states == ["acknowledged", "acknowledged", "open"]
        step = three[0].steps.get(what="acknowledged")
        assert (step.by, step.note) == ("staff:ana", "one cause")

    def test_does_nothing_twice(self, carer: Client, three: list[Alert]) -> None:
        address = choose(carer, "acknowledge", three)
        preview = carer.post(address, {"note": "one cause", "step": "preview"})

        confirm(carer, address, preview)
        again = confirm(carer, address, preview)

        assert "0 acknowledged. 3 are left as they were." in html(again)
        assert [steps_of(each) for each in three] == [["fired", "acknowledged"]] * 3

    def test_silences_all_that_the_filters_leave(self, carer: Client, three: list[Alert]) -> None:
        end = clock.now() + HOUR
        listed_at = f"{reverse(LIST)}?kind__exact=in_debt"
        data = {
            "action": "many-silence",
            "_selected_action": [str(three[0].pk)],
            "select_across": "1",
        }
        address = carer.post(listed_at, data).headers["Location"]
        preview = carer.post(address, {"note": "known", "step": "preview", **until(end)})
        f.spend(f.make_organization("Later", overdraft_limit=50), 30)
        look(f.later(minutes=1))

        answer = confirm(carer, address, preview, **until(end))

        assert "3 silenced." in html(answer)
        assert answer.request["QUERY_STRING"] == "kind__exact=in_debt"
        states = {each.state(clock.now()) for each in open_alerts("in_debt")[:3]}
        assert states == {"silenced"}
        assert [
            each.organization.name
            for each in alerts.needing_somebody(now=clock.now())
            if each.organization
        ] == ["Later"], "what was not shown is not meant"

    def test_leaves_what_is_over_and_what_is_so_already(
        self, carer: Client, three: list[Alert]
    ) -> None:
        do(carer, three[0], "acknowledge")
        assert three[1].organization is not None
        f.grant(three[1].organization, 30)
        look(f.later(minutes=5))
        address = choose(carer, "acknowledge", three)

        preview = carer.post(address, {"note": "one cause", "step": "preview"})

        assert "1 becomes <b>acknowledged</b>; 2 stay as they are" in html(preview)
        assert "1 acknowledged. 2 are left as they were." in html(confirm(carer, address, preview))

    def test_asks_for_a_reason_and_for_a_moment_that_is_to_come(
        self, carer: Client, three: list[Alert]
    ) -> None:
        address = choose(carer, "silence", three)
        past = until(clock.now() - HOUR)

        unsaid = carer.post(address, {"note": " ", "step": "preview", **past})
        late = confirm(carer, address, unsaid, **past)

        assert unsaid.context["form"].errors.keys() == {"note"}
        assert late.context["form"].errors.keys() == {"until"}
        assert [steps_of(each) for each in three] == [["fired"]] * 3

    def test_keeps_what_was_typed_where_one_goes_back(
        self, carer: Client, three: list[Alert]
    ) -> None:
        address = choose(carer, "acknowledge", three)
        data = {"note": "one cause", "step": "edit", "shown": str(three[0].pk)}

        shown = html(carer.post(address, data))

        assert 'value="one cause"' in shown
        assert "See the effect" in shown

    def test_is_for_who_may_take_care(self, three: list[Alert]) -> None:
        reader = staff_who_may(LOOK)
        address = f"{reverse(MANY, args=['acknowledge'])}?ids={three[0].pk}"

        assert "many-acknowledge" not in html(reader.get(reverse(LIST)))
        assert reader.get(address).status_code == 403
        data = {"note": "n", "step": "confirm", "shown": str(three[0].pk)}
        assert reader.post(address, data).status_code == 403
        assert steps_of(three[0]) == ["fired"]

    def test_knows_what_is_done_to_many(self, carer: Client, three: list[Alert]) -> None:
        assert carer.get(reverse(MANY, args=["reopen"])).status_code == 404
        nobody = carer.get(f"{reverse(MANY, args=['acknowledge'])}?ids=x")
        assert "None is selected any more" in html(nobody)

    def test_takes_as_many_statements_for_many_as_for_few(
        self, carer: Client, three: list[Alert]
    ) -> None:
        def count(rows: list[Alert]) -> int:
            address = choose(carer, "acknowledge", rows)
            preview = carer.post(address, {"note": "n", "step": "preview"})
            with CaptureQueriesContext(connection) as captured:
                confirm(carer, address, preview)
            return len(captured)

        count(three[:1])
        few = count(three[1:2])
        for number in range(9):
            f.spend(f.make_organization(f"More {number}", overdraft_limit=50), 30)
        look()

        assert count(open_alerts("in_debt")) == few


class TestElsewhere:
    def test_stands_on_the_page_of_the_organization(self, alert: Alert) -> None:
        own = alert.organization
        assert own is not None
        look_at = ("organizations.view_organization", LOOK)
        shown = html(staff_who_may(*look_at).get(page_of(own, "overview")))

        assert "20 credits of debt." in shown
        assert page(alert) in shown

    def test_stands_there_for_nobody_who_may_not_see_it(self, alert: Alert) -> None:
        own = alert.organization
        assert own is not None

        answer = staff_who_may("organizations.view_organization").get(page_of(own, "overview"))

        assert "credits of debt." not in html(answer)

    def test_counts_beside_the_menu_until_somebody_takes_care(
        self, carer: Client, alert: Alert
    ) -> None:
        assert badge(carer) == "1"

        do(carer, alert, "acknowledge")

        assert badge(carer) is None

    def test_a_failure_counts_once(self, carer: Client, transactional_db: None) -> None:
        forget_the_calendar()
        Failure.objects.create(
            kind="renew", error="no", first_failed_at=f.NOW, last_failed_at=f.NOW
        )
        look()

        assert badge(carer) == "1"
        (alert,) = listed(carer)
        shown = html(staff_who_may(LOOK, "organizations.view_failure").get(page(alert)))
        assert reverse("admin:organizations_failure_changelist") in shown


def badge(client: Client) -> str | None:
    groups = client.get(reverse(LIST)).context["sidebar_navigation"]
    room = next(
        line for group in groups for line in group["items"] if line["title"] == "Operations"
    )
    found: str | None = room.get("badge")
    return found


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ("0", "within a day"),
        ("1", "in a day, at the earliest within a day"),
        ("12", "in 12 days, at the earliest within a day"),
    ],
)
def test_days_are_told_as_people_say_them(days: str, said: str) -> None:
    figures = {"left": "7.5", "aDay": "10.123456", "days": days, "earliestDays": "0"}

    sentence = alert_words.said(Alert(kind=Alert.Kind.DRY_SOON, figures=figures))

    assert sentence == (f"7.50 credits are left, likely none {said}; 10.12 are used in a day.")


class TestRules:
    RULE = "admin:organizations_alertrule"

    def test_of_everybody_are_there_and_stay(self, ana: Client) -> None:
        rule = AlertRule.objects.get()

        assert "everybody" in html(ana.get(reverse(f"{self.RULE}_changelist")))
        answer = ana.post(reverse(f"{self.RULE}_delete", args=[rule.pk]), {"post": "yes"})
        assert answer.status_code == 403

    def test_of_an_organization_are_added_with_a_reason_and_deleted(self, ana: Client) -> None:
        organization = f.make_organization()
        add = reverse(f"{self.RULE}_add")
        data = {"organization": str(organization.pk), "near_cap_percent": "50"}

        ana.post(add, fill_in_page(ana, add) | data | CONFIRMED)

        rule = AlertRule.objects.get(organization=organization)
        assert (rule.near_cap_percent, rule.dry_within_days) == (50, None)
        kept = rule.history.get()
        assert kept.history_change_reason == "staff:ana"
        ana.post(reverse(f"{self.RULE}_delete", args=[rule.pk]), {"post": "yes", **CONFIRMED})
        assert not AlertRule.objects.filter(organization=organization).exists()

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("near_cap_percent", "101"),
            ("near_cap_percent", "0"),
            ("cap_within_days", "0"),
            ("dry_within_days", "91"),
            ("debt_growth", "0"),
            ("debt_above", "-1"),
            ("refusals_factor", "0.5"),
            ("refusals_factor", "x"),
        ],
    )
    def test_with_a_number_that_makes_no_sense_are_refused_at_its_field(
        self, ana: Client, field: str, value: str
    ) -> None:
        rule = AlertRule.objects.get()
        change = reverse(f"{self.RULE}_change", args=[rule.pk])

        answer = ana.post(change, fill_in_page(ana, change) | {field: value} | CONFIRMED)

        assert field in answer.context["adminform"].form.errors

    def test_of_one_organization_are_one(self, ana: Client) -> None:
        organization = f.make_organization()
        AlertRule.objects.create(organization=organization)
        add = reverse(f"{self.RULE}_add")
        data = {"organization": str(organization.pk), "near_cap_percent": "50"}

        answer = ana.post(add, fill_in_page(ana, add) | data | CONFIRMED)

        assert "organization" in answer.context["adminform"].form.errors
