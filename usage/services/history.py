"""What was held and what was done, as lists: the newest first. And between them and the ledger: what charged which work."""

from datetime import datetime
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from credits.models import LedgerEntry, Reservation, Wallet
from organizations.listing import Listing
from organizations.models import Organization
from usage.models import UsageEvent
from usage.services.settling import SOURCE as OF_HOLDS

Status = Reservation.Status

BY = ("occurred_at", "position")
HOLDS_BY = ("created_at", "id")
NOBODY = UUID(int=0)
EVENTS_OF_AN_ENTRY = 10
"""How many of the events of an entry are named with it: work that was told together has many."""


def events_of(
    organization: Organization,
    *,
    own_actor_id: UUID | None = None,
    actor_id: UUID | None = None,
    actor_external_id: str | None = None,
    model: str | None = None,
    source: str | None = None,
    entry_id: UUID | None = None,
    reservation_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Listing:
    """Return the usage events of an organization, by the moments when the work was done, each with the `charge_id` of its entry.

    An actor's are found by an index, those of a model too, and of a source other than holds; of several filters one is, and the rest
    are looked for in what it finds.

    :param own_actor_id: only of this actor, whatever else is asked for
    :param entry_id: only those that this entry charged, or took back
    :param since: only what was done from this moment on
    :param until: only what was done before this moment
    """
    rows = with_entry(UsageEvent.objects.filter(organization=organization))
    if since is not None:
        rows = rows.filter(occurred_at__gte=since)
    if until is not None:
        rows = rows.filter(occurred_at__lt=until)
    actors = _actors(organization, own_actor_id, actor_id, actor_external_id)
    if len(actors) > 1:
        return Listing(rows.none(), BY)
    wanted = [Q(actor=id) for id in actors]
    if reservation_id is not None:
        rows = rows.filter(reservation=reservation_id)
    if entry_id is not None:
        rows = rows.filter(_charged_by(organization, entry_id))
    if model is not None:
        wanted.append(Q(model=model))
    if source is not None:
        wanted.append(Q(source=source))
    if not wanted:
        return Listing(rows, BY)
    if wanted == [Q(source=OF_HOLDS)]:
        return Listing(rows, BY, sifted=wanted[0])
    first, *others = wanted
    sifted = Q(*others) if others else None
    return Listing(rows.filter(first), BY, sifted=sifted)


def holds_of(
    organization: Organization,
    *,
    now: datetime,
    status: str | None = None,
    own_actor_id: UUID | None = None,
    actor_id: UUID | None = None,
    actor_external_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Listing:
    """Return the reservations of an organization, by the moments when they were made, each with the ids of its event and its charge.

    :param status: only of this status as of `now`: what time has ended is expired, swept or not
    :param own_actor_id: only of this actor, whatever else is asked for
    :param since: only what was made from this moment on
    :param until: only what was made before this moment
    """
    wallet = Wallet.objects.filter(organization=organization).values("id")
    rows = Reservation.objects.filter(wallet=wallet[:1])
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    if until is not None:
        rows = rows.filter(created_at__lt=until)
    actors = _actors(organization, own_actor_id, actor_id, actor_external_id)
    if len(actors) > 1:
        return Listing(rows.none(), HOLDS_BY)
    return _of_status(_with_outcome(rows), status, now, [Q(actor=id) for id in actors])


def _actors(
    organization: Organization, own: UUID | None, id: UUID | None, external_id: str | None
) -> set[UUID]:
    """Return whose work is asked for: of more than one, there is none. An external id that is nobody's stands for nobody's id."""
    if external_id is not None:
        called = organization.actors.filter(external_id=external_id)
        id = called.values_list("id", flat=True).first() or NOBODY
    return {each for each in (own, id) if each is not None}


def _of_status(
    rows: QuerySet[Reservation], status: str | None, now: datetime, wanted: list[Q]
) -> Listing:
    """Return those of these reservations that are of a status at `now`, and of which else is wanted what no index knows."""
    running, over = Q(expires_at__gt=now), Q(expires_at__lte=now)
    if status == Status.OPEN:
        return Listing(rows.filter(status=Status.OPEN), HOLDS_BY, sifted=Q(running, *wanted))
    if status == Status.EXPIRED and not wanted:
        swept, not_yet = Q(status=Status.EXPIRED), Q(over, status=Status.OPEN)
        return Listing(rows, HOLDS_BY, either=[swept, not_yet])
    if status == Status.EXPIRED:
        ended = Q(status=Status.EXPIRED) | Q(over, status=Status.OPEN)
        return Listing(rows, HOLDS_BY, sifted=Q(ended, *wanted))
    if status == Status.RELEASED:
        rows = rows.filter(status=status)
    elif status is not None:
        wanted = [Q(status=status), *wanted]
    return Listing(rows, HOLDS_BY, sifted=Q(*wanted) if wanted else None)


def _with_outcome(holds: QuerySet[Reservation]) -> QuerySet[Reservation]:
    """Return reservations, each with its group, the `event_id` of its work and the `charge_id` of the entry that charged it."""
    event = UsageEvent.objects.filter(reservation=OuterRef("pk")).values("id")
    charge = _charge_of(OuterRef("pk")).values("id")
    return holds.select_related("group").annotate(
        event_id=Subquery(event[:1]), charge_id=Subquery(charge[:1])
    )


def _charge_of(reservation: OuterRef) -> QuerySet[LedgerEntry]:
    settled = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.SETTLE, reverses=None)
    return settled.filter(reservation=reservation)


def with_entry(events: QuerySet[UsageEvent]) -> QuerySet[UsageEvent]:
    """Return events, each with its group, the models of its hold, and the `charge_id` of the entry that charged it, or took back: null if none did."""
    charge = _charge_of(OuterRef("reservation"))
    charged_with = Coalesce("entry", Subquery(charge.values("id")[:1]))
    return events.select_related("group").annotate(
        charge_id=charged_with,
        requested_model=F("reservation__requested_model"),
        held_model=F("reservation__effective_model"),
    )


def with_events(entries: QuerySet[LedgerEntry]) -> QuerySet[LedgerEntry]:
    """Return entries, each with the `event_ids` that it charged or took back, and the `event_of_hold`: that of its reservation."""
    told = UsageEvent.objects.filter(entry=OuterRef("pk")).order_by("position").values("id")
    of_hold = UsageEvent.objects.filter(reservation=OuterRef("reservation")).values("id")
    return entries.annotate(
        event_ids=ArraySubquery(told[:EVENTS_OF_AN_ENTRY]), event_of_hold=Subquery(of_hold[:1])
    )


def _charged_by(organization: Organization, entry_id: UUID) -> Q:
    """Return which events an entry of an organization charged, or took back."""
    entries = LedgerEntry.objects.filter(wallet__organization=organization, id=entry_id)
    entry = entries.first()
    if entry is None:
        return Q(pk__in=[])
    if entry.reservation_id is not None and entry.reverses_id is None:
        return Q(reservation=entry.reservation_id)
    return Q(entry=entry)
