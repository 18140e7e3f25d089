"""Doing an action to many: what its form asks once, what it would do to each of them, and doing it to each in a transaction of its own.

The action is the one of the button: its form, its right, its figures, its service call. Looked at and done are the few that a page has time
for, and then portion by portion as long as it is open; the rest is for a worker, and so is what a killed process left.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from django.contrib.admin.models import CHANGE
from django.contrib.auth.models import AnonymousUser
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.utils.datastructures import MultiValueDict

from organizations import bulk, proposals
from organizations.admin.actions import (
    Action,
    ActionForm,
    Command,
    Figure,
    log,
    sentence,
    staff_named,
)
from organizations.admin.delegation import Staff
from organizations.history import explained
from organizations.idempotency import again
from organizations.models import BulkAction, BulkItem, Organization
from organizations.models.bulk import Subject
from organizations.proposals import SecondPersonNeeded

logger = logging.getLogger(__name__)

Outcome = BulkItem.Outcome
Effect = BulkItem.Effect
PORTION_SECONDS = 0.15
"""How long a page rehearses, or does, before it answers: pages of a process wait for each other. The rest is the next portion, or a worker's."""
AT_ONCE = 50
SAID = 500
GONE = (OperationalError, InterfaceError)
"""The database did not answer, or not in time: somebody tries again."""


class Many:
    """An action that is done to many at once. A subclass says of whom, and what an item needs that the form does not ask."""

    action: ClassVar[Action]
    form: ClassVar[type[ActionForm]]
    title: ClassVar[str]
    """What the button above the list says."""
    of_people: ClassVar[bool] = False
    columns: ClassVar[Sequence[str]]
    """The figures that the preview shows of each."""
    gate: ClassVar[str] = ""
    """The figure that says whether work passes: what becomes less harsh unblocks."""

    @property
    def slug(self) -> str:
        return self.action.slug

    @property
    def verb(self) -> str:
        return self.title.rstrip("…")

    def subjects(self, rows: QuerySet[Any]) -> list[Subject]:
        """Return whom some rows of the list stand for, each once, and one more than may be."""
        raise NotImplementedError

    def meant(self, rows: QuerySet[Any]) -> dict[str, list[str]]:
        """Return what some rows of the list say beside whom they stand for, as inputs of the form."""
        return {}

    def data_for(self, item: BulkItem, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the action is told of one of them."""
        return dict(data)

    def figures(self, command: Command) -> list[Figure]:
        """Return the figures of which some are columns."""
        return self.action.figures_of(command)

    def form_of(self, data: Any, *, user: Staff, **options: Any) -> ActionForm:
        """Return the form, which is of no organization."""
        form = self.form(data, organization=Organization(), user=user, **options)
        form.visible_fields()[0].field.widget.attrs["autofocus"] = True
        return form


class Asked(NamedTuple):
    """A bulk action as it is carried out: what it is, its form, who asked, who approved."""

    bulk: BulkAction
    many: Many
    form: ActionForm
    author: Staff | None
    now: datetime

    @property
    def performed_by(self) -> str:
        name = staff_named(self.bulk.proposed_by)
        return (
            f"{name}, approved by {staff_named(str(self.bulk.decided_by))}" if self.by_two else name
        )

    @property
    def by_two(self) -> bool:
        return self.bulk.state == BulkAction.State.APPROVED

    @property
    def problem(self) -> str:
        """Why nothing of it may be done, if so."""
        if self.author is None or not self.author.has_perm(self.many.action.permission):
            return f"{self.bulk.proposed_by} may not do this any more."
        if not self.form.is_valid():
            return f"It cannot be done any more: {self.form.errors.as_text()}"
        return ""


def asked(row: BulkAction, many: Many, *, now: datetime) -> Asked:
    """Return a bulk action ready to be carried out."""
    author = proposals.author_of(row)
    data = MultiValueDict({name: list(sent) for name, sent in row.payload.items()})
    form = many.form_of(data, user=author or AnonymousUser())
    return Asked(row, many, form, author, now)


def work_through(
    items: QuerySet[BulkItem], each: Callable[[BulkItem], object], *, began: float | None = None
) -> None:
    """Look at, or do, the first of some items: one, and as many more as there is time for.

    :param began: when the page began, by the counter that no one sets, where it did something else before
    """
    until = (time.monotonic() if began is None else began) + PORTION_SECONDS
    for item in items.select_related("organization__parent", "actor")[:AT_ONCE]:
        try:
            each(item)
        except GONE:
            logger.warning("%s is left to a worker", item, exc_info=True)
            return
        if time.monotonic() > until:
            return


def look_at_some(of: Asked, *, began: float | None = None) -> None:
    """Look what it would do to as many as there is time for."""
    waiting = bulk.items_of(of.bulk).filter(rehearsed_at=None)
    work_through(waiting, lambda item: rehearse(of, item), began=began)


def do_some(of: Asked) -> None:
    """Do it to as many as there is time for."""
    waiting = bulk.items_of(of.bulk).filter(is_to_do=True, finished_at=None)
    work_through(waiting, lambda item: do(of, item))


def go_on(of: Asked) -> None:
    """Look at the next, or do the next once it is decided: a portion."""
    if of.bulk.state in (BulkAction.State.CONFIRMED, BulkAction.State.APPROVED):
        do_some(of)
    else:
        look_at_some(of)


def rehearse(of: Asked, item: BulkItem) -> None:
    """Keep what it would do to one of them. Nothing is done."""
    if of.problem:
        item.refusal = of.problem[:SAID]
    else:
        try:
            again(lambda: _rehearse(of, item))
        except tuple(of.many.action.refusals) as refusal:
            item.refusal = sentence(refusal)[:SAID]
        except GONE:
            raise
        except Exception as error:
            logger.exception("%s cannot be rehearsed for %s", of.bulk, item)
            item.refusal = f"It fails: {type(error).__name__}."
    item.rehearsed_at = of.now
    item.save()


def _rehearse(of: Asked, item: BulkItem) -> None:
    action, command = of.many.action, _command(of, item)
    with transaction.atomic(durable=True):
        moved = action.moved(command)
        before = of.many.figures(_fresh(command))
        action.perform(command)
        after = of.many.figures(_fresh(command))
        then = action.moved(command)
        transaction.set_rollback(True)
    item.amount = max(then.since(moved).most, Decimal(0))
    item.figures = {
        old.what: [old.value, new.value]
        for old, new in zip(before, after, strict=True)
        if old.what in of.many.columns
    }
    item.effect = _effect(of.many.gate, before, after)
    assert of.author is not None
    limit = action.alone_up_to(of.author)
    item.needs_second_person = limit is not None and then.most > limit and item.amount > 0


def _effect(gate: str, before: Iterable[Figure], after: Iterable[Figure]) -> Effect:
    old, new = (
        {figure.what: figure.weight for figure in side}.get(gate) for side in (before, after)
    )
    if old is None or new is None or old == new:
        return Effect.NONE
    return Effect.UNBLOCKS if new < old else Effect.BLOCKS


def do(of: Asked, item: BulkItem) -> None:
    """Do it to one of them, once, and keep what came of it in the same transaction."""
    again(lambda: _do(of, item))


@transaction.atomic
def _do(of: Asked, item: BulkItem) -> None:
    claimed = bulk.claim(item)
    if claimed is None:
        return
    item = claimed
    if of.problem:
        item.outcome, item.said = Outcome.FAILED, of.problem[:SAID]
    else:
        item.outcome, item.said = _perform(of, item)
    item.finished_at = of.now
    item.save(update_fields=["outcome", "said", "finished_at"])


class _NothingChanges(Exception):
    """It is so already."""


def _perform(of: Asked, item: BulkItem) -> tuple[Outcome, str]:
    try:
        with transaction.atomic(), explained(of.bulk.reason):
            return Outcome.DONE, _perform_alone(of, item)[:SAID]
    except _NothingChanges:
        return Outcome.SKIPPED, "It is so already."
    except SecondPersonNeeded:
        return (
            Outcome.FAILED,
            "With what was moved there of late it is too much for one person: ask for it there.",
        )
    except tuple(of.many.action.refusals) as refusal:
        return Outcome.FAILED, sentence(refusal)[:SAID]
    except GONE:
        raise
    except Exception as error:
        logger.exception("%s failed for %s", of.bulk, item)
        return Outcome.FAILED, f"It failed: {type(error).__name__}."


def _perform_alone(of: Asked, item: BulkItem) -> str:
    """Do it, unless it changes nothing, or is too much there for one person.

    :raises SecondPersonNeeded: if it is
    """
    action, command = of.many.action, _command(of, item)
    proposals.one_at_a_time(command.organization, command.performed_by)
    moved = action.moved(command)
    before = of.many.figures(_fresh(command))
    outcome = action.perform(command)
    if before == of.many.figures(_fresh(command)):
        raise _NothingChanges
    if not of.by_two:
        limit = action.alone_up_to(command.user)
        proposals.require_alone(moved, action.moved(command), limit=limit)
    assert of.author is not None
    text = f"{outcome.sentence} With {of.bulk.total - 1:,} others. Reason: {of.bulk.reason}"
    log(of.author, command.organization, CHANGE, text)  # type: ignore[arg-type]
    # A sentence about a person may name them, and this row outlives their name.
    return "" if item.actor_id else outcome.sentence


def _command(of: Asked, item: BulkItem) -> Command:
    assert of.author is not None
    data = of.many.data_for(item, of.form.cleaned_data)
    return Command(item.organization, data, of.performed_by, of.now, of.author)


def _fresh(command: Command) -> Command:
    current = Organization.objects.select_related("parent").get(pk=command.organization.pk)
    return command._replace(organization=current)
