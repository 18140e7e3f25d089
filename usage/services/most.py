"""Who used most in a month, of all organizations: their people or they themselves, on all models or on one.

Read from what the worker keeps of each month, by index, so it costs the same whether there are ten organizations or ten thousand. It counts
what the worker has added up: the last minutes come with its next visit. Sandboxes are not among them.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Literal, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from credits.models import ZERO
from organizations.models import Actor, Env, Organization
from usage.models import MonthlyUse

Of = MonthlyUse.Of
By = Literal["credits", "events"]
Key = tuple[UUID, UUID | None]
ROWS_AT_ONCE = 2_000
AT_ONCE = 500
"""Of so many organizations the rows are asked for together."""


class Share(NamedTuple):
    """What of it was used on one model; None is work that names none."""

    model: str | None
    credits: Decimal
    events: int


class Used(NamedTuple):
    """What one of them used in a month, and on which models: the largest share first."""

    organization: Organization
    actor: Actor | None
    """None where it is an organization's, or of nobody named."""
    credits: Decimal
    events: int
    before: Decimal
    """In the month before, on the same."""
    shares: Sequence[Share]


def most(
    of: Of, *, month: date, before: date, model: str | None = None, by: By = "credits", count: int
) -> list[Used]:
    """Return who used most in a month, the largest first.

    :param month: its first day, and
    :param before: that of the month that it is compared with
    :param model: on which model; None for all of them together
    """
    rows = _of_month(of, month).filter(is_whole=model is None, model=model)
    # The model is the same in all of them; it is named where it is empty, too, so that the index gives the order.
    ordered = rows.select_related("organization").order_by("model_id", f"-{by}", "-id")
    found = list(ordered[:count])
    whose = [_key(row) for row in found]
    earlier = _those(whose, _of_month(of, before).filter(is_whole=model is None, model=model))
    used_before = {_key(row): row.credits for row in earlier}
    shares: dict[Key, list[Share]] = {}
    for row in _those(whose, _of_month(of, month).filter(is_whole=False)):
        shares.setdefault(_key(row), []).append(Share(_model(row), row.credits, row.events))
    actors = Actor.objects.in_bulk([actor for _, actor in whose if actor is not None])
    return [
        Used(
            organization=row.organization,
            actor=actors.get(key[1]) if key[1] else None,
            credits=row.credits,
            events=row.events,
            before=used_before.get(key, ZERO),
            shares=sorted(shares.get(key, []), key=lambda each: (-each.credits, each.model or "")),
        )
        for key, row in zip(whose, found, strict=True)
    ]


def every(of: Of, *, month: date) -> Iterator[Used]:
    """Yield what each used on each model in a month, organization by organization: a few of them at a time, however many there are."""
    live = Organization.objects.filter(env=Env.LIVE).order_by("id")
    after: UUID | None = None
    while batch := list((live if after is None else live.filter(id__gt=after))[:AT_ONCE]):
        after = batch[-1].id
        by_id = {each.id: each for each in batch}
        rows = _of_month(of, month).filter(is_whole=False, organization__in=batch)
        ordered = rows.order_by("organization_id", "actor_id", "model_id")
        for portion in _portions(ordered.iterator(chunk_size=ROWS_AT_ONCE)):
            actors = Actor.objects.in_bulk(_actors(portion))
            for row in portion:
                whose, actor = _key(row)
                share = Share(_model(row), row.credits, row.events)
                of_nobody = actors.get(actor) if actor else None
                yield Used(by_id[whose], of_nobody, row.credits, row.events, ZERO, [share])


def _of_month(of: Of, month: date) -> QuerySet[MonthlyUse]:
    """Return what live organizations used; what has no mark is being added up anew, and counts for nothing."""
    rows = MonthlyUse.objects.filter(month=month, of=of)
    return rows.filter(organization__env=Env.LIVE, organization__rollup_mark__isnull=False)


def _those(
    whose: Sequence[Key], rows: QuerySet[MonthlyUse]
) -> QuerySet[MonthlyUse] | Sequence[MonthlyUse]:
    """Return the rows of those few."""
    if not whose:
        return []
    few = Q()
    for organization, actor in whose:
        few |= Q(organization_id=organization, actor_id=actor)
    return rows.filter(few)


def _portions(rows: Iterator[MonthlyUse]) -> Iterator[list[MonthlyUse]]:
    while portion := list(islice(rows, ROWS_AT_ONCE)):
        yield portion


def _actors(rows: Sequence[MonthlyUse]) -> set[UUID]:
    return {actor for _, actor in map(_key, rows) if actor is not None}


def _key(row: MonthlyUse) -> Key:
    return row.organization_id, vars(row)["actor_id"]


def _model(row: MonthlyUse) -> str | None:
    slug: str | None = vars(row)["model_id"]
    return slug
