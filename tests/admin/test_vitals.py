"""How customers stand is measured in one place: home, the alerts, the page of a customer and the API say the same."""

from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.ledger import open_period
from organizations.models import Alert, AlertRule, Organization
from tests import factories as f
from tests.admin.people import page_of, staff_who_may
from tests.callers import caller_of, ok
from tests.kept import Kept
from tests.usage import people as p
from tests.usage.noticed import forget_the_calendar, look, open_alerts
from tests.usage.test_outlook import KNOWN, START, foreseen, use_daily
from usage import services
from usage.models import Vitals
from usage.services import denials, facts, rollups, vitals
from usage.services.noticing.rules import rules_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("vitals")]

DAY = timedelta(days=1)
Kind = Alert.Kind
KIND_OF = {
    "cap": Kind.NEAR_CAP,
    "capped": Kind.CAP_SOON,
    "dry": Kind.DRY_SOON,
    "debt": Kind.IN_DEBT,
}
"""Which alerts stand behind a heading of the first page."""


@pytest.fixture(autouse=True)
def no_tasks(transactional_db: None) -> None:
    forget_the_calendar()


def add_up() -> None:
    for organization in Organization.objects.all():
        rollups.roll_up(organization=organization, now=f.NOW)


def organization(name: str, *, left: int = 5_000, **terms: Any) -> Organization:
    """Return one that used 10 a day, of which so much is left."""
    made = f.make_organization(name, funded=10 * (KNOWN - 1) + left, now=START, **terms)
    use_daily(made)
    return made


def cap_at(made: Organization, left: int) -> None:
    f.set_terms(made, monthly_cap=open_period(f.wallet_of(made)).used + left)


def refuse(made: Organization, times: int) -> None:
    for minute in range(times):
        now = f.NOW - timedelta(hours=2) + timedelta(minutes=minute)
        work = p.work(made, 90_000)
        outcome = services.check(work, now=now)
        assert not isinstance(outcome, services.Decision)
        denials.record(work, outcome, now=now)


def make_world() -> dict[str, UUID]:
    """Make customers of whom each stands differently, and a parent that fills one of them up."""
    made = {
        "ample": organization("Ample"),
        "dry": organization("Dry", left=40),
        "empty": organization("Empty", left=0),
        "covered": organization("Covered", left=40, overdraft_limit=5_000),
        "endless": organization("Endless", left=40, overdraft_limit=None),
        "short": organization("Short", left=20, overdraft_limit=20),
        "capped": organization("Capped"),
        "full": organization("Full"),
        "debtor": f.make_organization("Debtor", funded=5, overdraft_limit=100),
    }
    rule: dict[str, Any] = {"refill_threshold": 5, "refill_amount": 20}
    rich, poor = f.make_organization("Rich", funded=9_000), f.make_organization("Poor", funded=0)
    made["filled"] = organization("Filled", left=10, parent=rich, **rule)
    made["alone"] = organization("Alone", left=10, parent=poor, **rule)
    cap_at(made["capped"], 20)
    cap_at(made["full"], 0)
    f.spend(made["debtor"], 30)
    add_up()
    return {name: each.pk for name, each in made.items()}


KEPT = Kept("vitals", make_world)


@pytest.fixture
def world(no_tasks: None) -> dict[str, Organization]:
    return {name: Organization.objects.get(pk=pk) for name, pk in KEPT.get().items()}


class TestOneMeasure:
    def test_is_what_home_and_the_alerts_say(self, world: dict[str, Organization]) -> None:
        look()

        client = staff_who_may(
            "credits.view_wallet", "organizations.view_alert", "organizations.view_organization"
        )
        with time_machine.travel(f.NOW, tick=False):
            found = client.get(reverse("admin:index")).context["concerns"]
            home = {each.slug: {row.organization.name for row, _ in each.rows} for each in found}
            counts = {each.slug: each.many for each in found}
            listed = {each.slug: client.get(each.url).context["cl"].result_list for each in found}

        assert home["dry"] == {"Dry", "Empty", "Short", "Alone"}
        assert home["cap"] == {"Capped", "Full"}
        assert home["capped"] == {"Capped"}
        assert home["debt"] == {"Debtor"}
        for slug, kind in KIND_OF.items():
            subjects = [alert.organization for alert in open_alerts(kind)]
            assert {each.name for each in subjects if each} == home[slug], slug
            assert len(subjects) == int(counts[slug]) == len(listed[slug]), slug

    def test_is_what_their_pages_and_the_api_say(self, world: dict[str, Organization]) -> None:
        look()

        with time_machine.travel(f.NOW, tick=False):
            for name in ("dry", "short", "alone", "capped"):
                own = Organization.objects.get(pk=world[name].pk)
                measured, outlook = Vitals.objects.get(organization=own), foreseen(own)
                client = staff_who_may("organizations.view_organization", name=name)
                shown = client.get(page_of(own, "overview")).content.decode()
                told = ok(caller_of(own).get("/credits/forecast"))
                dry, capped = outlook.dry, outlook.capped
                assert dry is not None
                if name == "capped":
                    assert capped is not None
                    assert measured.capped_at == capped.likely
                    assert capped.words in shown
                    continue
                assert measured.dry_at == dry.likely
                assert dry.words in shown
                said = told["overdraft"] or told["pool"]
                assert said["words"] == dry.words

    def test_follows_the_rules_of_each(self, world: dict[str, Organization]) -> None:
        AlertRule.objects.create(organization=world["dry"], dry_within_days=1)
        AlertRule.objects.create(organization=world["debtor"], debt_above=30)
        far = organization("Far", left=200)
        AlertRule.objects.create(organization=far, dry_within_days=40)
        p.budget_warning(world["full"], 150)
        add_up()

        look()

        rows = Vitals.objects.in_bulk()
        assert rows[world["dry"].pk].dry == rows[world["debtor"].pk].in_debt == 0
        assert rows[world["dry"].pk].dry_at is not None
        assert rows[world["full"].pk].near_cap == 0
        assert rows[far.pk].dry == 1
        names = {alert.organization.name for alert in open_alerts() if alert.organization}
        assert names == {"Empty", "Short", "Alone", "Capped", "Far"}

    def test_counts_refusals_once(self, world: dict[str, Organization]) -> None:
        refuse(world["ample"], 25)

        look()

        (alert,) = open_alerts(Kind.REFUSALS)
        assert alert.organization == world["ample"]
        assert alert.figures["refused"] == str(
            Vitals.objects.get(organization=world["ample"]).refused
        )

    def test_leaves_who_cannot_be_foreseen_as_they_were(
        self, world: dict[str, Organization], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look()
        before = Vitals.objects.get(organization=world["dry"])
        p.use(p.work(world["dry"], 1), 1)
        monkeypatch.setattr(rollups, "TAIL", 0)

        look(f.later(minutes=5))

        after = Vitals.objects.get(organization=world["dry"])
        assert (after.dry, after.dry_at) == (before.dry, before.dry_at) == (1, before.dry_at)
        assert world["dry"] in [alert.organization for alert in open_alerts(Kind.DRY_SOON)]

    def test_ends_for_who_is_suspended(self, world: dict[str, Organization]) -> None:
        look()
        f.suspend(world["dry"])

        look(f.later(minutes=5))

        assert not Vitals.objects.filter(organization=world["dry"]).exists()
        assert world["dry"] not in [alert.organization for alert in open_alerts()]

    def test_writes_nothing_where_nothing_changed(self, world: dict[str, Organization]) -> None:
        look()
        with CaptureQueriesContext(connection) as captured:
            vitals.measure(after=None, now=f.NOW)

        assert not [q for q in captured if q["sql"].startswith(("INSERT", "UPDATE", "WITH fired"))]


class TestCandidates:
    def test_are_all_whom_the_forecast_names_and_few_others(self) -> None:
        random = Random(7)
        everybody = [random_organization(number, random) for number in range(24)]
        add_up()
        rules = rules_of([each.pk for each in everybody])
        readings = facts.read(dict.fromkeys(rules, vitals.SOON), now=f.NOW)

        found = {each.pk for each in vitals.candidates(readings, now=f.NOW)}

        named = set()
        for each in everybody:
            outlook = foreseen(each, days=vitals.SOON)
            is_dry = outlook.dry is not None and outlook.dry.likely is not None
            capped = outlook.capped and outlook.capped.likely
            if (is_dry or (capped and capped < outlook.resets_at)) and readings[each.pk].works:
                named.add(each.pk)
        assert named, "some are"
        assert named <= found
        assert len(found) < len(everybody) * 2 / 3

    def test_take_as_many_statements_for_many_as_for_few(self) -> None:
        some = [organization(f"No. {number}", left=500) for number in range(2)]
        few = statements()
        some += [organization(f"No. {number}", left=500) for number in range(2, 6)]
        add_up()

        assert statements() == few


def statements() -> int:
    with CaptureQueriesContext(connection) as captured:
        vitals.measure(after=None, now=f.NOW)
    return len(captured)


def random_organization(number: int, random: Random) -> Organization:
    """Return one that used about 10 a day, and what the dice give it: a term, a cap, an overdraft, a parent, what lapses, or not much."""
    terms: dict[str, Any] = random.choice(
        [
            {},
            {"allowance": random.choice([30, 400]), "anchored_on": f.at("2026-04-13").date()},
            {"monthly_cap": 230},
            {"overdraft_limit": random.choice([20, None])},
        ]
    )
    parent = None
    if random.random() < 0.3:
        parent = f.make_organization(
            f"Parent {number}", funded=random.choice([5, 9_000]), now=START
        )
        terms |= {"refill_threshold": 10, "refill_amount": random.choice([15, 300])}
    made = f.make_organization(f"No. {number}", parent=parent, funded=205, now=START, **terms)
    use_daily(made)
    grants = [random.choice([0, 30, 60, 300, 900]) for _ in range(2)]
    for amount in grants:
        if amount:
            f.grant(made, amount, expires_at=random.choice([None, f.later(days=3)]))
    if random.random() < 0.3:
        f.reserve(made, 4)
    return made
