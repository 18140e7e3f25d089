"""Work as it is told after it was done, read and priced before any lock: what it refers to, what it costs, or why it cannot be recorded."""

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
from usage.counts import as_json
from usage.models import AIModel
from usage.pricing import Counts, Tokens, Unpriced
from usage.services import rates
from usage.services.asking import Left
from usage.services.book import Book
from usage.services.decisions import ModelRetired
from usage.services.served import NoPrice, Served, noted
from usage.services.settling import SOURCE

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
    *(
        "usage",
        "variant",
        "list_credits",
        "rated_at",
        "month",
        "note",
        "occurred_at",
        "metadata",
        "charged",
    ),
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
    variant: str = ""
    """How the model served it, like `service_tier=flex`; empty is the standard way."""


class Priced(NamedTuple):
    """A piece of work by the terms that were read: its price by the rate card, and whom it counts for; or why it cannot be recorded."""

    told: Told
    problem: str | None = None
    cost: Decimal = ZERO
    subjects: Sequence[InMonth] = ()
    """Whose counters carry it, unless it is on own keys."""
    line: str = ""
    """What its event says whatever becomes of it, as COPY reads it: the columns of `COLUMNS`."""
    code: str | None = None
    """What clients tell the problem by, where it has a code."""


class _Known(NamedTuple):
    """Everything that some told work refers to."""

    models: Mapping[str, AIModel]
    cards: rates.Cards
    actors: Mapping[UUID, UUID | None]
    """The actors, each with its entity group."""
    groups: Mapping[str, Group]
    """The entity groups by their keys."""
    book: Book


class _Charge(NamedTuple):
    """What work costs by the rate card, by which prices, and what its event notes of it."""

    served: Served | None
    cost: Decimal
    note: str = ""


def read_and_price(book: Book, told: Sequence[Told], *, now: datetime) -> list[Priced]:
    """Return what each piece of work costs by these terms, in the order in which it is told."""
    told = _with_actors(book, told)
    models = book.models({each.model for each in told if each.model is not None})
    known = _Known(
        models=models,
        cards=book.cards(models.values()),
        actors=book.entity_groups({each.actor_id for each in told if each.actor_id is not None}),
        groups=book.groups({each.entity for each in told if each.entity is not None}),
        book=book,
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
    model = known.models[each.model] if each.model is not None else None
    if model is not None and model.is_retired(each.occurred_at):
        return Priced(each, model.retirement, code=ModelRetired.code)
    try:
        charge = _charge(each, _served(each, known), known)
    except NoPrice as error:
        return Priced(each, str(error), code=error.code)
    except (Unpriced, Left) as error:
        return Priced(each, str(error))
    of_actor = known.actors[each.actor_id] if each.actor_id is not None else None
    group_id = known.groups[each.entity].id if each.entity is not None else of_actor
    month = periods.first_of_month(each.occurred_at)
    subjects = [(month, subject) for subject in _subjects(each, group_id)]
    return Priced(each, None, charge.cost, subjects, _line(each, charge, group_id, month))


def _line(each: Told, charge: _Charge, group_id: UUID | None, month: date) -> str:
    served, tokens = charge.served, each.tokens
    if served and each.usage is not None:
        tokens = served.tokens(each.usage)
    usage = NULL if each.usage is None else as_json(each.usage)
    variant = _escaped(served.variant) if served else ""
    rated_at = served.card.starts_at if served else NULL
    model = _escaped(served.model) if served else NULL
    source, id, work_type, resource_type, resource_id = _all_escaped(
        each.source, each.id, each.work_type, each.resource_type, each.resource_id
    )
    classes = NO_TOKENS if tokens is None else "\t".join(map(str, vars(tokens).values()))
    metadata = _escaped(wire.dumps(each.metadata).decode()) if each.metadata else "{}"
    return (
        f"{source}\t{id}\t{each.actor_id or NULL}\t{group_id or NULL}\t{model}\t{work_type}\t{resource_type}\t{resource_id}\t"
        f"{classes}\t{usage}\t{variant}\t{charge.cost:f}\t{rated_at}\t{month}\t{_escaped(charge.note)}\t{each.occurred_at.isoformat()}\t{metadata}\t{each.charge}"
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


def _served(each: Told, known: _Known) -> Served | None:
    """Return what charges work: by the prices of when it occurred.

    :raises Unpriced: if its model had none then
    :raises Left: if it has none of the variant
    """
    if each.model is None:
        return None
    model = known.models[each.model]
    card = rates.in_force(known.cards, model, each.occurred_at)
    return Served.of(model.slug, card, each.occurred_at, each.variant).by_name(each.model)


def _charge(each: Told, served: Served | None, known: _Known) -> _Charge:
    """Return what work costs by the rate card.

    :raises Unpriced: if something of it has no price
    """
    if each.tokens is None and each.usage is None:
        return _Charge(served, each.credits or ZERO, served.naming if served else "")
    if served is None:
        raise Unpriced("tokens without a model have no price")
    try:
        return _Charge(served, *served.charge(each.tokens, each.usage, known.book))
    except NoPrice as error:
        if not known.book.organization.byok:
            raise
        return _Charge(served, ZERO, noted(served.naming, str(error)))


def _subjects(each: Told, group_id: UUID | None) -> list[Subject]:
    subjects = [ORGANIZATION]
    if each.actor_id is not None:
        subjects.append(Subject(actor_id=each.actor_id))
    if group_id is not None:
        subjects.append(Subject(group_id=group_id))
    if each.resource_type:
        subjects.append(Subject(resource_type=each.resource_type, resource_id=each.resource_id))
    return subjects
