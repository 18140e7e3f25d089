"""Which changes of terms raise a version, and whose: whoever makes them, by whatever door."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import F, Model, QuerySet

from credits.models import Catalogue, CreditConfig, Wallet
from organizations.models import Actor, Group, Membership, Organization, UsageProfile
from tests import factories as f
from tests.races.threads import of, together
from tests.usage import people as p
from usage.models import AIModel, CustomerPrice, Limit, Markup, Rate, Thresholds

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class World:
    """An organization with one of everything that decides about its spending, beside another."""

    parent: Organization
    organization: Organization
    other: Organization
    ada: Actor
    team: Group
    profile: UsageProfile


@pytest.fixture
def world() -> World:
    parent, organization = f.make_family(funded=100)
    f.make_key(parent, env="test")
    other = f.make_organization("Other")
    p.make_models()
    ada = p.make_actor(organization, external_id="u-1")
    profile = p.make_profile(organization, "own", cap=5)
    team = p.make_group(organization, "blue", ada, profile=profile)
    p.make_group(organization, "acme", ada, kind="entity")
    p.thresholds(organization, downgrade=1, shutoff=2)
    p.limit(organization, 5, "actor", actor=ada)
    p.limit(organization, 5, "resource", resource_type="app", resource_id="a-1")
    return World(parent, organization, other, ada, team, profile)


def versions() -> dict[Any, UUID]:
    """Return the version of each wallet by its organization, and that of the catalogue."""
    wallets: dict[Any, UUID] = dict(Wallet.objects.values_list("organization_id", "terms_version"))
    return wallets | {"catalogue": Catalogue.objects.get().version}


def raised(change: Callable[[], object]) -> set[Any]:
    """Return whose versions a change raised."""
    before = versions()
    change()
    return {whose for whose, version in versions().items() if version != before[whose]}


def rows_of(model: type[Model], /, **fields: Any) -> QuerySet[Any]:
    """Return the rows of a model that have these values."""
    rows: QuerySet[Any] = model._default_manager.filter(**fields)
    return rows


OF_THE_ORGANIZATION: dict[str, Callable[[World], object]] = {
    "ai_enabled": lambda w: edit(w, ai_enabled=False),
    "entitled_until": lambda w: edit(w, entitled_until=f.NOW),
    "byok": lambda w: edit(w, byok=True),
    "enabled_providers": lambda w: edit(w, enabled_providers=["anthropic"]),
    "default_profile": lambda w: edit(w, default_profile=w.profile),
    "status": lambda w: edit(w, status="suspended"),
    "every term": lambda w: CreditConfig.objects.filter(wallet__organization=w.organization).update(
        monthly_cap=7
    ),
    "no config": lambda w: CreditConfig.objects.filter(
        wallet__organization=w.organization
    )._raw_delete("default"),
    "a threshold": lambda w: rows_of(Thresholds).update(shutoff=9),
    "no thresholds": lambda w: rows_of(Thresholds).delete(),
    "a limit": lambda w: rows_of(Limit, scope="actor").update(cap=None),
    "another limit": lambda w: p.limit(w.organization, 5, "group", group=w.team),
    "another budget": lambda w: p.limit(
        w.organization, 5, "resource", resource_type="app", resource_id="b"
    ),
    "a budget that is lifted": lambda w: rows_of(Limit, scope="resource").update(cap=None),
    "no limit": lambda w: rows_of(Limit, scope="actor").delete(),
    "a customer's price": lambda w: p.markup(of=w.organization),
    "another customer's price": lambda w: [
        p.markup(of=w.organization),
        rows_of(CustomerPrice).update(factor=3),
    ],
    "no customer's price": lambda w: [
        p.markup(of=w.organization),
        rows_of(CustomerPrice).delete(),
    ],
    "a profile's cap": lambda w: rows_of(UsageProfile, slug="own").update(credit_cap_per_month=1),
    "a profile's tiers": lambda w: rows_of(UsageProfile, slug="own").update(allowed_model_tiers=[]),
    "an actor's profile": lambda w: rows_of(Actor).update(profile=w.profile),
    "an actor's external id": lambda w: rows_of(Actor).update(external_id="u-2"),
    "an actor without an external id": lambda w: rows_of(Actor).update(external_id=None),
    "an actor who leaves": lambda w: rows_of(Actor).update(active=False),
    "a group's profile": lambda w: rows_of(Group, key="blue").update(profile=None),
    "a group's key": lambda w: rows_of(Group, key="acme").update(key="acme-2"),
    "no group": lambda w: rows_of(Group, key="acme").delete(),
    "another member": lambda w: Membership.objects.create(
        organization=w.organization,
        group=p.make_group(w.organization, "red"),
        actor=w.ada,
        kind="team",
    ),
    "a member who leaves": lambda w: rows_of(Membership, kind="entity").delete(),
}
OF_THE_CATALOGUE: dict[str, Callable[[World], object]] = {
    "a provider": lambda w: rows_of(AIModel, slug="haiku").update(provider="openai"),
    "a tier": lambda w: rows_of(AIModel, slug="haiku").update(tier="strategic"),
    "a fallback": lambda w: rows_of(AIModel, slug="haiku").update(is_fallback=False),
    "another model": lambda w: p.make_model("opus", credits_per_million=None),
    "no model": lambda w: p.make_model("opus", credits_per_million=None).delete(),
    "a price": lambda w: rows_of(Rate, model="haiku").update(amount=3),
    "another price": lambda w: p.set_rate(AIModel.objects.get(slug="haiku"), 1, since=f.NOW),
    "a markup": lambda w: p.markup(),
    "another markup": lambda w: [p.markup(), rows_of(Markup).update(factor=3)],
    "no markup": lambda w: [p.markup(), rows_of(Markup).delete()],
    "no price": lambda w: rows_of(Rate, model="haiku").delete(),
    "a profile of the system": lambda w: rows_of(UsageProfile, slug="standard").update(
        credit_cap_per_month=1
    ),
    "no profile of the system": lambda w: p.make_profile(None, "unused", cap=1).delete(),
}
OF_NOBODY: dict[str, Callable[[World], object]] = {
    "a name": lambda w: edit(
        w, name="Nordwind", billing_email="a@b.example", external_id="n-1", metadata={"a": "b"}
    ),
    "the same again": lambda w: edit(w, byok=False, status="active"),
    "the same terms": lambda w: rows_of(CreditConfig).update(monthly_cap=F("monthly_cap")),
    "an actor who comes": lambda w: p.make_actor(w.organization, "Bob"),
    "an actor's name": lambda w: rows_of(Actor).update(
        name="Ada L.", email="ada@b.example", updated_at=f.NOW
    ),
    "an agent": lambda w: rows_of(Actor).update(kind="agent"),
    "a group that comes": lambda w: p.make_group(w.organization, "red"),
    "a group's name": lambda w: rows_of(Group).update(name="Blue!", updated_at=f.NOW),
    "a profile that comes": lambda w: p.make_profile(w.organization, "more", cap=5),
    "a profile's features": lambda w: rows_of(UsageProfile).update(
        name="Own!", description="mine", features=["a"]
    ),
    "the note on a limit": lambda w: rows_of(Limit).update(slug="help", owner_id="x"),
    "the first look at a budget": lambda w: p.limit(
        w.organization, None, "resource", resource_type="app", resource_id="c"
    ),
    "a model's name": lambda w: rows_of(AIModel).update(name="Haiku!"),
    "an organization": lambda w: f.make_organization("New", parent=w.parent, funded=1),
    "a key": lambda w: f.make_key(w.organization),
    "money": lambda w: f.grant(w.organization, 5),
    "work": lambda w: f.settle(f.reserve(f.make_organization("Works", funded=5), 1), 1),
    "nothing at all": lambda w: rows_of(Limit, scope="planet").update(cap=1),
}


def edit(world: World, **fields: Any) -> int:
    return Organization.objects.filter(pk=world.organization.pk).update(**fields)


class TestVersion:
    @pytest.mark.broken_books
    @pytest.mark.parametrize("change", OF_THE_ORGANIZATION)
    def test_is_raised_of_the_organization_alone_by(self, world: World, change: str) -> None:
        of_whom = raised(lambda: OF_THE_ORGANIZATION[change](world))

        assert of_whom == {world.organization.id}

    @pytest.mark.parametrize("change", OF_THE_CATALOGUE)
    def test_is_raised_of_the_catalogue_alone_by(self, world: World, change: str) -> None:
        assert raised(lambda: OF_THE_CATALOGUE[change](world)) == {"catalogue"}

    @pytest.mark.parametrize("change", OF_NOBODY)
    def test_is_not_raised_by(self, world: World, change: str) -> None:
        before = versions()

        OF_NOBODY[change](world)

        after = versions()
        assert {whose: after[whose] for whose in before} == before

    def test_of_a_parent_stands_for_its_children_too(self, world: World) -> None:
        live = {world.parent.id, f.sandbox_of(world.parent).id}

        assert raised(lambda: f.suspend(world.parent)) == live

    def test_of_a_sandbox_follows_the_status_of_whom_it_is_of_and_nothing_else(
        self, world: World
    ) -> None:
        sandbox = f.sandbox_of(world.other)

        renamed = raised(
            lambda: Organization.objects.filter(pk=world.other.pk).update(ai_enabled=False)
        )
        suspended = raised(lambda: f.suspend(world.other))

        assert renamed == {world.other.id}
        assert suspended == {world.other.id, sandbox.id}

    def test_moves_with_a_row_that_changes_hands(self, world: World) -> None:
        def hand_over() -> None:
            rows_of(UsageProfile, slug="unowned").update(organization=world.other)

        p.make_profile(None, "unowned", cap=1)

        assert raised(hand_over) == {"catalogue", world.other.id}

    def test_is_another_after_each_change(self, world: World) -> None:
        seen = []
        for cap in range(5):
            rows_of(Limit, scope="actor").update(cap=cap)
            seen.append(versions()[world.organization.id])

        assert len(set(seen)) == 5

    def test_is_as_it_was_if_the_change_is_undone(self, world: World) -> None:
        def change_and_undo() -> None:
            with transaction.atomic():
                rows_of(Limit).update(cap=1)
                transaction.set_rollback(True)

        assert raised(change_and_undo) == set()

    def test_is_raised_once_by_one_statement_about_many(self, world: World) -> None:
        with transaction.atomic():
            before = written()
            Limit.objects.bulk_create(
                Limit(
                    organization=owner,
                    scope="resource",
                    resource_type="app",
                    resource_id=f"app-{number}",
                    cap=1,
                    created_at=f.NOW,
                    updated_at=f.NOW,
                )
                for owner in (world.parent, world.organization)
                for number in range(100)
            )

            assert written() - before == 2


class TestNewWallets:
    def test_have_a_version_each(self) -> None:
        for name in "abc":
            f.make_organization(name)

        assert len(set(versions().values())) == 4

    def test_are_made_without_being_written_for_their_terms(self) -> None:
        with transaction.atomic():
            before = written()
            f.make_organization("New", monthly_cap=5)
            bare = written() - before

        # Once to be given its period, and never for its version.
        assert bare == 1


class TestLocks:
    """A change takes the locks of all its wallets before it writes one: parents first, then by id."""

    @pytest.fixture
    def family(self) -> list[Organization]:
        parent, child = f.make_family()
        sister = f.make_organization("Sister", parent=parent)
        stranger = f.make_organization("Stranger")
        return [parent, stranger, child, sister]

    @pytest.mark.race
    @pytest.mark.parametrize("held", range(4))
    def test_are_taken_parents_first_and_then_by_id(
        self, family: list[Organization], held: int
    ) -> None:
        """Whoever waits for the lock of one of them has those before it, and none after it."""
        is_held, is_done = Event(), Event()

        def hold() -> None:
            with transaction.atomic():
                list(Wallet.objects.select_for_update().filter(organization=family[held]))
                is_held.set()
                assert is_done.wait(30)

        def change() -> None:
            assert is_held.wait(30)
            CreditConfig.objects.update(monthly_cap=5)

        def look() -> list[bool]:
            try:
                assert is_held.wait(30)
                wait_for_a_waiter()
                return [is_free(each) for each in family]
            finally:
                is_done.set()

        outcomes = together(hold, change, look)

        assert of(Exception, outcomes) == []
        assert outcomes[2] == [False] * (held + 1) + [True] * (3 - held)


def wait_for_a_waiter() -> None:
    """Return once a session of this database waits for a lock."""
    with connection.cursor() as cursor:
        for _ in range(3_000):
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE NOT granted AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("nobody waits")


def is_free(organization: Organization) -> bool:
    with transaction.atomic():
        rows = Wallet.objects.select_for_update(skip_locked=True)
        return bool(list(rows.filter(organization=organization)))


def written() -> int:
    """Return how many rows of wallets this transaction wrote so far."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = 'credits_wallet'"
        )
        return int(cursor.fetchone()[0])


def test_renewal_raises_nothing() -> None:
    organization = f.make_organization(allowance=10, allowance_per_user=1)
    p.make_actor(organization)

    assert raised(lambda: f.renew(organization, now=f.NOW + timedelta(days=40))) == set()
