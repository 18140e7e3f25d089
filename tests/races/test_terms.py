"""Whoever changes terms locks wallets first: all the doors at once, on one family, beside work, and nobody is the victim of a deadlock."""

import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.urls import reverse

from credits import services as credits_services
from credits.models import ZERO, Wallet
from organizations.idempotency import again
from organizations.models import Group, Organization, UsageProfile
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests import factories as f
from tests.admin.browser import CONFIRMED
from tests.admin.people import staff_who_may
from tests.races.test_deadlocks import deadlocks
from tests.races.threads import of, together
from tests.usage import people as p
from usage.models import Limit
from usage.services import budgets, controls, groups, profiles, sandbox

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

SECONDS = 5.0
EDITORS = 8
REFUSED = (OrganizationArchived, OrganizationSuspended, credits_services.HasActiveChildren)
BY: dict[str, Any] = {"performed_by": f.STAFF, "now": f.NOW}


class Editor:
    """One of those who edit a family's terms, with dice of its own."""

    def __init__(self, parent: Organization, seed: int) -> None:
        self.parent = parent
        self.dice = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.acts: list[Callable[[], object]] = [
            *[self.reserve, self.use_terms, self.join, self.limit, self.edit_profile],
            *[self.rename_group, self.set_members, self.set_config, self.edit_actor],
            *[self.stop_and_go, self.stop_and_go_on_all, self.make_sandbox, self.reset],
            *[self.close_and_replace, self.budget, self.thresholds],
        ]

    def work(self, until: float) -> "Editor":
        """Do everything once, in some order; then one thing after another until the time is over."""
        acts = self.dice.sample(self.acts, len(self.acts))
        while acts or time.monotonic() < until:
            self.do(acts.pop() if acts else self.dice.choice(self.acts))
        return self

    def do(self, act: Callable[[], object]) -> None:
        try:
            act()
        except REFUSED as refusal:
            self.done[type(refusal).__name__] += 1
        else:
            self.done[act.__name__] += 1

    def one(self) -> Organization:
        """Return the parent, or a child of it that is not archived."""
        children = self.parent.children.exclude(status="archived").order_by("id")
        return self.dice.choice([self.parent, *children])

    def child(self) -> Organization:
        return self.dice.choice(
            list(self.parent.children.exclude(status="archived").order_by("-id"))
        )

    def amount(self) -> Decimal:
        return Decimal(self.dice.randrange(100, 200))

    def reserve(self) -> None:
        organization = self.one()
        actor = self.dice.choice(list(organization.actors.all()))
        p.ask(p.work(organization, 1, actor=actor))

    def use_terms(self) -> None:
        changes: dict[str, Any] = {
            "name": "Nordwind",
            "enabled_providers": [str(self.dice.random())],
        }
        credits_services.update_organization(organization=self.one(), changes=changes, **BY)

    def join(self) -> None:
        organization = self.one()
        group, actor = self.team(organization), self.dice.choice(list(organization.actors.all()))
        groups.add_member(group=group, actor=actor)
        groups.remove_member(group=group, actor=actor)

    def set_members(self) -> None:
        organization = self.one()
        everybody = list(organization.actors.all())
        some = self.dice.sample(everybody, self.dice.randrange(len(everybody) + 1))
        groups.set_members(group=self.team(organization), members=some, performed_by=f.STAFF)

    def rename_group(self) -> None:
        changes = {"key": f"team-{self.dice.randrange(10**9)}"}
        groups.update_group(group=self.team(self.one()), changes=changes, now=f.NOW)

    def limit(self) -> None:
        organization = self.one()
        changes = {
            actor.id: controls.NewLimit(self.amount()) for actor in organization.actors.all()
        }
        controls.limit_users(organization=organization, changes=changes, **BY)

    def budget(self) -> None:
        budgets.set_budget(
            organization=self.one(),
            resource_type="app",
            resource_id=str(self.dice.randrange(3)),
            cap=self.amount(),
            **BY,
        )

    def thresholds(self) -> None:
        changes = {"shutoff": self.amount() + 10_000}
        controls.update_controls(organization=self.one(), changes=changes, **BY)

    def edit_profile(self) -> None:
        profile = UsageProfile.objects.get(organization=self.one())
        changes = {"credit_cap_per_month": self.amount()}
        profiles.update_profile(profile=profile, changes=changes, **BY)

    def edit_actor(self) -> None:
        actor = self.dice.choice(list(self.one().actors.all()))
        credits_services.update_actor(
            actor=actor, changes={"active": self.dice.random() < 0.9}, now=f.NOW
        )

    def set_config(self) -> None:
        f.set_terms(self.one(), monthly_cap=self.amount() + 10_000)

    def stop_and_go(self) -> None:
        child = self.child()
        f.suspend(child)
        f.resume(child)

    def stop_and_go_on_all(self) -> None:
        f.suspend(self.parent)
        f.resume(self.parent)

    def make_sandbox(self) -> None:
        f.sandbox_of(self.one())

    def reset(self) -> None:
        sandbox.reset_sandbox(organization=self.one(), now=f.NOW)

    def close_and_replace(self) -> None:
        newcomer(self.parent)
        f.archive(self.child())

    def team(self, organization: Organization) -> Group:
        found = organization.groups.first()
        assert found is not None
        return found


def newcomer(parent: Organization) -> Organization:
    with transaction.atomic():
        made = f.make_organization("Customer", parent=parent, refill_threshold=5, refill_amount=10)
        return furnish(made)


def furnish(organization: Organization) -> Organization:
    """Give an organization somebody and something of everything."""
    profile = p.make_profile(organization, "own", cap=None)
    people = [p.make_actor(organization, name, profile=profile) for name in ("Ada", "Bob")]
    p.make_group(organization, "team", *people)
    return organization


class TestEditors:
    def test_never_deadlock(self) -> None:
        parent = furnish(f.make_organization("Harbour Reseller", funded=100_000))
        for _ in range(2):
            f.sandbox_of(newcomer(parent))
        before = deadlocks()
        until = time.monotonic() + SECONDS
        editors = [Editor(parent, seed) for seed in range(EDITORS)]

        outcomes = together(*[partial(editor.work, until) for editor in editors])

        assert of(Exception, outcomes) == []
        assert deadlocks() == before
        done = sum((editor.done for editor in editors), Counter())
        everything = {act.__name__ for act in editors[0].acts}
        assert everything <= set(done), f"never done: {everything - set(done)}"


class TestAgain:
    def test_saves_a_page_of_the_admin_that_was_the_victim_of_a_deadlock(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limit = p.limit(f.make_organization(), 5, "actor_default")
        staff = staff_who_may("usage.change_limit", "usage.view_limit")
        save, tries = controls.save_limit, []

        def fall_victim_once(**options: Any) -> Limit:
            tries.append(1)
            saved = save(**options)
            if len(tries) == 1:
                be_a_victim()
            return saved

        monkeypatch.setattr(controls, "save_limit", fall_victim_once)
        url = reverse("admin:usage_limit_change", args=[limit.pk])
        answer = staff.post(url, {"cap": "7", "initial-cap": "5", **CONFIRMED})

        assert answer.status_code == 302
        assert len(tries) == 2
        limit.refresh_from_db()
        assert limit.cap == Decimal(7)
        assert limit.history.filter(history_type="~").count() == 1

    def test_tries_no_more_than_three_times(self) -> None:
        tries: list[int] = []

        def fail() -> None:
            tries.append(1)
            be_a_victim()

        with pytest.raises(Exception, match="deadlock"):
            again(fail)

        assert len(tries) == 3


def be_a_victim() -> None:
    """Fail as whoever is chosen to end a deadlock."""
    with connection.cursor() as cursor:
        cursor.execute("DO $$ BEGIN RAISE deadlock_detected; END $$")


def test_a_change_of_many_waits_and_goes_on() -> None:
    """A statement about all wallets, from a shell, beside work on each: it takes them in the order in which commands do."""
    parent = f.make_organization("Harbour Reseller", funded=1_000)
    children = [
        f.make_organization("C", parent=parent, refill_threshold=5, refill_amount=10)
        for _ in range(3)
    ]
    before = deadlocks()

    def spend() -> None:
        for number in range(15):
            for child in children:
                f.try_to_reserve(child, 1, now=f.NOW + timedelta(seconds=400 * number))

    def edit() -> None:
        for number in range(15):
            Organization.objects.update(enabled_providers=[str(number)])

    outcomes = together(spend, edit, spend, edit)

    assert of(Exception, outcomes) == []
    assert deadlocks() == before
    assert Wallet.objects.filter(balance__lt=ZERO).count() == 0
