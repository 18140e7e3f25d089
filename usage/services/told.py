"""Work as it is told after it was done, read and priced before any lock: what it refers to, what it costs, or why it cannot be recorded."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from credits import periods
from credits.ledger import ORGANIZATION, InMonth, Subject
from credits.models import ZERO
from organizations import wire
from organizations.models import Group
from usage.counts import completed, remarks, tokens_of
from usage.models import AIModel
from usage.pricing import Counts, RateCard, Tokens, Unpriced, contradiction, price, price_of
from usage.services import rates
from usage.services.settling import SOURCE
from usage.services.terms import Book

MAX_AHEAD = timedelta(minutes=5)
FORGIVEN = "forgiven"
CORRECTION = "correction"
RERATED = "rerated"
REFUND = "refund"
NULL = r"\N"
NO_TOKENS = "\t".join([NULL] * len(fields(Tokens)))
_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
COLUMNS = [
    *("source", "external_id", "actor_id", "group_id", "model_id", "work_type"),
    *("resource_type", "resource_id", *(f"{each.name}_tokens" for each in fields(Tokens))),
    *("usage", "list_credits", "rated_at", "month", "note", "occurred_at", "metadata", "charged"),
]
RESERVED_SOURCES = (SOURCE, FORGIVEN, CORRECTION, RERATED, REFUND)


class Told(NamedTuple):
    """One piece of work as a product tells it: `credits`, or `tokens` of a model, or counts by unit (`usage`)."""

    source: str
    id: str
    occurred_at: datetime
    credits: Decimal | None = None
    tokens: Tokens | None = None
    model: str | None = None
    actor_id: UUID | None = None
    actor_external_id: str | None = None
    """What the product calls the actor; then `actor_id` is whose that is by the terms that were read."""
    entity: str | None = None
    work_type: str = "ai"
    resource_type: str = ""
    resource_id: str = ""
    metadata: Mapping[str, str] = MappingProxyType({})
    charge: bool = True
    """Whether it is charged and counted; if not it is history, for the reports."""
    usage: Counts | None = None


class Priced(NamedTuple):
    """A piece of work by the terms that were read: its price by the rate card, and whom it counts for; or why it cannot be recorded."""

    told: Told
    problem: str | None = None
    cost: Decimal = ZERO
    subjects: Sequence[InMonth] = ()
    """Whose counters carry it, unless it is on own keys."""
    line: str = ""
    """What its event says whatever becomes of it, as COPY reads it: the columns of `COLUMNS`."""


class _Known(NamedTuple):
    """Everything that some told work refers to."""

    models: Mapping[str, AIModel]
    cards: rates.Cards
    actors: Mapping[UUID, UUID | None]
    """The actors, each with its entity group."""
    groups: Mapping[str, Group]
    """The entity groups by their keys."""


def read_and_price(book: Book, told: Sequence[Told], *, now: datetime) -> list[Priced]:
    """Return what each piece of work costs by these terms, in the order in which it is told."""
    told = _with_actors(book, told)
    models = book.models({each.model for each in told if each.model is not None})
    known = _Known(
        models=models,
        cards=book.cards(models.values()),
        actors=book.entity_groups({each.actor_id for each in told if each.actor_id is not None}),
        groups=book.groups({each.entity for each in told if each.entity is not None}),
    )
    return [_priced(each, known, now=now) for each in told]


def _with_actors(book: Book, told: Sequence[Told]) -> Sequence[Told]:
    """Return told work with the ids of the actors that it names by their external ids, as a book has them."""
    names = {each.actor_external_id for each in told if each.actor_external_id is not None}
    if not names:
        return told
    ids = book.actors_called(names)
    return [
        each
        if each.actor_external_id is None
        else each._replace(actor_id=ids.get(each.actor_external_id))
        for each in told
    ]


def _priced(each: Told, known: _Known, *, now: datetime) -> Priced:
    problem = _problem(each, known, now=now)
    if problem is not None:
        return Priced(each, problem)
    try:
        card = _card(each, known)
        cost = _cost(each, card)
    except Unpriced as error:
        return Priced(each, str(error))
    of_actor = known.actors[each.actor_id] if each.actor_id is not None else None
    group_id = known.groups[each.entity].id if each.entity is not None else of_actor
    month = periods.first_of_month(each.occurred_at)
    subjects = [(month, subject) for subject in _subjects(each, group_id)]
    return Priced(each, None, cost, subjects, _line(each, card, cost, group_id, month))


def _line(
    each: Told, card: RateCard | None, cost: Decimal, group_id: UUID | None, month: date
) -> str:
    note, tokens = "", each.tokens
    if card and each.usage is not None:
        note, tokens = remarks(card, each.usage), tokens_of(card, each.usage)
    elif card and tokens:
        note = contradiction(card, tokens)
    usage = NULL if each.usage is None else json.dumps(each.usage)
    model = NULL if each.model is None else _escaped(each.model)
    source, id, work_type, resource_type, resource_id = _all_escaped(
        each.source, each.id, each.work_type, each.resource_type, each.resource_id
    )
    classes = NO_TOKENS if tokens is None else "\t".join(map(str, vars(tokens).values()))
    metadata = _escaped(wire.dumps(each.metadata).decode()) if each.metadata else "{}"
    return (
        f"{source}\t{id}\t{each.actor_id or NULL}\t{group_id or NULL}\t{model}\t{work_type}\t{resource_type}\t{resource_id}\t"
        f"{classes}\t{usage}\t{cost:f}\t{card.starts_at if card else NULL}\t{month}\t{note}\t{each.occurred_at.isoformat()}\t{metadata}\t{each.charge}"
    )


def _all_escaped(*texts: str) -> Sequence[str]:
    """Return texts as COPY reads them. Nearly always that is what they are, so they are searched together."""
    return [_escaped(text) for text in texts] if _SPECIAL.search("".join(texts)) else texts


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _problem(each: Told, known: _Known, *, now: datetime) -> str | None:
    """Say why this piece of work cannot be recorded, if it cannot whatever the wallet says."""
    if each.source in RESERVED_SOURCES:
        return f"source {each.source} is reserved"
    if each.occurred_at > now + MAX_AHEAD:
        return "occurredAt is more than 5 minutes ahead"
    if each.model is not None and each.model not in known.models:
        return "unknown model"
    names_actor = each.actor_id is not None or each.actor_external_id is not None
    if names_actor and each.actor_id not in known.actors:
        return "unknown actor"
    if each.entity is not None and each.entity not in known.groups:
        return "unknown entity"
    return None


def _card(each: Told, known: _Known) -> RateCard | None:
    if each.model is None:
        return None
    return rates.in_force(known.cards, known.models[each.model], each.occurred_at)


def _cost(each: Told, card: RateCard | None) -> Decimal:
    if each.tokens is None and each.usage is None:
        return each.credits or ZERO
    if card is None:
        raise Unpriced("tokens without a model have no price")
    if each.tokens is None:
        return price_of(card, completed(each.usage or {}), work_is_done=True)
    return price(card, each.tokens, work_is_done=True)


def _subjects(each: Told, group_id: UUID | None) -> list[Subject]:
    subjects = [ORGANIZATION]
    if each.actor_id is not None:
        subjects.append(Subject(actor_id=each.actor_id))
    if group_id is not None:
        subjects.append(Subject(group_id=group_id))
    if each.resource_type:
        subjects.append(Subject(resource_type=each.resource_type, resource_id=each.resource_id))
    return subjects
