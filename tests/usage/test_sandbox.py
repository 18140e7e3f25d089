"""Test keys: what they spend is play money, in a sandbox of their own, on the terms of their organization."""

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Q

from credits.models import CreditConfig, Reservation
from organizations.models import ApiKey, Organization
from organizations.scopes import ORG_ADMIN
from organizations.services import OrganizationArchived
from tests import factories as f
from tests.callers import Caller, caller_of, child_path, error, ok
from tests.callers import clock as clock
from tests.parallel import at_once
from tests.usage import people as p
from usage.models import Limit, Thresholds
from usage.services import sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

MILLION = Decimal(1_000_000)


def sandbox_caller(
    organization: Organization, *scopes: str, acting: Organization | None = None, **options: Any
) -> Caller:
    """Return a caller with a fresh test key."""
    everything = ("*",) if organization.parent_id else ("*", ORG_ADMIN)
    _, secret = f.make_key(organization, env="test", scopes=scopes or everything, **options)
    return Caller(secret, acting=acting)


def mint(caller: Caller, organization: Organization, **fields: Any) -> Any:
    body = {"name": "a key", "scopes": ["usage:write"], **fields}
    return caller.post(f"{child_path(organization)}/api-keys", body)


def reset(organization: Organization) -> Organization:
    return sandbox.reset_sandbox(organization=organization, now=f.NOW).sandbox


def fresh(organization: Organization) -> Organization:
    return Organization.objects.get(id=organization.id)


class TestMake:
    def test_gives_a_million_that_do_not_expire(self) -> None:
        organization = f.make_organization(funded=100)

        made = f.sandbox_of(organization)

        (grant,) = f.grants_of(made)
        assert (grant.amount, grant.expires_at) == (MILLION, None)
        assert f.money_of(made) == f.amounts(MILLION, 0, MILLION)
        assert f.money_of(organization) == f.amounts(100, 0, 100)

    def test_has_the_external_id_unless_another_in_the_sandbox_has_it(self) -> None:
        parent = f.make_organization(external_id="harbour", funded=10)
        first, second = (
            f.make_organization(name, parent=parent, external_id=name) for name in ("a", "b")
        )
        play = f.sandbox_of(parent)
        f.make_organization("made in it", parent=play, external_id="b")

        twins = [f.sandbox_of(live) for live in (parent, first, second)]

        assert [twin.external_id for twin in twins] == ["harbour", "a", None]
        assert reset(first).external_id == "a"

    def test_is_made_once(self) -> None:
        organization = f.make_organization()

        assert f.sandbox_of(organization) == f.sandbox_of(organization)

    @pytest.mark.race
    def test_is_made_once_by_eight_at_once(self) -> None:
        parent, child = f.make_family()

        made = at_once(8, lambda n: f.make_key((parent, child)[n % 2], env="test")[0])

        assert len({key.organization_id for key in made}) == 2
        assert Organization.objects.filter(env="test").count() == 2

    def test_of_a_child_is_a_child_of_its_parents(self) -> None:
        parent, child = f.make_family()

        made = f.sandbox_of(child)

        assert made.parent is not None
        assert made.parent.sandbox_of == parent
        assert made.parent == f.sandbox_of(parent)
        assert f.money_of(made)[0] == f.money_of(made.parent)[0] == MILLION

    def test_copies_the_terms(self) -> None:
        organization = f.make_organization(
            monthly_cap=70, overdraft_limit=5, recharge_limit=30, when_empty="fallback"
        )

        made = f.sandbox_of(organization)

        names = [field.name for field in CreditConfig._meta.concrete_fields][1:]
        live, test = (f.wallet_of(each).config for each in (organization, made))
        assert {n: getattr(test, n) for n in names} == {n: getattr(live, n) for n in names}
        f.set_terms(organization, monthly_cap=1)
        assert f.wallet_of(made).config.monthly_cap == 70

    def test_copies_on_what_terms_ai_is_used(self) -> None:
        organization = f.make_organization()
        own = p.make_profile(organization, "own", cap=7, tiers="everyday")
        Organization.objects.filter(id=organization.id).update(
            ai_enabled=False,
            entitled_until=f.later(days=3),
            byok=True,
            enabled_providers=["anthropic"],
            default_profile=own,
            metadata={"plan": "gold"},
        )

        made = fresh(f.sandbox_of(fresh(organization)))

        assert (made.ai_enabled, made.entitled_until, made.byok) == (False, f.later(days=3), True)
        assert (made.enabled_providers, made.metadata) == (["anthropic"], {"plan": "gold"})
        assert made.default_profile is not None
        assert (made.default_profile.organization, made.default_profile.slug) == (made, "own")
        assert made.default_profile.credit_cap_per_month == 7

    def test_keeps_a_default_profile_of_the_systems(self) -> None:
        organization = f.make_organization()
        system = p.make_profile(None, "everybodys", cap=3)
        Organization.objects.filter(id=organization.id).update(default_profile=system)

        assert fresh(f.sandbox_of(fresh(organization))).default_profile == system

    def test_copies_thresholds_and_the_limits_that_are_nobodys(self) -> None:
        organization = f.make_organization()
        p.thresholds(organization, downgrade=5, shutoff=9)
        p.limit(organization, 4, "actor_default")
        p.limit(organization, 6, "resource", resource_type="app", resource_id="sales")
        p.limit(organization, 2, "actor", actor=p.make_actor(organization))

        made = f.sandbox_of(organization)

        copied = Thresholds.objects.get(organization=made)
        assert (copied.downgrade, copied.shutoff) == f.amounts(5, 9)
        limits = Limit.objects.filter(organization=made).values_list("scope", "cap", "resource_id")
        assert set(limits) == {
            ("actor_default", Decimal(4), ""),
            ("resource", Decimal(6), "sales"),
        }
        assert not made.actors.exists()
        assert Limit.objects.filter(organization=organization).count() == 3

    def test_begins_the_first_term_of_an_allowance(self) -> None:
        organization = f.make_organization(allowance=500, anchored_on=f.NOW.date())

        assert f.money_of(f.sandbox_of(organization))[0] == MILLION + 500

    def test_is_refused_for_an_archived_organization(self) -> None:
        organization = f.make_organization()
        f.archive(organization)

        with pytest.raises(OrganizationArchived):
            f.sandbox_of(organization)

    def test_says_what_it_is_in_a_name_that_fits(self) -> None:
        made = f.sandbox_of(f.make_organization("n" * 128))

        assert made.name.endswith("n (sandbox)")
        assert len(made.name) == 128


class TestSpend:
    def test_touches_no_live_credits(self) -> None:
        organization = f.make_organization(funded=100)
        tester = sandbox_caller(organization)

        held = ok(tester.reserve(10), 201)
        ok(tester.settle(held["id"], 10))

        assert f.money_of(organization) == f.amounts(100, 0, 100)
        assert ok(tester.get("/credits"))["balance"] == 999_990

    def test_is_stopped_by_the_terms_that_were_copied(self) -> None:
        assert sandbox_caller(f.make_organization(monthly_cap=7)).reserve(8).status_code == 402

    def test_shows_the_sandbox_as_whoever_asks(self) -> None:
        organization = f.make_organization()
        tester = sandbox_caller(organization)

        shown = ok(tester.get("/whoami"))

        made = f.sandbox_of(organization)
        assert made.public_id in str(shown)
        assert organization.public_id not in str(shown)

    def test_tells_two_sides_with_one_external_id_apart(self) -> None:
        organization = f.make_organization()

        for caller in (caller_of(organization), sandbox_caller(organization)):
            ok(caller.post("/actors", {"name": "Ada", "externalId": "u-1"}), 201)

        assert organization.actors.count() == f.sandbox_of(organization).actors.count() == 1

    def test_repeats_under_names_of_its_own(self) -> None:
        """What is tried with a test key is sent with the same Idempotency-Key in earnest."""
        organization = f.make_organization(funded=100)

        held = [
            ok(caller.reserve(5, key="order-1"), 201)["id"]
            for caller in (sandbox_caller(organization), caller_of(organization))
        ]

        assert held[0] != held[1]


class TestSides:
    """No id of one side is found from the other."""

    def test_a_live_id_is_unknown_to_a_test_key(self) -> None:
        parent, child = f.make_family()
        tester = sandbox_caller(parent)
        hold = f.reserve(parent, 5)
        ada = p.make_actor(parent)
        live_key, _ = f.make_key(parent)

        answers = [
            tester.get(f"/usage/reservations/{hold.public_id}"),
            tester.settle(hold.public_id, 5),
            tester.get(f"/actors/{ada.public_id}"),
            tester.reserve(5, actorId=ada.public_id),
            tester.get(child_path(child)),
            tester.get(f"{child_path(child)}/credits"),
            tester.allocate(child, 5, key="k-1"),
            tester.get(f"{child_path(parent)}/api-keys"),
            tester.delete(f"{child_path(f.sandbox_of(parent))}/api-keys/{live_key.public_id}"),
            mint(tester, parent),
        ]

        assert {error(answer) for answer in answers} == {(404, "NOT_FOUND")}

    def test_a_test_id_is_unknown_to_a_live_key(self) -> None:
        parent, child = f.make_family()
        made, childs = f.sandbox_of(parent), f.sandbox_of(child)
        caller = caller_of(parent)
        hold = f.reserve(made, 5)
        ada = p.make_actor(made)

        answers = [
            caller.get(f"/usage/reservations/{hold.public_id}"),
            caller.get(f"/actors/{ada.public_id}"),
            caller.reserve(5, actorId=ada.public_id),
            caller.get(child_path(childs)),
            caller.allocate(childs, 5, key="k-1"),
            caller.get(f"{child_path(made)}/api-keys"),
            mint(caller, made, env="test"),
            caller_of(parent, acting=childs).get("/credits"),
            caller_of(parent, acting=made).get("/credits"),
        ]

        assert {error(answer) for answer in answers} == {(404, "NOT_FOUND")}

    def test_its_own_other_side_is_unknown_without_org_admin_too(self) -> None:
        organization = f.make_organization()
        made = f.sandbox_of(organization)

        from_test = sandbox_caller(organization, "*").get(f"{child_path(organization)}/api-keys")
        from_live = caller_of(organization, "*").get(f"{child_path(made)}/api-keys")

        assert error(from_test) == error(from_live) == (404, "NOT_FOUND")

    def test_a_live_id_in_the_header_means_its_sandbox(self) -> None:
        parent, child = f.make_family()
        childs = f.sandbox_of(child)

        for acting in (child, childs):
            shown = ok(sandbox_caller(parent, acting=acting).get("/credits"))
            assert shown["organizationId"] == childs.public_id
        for acting in (parent, f.sandbox_of(parent)):
            shown = ok(sandbox_caller(parent, "*", acting=acting).get("/credits"))
            assert shown["organizationId"] == f.sandbox_of(parent).public_id

    def test_a_live_child_in_the_header_has_a_sandbox_from_then_on(self) -> None:
        parent, child = f.make_family()

        held = ok(sandbox_caller(parent, acting=child).reserve(5), 201)

        made = f.sandbox_of(child)
        assert Reservation.objects.get(id=held["id"][4:]).wallet.organization == made
        assert f.money_of(made)[1] == 5
        assert Organization.objects.filter(env="test").count() == 2

    def test_nobody_elses_id_in_the_header_has_one(self) -> None:
        parent, child = f.make_family()
        stranger, theirs = f.make_family()
        f.sandbox_of(stranger)
        gone = f.make_organization("Gone", parent=parent)
        f.archive(gone)
        tester = sandbox_caller(parent)
        weak = sandbox_caller(parent, "*", acting=child)

        for acting in (stranger, theirs, gone):
            answer = sandbox_caller(parent, acting=acting).get("/credits")
            assert error(answer) == (404, "NOT_FOUND")
        assert error(weak.get("/credits")) == (403, "FORBIDDEN_SCOPE")
        assert caller_of(parent, acting=child).get("/credits").status_code == 200
        f.suspend(parent)
        assert tester.get("/credits").status_code == 503
        assert not sandbox.in_use().filter(sandbox_of__in=(child, theirs, gone)).exists()

    def test_lists_only_its_own_children(self) -> None:
        parent, child = f.make_family()
        childs = f.sandbox_of(child)

        live = ok(caller_of(parent).get("/organizations"))["items"]
        test = ok(sandbox_caller(parent).get("/organizations"))["items"]

        assert [one["id"] for one in live] == [child.public_id]
        assert [one["id"] for one in test] == [childs.public_id]

    def test_children_are_made_and_funded_within_it(self) -> None:
        parent, _ = f.make_family()
        tester = sandbox_caller(parent)

        made = ok(tester.post("/organizations", {"name": "A customer"}), 201)
        other = Organization.objects.get(name="A customer")
        ok(tester.allocate(other, 50, key="k-1"))

        assert made["parentOrganizationId"] == f.sandbox_of(parent).public_id
        assert (other.env, other.sandbox_of) == ("test", None)
        assert f.money_of(other)[0] == 50
        assert f.money_of(f.sandbox_of(parent))[0] == MILLION - 50
        assert f.money_of(parent)[0] == 1_000
        assert parent.children.count() == 1
        assert ok(mint(tester, other), 201)["env"] == "test"


class TestMint:
    def test_makes_the_sandbox(self) -> None:
        organization = f.make_organization()

        minted = ok(mint(caller_of(organization), organization, env="test"), 201)

        made = Organization.objects.get(sandbox_of=organization)
        assert minted["secret"].startswith("lp_test_")
        assert (minted["organizationId"], minted["env"]) == (made.public_id, "test")
        assert minted["rateLimitTier"] == "sandbox"

    def test_keeps_who_had_the_sandbox_made(self) -> None:
        organization = f.make_organization()
        caller = caller_of(organization)
        minter = ApiKey.objects.get().public_id

        ok(mint(caller, organization, env="test"), 201)

        made = Organization.objects.get(sandbox_of=organization)
        assert made.history.get().history_change_reason == minter
        assert f.entries_of(made)[0].performed_by == minter

    def test_is_for_a_child_too(self) -> None:
        parent, child = f.make_family()

        minted = ok(mint(caller_of(parent), child, env="test"), 201)

        assert minted["organizationId"] == f.sandbox_of(child).public_id

    def test_makes_live_keys_unless_said(self) -> None:
        organization = f.make_organization()

        assert ok(mint(caller_of(organization), organization), 201)["env"] == "live"
        assert not Organization.objects.filter(env="test").exists()

    @pytest.mark.parametrize("said", [{}, {"env": "test"}])
    def test_with_a_test_key_makes_test_keys(self, said: dict[str, str]) -> None:
        organization = f.make_organization()
        tester = sandbox_caller(organization, "*")

        minted = ok(mint(tester, f.sandbox_of(organization), **said), 201)

        assert (minted["env"], minted["rateLimitTier"]) == ("test", "sandbox")

    def test_with_a_test_key_makes_no_live_ones(self) -> None:
        organization = f.make_organization()
        made = f.sandbox_of(organization)

        answer = mint(sandbox_caller(organization), made, env="live")

        assert error(answer) == (403, "FORBIDDEN_SCOPE")
        assert "env" in answer.json()["error"]["message"]
        assert set(ApiKey.objects.values_list("env", flat=True)) == {"test"}

    def test_of_a_personal_one_takes_an_actor_of_the_sandbox(self) -> None:
        organization = f.make_organization()
        caller = caller_of(organization)
        ada, bob = p.make_actor(organization), p.make_actor(f.sandbox_of(organization))

        minted = mint(caller, organization, env="test", actorId=bob.public_id)
        foreign = mint(caller, organization, env="test", actorId=ada.public_id)

        assert ok(minted, 201)["actorId"] == bob.public_id
        assert error(foreign) == (404, "NOT_FOUND")
        assert error(mint(caller, organization, actorId=bob.public_id)) == (404, "NOT_FOUND")

    def test_that_is_refused_leaves_no_sandbox(self) -> None:
        organization = f.make_organization()
        ada = p.make_actor(organization)

        mint(caller_of(organization), organization, env="test", actorId=ada.public_id)

        assert not Organization.objects.filter(env="test").exists()

    def test_lists_live_and_test_keys_of_a_live_organization(self) -> None:
        organization = f.make_organization()
        live, test = caller_of(organization), sandbox_caller(organization)
        made = f.sandbox_of(organization)

        of_live = ok(live.get(f"{child_path(organization)}/api-keys"))["items"]
        of_test = ok(test.get(f"{child_path(made)}/api-keys"))["items"]

        assert [key["env"] for key in of_live] == ["test", "live"]
        assert [key["env"] for key in of_test] == ["test"]

    def test_keys_are_rotated_and_revoked_from_the_live_side(self) -> None:
        organization = f.make_organization()
        live = caller_of(organization)
        key, _ = f.make_key(organization, env="test")
        path = f"{child_path(organization)}/api-keys/{key.public_id}"

        rotated = ok(live.post(f"{path}/rotate"))
        ok(live.delete(path))

        assert rotated["env"] == "test"
        assert ApiKey.objects.get(id=key.id).revoked_at is not None
        assert Caller(rotated["secret"]).reserve(5).status_code == 201


class TestStop:
    @pytest.mark.parametrize("whose", ["own", "parent's"])
    def test_with_a_suspended_live_organization(self, whose: str) -> None:
        parent, child = f.make_family()
        tester = sandbox_caller(child)
        held = ok(tester.reserve(5), 201)
        f.suspend(child if whose == "own" else parent)

        assert error(tester.reserve(5)) == (503, "KILL_SWITCH")
        assert error(tester.get("/credits")) == (503, "KILL_SWITCH")
        ok(tester.settle(held["id"], 5))

    def test_of_what_was_made_in_a_sandbox(self) -> None:
        parent = f.make_organization()
        other = f.make_organization("Other", parent=f.sandbox_of(parent), funded=10)
        _, secret = f.make_key(other)
        f.suspend(parent)

        assert error(Caller(secret).reserve(5)) == (503, "KILL_SWITCH")

    def test_and_go_on_when_it_is_resumed(self) -> None:
        organization = f.make_organization()
        tester = sandbox_caller(organization)
        f.resume(f.suspend(organization))

        assert tester.reserve(5).status_code == 201

    def test_suspends_a_sandbox_alone(self) -> None:
        organization = f.make_organization(funded=10)
        tester = sandbox_caller(organization)
        f.suspend(f.sandbox_of(organization))

        assert error(tester.reserve(5)) == (503, "KILL_SWITCH")
        assert caller_of(organization).reserve(5).status_code == 201

    def test_for_ever_with_an_archived_one(self) -> None:
        parent, child = f.make_family()
        tester = sandbox_caller(child)
        other = f.make_organization("Other", parent=f.sandbox_of(parent))
        held = ok(tester.reserve(5), 201)
        made = f.sandbox_of(child)

        archival = f.archive(child)

        assert archival.revoked_api_keys == 1
        assert error(tester.reserve(5)) == (401, "UNAUTHENTICATED")
        assert fresh(made).status == "archived"
        assert Reservation.objects.get(id=held["id"][4:]).status == "released"
        f.archive(parent)
        assert fresh(other).status == "archived"
        assert not Organization.objects.filter(~Q(status="archived")).exists()


class TestReset:
    def test_makes_another(self) -> None:
        organization = f.make_organization(monthly_cap=50)
        old = f.sandbox_of(organization)
        f.spend(old, 7)
        held = f.reserve(old, 5)
        f.set_terms(organization, monthly_cap=60)

        new = reset(organization)

        assert new != old
        assert f.money_of(new) == f.amounts(MILLION, 0, MILLION)
        assert f.wallet_of(new).config.monthly_cap == 60
        assert f.sandbox_of(organization) == new
        assert fresh(old).status == "archived"
        held.refresh_from_db()
        assert held.status == "released"

    def test_lets_test_keys_go_on(self) -> None:
        organization = f.make_organization()
        tester = sandbox_caller(organization)
        held = ok(tester.reserve(5), 201)

        new = reset(organization)

        assert ok(tester.get("/credits"))["organizationId"] == new.public_id
        assert error(tester.settle(held["id"], 5)) == (404, "NOT_FOUND")

    def test_lets_a_personal_key_go_on_as_who_it_is(self) -> None:
        organization = f.make_organization()
        old = f.sandbox_of(organization)
        own = p.make_profile(old, "own", cap=3)
        ada = p.make_actor(old, external_id="u-1", email="ada@example.com", profile=own)
        _, secret = f.make_key(organization, env="test", actor=ada, scopes=["usage:write"])

        new = reset(organization)

        (moved,) = new.actors.all()
        assert (moved.name, moved.external_id, moved.email) == ("Ada", "u-1", "ada@example.com")
        assert ok(Caller(secret).reserve(5), 201)
        assert ApiKey.objects.get().actor == moved

    def test_leaves_what_was_revoked_behind(self) -> None:
        organization = f.make_organization()
        key, _ = f.make_key(organization, env="test")
        caller = caller_of(organization)
        ok(caller.delete(f"{child_path(organization)}/api-keys/{key.public_id}"))

        done = sandbox.reset_sandbox(organization=organization, now=f.NOW)

        assert done.moved_keys == 0
        listed = ok(caller.get(f"{child_path(organization)}/api-keys"))["items"]
        assert key.public_id in [one["id"] for one in listed]

    def test_of_a_suspended_one_resumes_nothing(self) -> None:
        organization = f.make_organization()
        f.suspend(f.sandbox_of(organization))
        tester = sandbox_caller(organization, "*")

        ok(caller_of(organization).post("/sandbox/reset"))

        assert f.sandbox_of(organization).status == "suspended"
        assert error(tester.reserve(5)) == (503, "KILL_SWITCH")

    def test_of_a_parent_resets_its_childrens(self) -> None:
        parent, child = f.make_family()
        tester, before = sandbox_caller(child), f.sandbox_of(child)
        other = f.make_organization("Other", parent=f.sandbox_of(parent))
        key, _ = f.make_key(other)

        new = reset(parent)

        after = f.sandbox_of(child)
        assert (after.parent, after != before) == (new, True)
        assert ok(tester.get("/credits"))["organizationId"] == after.public_id
        assert fresh(other).status == "archived"
        assert ApiKey.objects.get(id=key.id).revoked_at == f.NOW

    def test_of_a_child_leaves_its_parents(self) -> None:
        parent, child = f.make_family()
        f.sandbox_of(child)
        above = f.sandbox_of(parent)

        assert reset(child).parent == above
        assert f.sandbox_of(parent) == above

    def test_makes_the_first(self) -> None:
        organization = f.make_organization()

        assert reset(organization) == f.sandbox_of(organization)

    def test_of_what_was_made_in_a_sandbox_is_refused(self) -> None:
        other = f.make_organization("Other", parent=f.sandbox_of(f.make_organization()))

        with pytest.raises(sandbox.MadeInASandbox):
            reset(other)

    @pytest.mark.race
    def test_by_four_at_once_leaves_one(self) -> None:
        parent, child = f.make_family()
        tester = sandbox_caller(child)

        at_once(4, lambda n: reset((parent, child)[n % 2]))

        assert sandbox.in_use().count() == 2
        assert tester.reserve(5).status_code == 201


class TestResetApi:
    def test_says_what_it_did(self) -> None:
        organization = f.make_organization()
        sandbox_caller(organization)

        done = ok(caller_of(organization).post("/sandbox/reset"))

        assert done == {
            "organizationId": f.sandbox_of(organization).public_id,
            "sandboxOf": organization.public_id,
            "movedApiKeys": 1,
            "balance": 1_000_000,
            "available": 1_000_000,
        }

    @pytest.mark.parametrize("side", [caller_of, sandbox_caller])
    def test_happens_once_for_an_idempotency_key(self, side: Any) -> None:
        organization = f.make_organization()
        caller = side(organization)

        first, second = (caller.post("/sandbox/reset", key="again-1") for _ in range(2))

        assert ok(first) == ok(second)
        assert f.sandbox_of(organization).public_id == first.json()["organizationId"]

    def test_of_a_child_is_asked_for_in_its_name(self) -> None:
        parent, child = f.make_family()
        f.sandbox_of(child)

        for caller in (caller_of(parent, acting=child), sandbox_caller(parent, acting=child)):
            done = ok(caller.post("/sandbox/reset", key="again-1"))
            assert done["sandboxOf"] == child.public_id

    def test_of_what_was_made_in_a_sandbox_is_a_conflict(self) -> None:
        other = f.make_organization("Other", parent=f.sandbox_of(f.make_organization()))
        _, secret = f.make_key(other)

        assert error(Caller(secret).post("/sandbox/reset")) == (409, "CONFLICT")

    def test_needs_the_right_to_manage(self) -> None:
        weak = caller_of(f.make_organization(), "usage:write", "credits:read")

        assert error(weak.post("/sandbox/reset")) == (403, "FORBIDDEN_SCOPE")
