"""Rehearsing the renewals that are due by a moment: a job looks at each, keeps what it would do, and moves nothing. Then they are run."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from credits.models import ZERO, Rehearsal, RehearsedRenewal
from credits.services.calendar import renew
from credits.services.renewals import Turn, preview_renewal
from organizations.models import Env, Organization

AHEAD = timedelta(days=400)
"""How far into the future is rehearsed: beyond the end of a yearly term."""
WRITTEN_AT_ONCE = 1_000
KEPT = timedelta(days=90)


class InvalidMoment(Exception):
    """Nothing is due by this moment, or it is too far away."""


class NotRunnable(Exception):
    """The rehearsal cannot be run: the message says why."""


class Totals(NamedTuple):
    """What the renewals of a rehearsal come to, as far as they were rehearsed."""

    rehearsed: int
    ran: int
    lapsed: Decimal
    rolled_over: Decimal
    granted: Decimal
    debt: Decimal
    """What is owed after them, of all that owe something then."""


@transaction.atomic
def begin_rehearsal(
    *,
    until: datetime,
    reason: str,
    performed_by: str,
    now: datetime,
    root: Organization | None = None,
) -> Rehearsal:
    """Write down which renewals are due by a moment, for a job to rehearse each. Sandboxes are left out.

    :param root: only this organization and its children
    :raises InvalidMoment: if nothing is due by then, or it is more than `AHEAD` away
    """
    if until > now + AHEAD:
        raise InvalidMoment(f"at most {AHEAD.days} days ahead expected")
    due = Organization.objects.filter(wallet__period__ends_at__lte=until, env=Env.LIVE)
    due = due.exclude(status=Organization.Status.ARCHIVED)
    if root is not None:
        due = due.filter(Q(pk=root.pk) | Q(parent=root))
    ids = list(due.order_by("id").values_list("id", flat=True))
    if not ids:
        raise InvalidMoment("no renewal is due by then")
    made = Rehearsal.objects.create(
        until=until, total=len(ids), reason=reason, performed_by=performed_by, created_at=now
    )
    RehearsedRenewal.objects.bulk_create(
        (RehearsedRenewal(rehearsal_id=made.pk, organization_id=id, until=until) for id in ids),
        batch_size=WRITTEN_AT_ONCE,
    )
    return made


def to_rehearse(now: datetime) -> QuerySet[Organization]:
    """Return the organizations whose renewal somebody wants to see."""
    return _with(Q(rehearsed_at=None))


def rehearse(*, organization: Organization, now: datetime) -> None:
    """Keep what the renewal of an organization would do at the moments that were asked for. Nothing of its money is written."""
    for each in RehearsedRenewal.objects.filter(organization=organization, rehearsed_at=None):
        turns = preview_renewal(organization, now=max(each.until, now))
        _add_up(each, turns)
        each.rehearsed_at = now
        each.save()


def _add_up(rehearsed: RehearsedRenewal, turns: Sequence[Turn]) -> None:
    rehearsed.periods = len(turns)
    if not turns:
        return
    rehearsed.balance_before = turns[0].balance_before
    rehearsed.lapsed = sum((turn.lapsed for turn in turns), ZERO)
    rehearsed.rolled_over = sum((turn.rolled_over for turn in turns), ZERO)
    rehearsed.granted = sum((turn.granted for turn in turns), ZERO)
    rehearsed.seats = turns[-1].seats
    rehearsed.balance_after = turns[-1].balance_after
    rehearsed.stub = "; ".join(turn.stub for turn in turns if turn.stub)[:200]


@transaction.atomic
def run_rehearsal(*, rehearsal: Rehearsal, performed_by: str, now: datetime) -> Rehearsal:
    """Have a job do the renewals that were rehearsed. One that the calendar did meanwhile is not done twice.

    :raises NotRunnable: if not all were rehearsed, their moment has not come, or it was run before
    """
    current = Rehearsal.objects.select_for_update().get(pk=rehearsal.pk)
    rows = RehearsedRenewal.objects.filter(rehearsal_id=current.pk)
    if current.run_at is not None:
        raise NotRunnable(f"{current.run_by} ran it at {current.run_at:%Y-%m-%d %H:%M} UTC")
    if current.until > now:
        raise NotRunnable(f"they are due by {current.until:%Y-%m-%d %H:%M} UTC, which is to come")
    if rows.filter(rehearsed_at=None).exists():
        raise NotRunnable("not all of them were rehearsed yet")
    rows.update(is_to_run=True)
    current.run_at, current.run_by = now, performed_by
    current.save(update_fields=["run_at", "run_by"])
    return current


def to_run(now: datetime) -> QuerySet[Organization]:
    """Return the organizations whose renewal is to be done because it was rehearsed."""
    return _with(Q(is_to_run=True, ran_at=None))


def run_rehearsed(*, organization: Organization, now: datetime) -> None:
    """Renew an organization, and keep what its balance really is then."""
    with transaction.atomic():
        wallet = renew(organization=organization, now=now)
        RehearsedRenewal.objects.filter(
            organization=organization, is_to_run=True, ran_at=None
        ).update(ran_at=now, balance_then=wallet.balance)


def totals_of(rehearsal: Rehearsal) -> Totals:
    """Return what the renewals of a rehearsal come to."""
    rows = RehearsedRenewal.objects.filter(rehearsal_id=rehearsal.pk)
    sums = rows.aggregate(
        rehearsed=Count("pk", filter=Q(rehearsed_at__isnull=False)),
        ran=Count("pk", filter=Q(ran_at__isnull=False)),
        lapsed=Sum("lapsed", default=ZERO),
        rolled_over=Sum("rolled_over", default=ZERO),
        granted=Sum("granted", default=ZERO),
        debt=Sum("balance_after", filter=Q(balance_after__lt=0), default=ZERO),
    )
    return Totals(**sums | {"debt": -sums["debt"]})


def _with(condition: Q) -> QuerySet[Organization]:
    rows = RehearsedRenewal.objects.filter(condition, organization=OuterRef("pk"))
    return Organization.objects.filter(Exists(rows))


def prune(*, now: datetime) -> int:
    """Forget the rehearsals that are older than 90 days, but for those that somebody ran and that are not through; returns how many there were."""
    running = RehearsedRenewal.objects.filter(
        rehearsal_id=OuterRef("pk"), is_to_run=True, ran_at=None
    )
    old = Rehearsal.objects.filter(~Exists(running), created_at__lt=now - KEPT)
    ids = list(old.values_list("pk", flat=True))
    for id in ids:
        _forget_renewals(id)
    Rehearsal.objects.filter(pk__in=ids).delete()
    return len(ids)


def _forget_renewals(rehearsal_id: UUID) -> None:
    """Delete what a rehearsal says of each organization, a batch at a time so that none takes long."""
    rows = RehearsedRenewal.objects.filter(rehearsal_id=rehearsal_id)
    while batch := list(rows.values_list("pk", flat=True)[:WRITTEN_AT_ONCE]):
        RehearsedRenewal.objects.filter(pk__in=batch).delete()
