"""Terms that are kept: they cost no query, and decide nothing that is not true any more."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from credits.models import Reservation
from credits.services import BillingExhausted
from organizations.authentication import Unauthenticated
from organizations.models import Actor, Group, Organization, UsageProfile
from organizations.permissions import ForbiddenScope
from organizations.recent import Recent
from organizations.services import require_active
from organizations.statements import read_one
from tests import factories as f
from tests.callers import Caller, error, ok
from tests.callers import clock as clock
from tests.races.threads import together
from tests.usage import people as p
from tests.usage.test_terms_version import wait_for_a_waiter
from usage.models import AIModel, Limit, Rate, Thresholds
from usage.pricing import ImpossibleTokens, Tokens
from usage.services import NotAllowed, controls, groups, limits, terms
from usage.services.asking import ActorGone, Ask, Left, Work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


def statements(call: Callable[[], object]) -> list[str]:
    """Return the statements that a call sends; of those that are written by hand nothing but that there was one."""
    with CaptureQueriesContext(connection) as captured:
        call()
    return [each["sql"] or "" for each in captured]


def queries(call: Callable[[], object]) -> int:
    """Return how many statements a call sends."""
    return len(statements(call))


def busy(organization: Organization) -> Work:
    """Return work to which terms of every kind apply."""
    sonnet, _ = p.make_models()
    ada = p.make_actor(organization, profile=p.make_profile(organization, "own", cap=50))
    p.make_group(organization, "blue", ada)
    p.make_group(organization, "acme", ada, kind="entity")
    p.thresholds(organization, downgrade=900, shutoff=950)
    p.limit(organization, 40, "entity_default")
    p.limit(organization, 30, "resource", resource_type="app", resource_id="a-1")
    return p.work(
        organization,
        millions=1,
        model=sonnet,
        actor=ada,
        resource_type="app",
        resource_id="a-1",
    )


def numbers_of(thresholds: Thresholds) -> tuple[Decimal | None, Decimal | None]:
    return thresholds.downgrade, thresholds.shutoff


def caps(ask: Ask) -> list[Any]:
    """Return what an ask says of whom it counts."""
    return [(each.scope, each.cap) for each in ask.capped]


class TestAsk:
    def test_sends_nothing_once_its_terms_are_known(self, organization: Organization) -> None:
        work = busy(organization)
        Ask(work, f.NOW)

        assert queries(lambda: Ask(work, f.NOW)) == 0

    def test_says_the_same_by_kept_terms_as_by_fresh_ones(self, organization: Organization) -> None:
        work = busy(organization)
        Ask(work, f.NOW)

        kept, fresh = Ask(work, f.NOW), Ask(work, f.NOW, terms.fresh(organization))

        assert (kept.asked, kept.fallback) == (fresh.asked, fresh.fallback)
        assert kept.need == fresh.need == 10
        assert kept.fallback is not None
        assert kept.actor_terms == fresh.actor_terms
        assert kept.group == fresh.group == Group.objects.get(key="acme")
        assert kept.terms == fresh.terms
        assert kept.versions == fresh.versions
        assert kept.book.config == fresh.book.config
        assert caps(kept) == caps(fresh)
        assert caps(kept) == [("actor", 50), ("group", 40), ("resource", 30)]

    def test_has_thresholds_that_say_nothing_where_there_are_none(
        self, organization: Organization
    ) -> None:
        ask = Ask(p.work(organization, 1), f.NOW)

        assert (ask.thresholds.downgrade, ask.thresholds.shutoff) == (None, None)
        assert queries(lambda: Ask(p.work(organization, 1), f.NOW).thresholds) == 1  # p.work's own

    def test_answers_by_its_organization_what_status_is_in_force_without_a_query(self) -> None:
        parent = f.make_organization("Parent")
        child = f.make_organization("Child", parent=parent)
        for organization in (child, f.sandbox_of(child)):
            ask = Ask(Work(organization, credits=Decimal(1)), f.NOW)

            assert queries(partial(require_active, ask.book.organization)) == 0

    def test_goes_by_one_book_whatever_the_door_read_in_an_older_one(
        self, organization: Organization
    ) -> None:
        """The door takes a model from the book, another request reads terms anew, and now the versions are current ones."""
        work = busy(organization)
        AIModel.objects.filter(slug="sonnet").update(tier="strategic")
        terms.fresh(organization)

        ask = Ask(work, f.NOW)

        assert ask.book.is_current()
        assert ask.asked is not None
        assert ask.asked.offer.tier == "strategic"


class TestValidUntil:
    def test_is_never_where_nothing_changes_by_itself(self, organization: Organization) -> None:
        assert Ask(busy(organization), f.NOW).valid_until is None

    def test_is_when_the_entitlement_ends(self, organization: Organization) -> None:
        edit(organization, entitled_until=f.later(hours=2))

        ask = Ask(p.work(organization, 1), f.NOW)

        assert ask.valid_until == f.later(hours=2)
        assert ask.terms.is_entitled
        then = Ask(p.work(organization, 1), f.later(hours=2))
        assert then.valid_until is None
        assert not then.terms.is_entitled

    @pytest.mark.parametrize("slug", ["sonnet", "haiku"])
    def test_is_when_the_next_price_of_one_of_its_models_begins(
        self, organization: Organization, slug: str
    ) -> None:
        work = busy(organization)
        model = AIModel.objects.get(slug=slug)
        for hours in (3, 1, 2):
            p.set_rate(model, 5, since=f.later(hours=hours))

        assert Ask(work, f.NOW).valid_until == f.later(hours=1)
        assert Ask(work, f.later(hours=1)).valid_until == f.later(hours=2)
        assert Ask(work, f.later(hours=3)).valid_until is None

    def test_is_the_first_of_both(self, organization: Organization) -> None:
        work = busy(organization)
        p.set_rate(AIModel.objects.get(slug="sonnet"), 5, since=f.later(hours=2))
        edit(organization, entitled_until=f.later(hours=1))

        assert Ask(work, f.NOW).valid_until == f.later(hours=1)

    @pytest.mark.parametrize("offset", [-1, 0, 1])
    def test_is_the_very_moment_from_which_another_price_applies(
        self, organization: Organization, offset: int
    ) -> None:
        work = busy(organization)
        p.set_rate(AIModel.objects.get(slug="sonnet"), 77, since=f.later(hours=1))
        until = Ask(work, f.NOW).valid_until
        assert until is not None

        moment = until + timedelta(microseconds=offset)

        assert Ask(work, moment).need == (10 if offset < 0 else 77)


def edit(organization: Organization, **fields: Any) -> None:
    Organization.objects.filter(pk=organization.pk).update(**fields)


class TestObeyed:
    """What is asked by terms that were kept is decided by those that are true under the lock."""

    def test_are_those_that_were_kept_if_nothing_was_changed(
        self, organization: Organization
    ) -> None:
        kept = terms.book_of(organization)

        assert terms.current(organization) is kept

    CHANGES: dict[str, Callable[[Work], object]] = {
        "a shutoff": lambda work: controls.update_controls(
            organization=work.organization,
            changes={"shutoff": Decimal(0), "downgrade": None},
            performed_by=f.STAFF,
            now=f.NOW,
        ),
        "an actor's cap": lambda work: p.limit(work.organization, 0, "actor", actor=work.actor),
        "a profile's cap": lambda work: UsageProfile.objects.filter(slug="own").update(
            credit_cap_per_month=0
        ),
        "a profile's tiers": lambda work: UsageProfile.objects.filter(slug="own").update(
            allowed_model_tiers=["strategic"]
        ),
        "a group's cap": lambda work: Limit.objects.filter(scope="entity_default").update(cap=0),
        "another group": lambda work: Group.objects.filter(key="acme").update(key="other"),
        "a budget": lambda work: Limit.objects.filter(scope="resource").update(cap=0),
        "the entitlement": lambda work: edit(work.organization, ai_enabled=False),
        "own keys": lambda work: edit(work.organization, byok=True),
        "providers": lambda work: edit(work.organization, enabled_providers=["other"]),
        "a price": lambda work: Rate.objects.filter(model="sonnet").update(amount=31),
        "a tier": lambda work: AIModel.objects.filter(slug="sonnet").update(tier="strategic"),
        "an actor who left": lambda work: Actor.objects.update(active=False),
        "the organization's cap": lambda work: f.set_terms(work.organization, monthly_cap=0),
    }

    @pytest.mark.parametrize("what", CHANGES)
    def test_goes_by_what_was_changed_since(self, organization: Organization, what: str) -> None:
        work = busy(organization)
        assert isinstance(p.ask(work), Reservation)
        before = terms.stale_count()

        self.CHANGES[what](work)
        outcome = p.ask(work._replace(organization=p.fresh(organization)))

        if what in ("own keys", "another group"):
            assert isinstance(outcome, Reservation)
            assert outcome.byok == (what == "own keys")
        else:
            assert not isinstance(outcome, Reservation), outcome
        assert terms.stale_count() == before + 1

    # The catalogue binds who reads its version after the commit: to edit it takes no wallet's lock.
    @pytest.mark.race
    @pytest.mark.parametrize("what", sorted(CHANGES.keys() - {"a price", "a tier"}))
    def test_goes_by_what_was_changed_while_it_waited(
        self, organization: Organization, what: str
    ) -> None:
        """The change has the wallet's lock, the work has been read and waits for it; then the change is committed."""
        work = busy(organization)
        is_changed = Event()

        def change() -> None:
            with transaction.atomic():
                self.CHANGES[what](work)
                is_changed.set()
                wait_for_a_waiter()

        def ask() -> object:
            Ask(work, f.NOW)
            assert is_changed.wait(30)
            return p.ask(work)

        _, outcome = together(change, ask)

        assert isinstance(outcome, Reservation | BillingExhausted | NotAllowed | Left), outcome
        assert isinstance(outcome, Reservation) == (what in ("own keys", "another group"))

    def test_are_others_for_a_child_whose_parent_changed(self) -> None:
        parent, child = f.make_family(funded=10)
        kept = terms.book_of(child)

        f.suspend(parent)

        assert terms.current(child) is not kept
        with pytest.raises(Exception, match="suspended"):
            require_active(terms.current(child).organization)


class TestLeft:
    """What a request named, and is gone when it is its turn."""

    def test_is_told_of_an_actor_who_was_made_inactive(self, organization: Organization) -> None:
        work = busy(organization)
        Actor.objects.update(active=False)

        with pytest.raises(Left) as left:
            Ask(work, f.NOW, terms.fresh(organization))

        assert left.value.details == {"fields": {"actorId": ["This actor is not active."]}}

    def test_is_not_told_of_an_actor_who_was_inactive_before(
        self, organization: Organization
    ) -> None:
        ada = p.make_actor(organization, active=False)

        ask = Ask(p.work(organization, 1, actor=ada), f.NOW, terms.fresh(organization))

        assert ask.work.actor == ada

    def test_is_told_of_an_actor_who_is_not_there(self, organization: Organization) -> None:
        ada = p.make_actor(organization)
        Actor.objects.filter(pk=ada.pk)._raw_delete("default")

        for book in (None, terms.fresh(organization)):
            with pytest.raises(ActorGone):
                Ask(p.work(organization, 1, actor=ada), f.NOW, book)

    def test_closes_the_personal_key_of_an_actor_who_left(self, organization: Organization) -> None:
        work = busy(organization)._replace(personal=True)
        Actor.objects.update(active=False)

        with pytest.raises(Unauthenticated):
            Ask(work, f.NOW, terms.fresh(organization))

    def test_is_told_of_an_entity_group(self, organization: Organization) -> None:
        group = p.make_group(organization, "acme", kind="entity")
        work = p.work(organization, 1, group=group)
        groups.delete_group(group=Group.objects.get())

        with pytest.raises(Left) as left:
            Ask(work, f.NOW, terms.fresh(organization))

        assert left.value.details == {"fields": {"entity": ["There is no such entity group."]}}

    def test_is_told_of_a_model(self, organization: Organization) -> None:
        model = p.make_model("opus", credits_per_million=None)
        work = p.work(organization, 1, model=model)
        AIModel.objects.filter(slug="opus").delete()

        with pytest.raises(Left) as left:
            Ask(work, f.NOW, terms.fresh(organization))

        assert left.value.details == {"fields": {"model": ["There is no such model."]}}

    def test_refuses_a_personal_key_the_group_that_its_actor_left(
        self, organization: Organization
    ) -> None:
        work = busy(organization)
        acme = Group.objects.get(key="acme")
        own = work._replace(personal=True, group=acme)
        assert Ask(own, f.NOW, terms.fresh(organization)).group == acme
        assert work.actor is not None

        groups.remove_member(group=acme, actor=work.actor)

        with pytest.raises(ForbiddenScope):
            Ask(own, f.NOW, terms.fresh(organization))

    def test_takes_the_actor_and_the_model_as_they_are_now(
        self, organization: Organization
    ) -> None:
        work = busy(organization)
        AIModel.objects.filter(slug="sonnet").update(tier="everyday")
        Actor.objects.update(profile=None)

        ask = Ask(work, f.NOW, terms.fresh(organization))

        assert ask.asked is not None
        assert ask.asked.offer.tier == "everyday"
        assert ask.work.actor is not None
        assert ask.work.actor.profile is None


class TestKeptTerms:
    """Nothing is refused because of what was true a moment ago."""

    def test_do_not_refuse_what_has_a_price_by_now(self, organization: Organization) -> None:
        model = p.make_model("opus", credits_per_million=None)
        work = p.work(organization, millions=1, model=model)
        with pytest.raises(Left, match="opus has no price"):
            Ask(work, f.NOW)

        p.set_rate(model, 7, since=p.SINCE)

        assert Ask(work, f.NOW).need == 7

    def test_hold_until_the_prices_of_an_hour_end(self, organization: Organization) -> None:
        model = p.make_model("opus")
        p.set_price(model, 4, hours=f"{f.NOW:%H:%M}-{f.later(hours=1):%H:%M}")
        work = p.work(organization, model=model)._replace(tokens=Tokens(output=p.MILLION))

        now, then = Ask(work, f.NOW), Ask(work, f.later(hours=1))

        assert [now.need, then.need] == [4, 10]
        assert now.valid_until == f.later(hours=1)

    def test_do_not_refuse_counts_that_are_possible_by_now(
        self, organization: Organization
    ) -> None:
        model = p.make_model("opus")
        AIModel.objects.update(input_includes_cached=True)
        tokens = Tokens(input=1, cached_input=2, output=1)
        work = p.work(organization, model=model)._replace(tokens=tokens)
        with pytest.raises(ImpossibleTokens):
            Ask(work, f.NOW)

        AIModel.objects.update(input_includes_cached=False)

        assert Ask(work, f.NOW).need > 0

    def test_of_many_organizations_share_the_catalogue(self, organization: Organization) -> None:
        busy(organization)
        sonnet = AIModel.objects.get(slug="sonnet")
        Ask(p.work(organization, 1, model=sonnet), f.NOW)
        other = f.make_organization("Other", funded=5)

        read = statements(lambda: Ask(Work(other, credits=Decimal(1), model=sonnet), f.NOW))

        assert not [each for each in read if "usage_rate" in each]

    def test_are_read_anew_after_they_were_forgotten(self, organization: Organization) -> None:
        work = p.work(organization, 1)
        Ask(work, f.NOW)

        terms.forget(organization.id)

        assert queries(lambda: Ask(work, f.NOW)) == 1

    def test_are_of_so_many_organizations_as_there_is_room_for(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(terms, "_books", Recent(1))
        first = terms.book_of(organization)
        assert terms.book_of(organization) is first

        terms.book_of(f.make_organization("Other"))

        assert terms.book_of(organization) is not first


class TestBook:
    def test_says_to_every_thread_that_there_are_no_thresholds(
        self, organization: Organization
    ) -> None:
        """A reservation makes some that say nothing; another one must not meet them before they are made."""
        made = Event()

        def slowly(thresholds: Any, *args: Any, **fields: Any) -> None:
            """Make some as Django does: what belongs to whom first, then the numbers."""
            make(thresholds, *args, **fields)
            numbers = {name: vars(thresholds).pop(name) for name in ("downgrade", "shutoff")}
            made.wait(0.01)
            vars(thresholds).update(numbers)

        make = Thresholds.__init__
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Thresholds, "__init__", slowly)
            book = terms.book_of(organization)
            told = together(*[lambda: numbers_of(book.thresholds)] * 8)

        assert told == [(None, None)] * 8

    def test_never_keeps_that_there_is_nobody(self, organization: Organization) -> None:
        book = terms.book_of(organization)
        id = uuid4()
        found = [book.actor(id), book.actor_terms(id), book.group("acme"), book.model("opus")]
        assert found == [None] * 4

        Actor.objects.create(
            id=id, organization=organization, name="Ada", created_at=f.NOW, updated_at=f.NOW
        )
        p.make_group(organization, "acme", kind="entity")
        p.make_model("opus")

        assert book.actor(id) is not None
        assert book.actor_terms(id) is not None
        assert book.group("acme") is not None
        assert book.model("opus") is not None

    def test_never_keeps_that_somebody_is_not_active(self, organization: Organization) -> None:
        ada = p.make_actor(organization, active=False)
        book = terms.book_of(organization)
        seen = book.actor(ada.id)
        assert seen is not None
        assert not seen.active

        p.set_active(ada, True)

        seen = book.actor(ada.id)
        assert seen is not None
        assert seen.active

    def test_keeps_that_nothing_is_limited(self, organization: Organization) -> None:
        p.make_model("opus")
        group = p.make_group(organization, "acme", kind="entity")
        book = terms.book_of(organization)

        def look() -> list[Any]:
            return [
                book.group_cap(group),
                book.resource_cap("app", "a-1"),
                book.fallback("anthropic"),
            ]

        assert look() == [None, None, None]
        assert queries(look) == 0

    def test_knows_nobody_of_another_organization(self, organization: Organization) -> None:
        ada = p.make_actor(f.make_organization("Other"))

        assert terms.book_of(organization).actor(ada.id) is None

    def test_keeps_nothing_that_was_looked_up_after_a_change(
        self, organization: Organization
    ) -> None:
        """What is read by now is another version's: it is used once, and not kept under this one."""
        ada = p.make_actor(organization)
        book = terms.book_of(organization)
        p.limit(organization, 5, "actor", actor=ada)

        seen = book.actor_terms(ada.id)

        assert seen is not None
        assert seen.cap == 5
        assert queries(lambda: book.actor_terms(ada.id)) > 0
        assert not book.is_current()

    def test_keeps_nothing_that_was_changed_while_it_was_looked_up(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ada = p.make_actor(organization)
        book = terms.book_of(organization)
        resolve = limits.actor_terms

        def slow(*args: Any, **options: Any) -> Any:
            found = resolve(*args, **options)
            p.limit(organization, 5, "actor", actor=ada)
            return found

        monkeypatch.setattr(limits, "actor_terms", slow)
        seen = book.actor_terms(ada.id)
        monkeypatch.undo()

        assert seen is not None
        assert seen.cap != 5
        again = terms.fresh(organization).actor_terms(ada.id)
        assert again is not None
        assert again.cap == 5
        now = book.actor_terms(ada.id)
        assert now is not None
        assert now.cap == 5

    def test_says_its_versions_as_they_were_with_its_rows(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One statement reads both: a change after it makes the book stale, and never one that is wrong and current."""

        def slow(*asked: Any) -> Any:
            found = read_one(*asked)
            monkeypatch.undo()
            edit(organization, byok=not Organization.objects.get(pk=organization.pk).byok)
            return found

        monkeypatch.setattr("usage.services.terms.read_one", slow)
        book = terms.fresh(organization)

        assert not book.is_current()

    @pytest.mark.broken_books
    def test_of_an_organization_without_a_wallet_is_none(self) -> None:
        bare = Organization.objects.create(name="Bare", created_at=f.NOW, updated_at=f.NOW)

        with pytest.raises(Exception, match="no wallet"):
            terms.book_of(bare)


@pytest.mark.usefixtures("clock")
class TestOverHttp:
    """A door reads whom a request names from the terms that are kept, and refuses by what is true."""

    @pytest.fixture
    def caller(self, organization: Organization) -> Caller:
        return Caller(f.make_key(organization)[1])

    def test_reads_no_terms_for_a_request_like_the_one_before(
        self, organization: Organization, caller: Caller
    ) -> None:
        work = busy(organization)
        assert work.actor is not None
        body = {"actorId": work.actor.public_id, "entity": "acme", "model": "sonnet"}
        ok(caller.reserve(1, **body), 201)

        sent = statements(lambda: ok(caller.reserve(1, **body), 201))

        tables = (
            *("usage_limit", "usage_thresholds", "usage_rate", "usage_aimodel"),
            *("organizations_group", "organizations_membership", "organizations_usageprofile"),
        )
        read = [sql for sql in sent for table in tables if f'FROM "{table}"' in sql]
        assert read == []

    def test_finds_who_and_what_came_since(
        self, organization: Organization, caller: Caller
    ) -> None:
        ok(caller.reserve(1), 201)
        unknown = [{"model": "sonnet"}, {"entity": "acme"}]
        assert [caller.reserve(1, **each).status_code for each in unknown] == [422, 422]

        work = busy(organization)

        assert work.actor is not None
        for each in ({"actorId": work.actor.public_id}, *unknown):
            ok(caller.reserve(1, **each), 201)

    def test_takes_an_actor_who_came_back(self, organization: Organization, caller: Caller) -> None:
        ada = p.make_actor(organization)
        ok(caller.reserve(1, actorId=ada.public_id), 201)
        p.set_active(ada, False)
        refused = caller.reserve(1, actorId=ada.public_id)
        assert error(refused) == (422, "VALIDATION")

        p.set_active(ada, True)

        ok(caller.reserve(1, actorId=ada.public_id), 201)

    def test_says_of_an_actor_who_left_meanwhile_what_it_says_of_one_who_left_before(
        self, organization: Organization, caller: Caller
    ) -> None:
        ada = p.make_actor(organization)
        ok(caller.reserve(1, actorId=ada.public_id), 201)

        p.set_active(ada, False)
        meanwhile = caller.reserve(1, actorId=ada.public_id)  # its book still knows her
        terms.forget(organization.id)
        before = caller.reserve(1, actorId=ada.public_id)

        said = [each.json()["error"] for each in (meanwhile, before)]
        assert [(each["code"], each["message"], each["details"]) for each in said] == [
            (
                "VALIDATION",
                "actorId: This actor is not active.",
                {"fields": {"actorId": ["This actor is not active."]}},
            )
        ] * 2
        assert meanwhile.status_code == before.status_code == 422

    def test_lets_a_personal_key_name_a_group_that_its_actor_joined_since(
        self, organization: Organization
    ) -> None:
        ada = p.make_actor(organization)
        own = Caller(f.make_key(organization, actor=ada)[1])
        acme = p.make_group(organization, "acme", kind="entity")
        assert error(own.reserve(1, entity="acme")) == (403, "FORBIDDEN_SCOPE")

        groups.add_member(group=acme, actor=ada)
        ok(own.reserve(1, entity="acme"), 201)

        groups.remove_member(group=acme, actor=ada)
        assert error(own.reserve(1, entity="acme")) == (403, "FORBIDDEN_SCOPE")


def test_reserve_by_a_price_that_begins_between_two_requests(organization: Organization) -> None:
    """No edit, and yet other terms: the moment decides, not what was kept."""
    work = busy(organization)
    p.set_rate(AIModel.objects.get(slug="sonnet"), 20, since=f.later(hours=1))

    def held(now: datetime) -> Decimal:
        return p.hold(work, now=now).credits

    assert [held(f.NOW), held(f.later(hours=1))] == [10, 20]
