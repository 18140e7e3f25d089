"""The demo: what scripts and newcomers are promised, on any day they come."""

import json
import stat
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import override_settings

from config import demo, demo_people, demo_world
from credits.models import Grant, LedgerEntry, Reservation, UsageCounter, Wallet
from organizations import scopes
from organizations.authentication import Unauthenticated, live_key
from organizations.models import Actor, Group, Organization
from tests.factories import NOW, make_key, make_organization
from tests.parallel import at_once
from tests.usage.people import make_model
from usage.models import AIModel, Denial, Rate, Thresholds, UsageEvent
from usage.services import limits

pytestmark = pytest.mark.django_db(transaction=True)

MOMENTS = [
    datetime(2026, 5, 1, 0, 0, 30, tzinfo=UTC),
    datetime(2028, 2, 29, 12, 0, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]


@pytest.fixture(autouse=True)
def quick_passwords() -> Iterator[None]:
    """Passwords are slow to hash on purpose; not here."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture
def login_file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "demo.json"


@pytest.fixture
def small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a world of two organizations for the whole one, where only the ways into it matter."""

    def build(*, now: datetime) -> demo_world.World:
        parent = make_organization("Harbour", now=now)
        child = make_organization("Brightwater", parent=parent, now=now)
        demo_world._top_up(parent, now=now)
        return demo_world.World(parent, child)

    monkeypatch.setattr(demo, "build", build)


def wallet_of(name: str) -> Wallet:
    return Wallet.objects.select_related("config", "period").get(organization__name=name)


class TestBuild:
    @pytest.fixture(autouse=True)
    def rate_card(self) -> None:
        demo_people.load_rate_card()

    @pytest.mark.parametrize(
        "now",
        [MOMENTS[0], *(pytest.param(day, marks=pytest.mark.slow) for day in MOMENTS[1:])],
        ids=str,
    )
    def test_keeps_its_promises_on_any_day(self, now: datetime) -> None:
        parent, child = demo_world.build(now=now)

        self.assert_reseller_has_a_round_prepaid_balance(parent)
        self.assert_child_can_spend(child)
        self.assert_one_is_near_its_cap(now)
        self.assert_one_is_about_to_be_refilled()
        assert Organization.objects.get(status="suspended").parent == parent
        self.assert_a_month_of_everything(now)
        self.assert_told_in_order(now)
        self.assert_the_reseller_begins_the_month_at_zero(parent, now)
        self.assert_people_used_many_models(parent, now)
        self.assert_no_model_was_used_before_its_day()
        self.assert_every_kind_of_event()

    def assert_reseller_has_a_round_prepaid_balance(self, parent: Organization) -> None:
        wallet = wallet_of(parent.name)
        assert wallet.balance == wallet.prepaid == 1_000_000
        assert wallet.reserved == 0
        assert wallet.config.anchored_on.day == 1
        assert wallet.config.monthly_cap is None
        assert not wallet.config.auto_refill_enabled
        assert not Grant.objects.filter(
            wallet=wallet, remaining__gt=0, expires_at__isnull=False
        ).exists()

    def assert_child_can_spend(self, child: Organization) -> None:
        wallet = wallet_of(child.name)
        assert child.status == "active"
        assert wallet.available >= 1_000
        assert wallet.balance == wallet.balance.to_integral_value()
        assert wallet.config.monthly_cap is None
        assert not wallet.config.auto_refill_enabled

    def assert_one_is_near_its_cap(self, now: datetime) -> None:
        wallet = wallet_of("Oakline Legal")
        period, cap = wallet.period, wallet.config.monthly_cap
        assert period is not None
        assert cap is not None
        assert period.starts_at <= now < period.ends_at
        assert cap * Decimal("0.9") < period.used + period.reserved < cap
        assert wallet.available > cap

    def assert_one_is_about_to_be_refilled(self) -> None:
        wallet = wallet_of("Tinsley & Rowe Architects")
        threshold = wallet.config.refill_threshold
        assert threshold is not None
        assert threshold <= wallet.unreserved < threshold + 10
        assert wallet.refill_cooldown_ends_at is None
        assert LedgerEntry.objects.filter(wallet=wallet, kind="refill").count() == 1

    def assert_a_month_of_everything(self, now: datetime) -> None:
        kinds = set(LedgerEntry.objects.values_list("kind", flat=True))
        statuses = set(Reservation.objects.values_list("status", flat=True))
        assert kinds == {
            *("grant", "recharge", "allocate", "refill", "settle", "lapse", "adjust", "renew")
        }
        assert statuses == {"settled", "released", "expired", "open"}
        assert LedgerEntry.objects.earliest("posted_at").posted_at <= now - timedelta(days=28)

    def assert_told_in_order(self, now: datetime) -> None:
        for wallet in Wallet.objects.all():
            entries = LedgerEntry.objects.filter(wallet=wallet).order_by("number")
            moments = list(entries.values_list("posted_at", flat=True))
            assert moments == sorted(moments)
            assert moments[-1] <= now

    def assert_the_reseller_begins_the_month_at_zero(
        self, parent: Organization, now: datetime
    ) -> None:
        counters = UsageCounter.objects.filter(wallet__organization=parent)
        assert not Thresholds.objects.exists()
        assert counters.exists()
        assert not counters.filter(month=now.date().replace(day=1)).exists()

    def assert_people_used_many_models(self, parent: Organization, now: datetime) -> None:
        events = UsageEvent.objects.filter(organization=parent)
        assert {kind for kind, _ in Group.Kind.choices} == set(
            parent.groups.values_list("kind", flat=True)
        )
        assert events.values("actor").distinct().count() >= 4
        assert events.values("model").distinct().count() >= 4
        assert events.filter(actor__kind=Actor.Kind.AGENT, work_type="agent_run").exists()
        assert events.filter(group__key="northgate").exists()
        months = set(UsageEvent.objects.values_list("month", flat=True))
        assert max(months) == now.date().replace(day=1)
        assert len(months) == 2

    def assert_no_model_was_used_before_its_day(self) -> None:
        begins = {rate.model_id: rate.starts_at for rate in Rate.objects.order_by("-starts_at")}
        used = UsageEvent.objects.filter(model__isnull=False, reservation__isnull=False)
        assert used
        for event in used.select_related("reservation"):
            assert event.reservation is not None
            assert begins[str(event.model_id)] <= event.reservation.created_at

    def assert_every_kind_of_event(self) -> None:
        assert {"tier", "actor_cap", "cap"} <= set(Denial.objects.values_list("reason", flat=True))
        assert UsageEvent.objects.filter(late=True).exists()
        assert UsageEvent.objects.filter(byok=True, credits=0, list_credits__gt=0).exists()
        assert UsageEvent.objects.filter(source="nightly-batch", credits__gt=0).count() == 4

    @pytest.mark.slow
    def test_tells_the_same_story_for_the_same_moment(self) -> None:
        def told() -> Counter[tuple[object, ...]]:
            said = ("wallet__organization__name", "number", "posted_at", "kind", "amount")
            return Counter(LedgerEntry.objects.values_list(*said))

        demo_world.build(now=NOW)
        once = told()
        demo_world.build(now=NOW)

        assert told() == once + once

    def test_does_without_models(self) -> None:
        Rate.objects.all().delete()

        parent, _ = demo_world.build(now=NOW)

        self.assert_reseller_has_a_round_prepaid_balance(parent)
        assert not UsageEvent.objects.filter(model__isnull=False).exists()


@pytest.mark.usefixtures("small_world")
class TestPrepare:
    def test_gives_keys_that_open_what_they_should(self, login_file: Path) -> None:
        ways = demo.prepare(login_file=login_file, now=NOW)

        parent = live_key(f"Bearer {ways['parent']['apiKey']}", now=NOW)
        child = live_key(f"Bearer {ways['child']['apiKey']}", now=NOW)
        assert set(parent.scopes) == {"org:admin", "*"}
        assert child.scopes == ["*"]
        assert scopes.effective(child.scopes) == scopes.DATA_SCOPES
        assert {parent.rate_limit_tier, child.rate_limit_tier} == {"partner"}
        assert parent.organization.public_id == ways["parent"]["organizationId"]
        assert child.organization.public_id == ways["child"]["organizationId"]
        assert child.organization.parent == parent.organization

    def test_gives_a_personal_key_of_the_parents_people(self, login_file: Path) -> None:
        ways = demo.prepare(login_file=login_file, now=NOW)

        key = live_key(f"Bearer {ways['actor']['apiKey']}", now=NOW)
        assert key.actor is not None
        assert key.actor.public_id == ways["actor"]["actorId"]
        assert key.organization.public_id == ways["parent"]["organizationId"]
        assert set(key.scopes) == {"usage:read", "usage:write"}
        terms = limits.actor_terms(key.organization, [key.actor])[key.actor.id]
        assert terms.profile.slug == "standard"
        assert terms.cap == 5_000

    def test_gives_a_fresh_personal_key_to_the_same_person(self, login_file: Path) -> None:
        first = demo.prepare(login_file=login_file, now=NOW)["actor"]
        second = demo.prepare(login_file=login_file, now=NOW)["actor"]

        assert first["actorId"] == second["actorId"]
        assert first["apiKey"] != second["apiKey"]
        assert Actor.objects.count() == 1

    def test_loads_the_rate_card_where_no_models_are(self, login_file: Path) -> None:
        demo.prepare(login_file=login_file, now=NOW)

        assert AIModel.objects.filter(is_fallback=True).count() == 3

    def test_leaves_the_models_alone_that_are_there(self, login_file: Path) -> None:
        make_model("our-own")

        demo.prepare(login_file=login_file, now=NOW)

        assert [model.slug for model in AIModel.objects.all()] == ["our-own"]

    def test_gives_fresh_keys_to_the_same_organizations(self, login_file: Path) -> None:
        first = demo.prepare(login_file=login_file, now=NOW)
        second = demo.prepare(login_file=login_file, now=NOW)

        for who in ("parent", "child"):
            assert first[who]["organizationId"] == second[who]["organizationId"]
            assert first[who]["apiKey"] != second[who]["apiKey"]
        assert Organization.objects.count() == 2

    def test_gives_keys_for_a_day(self, login_file: Path) -> None:
        ways = demo.prepare(login_file=login_file, now=NOW)

        day = timedelta(hours=24)
        for who in ("parent", "child", "actor"):
            text = f"Bearer {ways[who]['apiKey']}"
            assert live_key(text, now=NOW + day - timedelta(microseconds=1))
            with pytest.raises(Unauthenticated):
                live_key(text, now=NOW + day)

    def test_revokes_the_keys_that_it_gave_before(self, login_file: Path) -> None:
        first = demo.prepare(login_file=login_file, now=NOW)
        second = demo.prepare(login_file=login_file, now=NOW)

        for who in ("parent", "child", "actor"):
            with pytest.raises(Unauthenticated):
                live_key(f"Bearer {first[who]['apiKey']}", now=NOW)
            assert live_key(f"Bearer {second[who]['apiKey']}", now=NOW)

    def test_leaves_other_keys_alone(self, login_file: Path) -> None:
        demo.prepare(login_file=login_file, now=NOW)
        key, _ = make_key(Organization.objects.get(name="Harbour"))

        demo.prepare(login_file=login_file, now=NOW)

        key.refresh_from_db()
        assert key.is_live(NOW)

    @pytest.mark.race
    def test_makes_one_world_for_all_who_come_at_once(self, login_file: Path) -> None:
        outcomes = at_once(4, lambda _: demo.prepare(login_file=login_file, now=NOW))

        assert len({ways["parent"]["organizationId"] for ways in outcomes}) == 1
        assert len({ways["admin"]["password"] for ways in outcomes}) == 1
        assert Organization.objects.count() == 2

    def test_finds_its_organizations_whatever_staff_called_them(self, login_file: Path) -> None:
        first = demo.prepare(login_file=login_file, now=NOW)
        Organization.objects.update(name="Renamed", metadata={})
        make_organization("A customer of our own")

        second = demo.prepare(login_file=login_file, now=NOW)

        assert first["child"]["organizationId"] == second["child"]["organizationId"]

    def test_stays_away_from_customers(self, login_file: Path) -> None:
        make_organization(funded=5)

        with pytest.raises(demo.NotADemo):
            demo.prepare(login_file=login_file, now=NOW)

        assert Organization.objects.count() == 1
        assert not login_file.exists()

    def test_makes_an_administrator_who_can_log_in(self, login_file: Path) -> None:
        login = demo.prepare(login_file=login_file, now=NOW)["admin"]

        user = User.objects.get(username=login["username"])
        assert user.check_password(login["password"])
        assert user.is_superuser
        assert user.is_staff

    def test_keeps_the_login_from_everybody_else(self, login_file: Path) -> None:
        login = demo.prepare(login_file=login_file, now=NOW)["admin"]

        assert json.loads(login_file.read_text()) == login
        assert stat.S_IMODE(login_file.stat().st_mode) == 0o600

    def test_never_resets_the_password(self, login_file: Path) -> None:
        first = demo.prepare(login_file=login_file, now=NOW)["admin"]
        user = User.objects.get()
        user.set_password("what staff chose")
        user.save()

        second = demo.prepare(login_file=login_file, now=NOW)["admin"]

        user.refresh_from_db()
        assert second == first
        assert user.check_password("what staff chose")

    def test_uses_the_kept_login_in_a_new_database(self, login_file: Path) -> None:
        first = demo.prepare(login_file=login_file, now=NOW)["admin"]
        User.objects.all().delete()

        second = demo.prepare(login_file=login_file, now=NOW)["admin"]

        assert second == first
        assert User.objects.get().check_password(first["password"])

    def test_leaves_an_administrator_of_another_folder_alone(self, login_file: Path) -> None:
        User.objects.create_superuser("admin", password="kept elsewhere")

        login = demo.prepare(login_file=login_file, now=NOW)["admin"]

        assert login["username"] == "admin-2"
        assert User.objects.get(username="admin").check_password("kept elsewhere")
        assert User.objects.get(username="admin-2").check_password(login["password"])

    def test_refuses_a_login_file_that_it_cannot_read(self, login_file: Path) -> None:
        login_file.parent.mkdir()
        login_file.write_text("{}")

        with pytest.raises(demo.UnreadableLogin, match=str(login_file)):
            demo.prepare(login_file=login_file, now=NOW)

        assert not Organization.objects.exists()


@pytest.mark.usefixtures("small_world")
class TestCommand:
    @pytest.fixture(autouse=True)
    def data_dir(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(settings, "DATA_DIR", tmp_path)

    def run(self, *arguments: str) -> str:
        answer = StringIO()
        call_command("demo", *arguments, stdout=answer)
        return answer.getvalue()

    def test_prints_json_for_scripts(self) -> None:
        ways = json.loads(self.run("--json"))

        assert {who: set(way) for who, way in ways.items()} == {
            "parent": {"organizationId", "apiKey"},
            "child": {"organizationId", "apiKey"},
            "actor": {"actorId", "apiKey"},
            "admin": {"username", "password"},
        }

    def test_prints_lines_for_people(self) -> None:
        lines = self.run().splitlines()

        assert [line.split()[0] for line in lines[::2]] == ["parent", "child", "actor", "admin"]

    def test_says_in_a_sentence_what_is_in_the_way(self) -> None:
        make_organization()

        with pytest.raises(CommandError, match="not the demo's"):
            self.run("--json")
