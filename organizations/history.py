"""Who changes a row, when and why: what its history keeps beside what was there before and after."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import BigAutoField, CharField, Index, Model
from django.db.models.deletion import Collector
from django.utils import timezone
from simple_history.manager import HistoryManager
from simple_history.models import HistoricalRecords

LENGTH = 100
"""How much of a name fits beside a change."""
UNSAID = "shell"
"""Who changes something through no door: a shell, or a script."""
REASON_LENGTH = 300

_WHY: ContextVar[str] = ContextVar("why", default="")


@contextmanager
def explained(reason: str) -> Iterator[None]:
    """Keep a reason beside whatever is changed in the block, in the history of each row."""
    token = _WHY.set(reason[:REASON_LENGTH])
    try:
        yield
    finally:
        _WHY.reset(token)


def why() -> str:
    """Return why the rows that change at the moment do; nothing, where nobody said."""
    return _WHY.get()


class Explained(Model):
    """The column in which a history keeps why."""

    history_why = CharField(max_length=REASON_LENGTH, blank=True, default=why, db_default="")

    class Meta:
        abstract = True


class Manager(HistoryManager):
    """The library's, made once for a kind of querysets, and not for each row that is written."""

    @classmethod
    @cache
    def from_queryset(cls, queryset_class: type, class_name: str | None = None) -> type:
        made: type = super().from_queryset(queryset_class, class_name)
        return made


class History(HistoricalRecords):
    """The rows of a table as they were after each change, with the name of who made it, and the reason that they gave.

    The name is text, in `history_change_reason`. Of what the library would keep besides, a reference to a user, there is nothing: what
    belongs to an organization refers to nobody of the staff.
    """

    def __init__(self, *, of_organization: bool = False, **options: Any) -> None:
        """
        :param of_organization: whether what happened to an organization is looked for by it, the newest first
        """
        self.of_organization = of_organization
        super().__init__(
            history_id_field=BigAutoField(),
            history_manager=Manager,
            bases=(Explained,),
            **options,
        )

    def get_meta_options(self, model: type[Model]) -> dict[str, Any]:
        options: dict[str, Any] = super().get_meta_options(model)
        if self.of_organization:
            newest_first = ["organization", "-history_date", "-history_id"]
            name = f"{model._meta.model_name}_history"
            options["indexes"] = [Index(fields=newest_first, name=name)]
        return options

    def _get_history_user_fields(self) -> dict[str, Any]:
        return {"history_user": property(lambda row: None, lambda row, user: None)}


def sign(row: Model, *, performed_by: str, now: datetime | None = None) -> None:
    """Say who makes the next change of a row. A name is text: it stays when whoever bore it is gone.

    :param now: when, where that is a moment of the service's and not that of the history
    """
    vars(row)["_change_reason"] = performed_by[:LENGTH]
    if now is not None:
        vars(row)["_history_date"] = now


def delete_signed(rows: Sequence[Model], *, performed_by: str, now: datetime | None = None) -> None:
    """Delete rows of one kind by one statement, and say who did. `QuerySet.delete` would read rows of its own, which nobody signed."""
    for row in rows:
        sign(row, performed_by=performed_by, now=now)
    if rows:
        collector = Collector(using=DEFAULT_DB_ALIAS)
        collector.collect(rows)
        collector.delete()


def keep(rows: Sequence[Model], *, kind: str, performed_by: str) -> None:
    """Keep rows of one table as they are in it by now in its history: by one statement, which reads them there.

    :param kind: what became of them: `+` where they are new, `~` where they changed
    """
    if not rows:
        return
    table, past = type(rows[0])._meta, type(rows[0]).history.model  # type: ignore[attr-defined]
    own = ", ".join(f'"{field.column}"' for field in past.tracked_fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO {past._meta.db_table}
                ({own}, history_date, history_type, history_change_reason, history_why)
            SELECT {own}, %s, %s, %s, %s FROM {table.db_table} WHERE {table.pk.column} = ANY(%s)
            ORDER BY {table.pk.column}""",
            [timezone.now(), kind, performed_by[:LENGTH], why(), [row.pk for row in rows]],
        )
