"""The work that was done, as a list: the newest first, by when it was done. And between it and the ledger, who charged what."""

from datetime import datetime
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from credits.models import LedgerEntry
from organizations.listing import Listing
from organizations.models import Organization
from usage.models import UsageEvent
from usage.services.settling import SOURCE as OF_HOLDS

BY = ("occurred_at", "position")
EVENTS_OF_AN_ENTRY = 10
"""How many of the events of an entry are named with it: work that was told together has many."""


def events_of(
    organization: Organization,
    *,
    own_actor_id: UUID | None = None,
    actor_id: UUID | None = None,
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
    actors = {id for id in (own_actor_id, actor_id) if id is not None}
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


def with_entry(events: QuerySet[UsageEvent]) -> QuerySet[UsageEvent]:
    """Return events, each with its group and with the `charge_id` of the entry that charged it, or took back: null if none did."""
    charge = LedgerEntry.objects.filter(
        reservation=OuterRef("reservation"), kind=LedgerEntry.Kind.SETTLE, reverses=None
    )
    charged_with = Coalesce("entry", Subquery(charge.values("id")[:1]))
    return events.select_related("group").annotate(charge_id=charged_with)


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
