"""How staff log in: pauses after failures, a second factor, logins that end, and showing again who is there."""

import re
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory
from django.urls import reverse
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from config import csp
from config.lockout import address_of
from tests.admin.browser import fill_in_page
from tests.admin.people import staff_who_may
from tests.factories import later, make_key, make_organization

pytestmark = pytest.mark.django_db(transaction=True)

LOGIN = "/admin/login/"
INDEX = "/admin/"
FACTOR = "/admin/second-factor/"
PASSWORD = "a good one"


@pytest.fixture
def dora(transactional_db: None) -> User:
    """Dora is a superuser with a password."""
    return User.objects.create_superuser("dora", password=PASSWORD)


def log_in(client: Client, *, password: str = PASSWORD, name: str = "dora", **extra: Any) -> Any:
    return client.post(LOGIN, {"username": name, "password": password}, **extra)


def fail(client: Client, times: int, **extra: Any) -> list[int]:
    return [log_in(client, password="wrong", **extra).status_code for _ in range(times)]


def give_device(user: User) -> TOTPDevice:
    device: TOTPDevice = TOTPDevice.objects.create(user=user, name="App", confirmed=True)
    return device


def code_of(device: TOTPDevice) -> str:
    return f"{totp(device.bin_key):06}"


def goes_to(answer: Any) -> str:
    assert answer.status_code == 302, answer.status_code
    return str(answer.headers["location"]).partition("?")[0]


class TestLockout:
    def test_pauses_a_name_at_one_address_after_five_failures(self, dora: User) -> None:
        client = Client()

        assert fail(client, 5) == [200, 200, 200, 200, 429]
        answer = log_in(client)

        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "900"
        assert "Wait 15 minutes" in answer.content.decode()
        assert log_in(Client(REMOTE_ADDR="192.0.2.7")).status_code == 302

    def test_ends_by_itself_however_often_somebody_goes_on_trying(self, dora: User) -> None:
        client = Client()
        fail(client, 5)
        with time_machine.travel(later(minutes=14), tick=False):
            assert set(fail(client, 3)) == {429}

        with time_machine.travel(later(minutes=15, seconds=1), tick=False):
            assert goes_to(log_in(client)) == INDEX

    def test_pauses_a_name_everywhere_after_fifty_failures(self, dora: User) -> None:
        answers = [
            fail(Client(), 4, REMOTE_ADDR=f"192.0.2.{number}")[-1] for number in range(1, 14)
        ]

        assert answers[:12] == [200] * 12
        assert log_in(Client(), REMOTE_ADDR="198.51.100.1").status_code == 429
        assert (
            log_in(Client(), name="ana", password="x", REMOTE_ADDR="192.0.2.1").status_code == 200
        )

    def test_forgets_failures_once_somebody_is_in(self, dora: User) -> None:
        client = Client()
        fail(client, 4)
        log_in(client)

        assert fail(Client(), 4) == [200] * 4

    def test_does_not_believe_what_a_caller_says_of_its_address(self, dora: User) -> None:
        answers = [
            fail(Client(), 1, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")[0] for number in range(5)
        ]

        assert answers[-1] == 429

    def test_keeps_failures_for_staff_to_see_without_the_password(
        self, dora: User, ana: Client
    ) -> None:
        fail(Client(), 2, REMOTE_ADDR="192.0.2.7")

        page = ana.get(reverse("admin:axes_accessfailurelog_changelist")).content.decode()

        assert page.count("192.0.2.7") == 2
        assert "dora" in page
        assert "wrong" not in AccessAttempt.objects.get().post_data
        assert AccessFailureLog.objects.count() == 2

    def test_is_not_written_by_staff(self, dora: User, ana: Client) -> None:
        fail(Client(), 1)

        for model in (AccessFailureLog, AccessAttempt):
            url = f"admin:axes_{model._meta.model_name}_delete"
            answer = ana.post(reverse(url, args=[model.objects.get().pk]), {"post": "yes"})
            assert answer.status_code == 403

    def test_needs_no_address_in_a_shell(self, dora: User) -> None:
        assert authenticate(username="dora", password=PASSWORD) == dora


class TestAddress:
    @pytest.mark.parametrize(
        ("proxies", "header", "address"),
        [
            (0, "203.0.113.9", "192.0.2.1"),
            (1, "203.0.113.9", "203.0.113.9"),
            (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),
            (2, "1.1.1.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
            (2, "203.0.113.9", "192.0.2.1"),
            (1, "", None),
            (1, "nonsense", None),
            (1, "2001:db8::1", "2001:db8::1"),
        ],
    )
    def test_is_what_our_own_proxies_saw(
        self, settings: Any, proxies: int, header: str, address: str | None
    ) -> None:
        settings.TRUSTED_PROXIES = proxies
        request = RequestFactory(REMOTE_ADDR="192.0.2.1").get("/", HTTP_X_FORWARDED_FOR=header)

        assert address_of(request) == address


class TestSecondFactor:
    def test_is_used_by_whoever_has_one(self, dora: User) -> None:
        device, client = give_device(dora), Client()
        log_in(client)

        assert goes_to(client.get(INDEX)) == "/admin/second-step/"
        assert goes_to(client.post(reverse("admin:auth_user_add"), {})) == "/admin/second-step/"
        step = "/admin/second-step/?next=/admin/auth/user/"
        assert goes_to(client.post(step, {"code": code_of(device)})) == "/admin/auth/user/"
        assert client.get(INDEX).status_code == 200

    def test_is_not_passed_with_another_s_code_or_one_that_was_used(self, dora: User) -> None:
        device = give_device(dora)
        other = give_device(User.objects.create_superuser("otto"))
        clients = [Client(), Client()]
        for client in clients:
            log_in(client)
        code = code_of(device)

        assert clients[0].post("/admin/second-step/", {"code": code_of(other)}).status_code == 200
        with time_machine.travel(later(seconds=2), tick=False):
            assert clients[0].post("/admin/second-step/", {"code": code}).status_code == 302
            assert clients[1].post("/admin/second-step/", {"code": code}).status_code == 200

        assert goes_to(clients[1].get(INDEX)) == "/admin/second-step/"

    def test_pauses_after_five_wrong_codes(self, dora: User) -> None:
        give_device(dora)
        client = Client()
        log_in(client)

        answers = [
            client.post("/admin/second-step/", {"code": "000000"}).status_code for _ in range(6)
        ]

        assert answers == [200, 200, 200, 200, 429, 429]
        assert AccessFailureLog.objects.count() == 5

    def test_is_set_up_by_oneself_with_recovery_codes_shown_once(self, dora: User) -> None:
        client = Client()
        log_in(client)

        page = client.post(FACTOR, {"act": "begin"})
        device = TOTPDevice.objects.get()
        assert client.get(INDEX).status_code == 200  # not confirmed yet
        assert page.context["secret"] in page.content.decode()
        assert "<svg" in page.content.decode()
        assert "recovery code" not in page.content.decode()  # there are none yet
        assert "no-store" in page.headers["cache-control"]
        assert client.post(FACTOR, {"act": "confirm", "code": "000000"}).context["codes"] is None
        with time_machine.travel(later(seconds=2), tick=False):
            page = client.post(FACTOR, {"act": "confirm", "code": code_of(device)})

        codes = page.context["codes"]
        assert len(set(codes)) == 10
        assert all(code in page.content.decode() for code in codes)
        assert codes[0] not in client.get(FACTOR).content.decode()
        assert client.get(INDEX).status_code == 200
        assert LogEntry.objects.get().change_message == "Second factor: none → set up"

    def test_is_replaced_by_a_recovery_code_once(self, dora: User) -> None:
        give_device(dora)
        codes = StaticDevice.objects.create(user=dora, name="Recovery codes")
        StaticToken.objects.create(device=codes, token="abcdefgh")
        clients = [Client(), Client()]
        for client in clients:
            log_in(client)

        answers = [client.post("/admin/second-step/", {"code": "ABCD efgh"}) for client in clients]

        assert [answer.status_code for answer in answers] == [302, 200]

    def test_is_not_set_up_beside_one_that_is(self, dora: User) -> None:
        give_device(dora)
        client = Client()
        log_in(client)

        answer = client.post(FACTOR, {"act": "begin"})

        assert goes_to(answer) == "/admin/second-step/"
        assert TOTPDevice.objects.count() == 1

    def test_is_removed_with_password_and_code_lately_shown(self, dora: User) -> None:
        device, client = give_device(dora), Client()
        log_in(client)
        client.post("/admin/second-step/", {"code": code_of(device)})
        with time_machine.travel(later(minutes=16), tick=False):
            assert goes_to(client.post(FACTOR, {"act": "remove"})) == "/admin/is-it-you/"
            half = {"password": PASSWORD, "code": "000000"}
            assert client.post("/admin/is-it-you/", half).status_code == 200
            assert TOTPDevice.objects.count() == 1
        with time_machine.travel(later(minutes=17), tick=False):
            whole = {"password": PASSWORD, "code": code_of(device)}
            assert client.post(f"/admin/is-it-you/?next={FACTOR}", whole).status_code == 302
            assert client.post(FACTOR, {"act": "remove"}).status_code == 302

        assert not TOTPDevice.objects.exists()
        assert LogEntry.objects.get().change_message == "Second factor: set up → none"


class TestCompulsorySecondFactor:
    def test_leads_who_has_none_to_set_one_up(self, dora: User, settings: Any) -> None:
        settings.ADMIN_REQUIRE_OTP = True
        client = Client()
        log_in(client)

        assert goes_to(client.get(INDEX)) == FACTOR
        assert goes_to(client.post(reverse("admin:auth_user_add"), {})) == FACTOR
        assert client.get(FACTOR).status_code == 200

    def test_is_not_asked_where_it_is_not(self, dora: User, settings: Any) -> None:
        settings.ADMIN_REQUIRE_OTP = False
        client = Client()
        log_in(client)

        assert client.get(INDEX).status_code == 200

    def test_stands_before_whoever_removed_theirs(self, dora: User, settings: Any) -> None:
        settings.ADMIN_REQUIRE_OTP = True
        device, client = give_device(dora), Client()
        log_in(client)
        client.post("/admin/second-step/", {"code": code_of(device)})

        client.post(FACTOR, {"act": "remove"})

        assert goes_to(client.get(INDEX)) == FACTOR


class TestDevices:
    def test_have_no_page_but_ours(self) -> None:
        strangers = [type(page).__module__ for page in admin.site._registry.values()]

        ours = ("config.", "usage.", "credits.", "organizations.")
        assert [module for module in strangers if not module.startswith(ours)] == []

    def test_are_neither_seen_nor_moved_by_a_right_over_their_table(self, dora: User) -> None:
        device = give_device(dora)
        rights = [f"otp_totp.{verb}_totpdevice" for verb in ("view", "add", "change", "delete")]
        ben = staff_who_may(*rights)

        for page in ("", "add/", f"{device.pk}/change/", f"{device.pk}/delete/"):
            assert (
                ben.post(f"/admin/otp_totp/totpdevice/{page}", {"post": "yes"}).status_code == 404
            )

        assert TOTPDevice.objects.get().user == dora


class TestReset:
    def test_is_for_staff_who_may_touch_the_person(self, dora: User, ana: Client) -> None:
        give_device(dora)
        url = reverse("admin:auth_user_reset_second_factor", args=[dora.pk])

        ben = staff_who_may("auth.view_user", "auth.change_user")
        assert (ben.get(url).status_code, ben.post(url).status_code) == (403, 403)
        assert TOTPDevice.objects.count() == 1
        assert ana.get(url).status_code == 200
        assert TOTPDevice.objects.count() == 1
        assert ana.post(url).status_code == 302

        assert not TOTPDevice.objects.exists()
        entry = LogEntry.objects.get()
        assert (entry.user.get_username(), entry.object_repr) == ("ana", "dora")
        assert entry.change_message == "Second factor: set up → none"

    def test_from_the_command_line_lets_somebody_in(self, dora: User) -> None:
        give_device(dora)
        client = Client()
        fail(client, 5)

        call_command("reset_login", "dora", "--second-factor")

        assert goes_to(log_in(client)) == INDEX
        assert client.get(INDEX).status_code == 200
        assert "by manage.py" in LogEntry.objects.get().change_message

    def test_names_who_is_not_there(self, dora: User) -> None:
        with pytest.raises(CommandError, match="nobody of the staff is called otto"):
            call_command("reset_login", "otto")


class TestSession:
    def test_ends_after_half_an_hour_without_use(self, dora: User) -> None:
        client = Client()
        log_in(client)
        for minutes in (29, 58):
            with time_machine.travel(later(minutes=minutes), tick=False):
                assert client.get(INDEX).status_code == 200

        with time_machine.travel(later(minutes=88), tick=False):
            assert goes_to(client.get(INDEX)) == LOGIN
            assert AccessLog.objects.get().logout_time is not None

    def test_ends_after_twelve_hours_however_much_it_is_used(self, dora: User) -> None:
        client = Client()
        log_in(client)
        for minutes in range(25, 12 * 60, 25):
            with time_machine.travel(later(minutes=minutes), tick=False):
                assert client.get(INDEX).status_code == 200

        with time_machine.travel(later(hours=12), tick=False):
            assert goes_to(client.get(INDEX)) == LOGIN

    def test_that_does_not_know_when_it_began_has_ended(self, dora: User) -> None:
        client = Client()
        log_in(client)
        kept = {name: value for name, value in client.session.items() if name != "login_began_at"}
        Session.objects.update(session_data=client.session.encode(kept))

        assert goes_to(client.get(INDEX)) == LOGIN

    def test_of_another_person_begins_anew(self, dora: User) -> None:
        client = Client()
        log_in(client)
        User.objects.create_superuser("otto", password=PASSWORD)
        with time_machine.travel(later(minutes=29), tick=False):
            log_in(client, name="otto")
            assert client.session["login_began_at"] == later(minutes=29).timestamp()


class TestShowingAgain:
    @pytest.mark.parametrize(
        "page", ["auth_user_add", "auth_user_change", "auth_user_password_change", "auth_group_add"]
    )
    def test_comes_before_rights_and_passwords_change(self, dora: User, page: str) -> None:
        args = [] if page.endswith("add") else [dora.pk]
        url, client = reverse(f"admin:{page}", args=args), Client()
        log_in(client)
        assert client.get(url).status_code == 200

        with time_machine.travel(later(minutes=15), tick=False):
            assert goes_to(client.get(url)) == "/admin/is-it-you/"
            assert goes_to(client.post(url, {"username": "x"})) == "/admin/is-it-you/"
            assert client.get(INDEX).status_code == 200
            again = client.post(f"/admin/is-it-you/?next={url}", {"password": PASSWORD})
            assert goes_to(again) == url
            assert client.get(url).status_code == 200

    def test_tells_whoever_keeps_passwords_whose_it_asks_for(self, dora: User) -> None:
        client = Client()
        log_in(client)

        asked = client.get("/admin/is-it-you/").content.decode()

        assert 'value="dora" autocomplete="username" hidden' in asked

    def test_refuses_a_wrong_password_and_counts_it(self, dora: User) -> None:
        client = Client()
        log_in(client)

        answers = [client.post("/admin/is-it-you/", {"password": "wrong"}) for _ in range(6)]

        assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
        assert AccessFailureLog.objects.count() == 5

    def test_leads_to_no_other_host(self, dora: User) -> None:
        client = Client()
        log_in(client)

        answer = client.post("/admin/is-it-you/?next=https://evil.example/", {"password": PASSWORD})

        assert goes_to(answer) == INDEX


class TestContentSecurityPolicy:
    def test_is_on_every_answer(self, ana: Client) -> None:
        _, secret = make_key(make_organization())
        bearer = {"Authorization": f"Bearer {secret}"}
        answers = {
            path: ana.get(path, headers=bearer).headers["content-security-policy"]
            for path in (
                "/api/v1/whoami",
                "/api/v1/nowhere",
                "/nowhere",
                "/healthz",
                "/api/schema/",
            )
        }

        assert set(answers.values()) == {csp.NOTHING}

    def test_lets_the_admin_run_its_own_scripts_only(self, ana: Client) -> None:
        for path in (INDEX, LOGIN, reverse("admin:auth_user_changelist")):
            policy = ana.get(path).headers["content-security-policy"]
            scripts = re.search(r"script-src ([^;]*)", policy)
            assert scripts is not None
            assert scripts[1] == "'self' 'unsafe-eval'"
            assert "frame-ancestors 'none'" in policy
            assert "default-src 'none'" in policy

    def test_needs_no_inline_script_on_the_pages_that_are_ours(self, ana: Client) -> None:
        user = User.objects.get(username="ana")
        pages = [
            INDEX,
            FACTOR,
            "/admin/is-it-you/",
            reverse("admin:auth_user_change", args=[user.pk]),
        ]

        for path in [*pages, "/api/docs/"]:
            html = ana.get(path).content.decode()
            assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|\son\w+=\"", html), path


class TestStaffPage:
    def test_shows_who_has_a_second_factor(self, dora: User, ana: Client) -> None:
        url = reverse("admin:auth_user_change", args=[dora.pk])
        assert "reset-second-factor" not in ana.get(url).content.decode()
        give_device(dora)

        assert "reset-second-factor" in ana.get(url).content.decode()
        assert fill_in_page(ana, url)["is_superuser"] == ["on"]


class TestOwnLogins:
    PAGE = "/admin/logins/"

    def logged_in(self, browser: str, **extra: Any) -> Client:
        client = Client(headers={"user-agent": browser})
        log_in(client, **extra)
        client.get(INDEX)
        return client

    def test_say_from_where_and_since_when(self, dora: User) -> None:
        with time_machine.travel(later(), tick=False):
            self.logged_in("Firefox at home", REMOTE_ADDR="192.0.2.7")
        with time_machine.travel(later(hours=1), tick=False):
            answer = self.logged_in("Chrome at work").get(self.PAGE)

        here, there = answer.context["logins"]
        assert (here.is_this, here.browser) == (True, "Chrome at work")
        assert (there.is_this, there.browser, there.began_at) == (False, "Firefox at home", later())

    def test_show_no_key_of_a_session(self, dora: User) -> None:
        here = self.logged_in("here")
        there = self.logged_in("there")

        seen = here.get(self.PAGE).content.decode()

        assert str(there.session.session_key) not in seen
        assert str(here.session.session_key) not in seen

    def test_are_nobody_elses(self, dora: User) -> None:
        staff_who_may().get(INDEX)

        assert len(self.logged_in("here").get(self.PAGE).context["logins"]) == 1

    def test_end_one(self, dora: User) -> None:
        here, there, elsewhere = (self.logged_in(name) for name in ("here", "there", "elsewhere"))
        rows = here.get(self.PAGE).context["logins"]
        (named,) = (row.name for row in rows if row.browser == "there")

        assert goes_to(here.post(self.PAGE, {"login": named})) == self.PAGE

        assert goes_to(there.get(INDEX)) == LOGIN
        assert elsewhere.get(INDEX).status_code == here.get(INDEX).status_code == 200
        assert LogEntry.objects.filter(change_message__contains="Ended 1 login").count() == 1

    def test_end_all_others(self, dora: User) -> None:
        here, there, elsewhere = (self.logged_in(name) for name in ("here", "there", "elsewhere"))

        here.post(self.PAGE, {"login": "others"})

        assert goes_to(there.get(INDEX)) == goes_to(elsewhere.get(INDEX)) == LOGIN
        assert here.get(INDEX).status_code == 200

    def test_end_nothing_of_somebody_else(self, dora: User) -> None:
        ana = staff_who_may()
        ana.get(INDEX)
        name = ana.get(self.PAGE).context["logins"][0].name
        here = self.logged_in("here")

        seen = here.post(self.PAGE, {"login": name}, follow=True).content.decode()

        assert "No such login is open any more." in seen
        assert ana.get(INDEX).status_code == 200
