"""Making the database say what a list says of its models and cards, with a history of each change."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from django.db import transaction

from credits.models import Catalogue
from organizations.history import UNSAID, delete_signed, keep, sign
from usage.models import AIModel, Rate
from usage.services import credit
from usage.services.rate_card.comparing import MODEL_FIELDS, changes_of, keep_unsaid
from usage.services.rate_card.lists import (
    RATE_FIELDS,
    Cards,
    PriceList,
    card_of,
    slugs_of,
    values_of,
)

AT_ONCE = 2_000
"""How many rows are written by one statement."""
Progress = Callable[[int, int], None]


def _say_nothing(done: int, of: int) -> None:
    """Tell nobody how far a load is."""


@transaction.atomic(savepoint=False)
def load(
    wanted: PriceList, *, performed_by: str = UNSAID, progress: Progress = _say_nothing
) -> None:
    """Make the database say what a list says of its models and cards, with a history of each change.

    :param progress: is told how many rows are written, and of how many
    """
    # Whoever changes the catalogue raises its version: first of all, so that two who load cards do not wait for each other.
    Catalogue.objects.select_for_update(no_key=True).get()
    if wanted.credit_usd is not None:
        credit.keep(wanted.credit_usd)
    _load_models(wanted.models, performed_by)
    cards, new, changed, gone = Cards(slugs_of(wanted)), list[Rate](), list[Rate](), list[Rate]()
    for card, group in groupby(sorted(wanted.rates, key=card_of), key=card_of):
        rates = {rate.step: rate for rate in group}
        known = cards.exact(card)
        gone += [rate for step, rate in known.items() if step not in rates]
        for step, rate in rates.items():
            before = known.get(step)
            rate.pk = before.pk if before else None
            if before is None:
                new.append(rate)
            elif values_of(rate) != values_of(before):
                changed.append(rate)
    delete_signed(gone, performed_by=performed_by)
    _write(Rate, new, changed, RATE_FIELDS, performed_by=performed_by, progress=progress)


def _load_models(models: Sequence[AIModel], performed_by: str) -> None:
    keep_unsaid(models)
    fallbacks = {model.provider: model.slug for model in models if model.is_fallback}
    for provider, slug in fallbacks.items():
        for old in AIModel.objects.filter(provider=provider, is_fallback=True).exclude(slug=slug):
            old.is_fallback = False
            sign(old, performed_by=performed_by)
            old.save(update_fields=["is_fallback"])
    there = AIModel.objects.in_bulk([model.slug for model in models])
    new = [model for model in models if model.slug not in there]
    changed = [
        model
        for model in models
        if model.slug in there and changes_of("", model, there[model.slug], MODEL_FIELDS)
    ]
    _write(AIModel, new, changed, MODEL_FIELDS, performed_by=performed_by)


def _write(
    kind: type[AIModel] | type[Rate],
    new: Sequence[Any],
    changed: Sequence[Any],
    fields: Sequence[str],
    *,
    performed_by: str,
    progress: Progress = _say_nothing,
) -> None:
    """Write rows of one kind and their history, many at once."""
    of = len(new) + len(changed)
    for rows, sign_of, done in ((new, "+", 0), (changed, "~", len(new))):
        for first in range(0, len(rows), AT_ONCE):
            batch = rows[first : first + AT_ONCE]
            _store(kind, batch, fields if rows is changed else ())
            keep(batch, kind=sign_of, performed_by=performed_by)
            progress(done + first + len(batch), of)


def _store(kind: type[AIModel] | type[Rate], rows: Sequence[Any], fields: Sequence[str]) -> None:
    """Make rows, or where these fields of them changed, change them: by one statement."""
    if not fields:
        kind.objects.bulk_create(rows)
        return
    kind.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["pk"], update_fields=list(fields)
    )
