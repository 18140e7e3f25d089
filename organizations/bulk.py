"""One action for many: asked once, rehearsed for each, confirmed, and then done to each, once, whoever dies meanwhile.

What it does to one of them is the console's own action, which a caller of `claim` runs in the transaction that also keeps what came of it.
The amounts of all of them count together, with what the same person asked for the same way in the last day: what is too much for one
person alone waits for another.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from organizations import wire
from organizations.models import BulkAction, BulkItem, Organization
from organizations.proposals import LIFETIME, WINDOW, NotDecidable, Payload

MOST = 10_000
"""For how many something is done at once."""
WRITTEN_AT_ONCE = 1_000
State = BulkAction.State

Subject = tuple[UUID, UUID | None]
"""Of an organization its id; of a person that of the organization, and theirs."""


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

    @property
    def finished(self) -> int:
        return self.done + self.skipped + self.failed


def begin(
    *,
    id: UUID,
    action: str,
    payload: Payload,
    selection: str,
    subjects: Sequence[Subject],
    reason: str,
    asked_by: str,
    now: datetime,
) -> BulkAction:
    """Write down what is asked, and for whom. Nothing is done by it; asked again under its id it is what was asked.

    :raises NobodyChosen: if there are no subjects
    :raises TooMany: if there are more than `MOST`
    :raises AskedOtherwise: if the id stands for something else
    """
    if not subjects:
        raise NobodyChosen("select at least one")
    if len(subjects) > MOST:
        raise TooMany(f"at most {MOST:,} at once: narrow it down")
    digest = digest_of(action, payload, subjects)
    with suppress(IntegrityError):
        return _write(
            BulkAction(
                id=id,
                action=action,
                payload=payload,
                selection=selection,
                digest=digest,
                total=len(subjects),
                reason=reason,
                asked_by=asked_by,
                asked_at=now,
                expires_at=now + LIFETIME,
            ),
            subjects,
        )
    earlier = BulkAction.objects.get(id=id)
    if (earlier.digest, earlier.asked_by) != (digest, asked_by):
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


def digest_of(action: str, payload: Payload, subjects: Sequence[Subject]) -> str:
    """Return what tells one request from every other."""
    whom = sorted((str(organization), str(actor or "")) for organization, actor in subjects)
    return hashlib.sha256(wire.dumps([action, payload, whom], sort_keys=True)).hexdigest()


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
    )
    return Totals(**counts)


def by_one_alone(bulk: BulkAction, *, now: datetime) -> Decimal:
    """Return how many credits who asks moved in the same way, for many, in the last day without another person."""
    earlier = BulkAction.objects.filter(
        asked_by=bulk.asked_by,
        action=bulk.action,
        asked_at__gt=now - WINDOW,
        state=State.CONFIRMED,
        needs_second_person=False,
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

    :raises NotDecidable: if it is somebody else's, given up, too old, not rehearsed yet, or no longer what was asked
    """
    with connection.cursor() as cursor:
        # Two at once are added to each other.
        name = f"purser in bulk {by}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
    bulk = BulkAction.objects.select_for_update().get(id=id)
    if bulk.asked_by != by:
        raise NotDecidable(f"{bulk.asked_by} asked for it, and confirms it")
    if bulk.state in (State.WAITING, State.CONFIRMED):
        return bulk
    _require_open(bulk, now)
    totals = totals_of(bulk)
    if totals.rehearsed < bulk.total:
        raise NotDecidable("not everybody was looked at yet: wait a moment")
    bulk.needs_second_person = needs_another(bulk, totals, limit=limit, now=now)
    if bulk.needs_second_person:
        bulk.state = State.WAITING
        bulk.save(update_fields=["state", "needs_second_person"])
        return bulk
    return _decide(bulk, State.CONFIRMED, by, now)


@transaction.atomic
def approve(*, id: UUID, by: str, now: datetime) -> BulkAction:
    """Have it done because a second person says so.

    :raises NotDecidable: if it does not wait for one, is one's own, too old, or no longer what was asked
    """
    bulk = BulkAction.objects.select_for_update().get(id=id)
    if bulk.state != State.WAITING:
        raise NotDecidable("it does not wait for a second person")
    if bulk.asked_by == by:
        raise NotDecidable("you asked for it yourself: another person has to approve it")
    _require_open(bulk, now)
    if author_of(bulk) is None:
        raise NotDecidable(f"{bulk.asked_by} is not one of the staff any more")
    return _decide(bulk, State.CONFIRMED, by, now)


@transaction.atomic
def give_up(*, id: UUID, by: str, now: datetime) -> BulkAction:
    """Do it to nobody: withdrawn by who asked, or refused by another.

    :raises NotDecidable: if it is decided
    """
    bulk = BulkAction.objects.select_for_update().get(id=id)
    if bulk.state not in (State.DRAFT, State.WAITING):
        raise NotDecidable("it is decided already")
    return _decide(bulk, State.REFUSED, by, now)


def author_of(bulk: BulkAction) -> User | None:
    """Return who asked, if they are still one of the staff."""
    return User.objects.filter(username=bulk.asked_by, is_active=True, is_staff=True).first()


def _require_open(bulk: BulkAction, now: datetime) -> None:
    if bulk.state == State.REFUSED:
        raise NotDecidable("it was given up")
    if now >= bulk.expires_at:
        raise NotDecidable(
            f"it could be decided until {bulk.expires_at:%Y-%m-%d %H:%M} UTC: ask anew"
        )
    subjects = list(items_of(bulk).values_list("organization_id", "actor_id"))
    if bulk.digest != digest_of(bulk.action, bulk.payload, subjects):
        raise NotDecidable("it is not what was asked")


def _decide(bulk: BulkAction, state: str, by: str, now: datetime) -> BulkAction:
    bulk.state, bulk.decided_by, bulk.decided_at = state, by, now
    bulk.save(update_fields=["state", "decided_by", "decided_at", "needs_second_person"])
    if state == State.CONFIRMED:
        BulkItem.objects.filter(bulk_id=bulk.pk).update(is_to_do=True)
    return bulk


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
