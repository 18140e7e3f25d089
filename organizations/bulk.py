"""One action for many: asked once, rehearsed for each, confirmed, and then done to each, once, whoever dies meanwhile.

What it does to one of them is the console's own action, which a caller of `claim` runs in the transaction that also keeps what came of it.
The amounts of all of them count together, with what the same person asked for the same way in the last day: what is too much for one
person alone waits for another.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet, Sum

from organizations import proposals
from organizations.models import BulkAction, BulkItem, Organization
from organizations.models.bulk import Subject, in_order
from organizations.proposals import LIFETIME, WINDOW, NotDecidable

MOST = 10_000
"""For how many something is done at once."""
WRITTEN_AT_ONCE = 1_000
FRESH = timedelta(hours=1)
"""How old what it would do may be, when another person approves it."""
State = BulkAction.State


class NobodyChosen(Exception):
    """There is nobody to do it to."""


class TooMany(Exception):
    """So many are not done at once."""


class AskedOtherwise(Exception):
    """The form was sent before, with other values."""


class Totals(NamedTuple):
    """How far a bulk action is, and what it comes to."""

    total: int
    rehearsed: int
    refused: int
    unblocked: int
    blocked: int
    alone_too_much: int
    """For how many it is more than one person may do there in a day."""
    amount: Decimal
    done: int
    skipped: int
    failed: int
    to_do: int
    looked_at: datetime | None
    """When it was looked at longest ago what it would do to one of them."""

    @property
    def finished(self) -> int:
        return self.done + self.skipped + self.failed


def begin(row: BulkAction, *, subjects: Sequence[Subject], now: datetime) -> BulkAction:
    """Write down what is asked, and for whom. Nothing is done by it; asked again under its id it is what was asked.

    :param row: not saved, with its id, action, payload, selection, reason and who asks
    :raises NobodyChosen: if there are no subjects
    :raises TooMany: if there are more than `MOST`
    :raises AskedOtherwise: if the id stands for something else
    """
    if not subjects:
        raise NobodyChosen("select at least one")
    if len(subjects) > MOST:
        raise TooMany(f"at most {MOST:,} at once: narrow it down")
    row.total, row.proposed_at, row.expires_at = len(subjects), now, now + LIFETIME
    row.digest = proposals.digest_of(row, in_order(subjects))
    with suppress(IntegrityError):
        return _write(row, subjects)
    earlier = BulkAction.objects.get(id=row.id)
    if (earlier.digest, earlier.proposed_by) != (row.digest, row.proposed_by):
        raise AskedOtherwise("this form was already used, with other values")
    return earlier


@transaction.atomic
def _write(bulk: BulkAction, subjects: Sequence[Subject]) -> BulkAction:
    bulk.save(force_insert=True)
    BulkItem.objects.bulk_create(
        (
            BulkItem(bulk_id=bulk.pk, organization_id=organization, actor_id=actor)
            for organization, actor in subjects
        ),
        batch_size=WRITTEN_AT_ONCE,
    )
    return bulk


def items_of(bulk: BulkAction) -> QuerySet[BulkItem]:
    """Return whom it is for, in the order in which they were selected."""
    return BulkItem.objects.filter(bulk_id=bulk.pk).order_by("id")


def totals_of(bulk: BulkAction) -> Totals:
    """Return how far it is, and what it comes to."""
    outcomes = BulkItem.Outcome
    counts = BulkItem.objects.filter(bulk_id=bulk.pk).aggregate(
        total=Count("pk"),
        rehearsed=Count("pk", filter=Q(rehearsed_at__isnull=False)),
        refused=Count("pk", filter=~Q(refusal="")),
        unblocked=Count("pk", filter=Q(effect=BulkItem.Effect.UNBLOCKS)),
        blocked=Count("pk", filter=Q(effect=BulkItem.Effect.BLOCKS)),
        alone_too_much=Count("pk", filter=Q(needs_second_person=True)),
        amount=Sum("amount", default=Decimal(0)),
        done=Count("pk", filter=Q(outcome=outcomes.DONE)),
        skipped=Count("pk", filter=Q(outcome=outcomes.SKIPPED)),
        failed=Count("pk", filter=Q(outcome=outcomes.FAILED)),
        to_do=Count("pk", filter=Q(is_to_do=True)),
        looked_at=Min("rehearsed_at"),
    )
    return Totals(**counts)


def by_one_alone(bulk: BulkAction, *, now: datetime) -> Decimal:
    """Return how many credits who asks moved in the same way, for many, in the last day without another person."""
    earlier = BulkAction.objects.filter(
        proposed_by=bulk.proposed_by,
        action=bulk.action,
        proposed_at__gt=now - WINDOW,
        state=State.CONFIRMED,
    ).exclude(pk=bulk.pk)
    found = BulkItem.objects.filter(bulk_id__in=earlier.values("id"))
    counted = found.exclude(outcome__in=[BulkItem.Outcome.SKIPPED, BulkItem.Outcome.FAILED])
    total: Decimal = counted.aggregate(sum=Sum("amount", default=Decimal(0)))["sum"]
    return total


def needs_another(
    bulk: BulkAction, totals: Totals, *, limit: Decimal | None, now: datetime
) -> bool:
    """Say whether it takes a second person.

    :param limit: how many credits one person moves alone in a day; None: any amount
    """
    if limit is None or not totals.amount:
        return False
    together = totals.amount + by_one_alone(bulk, now=now)
    return bool(totals.alone_too_much) or together > limit


@transaction.atomic
def confirm(*, id: UUID, by: str, limit: Decimal | None, now: datetime) -> BulkAction:
    """Have it done, or have it wait for a second person where it is too much for one. Only who asked confirms; once, however often.

    :raises NotDecidable: if it is somebody else's, given up, too old, not rehearsed yet, or no longer what was proposed
    """
    with connection.cursor() as cursor:
        # Two at once are added to each other.
        name = f"purser in bulk {by}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
    bulk = proposals.locked(BulkAction, id)
    if bulk.proposed_by != by:
        raise NotDecidable(f"{bulk.proposed_by} asked for it, and confirms it")
    if bulk.state in (State.WAITING, State.CONFIRMED, State.APPROVED):
        return bulk
    if bulk.state == State.REFUSED:
        raise NotDecidable("it was given up")
    proposals.require_in_time(bulk, now=now)
    totals = _require_rehearsed(bulk)
    if needs_another(bulk, totals, limit=limit, now=now):
        bulk.state = State.WAITING
        bulk.save(update_fields=["state"])
        return bulk
    proposals.decide(bulk, state=State.CONFIRMED, decided_by=by, outcome="", now=now)
    begin_doing(bulk)
    return bulk


def _require_rehearsed(bulk: BulkAction) -> Totals:
    totals = totals_of(bulk)
    if totals.rehearsed < bulk.total:
        raise NotDecidable("not everybody was looked at yet: wait a moment")
    return totals


def require_fresh(bulk: BulkAction, *, now: datetime) -> None:
    """Do nothing if it was looked at of late what it would do to each: who approves it saw that.

    :raises NotDecidable: if not
    """
    looked_at = _require_rehearsed(bulk).looked_at
    if looked_at is None or looked_at <= now - FRESH:
        raise NotDecidable(
            "what it would do was looked at more than an hour ago: look at it again first"
        )


@transaction.atomic
def look_again(*, id: UUID, now: datetime) -> BulkAction:
    """Have it looked at anew what it would do to each, as long as nobody decided.

    :raises NotDecidable: if it is decided, or too old
    """
    bulk = proposals.locked(BulkAction, id)
    if bulk.decided_by is not None:
        raise NotDecidable("it is decided already")
    proposals.require_in_time(bulk, now=now)
    BulkItem.objects.filter(bulk_id=bulk.pk).update(
        rehearsed_at=None, figures={}, effect="", amount=0, needs_second_person=False, refusal=""
    )
    return bulk


def begin_doing(bulk: BulkAction) -> None:
    """Have it done to each, now that it is decided: by the page, and by whoever goes on."""
    BulkItem.objects.filter(bulk_id=bulk.pk).update(is_to_do=True)


def to_rehearse(now: datetime) -> QuerySet[Organization]:
    """Return the organizations for which somebody wants to see what an action on many would do."""
    return _with(Q(rehearsed_at=None))


def to_do(now: datetime) -> QuerySet[Organization]:
    """Return the organizations for which an action on many is confirmed and not done."""
    return _with(Q(is_to_do=True, finished_at=None))


def claim(item: BulkItem) -> BulkItem | None:
    """Lock and return one that is still to do, in the caller's transaction; None where somebody else did it."""
    waiting = BulkItem.objects.filter(pk=item.pk, is_to_do=True, finished_at=None)
    return waiting.select_for_update(no_key=True).first()


def _with(condition: Q) -> QuerySet[Organization]:
    rows = BulkItem.objects.filter(condition, organization=OuterRef("pk"))
    return Organization.objects.filter(Exists(rows))
