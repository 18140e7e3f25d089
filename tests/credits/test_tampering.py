"""Whatever somebody with all rights changes behind the ledger's back is found, and its row named; honest work never is."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import DataError, IntegrityError, transaction

from credits import seals, services, verification
from credits.ledger import InsufficientCredits
from credits.models import Grant, LedgerEntry, Reservation, Wallet
from credits.reconcile import reconcile
from credits.services import corrections
from organizations.jobs import Found
from organizations.models import Group, Organization
from tests import factories as f
from tests.credits.edits import TABLES, Edit, columns_of, edit_of, some_edit, some_update
from tests.credits.sealing import folder as folder
from tests.credits.tampering import make_world, tamper
from tests.usage import people as p
from usage import services as usage
from usage.reconcile import CHECKS
from usage.services.events import NothingToForgive, Told, record

pytestmark = pytest.mark.django_db(transaction=True)

SEED = 20260610
REFUSALS = (
    InsufficientCredits,
    corrections.AlreadyReversed,
    corrections.NotReversible,
    services.AlreadySettled,
    services.ReservationClosed,
    usage.ForgivenMeanwhile,
    NothingToForgive,
)


def make_used_world() -> tuple[Organization, Organization]:
    """The world of the ledger, and in it work of people, of a group and on a resource: in credits, in tokens, told, forgiven, free."""
    parent, child = make_world()
    sonnet, _ = p.make_models()
    now = f.at("2026-06-04")
    f.grant(child, 100, now=now)
    ada = p.make_actor(child, now=now)
    p.make_group(child, "design", ada, kind=Group.Kind.ENTITY)
    work: dict[str, Any] = {"actor": ada, "resource_type": "app", "resource_id": "a-1"}
    p.use(p.work(child, 5, **work), 4, now=now)
    p.settle(p.hold(p.work(child, millions=1, model=sonnet, **work), now=now), millions=2, now=now)
    f.release(p.hold(p.work(child, 2, **work), now=now), now=now)
    p.hold(p.work(child, 3, **work), now=now)
    told = [Told("job", str(n), now, credits=Decimal(n), actor_id=ada.id) for n in range(3)]
    record(organization=child, told=told, performed_by=f.KEY, now=now)
    Organization.objects.filter(pk=parent.pk).update(byok=True)
    p.use(p.work(parent, model=sonnet, millions=1), 9, now=now)
    return parent, child


class TestTampering:
    def test_is_found_and_its_row_is_named(self) -> None:
        make_used_world()
        seals.seal(f.at("2026-06-10"))

        assert found_of(200, Random(SEED)) == 200

    @pytest.mark.slow
    def test_is_found_five_thousand_times(self) -> None:
        seed = Random().randrange(2**32)
        make_used_world()
        seals.seal(f.at("2026-06-10"))

        assert found_of(5_000, Random(seed)) == 5_000, seed

    def test_is_found_and_named_where_a_grant_is_given_to_another_entry(self) -> None:
        """Of two entries that no longer fit their hashes the first is found: it may be the one that now has a grant too many."""
        _, child = make_used_world()
        now = f.at("2026-06-05")
        f.settle(f.reserve(child, 1, now=now), f.wallet_of(child).balance + 50, now=now)
        f.grant(child, 10, now=now)
        dice = Random(SEED)
        entries = [
            str(pk) for pk in LedgerEntry.objects.order_by("number").values_list("pk", flat=True)
        ]
        grants = list(Grant.objects.order_by("id"))
        paid_debt = [grant for grant in grants if not grant.draws.exists()]
        assert paid_debt

        for grant in paid_debt * 5 + dice.choices(grants, k=20):
            other = dice.choice([pk for pk in entries if pk != str(grant.entry_id)])
            edit = edit_of("credits_grant", str(grant.pk), "entry_id", f"'{other}'::uuid")

            assert is_named(edit), edit.sql

    def test_is_found_in_every_column(self) -> None:
        make_used_world()
        seals.seal(f.at("2026-06-10"))
        dice = Random(SEED)
        for table, column in [(each, name) for each in TABLES for name in columns_of(each)]:
            edits = (some_update(dice, table, column) for _ in range(100))
            named = next(named for edit in edits if (named := is_named(edit)) is not None)

            assert named, (table, column)


def found_of(count: int, dice: Random) -> int:
    """Make so many edits, each undone, and return how many were found and their row named."""
    found = tried = 0
    while tried < count:
        edit = some_edit(dice)
        named = is_named(edit)
        if named is None:
            continue
        tried += 1
        assert named, edit.sql
        found += named
    return found


def is_named(edit: Edit) -> bool | None:
    """Make an edit and say whether it is found by its name; None if a constraint refuses it, or if it changes nothing."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                changed = tamper(edit.sql)
        except (IntegrityError, DataError):
            changed = 0
        named = changed == 1 and any(names(edit, found) for found in everything())
        transaction.set_rollback(True)
    return named if changed else None


def everything() -> Iterator[Found]:
    """All that the three ways of looking find: the books, the hashes, the seals."""
    yield from reconcile(CHECKS)
    wallets = Wallet.objects.only("organization_id", "head_number", "head_hash").order_by("id")
    yield from map(verification.finding, filter(None, map(verification.verify, wallets)))
    yield from map(seals.finding, seals.check())


def names(edit: Edit, finding: Found) -> bool:
    said = f"{finding.subject} : {finding.detail} "
    return any(name in said for name in edit.names)


class TestHonestWork:
    def test_is_never_taken_for_tampering(self) -> None:
        assert audits_of(50, Random(SEED)) == 50

    @pytest.mark.slow
    @pytest.mark.parametrize("count", [200, 5_000])
    def test_is_never_taken_for_tampering_in_a_long_run(self, count: int) -> None:
        seed = Random().randrange(2**32)

        assert audits_of(count, Random(seed)) == count, seed


def audits_of(count: int, dice: Random) -> int:
    """Do a random thing and look, so many times; return how often nothing was found. Every few days all is sealed."""
    parent, child = make_used_world()
    now = f.at("2026-06-05")
    clean = 0
    for number in range(count):
        now += timedelta(minutes=dice.choice([1, 10, 600]))
        something(dice, dice.choice([parent, child, child]), child, now)
        if number % 20 == 0:
            seals.seal(now)
        found = list(everything())
        assert found == []
        clean += not found
    return clean


def something(dice: Random, who: Organization, child: Organization, now: datetime) -> None:
    """Do one thing that an honest product, a person or the calendar does; what is refused changes nothing."""
    amount = Decimal(dice.randint(1, 30_000_000)) / 1_000_000
    ada = who.actors.first()
    # Those of the world before were held without counters, as no product can.
    mine = Reservation.objects.filter(wallet__organization=who).exclude(counter_ids=[])
    held = mine.filter(status__in=["open", "expired"]).order_by("-id").first()
    last = LedgerEntry.objects.filter(wallet__organization=who).order_by("-number").first()
    why = {"reason": "mistake", "performed_by": f.STAFF}
    told = [Told("job", f"{now}", now, credits=amount, actor_id=ada.id if ada else None)]
    doings: list[Callable[[], object]] = [
        lambda: f.grant(who, amount, now=now, expires_at=now + timedelta(days=dice.randint(1, 9))),
        lambda: f.adjust(who, dice.choice([1, -1]) * amount, now=now),
        lambda: f.allocate(child, amount, now=now),
        lambda: last and usage.reverse(entry=last, reason="", performed_by=f.STAFF, now=now),
        lambda: ada and usage.forgive(actor=ada, organization=who, credits=amount, now=now, **why),
        lambda: f.renew(who, now=now),
        lambda: f.expire(who, now=now),
        lambda: record(organization=who, told=told, performed_by=f.KEY, now=now),
        *[lambda: p.ask(p.work(who, amount, actor=ada), now=now)] * 3,
        *[lambda: held and p.settle(held, amount, now=now)] * 2,
        lambda: held and f.release(held, now=now),
        lambda: held and f.try_to_grow(held, amount * 2, now=now),
    ]
    with suppress(*REFUSALS):
        dice.choice(doings)()
