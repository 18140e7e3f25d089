"""The work that was done, as a list: the newest first, by when it was done."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from organizations.listing import Listing
from organizations.models import Organization
from usage.models import UsageEvent
from usage.services.settling import SOURCE as OF_HOLDS

BY = ("occurred_at", "position")


def events_of(
    organization: Organization,
    *,
    own_actor_id: UUID | None = None,
    actor_id: UUID | None = None,
    model: str | None = None,
    source: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Listing:
    """Return the usage events of an organization, by the moments when the work was done.

    An actor's are found by an index, those of a model too, and of a source other than holds; of several filters one is, and the rest
    are looked for in what it finds.

    :param own_actor_id: only of this actor, whatever else is asked for
    :param since: only what was done from this moment on
    :param until: only what was done before this moment
    """
    rows = UsageEvent.objects.filter(organization=organization).select_related("group")
    if since is not None:
        rows = rows.filter(occurred_at__gte=since)
    if until is not None:
        rows = rows.filter(occurred_at__lt=until)
    actors = {id for id in (own_actor_id, actor_id) if id is not None}
    if len(actors) > 1:
        return Listing(rows.none(), BY)
    wanted = [Q(actor=id) for id in actors]
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
