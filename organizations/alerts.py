"""What becomes of an alert: it fires, becomes worse and resolves by what is seen, and staff acknowledge or silence it.

Whoever looks at the world says what is true of whom (`Noticed`), and what was looked at; `keep` compares that with the alerts that are open, in a
few statements however many there are. Two workers that look at the same time fire once: the database keeps one open alert per subject.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from organizations.ids import new_id
from organizations.models import Alert, AlertStep

BY_ITSELF = "calendar"
"""Who fires and resolves."""
PRUNE_BATCH = 500
What = AlertStep.What


class Resolved(Exception):
    """What is not true any more needs nobody: it is neither acknowledged nor silenced."""


class NotAcknowledged(Exception):
    """Nothing to take back: nobody acknowledged it, or somebody took it back already."""


class NotSilenced(Exception):
    """Nothing to end: it is not silenced."""


class InThePast(Exception):
    """A silence ends later than it begins."""


class Noticed(NamedTuple):
    """Something that is true of a subject now."""

    kind: str
    severity: int
    organization_id: UUID | None = None
    actor_id: UUID | None = None
    group_id: UUID | None = None
    subject: str = ""
    level: int = 0
    figures: Mapping[str, str] = {}

    @property
    def key(self) -> tuple[Any, ...]:
        """What is open at most once."""
        return self[0], *self[2:6]


_KEY = ("kind", "organization_id", "actor_id", "group_id", "subject")
_SEEN = """
    SELECT * FROM jsonb_to_recordset(%s) AS s(
        id uuid, kind text, severity smallint, organization_id uuid, actor_id uuid, group_id uuid, subject text, level integer,
        figures jsonb)"""
# A silence outlasts what it was said of: what becomes true again within it fires, and stays silent.
_FIRE = f"""
    WITH fired AS (
        INSERT INTO organizations_alert (id, kind, severity, organization_id, actor_id, group_id, subject, level, figures, fired_at,
            acknowledged_by, silenced_until, silenced_by)
        SELECT s.id, s.kind, s.severity, s.organization_id, s.actor_id, s.group_id, s.subject, s.level, s.figures, %s::timestamptz,
            '', silence.silenced_until, coalesce(silence.silenced_by, '')
        FROM ({_SEEN}) s LEFT JOIN LATERAL (
            SELECT a.silenced_until, a.silenced_by FROM organizations_alert a
            WHERE a.organization_id IS NOT DISTINCT FROM s.organization_id AND a.kind = s.kind AND a.silenced_until > %s::timestamptz
                AND (a.actor_id, a.group_id, a.subject) IS NOT DISTINCT FROM (s.actor_id, s.group_id, s.subject)
            ORDER BY a.id DESC LIMIT 1) silence ON true
        ON CONFLICT DO NOTHING RETURNING id, figures)
    INSERT INTO organizations_alertstep (alert_id, what, at, by, note, figures)
    SELECT id, 'fired', %s::timestamptz, %s, '', figures FROM fired"""
_WORSE = f"""
    WITH worse AS (
        UPDATE organizations_alert a SET level = s.level, severity = s.severity, figures = s.figures, acknowledged_at = NULL,
            acknowledged_by = ''
        FROM ({_SEEN}) s WHERE a.id = s.id AND a.level < s.level AND a.resolved_at IS NULL RETURNING a.id, a.figures)
    INSERT INTO organizations_alertstep (alert_id, what, at, by, note, figures)
    SELECT id, 'worse', %s::timestamptz, %s, '', figures FROM worse"""
_SAME = f"""
    UPDATE organizations_alert a SET level = s.level, severity = s.severity, figures = s.figures
    FROM ({_SEEN}) s WHERE a.id = s.id AND a.level >= s.level AND a.resolved_at IS NULL"""
_RESOLVE = """
    WITH resolved AS (
        UPDATE organizations_alert SET resolved_at = greatest(fired_at, %s::timestamptz)
        WHERE id = ANY (%s) AND resolved_at IS NULL RETURNING id, figures)
    INSERT INTO organizations_alertstep (alert_id, what, at, by, note, figures)
    SELECT id, 'resolved', %s::timestamptz, %s, '', figures FROM resolved"""


_CHANGE_MANY = """
    WITH wanted AS MATERIALIZED (
        SELECT id FROM organizations_alert WHERE id = ANY (%(ids)s) AND resolved_at IS NULL AND {is_other}
        ORDER BY id FOR NO KEY UPDATE
    ), changed AS (
        UPDATE organizations_alert a SET {change} FROM wanted WHERE a.id = wanted.id RETURNING a.id, a.figures)
    INSERT INTO organizations_alertstep (alert_id, what, at, by, note, until, figures)
    SELECT id, %(what)s, %(now)s::timestamptz, %(by)s, %(note)s, %(until)s::timestamptz, figures FROM changed"""
_ACKNOWLEDGE_MANY = _CHANGE_MANY.format(
    is_other="acknowledged_at IS NULL",
    change="acknowledged_at = %(now)s::timestamptz, acknowledged_by = %(by)s",
)
_SILENCE_MANY = _CHANGE_MANY.format(
    is_other="silenced_until IS DISTINCT FROM %(until)s::timestamptz",
    change="silenced_until = %(until)s::timestamptz, silenced_by = %(by)s",
)


@transaction.atomic
def keep(noticed: Collection[Noticed], *, kinds: Collection[str], among: Q, now: datetime) -> None:
    """Fire what is true and was not, say what became worse, and resolve what is not true any more.

    :param kinds: which kinds were looked for, and
    :param among: among which alerts: those that would have been seen
    """
    looked_at = Alert.objects.filter(among, kind__in=kinds, resolved_at=None)
    rows = looked_at.values(*_KEY, "id", "severity", "level", "figures")
    is_open = {tuple(row[name] for name in _KEY): row for row in rows}
    seen = {each.key: each for each in sorted(noticed, key=lambda each: str(each.key))}
    fresh, worse, same = [], [], []
    for key, each in seen.items():
        row = is_open.get(key)
        if row is None:
            fresh.append((new_id(), each))
        elif each.level > row["level"]:
            worse.append((row["id"], each))
        elif _differs(row, each):
            same.append((row["id"], each))
    over = [row["id"] for key, row in is_open.items() if key not in seen]
    with connection.cursor() as cursor:
        if fresh:
            cursor.execute(_FIRE, [now, _written(fresh), now, now, BY_ITSELF])
        if worse:
            cursor.execute(_WORSE, [_written(worse), now, BY_ITSELF])
        if same:
            cursor.execute(_SAME, [_written(same)])
        if over:
            cursor.execute(_RESOLVE, [now, over, now, BY_ITSELF])


def about(after: UUID | None, last: UUID | None) -> Q:
    """Return the condition of what is about the organizations of a portion: those after one, up to the last of it, if it has one."""
    among = Q(organization__isnull=False)
    if after is not None:
        among &= Q(organization__gt=after)
    return among if last is None else among & Q(organization__lte=last)


def _differs(row: Mapping[str, Any], each: Noticed) -> bool:
    return (row["severity"], row["level"], row["figures"]) != (
        each.severity,
        each.level,
        dict(each.figures),
    )


def _written(seen: Iterable[tuple[UUID, Noticed]]) -> str:
    return json.dumps([{"id": id, **each._asdict()} for id, each in seen], default=str)


def needing_somebody(*, now: datetime) -> QuerySet[Alert]:
    """Return the alerts that nobody acknowledged and no silence covers."""
    awake = Q(silenced_until=None) | Q(silenced_until__lte=now)
    return Alert.objects.filter(awake, resolved_at=None, acknowledged_at=None)


def acknowledge(*, alert: Alert, note: str, performed_by: str, now: datetime) -> Alert:
    """Say that somebody takes care of it. Where somebody said so before, it is theirs from now on.

    :raises Resolved: if it is not true any more
    """

    def change(current: Alert) -> None:
        current.acknowledged_at, current.acknowledged_by = now, performed_by

    return _change(alert, change, What.ACKNOWLEDGED, note=note, performed_by=performed_by, now=now)


def acknowledge_many(*, ids: Collection[UUID], note: str, performed_by: str, now: datetime) -> int:
    """Say of many alerts at once that somebody takes care of them. Returns of how many: none that is resolved, or acknowledged already."""
    values = {"what": What.ACKNOWLEDGED, "until": None, "note": note, "by": performed_by}
    return _change_many(_ACKNOWLEDGE_MANY, ids, now=now, **values)


def silence_many(
    *, ids: Collection[UUID], until: datetime, note: str, performed_by: str, now: datetime
) -> int:
    """Leave many alerts out of what needs somebody until a moment. Returns how many: none that is resolved, or silenced until then already.

    :raises InThePast: if that moment is not to come
    """
    _require_to_come(until, now)
    values = {"what": What.SILENCED, "until": until, "note": note, "by": performed_by}
    return _change_many(_SILENCE_MANY, ids, now=now, **values)


def _change_many(statement: str, ids: Collection[UUID], **values: Any) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, {"ids": list(ids), **values})
        return int(cursor.rowcount)


def reopen(*, alert: Alert, note: str, performed_by: str, now: datetime) -> Alert:
    """Take an acknowledgement back.

    :raises Resolved: if it is not true any more
    :raises NotAcknowledged: if nobody acknowledged it
    """

    def change(current: Alert) -> None:
        if current.acknowledged_at is None:
            raise NotAcknowledged("nobody has acknowledged it, or it was taken back already")
        current.acknowledged_at, current.acknowledged_by = None, ""

    return _change(alert, change, What.REOPENED, note=note, performed_by=performed_by, now=now)


def silence(*, alert: Alert, until: datetime, note: str, performed_by: str, now: datetime) -> Alert:
    """Leave an alert out of what needs somebody until a moment, also if it resolves and fires anew meanwhile.

    :raises Resolved: if it is not true any more
    :raises InThePast: if that moment is not to come
    """
    _require_to_come(until, now)

    def change(current: Alert) -> None:
        current.silenced_until, current.silenced_by = until, performed_by

    return _change(
        alert, change, What.SILENCED, note=note, performed_by=performed_by, now=now, until=until
    )


def _require_to_come(until: datetime, now: datetime) -> None:
    if until <= now:
        raise InThePast("a silence ends later than now")


def end_silence(*, alert: Alert, note: str, performed_by: str, now: datetime) -> Alert:
    """End a silence before its time.

    :raises Resolved: if it is not true any more
    :raises NotSilenced: if it is not silenced
    """

    def change(current: Alert) -> None:
        if current.silenced_until is None or current.silenced_until <= now:
            raise NotSilenced("it is not silenced")
        current.silenced_until, current.silenced_by = None, ""
        # What it was said of before is over, and would bring the silence back with the next that fires.
        same = {name: getattr(current, name) for name in _KEY}
        others = Alert.objects.filter(**same, silenced_until__gt=now)
        others.update(silenced_until=None, silenced_by="")

    return _change(alert, change, What.UNSILENCED, note=note, performed_by=performed_by, now=now)


@transaction.atomic
def _change(
    alert: Alert,
    change: Callable[[Alert], None],
    what: What,
    *,
    note: str,
    performed_by: str,
    now: datetime,
    until: datetime | None = None,
) -> Alert:
    current = Alert.objects.select_for_update(no_key=True, of=["self"]).get(pk=alert.pk)
    if current.resolved_at is not None:
        raise Resolved("it is not true any more: there is nothing to take care of")
    change(current)
    current.save(
        update_fields=["acknowledged_at", "acknowledged_by", "silenced_until", "silenced_by"]
    )
    AlertStep.objects.create(
        alert=current,
        what=what,
        at=now,
        by=performed_by,
        note=note,
        until=until,
        figures=current.figures,
    )
    return current


def forget(*, actor_id: UUID) -> None:
    """Forget what staff wrote about somebody who is erased: a note may name them."""
    AlertStep.objects.filter(alert__actor_id=actor_id).exclude(note="").update(note="")


def prune(*, before: datetime) -> int:
    """Delete the alerts that were over before a moment, with what became of them, a batch at a time."""
    over = Alert.objects.filter(resolved_at__lt=before).order_by("resolved_at")
    deleted = 0
    while batch := list(over.values_list("id", flat=True)[:PRUNE_BATCH]):
        deleted += len(batch)
        Alert.objects.filter(id__in=batch).delete()
    return deleted
