"""The pages of jobs, failures and findings: what they show, who sees them, and the one button there is."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from organizations import jobs
from organizations.admin.cells import duration
from organizations.models import Failure, Finding, Job, Organization, Tick
from tests.admin.people import page_of, staff_who_may
from tests.admin.test_pages import found, list_of, page, queries_of
from tests.factories import NOW, later, make_organization

pytestmark = pytest.mark.django_db(transaction=True)

MODELS: list[type[Model]] = [Job, Failure, Finding]
EVIL = "<script>alert(1)</script>"


def job(kind: str = "renew", *, total: int = 10, done: int = 0, **fields: Any) -> Job:
    usual = {"due_at": NOW, "started_at": later(seconds=-40)}
    return Job.objects.create(kind=kind, total=total, done=done, **{**usual, **fields})


def failure(organization: Organization | None = None, **fields: Any) -> Failure:
    usual = {"kind": "renew", "attempts": 3, "error": "ValueError: broken\nin the second line"}
    usual |= {"first_failed_at": later(minutes=-7), "last_failed_at": NOW, "next_try_at": None}
    return Failure.objects.create(organization=organization, **{**usual, **fields})


def finding(of: Job, organization: Organization | None = None, **fields: Any) -> Finding:
    usual = {"check_name": "the balance is the sum", "subject": "wallet 7", "detail": "off by 3"}
    return Finding.objects.create(job=of, organization=organization, **{**usual, **fields})


def world() -> Organization:
    """Make a running job with a lease, a failure and a finding."""
    organization = make_organization("Nordwind")
    running = job(total=20_000, done=12_400, failed=3)
    running.leases.create(size=200, worker="w1/42", until=organization.id, expires_at=NOW)
    failure(organization, job=running)
    finding(running, organization)
    return organization


def rows(client: Client, model: type[Model], **query: str) -> list[Any]:
    return list(client.get(list_of(model), query).context["cl"].result_list)


def html(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return str(answer.content.decode())


class TestEveryPage:
    def test_opens_with_rows(self, ana: Client) -> None:
        world()

        for model in MODELS:
            row = model._default_manager.get()
            urls = [list_of(model), page(model, "change", row.pk), page(model, "history", row.pk)]
            assert [ana.get(url).status_code for url in urls] == [200] * 3

    @pytest.mark.parametrize("model", MODELS)
    def test_is_closed_to_staff_without_its_permission(self, model: type[Model]) -> None:
        world()
        client = staff_who_may()

        row = model._default_manager.get()

        assert client.get(list_of(model)).status_code == 403
        assert client.get(page(model, "change", row.pk)).status_code == 403

    @pytest.mark.parametrize("model", MODELS)
    def test_is_not_written_by_post(self, ana: Client, model: type[Model]) -> None:
        world()
        row = model._default_manager.get()
        before = list(model._default_manager.values())

        answers = [
            ana.post(page(model, "add"), {"kind": "x"}),
            ana.post(page(model, "change", row.pk), {"kind": "x"}),
            ana.post(page(model, "delete", row.pk), {"post": "yes"}),
        ]
        ana.post(list_of(model), {"action": "delete_selected", "_selected_action": [row.pk]})

        assert [answer.status_code for answer in answers] == [403, 403, 403]
        assert list(model._default_manager.values()) == before

    @pytest.mark.parametrize("model", MODELS)
    def test_asks_as_often_for_many_rows_as_for_few(self, ana: Client, model: type[Model]) -> None:
        world()
        few = len(queries_of(ana, list_of(model)))
        for number in range(4):
            organization = make_organization(f"More {number}")
            other = job("reconcile", finished_at=NOW)
            failure(organization, job=other)
            finding(other, organization)

        assert len(queries_of(ana, list_of(model))) == few

    def test_escapes_errors_and_what_customers_wrote(self, ana: Client) -> None:
        organization = make_organization(EVIL)
        running = job(EVIL[:40])
        running.leases.create(size=1, worker=EVIL, expires_at=NOW)
        failed = failure(organization, job=running, kind=EVIL[:40], error=f"{EVIL}\n{EVIL}")
        wrong = finding(running, organization, check_name=EVIL, subject=EVIL, detail=EVIL)

        urls = [list_of(model) for model in MODELS] + [reverse("admin:index")]
        urls += [page(type(row), "change", row.pk) for row in (running, failed, wrong)]

        for url in urls:
            shown = html(ana, url)
            assert "<script>alert" not in shown, url
            assert "&lt;script&gt;alert" in shown, url


class TestJobs:
    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            (
                {"total": 20_000, "done": 12_400, "failed": 3},
                ["12,400 of 20,000", "3 failed", "width:62.0%"],
            ),
            (
                {"total": 3, "done": 3, "finished_at": NOW},
                ["3 of 3", "width:100.0%", "width:0%"],
            ),
            (
                {"total": 10, "done": 7, "failed": 1, "finished_at": NOW},
                ["7 of 10", "1 failed", "width:10.0%"],
            ),
            ({"total": 10, "done": 12}, ["12 of 10", "width:100.0%"]),
        ],
    )
    def test_show_how_far_they_are(
        self, ana: Client, fields: dict[str, Any], words: list[str]
    ) -> None:
        one = job(**fields)

        for url in (list_of(Job), page(Job, "change", one.pk)):
            shown = html(ana, url)
            assert not [text for text in words if text not in shown]

    def test_say_in_a_word_how_they_stand(self, ana: Client) -> None:
        one = job(finished_at=NOW, done=10)
        assert "pill-good" in html(ana, list_of(Job))

        finding(one)
        Job.objects.update(failed=1)

        shown = html(ana, list_of(Job))
        assert "pill-good" not in shown
        assert '<span class="pill pill-warn">with failures</span>' in shown
        assert '<span class="pill pill-bad">with findings</span>' in shown

    @pytest.mark.parametrize(
        ("query", "kinds"),
        [
            ({"state": "running"}, ["a"]),
            ({"state": "finished"}, ["b", "c"]),
            ({"state": "failures"}, ["b"]),
            ({"state": "findings"}, ["c"]),
            ({"state": "'; --"}, ["a", "b", "c"]),
            ({"kind": "b"}, ["b"]),
            ({"started_at_from_0": "2026-05-11", "started_at_from_1": "00:00:00"}, ["a"]),
        ],
    )
    def test_are_filtered(self, ana: Client, query: dict[str, str], kinds: list[str]) -> None:
        job("a", started_at=later(days=2))
        job("b", failed=1, finished_at=NOW)
        finding(job("c", finished_at=NOW))

        assert sorted(row.kind for row in rows(ana, Job, **query)) == kinds

    def test_show_who_has_which_part(self, ana: Client) -> None:
        organization = world()

        shown = html(ana, page(Job, "change", Job.objects.get().pk))

        assert "w1/42" in shown
        assert organization.public_id in shown
        assert "anybody may take it over" in shown

    def test_lead_to_the_organizations_that_failed_or_were_found(self, ana: Client) -> None:
        organization = world()
        one = Job.objects.get()

        answer = ana.get(page(Job, "change", one.pk))

        assert f'href="{page_of(organization)}">Nordwind</a>' in answer.content.decode()
        assert list(answer.context["failures"]) == [Failure.objects.get()]
        assert list(answer.context["findings"]) == [Finding.objects.get()]
        assert rows(ana, Finding, job__id__exact=str(one.pk)) == [Finding.objects.get()]
        assert rows(ana, Failure, job__id__exact=str(one.pk)) == [Failure.objects.get()]

    def test_show_nothing_of_themselves_to_who_may_not_see_them(self) -> None:
        world()
        client = staff_who_may("organizations.view_failure")

        answer = client.get(page(Job, "change", Job.objects.get().pk))

        assert answer.status_code == 403
        assert "Nordwind" not in answer.content.decode()

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (-1, "0.0 s"),
            (0.44, "0.4 s"),
            (9.96, "10.0 s"),
            (59.6, "1 min 0 s"),
            (61, "1 min 1 s"),
            (4_510, "1 h 15 min"),
            (3_600_000, "1,000 h 0 min"),
        ],
    )
    def test_say_how_long_they_took(self, seconds: float, text: str) -> None:
        assert duration(timedelta(seconds=seconds)) == text


class TestFailures:
    def test_name_the_organization_the_error_and_the_next_try(self, ana: Client) -> None:
        one, other, third = (make_organization(name) for name in ("One", "Other", "Third"))
        failure(one)
        failure(other, next_try_at=later(minutes=5))
        failure(third, next_try_at=NOW)

        shown = html(ana, list_of(Failure))

        assert f'href="{page_of(one)}">One</a>' in shown
        assert "ValueError: broken" in shown
        assert "in the second line" not in shown
        assert "waits for staff" in shown
        assert f"at {later(minutes=5):%H:%M:%S}" in shown
        assert "next run" in shown

    @pytest.mark.parametrize(
        ("state", "kinds"),
        [("open", ["a", "b"]), ("waits", ["a"]), ("resolved", ["c"]), ("x", ["a", "b", "c"])],
    )
    def test_are_filtered_by_state(self, ana: Client, state: str, kinds: list[str]) -> None:
        failure(kind="a")
        failure(kind="b", next_try_at=later(minutes=1))
        failure(kind="c", resolved_at=NOW)

        assert sorted(row.kind for row in rows(ana, Failure, state=state)) == kinds

    def test_are_found_by_organization_and_by_words(self, ana: Client) -> None:
        world()
        organization = Organization.objects.get()
        failure(kind="prune", error="DataError: else")

        for text in (organization.public_id, "nordwind", "ValueError"):
            assert found(ana, Failure, text) == [Failure.objects.get(organization=organization)]


class TestTryAgain:
    def url(self, of: Failure) -> str:
        return reverse("admin:organizations_failure_try_again", args=[of.pk])

    def test_happens_with_the_next_run(self, ana: Client) -> None:
        failed = failure(make_organization())

        answer = ana.post(self.url(failed), follow=True)

        failed.refresh_from_db()
        assert (failed.attempts, failed.next_try_at) == (0, NOW)
        assert "1 failure will be tried again" in answer.content.decode()

    @pytest.mark.parametrize(
        ("referer", "back"),
        [
            ("http://testserver/admin/?state=waits", "http://testserver/admin/?state=waits"),
            ("https://elsewhere.example/", "/admin/organizations/failure/"),
            ("", "/admin/organizations/failure/"),
        ],
    )
    def test_leads_back_to_where_it_was_pressed(self, ana: Client, referer: str, back: str) -> None:
        answer = ana.post(self.url(failure()), headers={"referer": referer})

        assert answer.headers["location"] == back

    def test_is_written_into_its_history(self, ana: Client) -> None:
        failed = failure(make_organization())

        ana.post(self.url(failed))

        entry = LogEntry.objects.get()
        assert (entry.user.get_username(), entry.object_id) == ("ana", str(failed.pk))
        assert entry.get_change_message() == "Try again with the next run."
        assert "Try again with the next run." in html(ana, page(Failure, "history", failed.pk))

    def test_happens_once(self, ana: Client) -> None:
        failed = failure(make_organization())

        ana.post(self.url(failed))
        Failure.objects.update(attempts=1)
        answer = ana.post(self.url(failed), follow=True)

        failed.refresh_from_db()
        assert failed.attempts == 1
        assert LogEntry.objects.count() == 1
        assert "1 was left as is" in answer.content.decode()

    @pytest.mark.parametrize("fields", [{"resolved_at": NOW}, {"next_try_at": NOW}])
    def test_changes_nothing_where_nothing_waits(self, fields: dict[str, Any]) -> None:
        failed = failure(**fields)

        assert not jobs.try_again(failed, now=NOW)

        failed.refresh_from_db()
        assert failed.attempts == 3

    def test_is_offered_only_where_something_waits(self, ana: Client) -> None:
        waits = failure(make_organization("One"))
        over = failure(make_organization("Two"), resolved_at=NOW)

        shown = html(ana, list_of(Failure))

        assert f'formaction="{self.url(waits)}"' in shown
        assert self.url(over) not in shown
        assert self.url(waits) in html(ana, page(Failure, "change", waits.pk))
        assert self.url(over) not in html(ana, page(Failure, "change", over.pk))

    def test_needs_the_right_to_change_failures(self) -> None:
        failed = failure(make_organization())
        client = staff_who_may("organizations.view_failure")

        answer = client.post(self.url(failed))
        chosen = {"action": "try_again_selected", "_selected_action": [failed.pk]}
        client.post(list_of(Failure), chosen)

        failed.refresh_from_db()
        assert answer.status_code == 403
        assert failed.attempts == 3
        assert self.url(failed) not in html(client, list_of(Failure))
        assert self.url(failed) not in html(client, page(Failure, "change", failed.pk))

    def test_is_a_button_and_no_link(self, ana: Client) -> None:
        failed = failure(make_organization())

        assert ana.get(self.url(failed)).status_code == 405
        assert failed.attempts == 3

    def test_is_refused_without_the_token_of_the_page(self, ana: Client) -> None:
        failed = failure(make_organization())
        stranger = Client(enforce_csrf_checks=True)
        stranger.cookies = ana.cookies

        assert stranger.post(self.url(failed)).status_code == 403

    def test_of_what_is_not_there_is_404(self, ana: Client) -> None:
        url = reverse("admin:organizations_failure_try_again", args=[999_999_999])

        assert ana.post(url).status_code == 404

    def test_takes_several_at_once(self, ana: Client) -> None:
        failed = [failure(make_organization(name)) for name in ("One", "Two")]
        over = failure(make_organization("Three"), resolved_at=NOW)
        chosen = [row.pk for row in (*failed, over)]

        data = {"action": "try_again_selected", "_selected_action": chosen}
        answer = ana.post(list_of(Failure), data, follow=True)

        assert "2 failures will be tried again" in answer.content.decode()
        assert "1 was left as is" in answer.content.decode()
        assert list(Failure.objects.order_by("pk").values_list("attempts", flat=True)) == [0, 0, 3]


class TestFindings:
    def test_name_check_subject_and_organization(self, ana: Client) -> None:
        organization = world()

        shown = html(ana, list_of(Finding))

        for text in ("the balance is the sum", "wallet 7", "off by 3", page_of(organization)):
            assert text in shown

    def test_are_filtered_by_check(self, ana: Client) -> None:
        one = job()
        finding(one, check_name="a")
        finding(one, check_name="b")

        assert [row.check_name for row in rows(ana, Finding, check_name="b")] == ["b"]


class TestIndex:
    @pytest.fixture(autouse=True)
    def _on_time(self, transactional_db: None) -> None:
        PeriodicTask.objects.update(date_changed=NOW, last_run_at=NOW)
        for task in PeriodicTask.objects.all():
            Tick.objects.create(task=task.task, ticked_at=NOW)

    def test_says_nothing_when_all_is_well(self, ana: Client) -> None:
        shown = html(ana, reverse("admin:index"))

        assert "All is well" in shown
        assert "due since" not in shown

    def test_says_what_is_switched_off(self, ana: Client) -> None:
        assert "switched off" not in html(ana, reverse("admin:index"))
        PeriodicTask.objects.filter(name="renew").update(enabled=False)

        assert "Renewals are switched off." in html(ana, reverse("admin:index"))

    def test_says_that_the_clock_is_not_believed(
        self, ana: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "All is well" in html(ana, reverse("admin:index"))
        monkeypatch.setattr("organizations.clock.doubt", lambda: timedelta(hours=-23))

        assert "database&#x27;s clock is 23:00:00 behind what is counted" in html(
            ana, reverse("admin:index")
        )

    def test_says_which_tasks_are_late_and_since_when(self, ana: Client) -> None:
        Tick.objects.filter(task="credits.tasks.renew").update(ticked_at=later(minutes=-10))

        shown = html(ana, reverse("admin:index"))

        assert "Renewals are late, due since" in shown
        assert f"{later(minutes=-10, seconds=20):%Y-%m-%d %H:%M:%S}" in shown
        assert "<td>renew</td>" in shown
        assert "<td>prune</td>" not in shown

    def test_names_the_work_that_waits_for_staff(self, ana: Client) -> None:
        one, other = make_organization("Nordwind"), make_organization("Südwind")
        waits = failure(one)
        failure(other, next_try_at=later(minutes=1))
        failure(kind="prune")

        shown = html(ana, reverse("admin:index"))

        assert page(Failure, "change", waits.pk) in shown
        assert "of Nordwind" in shown
        assert "ValueError: broken" in shown
        assert "3 attempts" in shown
        assert "of the whole database" in shown
        assert "of Südwind" not in shown

    def test_names_no_work_to_staff_who_may_not_open_its_page(self) -> None:
        waits = failure(make_organization("Nordwind"))

        shown = html(staff_who_may("credits.view_wallet"), reverse("admin:index"))

        assert page(Failure, "change", waits.pk) not in shown

    def test_asks_as_often_for_many_failures_as_for_few(self, ana: Client) -> None:
        failure(make_organization("One"))
        few = len(queries_of(ana, reverse("admin:index")))
        for number in range(4):
            failure(make_organization(f"More {number}"))

        assert len(queries_of(ana, reverse("admin:index"))) == few
