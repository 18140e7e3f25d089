"""Which caps and tiers apply to whom: own limit, most permissive, default."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError

from credits.services import ForeignProfile, update_actor
from organizations.models import Actor, Membership, Organization
from tests import factories as f
from tests.usage import people as p
from usage.services import groups, limits

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


def terms(actor: Actor) -> limits.ActorTerms:
    organization = p.fresh(actor.organization)
    return limits.actor_terms(organization, [Actor.objects.get(pk=actor.pk)])[actor.id]


class TestActorCap:
    def test_is_standards_where_nobody_said_anything(self, organization: Organization) -> None:
        found = terms(p.make_actor(organization))

        assert found.cap == 5000
        assert found.tiers == {"everyday", "advanced"}
        assert found.profile.slug == "standard"

    def test_is_the_organizations_default_profile(self, organization: Organization) -> None:
        own = p.make_profile(organization, "own", cap=70, tiers="everyday")
        Organization.objects.filter(pk=organization.pk).update(default_profile=own)

        found = terms(p.make_actor(organization))

        assert found.cap == 70
        assert found.tiers == {"everyday"}

    @pytest.mark.parametrize("cap", [0, 80, None])
    def test_is_the_default_limit_before_the_default_profile(
        self, organization: Organization, cap: int | None
    ) -> None:
        p.limit(organization, cap, "actor_default")

        assert terms(p.make_actor(organization)).cap == cap

    def test_is_that_of_its_own_profile_before_any_default(
        self, organization: Organization
    ) -> None:
        p.limit(organization, None, "actor_default")
        profile = p.make_profile(organization, "own", cap=30)

        assert terms(p.make_actor(organization, profile=profile)).cap == 30

    @pytest.mark.parametrize("cap", [0, 12, None])
    def test_is_its_own_limit_before_everything(
        self, organization: Organization, cap: int | None
    ) -> None:
        profile = p.make_profile(organization, "own", cap=30)
        actor = p.make_actor(organization, profile=profile)
        p.make_group(organization, "team", actor, profile=profile)
        p.limit(organization, cap, "actor", actor=actor)

        found = terms(actor)

        assert found.cap == cap
        assert found.has_own_limit

    @pytest.mark.parametrize(
        ("own", "first", "second", "cap"),
        [
            (10, 20, 30, 30),
            (40, 20, 30, 40),
            (10, None, 30, None),
            (None, 20, 30, None),
            (0, 0, 0, 0),
        ],
    )
    def test_is_the_most_permissive_of_its_profile_and_its_teams(
        self,
        organization: Organization,
        own: int | None,
        first: int | None,
        second: int | None,
        cap: int | None,
    ) -> None:
        actor = p.make_actor(organization, profile=p.make_profile(organization, "own", cap=own))
        for name, value in (("first", first), ("second", second)):
            profile = p.make_profile(organization, name, cap=value)
            p.make_group(organization, name, actor, profile=profile)

        assert terms(actor).cap == cap

    @pytest.mark.parametrize("cap", [5, 900, None])
    def test_of_a_team_is_its_limit_before_its_profile(
        self, organization: Organization, cap: int | None
    ) -> None:
        actor = p.make_actor(organization)
        profile = p.make_profile(organization, "team", cap=70)
        team = p.make_group(organization, "team", actor, profile=profile)
        p.limit(organization, cap, "group", group=team)

        assert terms(actor).cap == cap

    def test_of_a_team_without_either_is_the_default_of_teams(
        self, organization: Organization
    ) -> None:
        actor = p.make_actor(organization)
        p.make_group(organization, "team", actor)
        before = terms(actor).cap
        p.limit(organization, 44, "team_default")

        assert before == 5000
        assert terms(actor).cap == 44

    def test_applies_to_each_member_of_a_team(self, organization: Organization) -> None:
        ada, bob = p.make_actor(organization), p.make_actor(organization, "Bob")
        team = p.make_group(organization, "team", ada, bob)
        p.limit(organization, 10, "group", group=team)

        p.use(p.work(organization, 10, actor=ada), 10)

        assert p.refusal(p.work(organization, 1, actor=ada)) == "actor_cap"
        assert p.hold(p.work(organization, 10, actor=bob)).credits == 10


class TestTiers:
    def test_are_all_that_its_profiles_allow(self, organization: Organization) -> None:
        own = p.make_profile(organization, "own", cap=1, tiers="everyday")
        actor = p.make_actor(organization, profile=own)
        team = p.make_profile(organization, "team", cap=1, tiers="all")
        p.make_group(organization, "team", actor, profile=team)

        assert terms(actor).tiers == {"everyday", "advanced", "strategic"}


class TestEntityGroup:
    def test_is_one_bucket_for_all_its_members(self, organization: Organization) -> None:
        ada, bob = p.make_actor(organization), p.make_actor(organization, "Bob")
        acme = p.make_group(organization, "acme", ada, bob, kind="entity")
        p.limit(organization, 10, "group", group=acme)

        p.use(p.work(organization, 7, actor=ada), 7)

        assert p.refusal(p.work(organization, 4, actor=bob)) == "group_cap"
        assert p.hold(p.work(organization, 3, actor=bob)).credits == 3

    @pytest.mark.parametrize(
        ("default", "own", "cap"),
        [([], [], None), ([9], [], 9), ([9], [None], None), ([9], [0], 0), ([None], [4], 4)],
    )
    def test_has_its_own_cap_before_the_default_and_else_none(
        self, organization: Organization, default: list[Any], own: list[Any], cap: int | None
    ) -> None:
        acme = p.make_group(organization, "acme", kind="entity")
        for value in default:
            p.limit(organization, value, "entity_default")
        for value in own:
            p.limit(organization, value, "group", group=acme)

        assert limits.entity_group_caps([acme]) == {acme.id: cap}

    def test_is_at_most_one_for_each_actor(self, organization: Organization) -> None:
        ada = p.make_actor(organization)
        p.make_group(organization, "acme", ada, kind="entity")
        other = p.make_group(organization, "other", kind="entity")

        with pytest.raises(groups.InAnotherEntityGroup):
            groups.add_member(group=other, actor=ada)
        with pytest.raises(IntegrityError, match="membership_one_entity_group"):
            Membership.objects.create(
                organization=organization, group=other, actor=ada, kind="entity"
            )


class TestAcrossOrganizations:
    def test_nobody_is_a_member(self, organization: Organization) -> None:
        stranger = p.make_actor(f.make_organization("Stranger"))
        team = p.make_group(organization, "team")

        with pytest.raises(IntegrityError, match="membership_actor_fits"):
            groups.add_member(group=team, actor=stranger)

    def test_nobody_has_a_profile(self, organization: Organization) -> None:
        foreign = p.make_profile(f.make_organization("Stranger"), "foreign", cap=1)

        with pytest.raises(ForeignProfile):
            p.make_actor(organization, profile=foreign)
        with pytest.raises(ForeignProfile):
            p.make_group(organization, "team", profile=foreign)


class TestAllowancePerUser:
    def shares(self, organization: Organization) -> Decimal:
        return f.wallet_of(organization).allowance_remaining

    def test_is_brought_at_once_by_a_user_who_comes_in_mid_term(self) -> None:
        organization = f.make_organization(allowance=100, allowance_per_user=50)

        p.make_actor(organization)
        p.make_actor(organization, "Robot", kind="agent")
        p.make_actor(organization, "Gone", active=False)

        assert self.shares(organization) == 150

    def test_is_brought_once_per_user_and_term(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        actor = p.make_actor(organization)

        for active in (False, True, False, True):
            p.set_active(actor, active)

        assert self.shares(organization) == 50

    def test_is_not_brought_by_another_change_of_who_was_there_already(self) -> None:
        organization = f.make_organization()
        actor = p.make_actor(organization)
        f.set_terms(organization, allowance_per_user=50)

        update_actor(actor=actor, changes={"name": "Ada Lovelace"}, now=f.NOW)

        assert self.shares(organization) == 0

    def test_counts_the_active_users_of_the_day_at_renewal(self) -> None:
        organization = f.make_organization(allowance=100, allowance_per_user=50)
        ada, bob = p.make_actor(organization), p.make_actor(organization, "Bob")
        p.make_actor(organization, "Robot", kind="agent")
        p.set_active(ada, False)
        still_there = self.shares(organization)

        f.renew(organization, now=f.at("2026-06-01"))
        renewed = self.shares(organization)
        p.set_active(bob, False, now=f.at("2026-06-02"))
        p.set_active(bob, True, now=f.at("2026-06-03"))
        p.set_active(ada, True, now=f.at("2026-06-04"))

        assert still_there == 200
        assert renewed == 150
        assert self.shares(organization) == 200

    def test_is_brought_to_the_end_of_a_cancelled_term_and_not_after_it(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        p.make_actor(organization)
        f.set_terms(organization, cancel_at_period_end=True)

        p.make_actor(organization, "Bob")
        in_the_last_term = self.shares(organization)
        f.renew(organization, now=f.at("2026-06-01"))
        p.make_actor(organization, "Cleo", now=f.at("2026-06-02"))

        assert in_the_last_term == 100
        assert self.shares(organization) == 0

    def test_is_not_used_up_by_a_term_that_brought_none(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        ada = p.make_actor(organization)
        f.set_terms(organization, cancel_at_period_end=True)
        f.renew(organization, now=f.at("2026-06-01"))

        f.set_terms(organization, cancel_at_period_end=False, now=f.at("2026-06-02"))
        p.set_active(ada, False, now=f.at("2026-06-02"))
        p.set_active(ada, True, now=f.at("2026-06-03"))

        assert self.shares(organization) == 50
