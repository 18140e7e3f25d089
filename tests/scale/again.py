"""The work of an organization again and again, set-wise, with books that hold: each piece with its hold, its event, its entry and its draw.

Copies follow the last entry of the ledger, so numbers and balances go on from there, and draw on what is prepaid. The counters of the month are added up
anew. Hashes of entries and checksums of wallets and periods are not written: `tests.scale.sealing` does that in the end.
"""

from datetime import datetime
from typing import Any

from django.db import connection

from credits.models import GrantDraw, LedgerEntry, Reservation
from organizations.models import Organization
from tests.scale.copying import filling, insert
from usage.models import UsageEvent

ID = """(substr(x.hex, 1, 8) || '-' || substr(x.hex, 9, 4) || '-7000-' || substr(gen_random_uuid()::text, 20))::uuid"""
"""An id of a moment, as `organizations.ids` makes them."""
_PEOPLE = """
    INSERT INTO credits_usagecounter (wallet_id, month, actor_id, resource_type, resource_id, used, reserved)
    SELECT %(wallet)s, %(month)s, a.id, '', '', 0, 0 FROM organizations_actor a
    WHERE a.organization_id = %(organization)s AND a.active
    ON CONFLICT DO NOTHING"""
_PLAN = f"""
    CREATE TEMP TABLE again AS
    WITH work AS (
        SELECT e.id AS entry, r.id AS hold, v.id AS event, -e.amount AS credits,
            array(SELECT c.id FROM credits_usagecounter c WHERE c.id = ANY (r.counter_ids) AND c.actor_id IS NULL) AS shared,
            row_number() OVER (ORDER BY e.number) AS turn
        FROM credits_ledgerentry e
        JOIN credits_reservation r ON r.id = e.reservation_id AND r.counter_ids <> '{{}}'
        JOIN usage_usageevent v ON v.reservation_id = r.id AND v.month = %(month)s
        WHERE e.wallet_id = %(wallet)s AND e.period_id = %(period)s AND e.kind = 'settle' AND e.counted_in_id = e.period_id
            AND r.actor_id IS NOT NULL AND NOT EXISTS (SELECT FROM credits_ledgerentry b WHERE b.reverses_id = e.id)
    ), people AS (
        SELECT a.id AS actor, c.id AS counter, row_number() OVER (ORDER BY a.id) AS turn
        FROM organizations_actor a JOIN credits_usagecounter c ON c.actor_id = a.id AND c.month = %(month)s AND c.resource_type = ''
        WHERE c.wallet_id = %(wallet)s AND a.active
    ), placed AS (
        SELECT n, work.*, people.actor, people.counter, %(since)s + (%(until)s - %(since)s) * (n::float / %(count)s) AS at
        FROM generate_series(1, %(count)s::bigint) AS n
        JOIN work ON work.turn = 1 + n %% (SELECT count(*) FROM work)
        JOIN people ON people.turn = 1 + n * 7919 %% (SELECT count(*) FROM people)
    )
    SELECT placed.*, {ID} AS new_hold, {ID} AS new_event, {ID} AS new_entry, sum(credits) OVER (ORDER BY n) AS so_far
    FROM placed, LATERAL (SELECT lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS hex) AS x"""
_WHERE = "again AS a JOIN {table} AS t ON t.id = a.{name}"
_RAISE = (
    (
        "UPDATE credits_wallet SET balance = balance - %(total)s, head_number = head_number + %(count)s,"
        " event_position = event_position + %(count)s, posted_at = %(until)s WHERE id = %(wallet)s"
    ),
    "UPDATE credits_billingperiod SET used = used + %(total)s WHERE id = %(period)s",
    "UPDATE credits_grant SET remaining = remaining - %(total)s WHERE id = %(grant)s",
    (
        "UPDATE credits_usagecounter c SET used = c.used + d.credits FROM ("
        "SELECT counter, sum(credits) AS credits FROM (SELECT counter, credits FROM again"
        " UNION ALL SELECT unnest(shared), credits FROM again) AS parts GROUP BY 1) AS d WHERE d.counter = c.id"
    ),
)


def work_again(organization: Organization, count: int, *, until: datetime) -> None:
    """Repeat the settled work of the open period so often, from the last entry on until a moment, by whoever is active.

    :param until: of the same calendar month as the work
    """
    with filling(), connection.cursor() as cursor:
        cursor.execute(_ASKED, [organization.pk])
        names = [column[0] for column in cursor.description or ()]
        values: dict[str, Any] = dict(zip(names, cursor.fetchone(), strict=True))
        values |= {"count": count, "until": until, "month": until.date().replace(day=1)}
        cursor.execute(_PEOPLE, values)
        cursor.execute(_PLAN, values)
        for statement in _copies():
            cursor.execute(statement, values)
        cursor.execute("SELECT coalesce(sum(credits), 0), count(*) FROM again")
        values["total"], made = cursor.fetchone()
        if made != count or values["total"] > values["left"]:
            raise ValueError(f"{made} of {count} for {values['total']} of {values['left']}")
        for statement in _RAISE:
            cursor.execute(statement, values)
        cursor.execute("DROP TABLE again")


_ASKED = """
    SELECT w.organization_id AS organization, w.id AS wallet, w.period_id AS period, w.posted_at AS since, w.head_number AS head,
        w.balance, w.allowance_remaining AS allowance, w.event_position AS position, p.used, g.id AS grant, g.remaining AS left
    FROM credits_wallet w JOIN credits_billingperiod p ON p.id = w.period_id
    JOIN LATERAL (
        SELECT id, remaining FROM credits_grant WHERE wallet_id = w.id AND expires_at IS NULL ORDER BY remaining DESC LIMIT 1
    ) g ON true WHERE w.organization_id = %s"""


def _copies() -> list[str]:
    """Return the statements that write the copies: holds before what refers to them."""
    counters = "a.shared || a.counter"
    hold = {
        "id": "a.new_hold",
        "actor_id": "a.actor",
        "counter_ids": counters,
        "created_at": "a.at - interval '20 seconds'",
        "expires_at": "a.at + interval '15 minutes'",
        "closed_at": "a.at",
    }
    entry = {
        "id": "a.new_entry",
        "number": "%(head)s + a.n",
        "balance_after": "%(balance)s - a.so_far",
        "allowance_after": "%(allowance)s",
        "usage_after": "%(used)s + a.so_far",
        "reservation_id": "a.new_hold",
        "posted_at": "a.at",
    }
    draw = {
        "id": "nextval(pg_get_serial_sequence('credits_grantdraw', 'id'))",
        "entry_id": "a.new_entry",
        "grant_id": "%(grant)s",
        "amount": "-a.credits",
    }
    event = {
        "id": "a.new_event",
        "external_id": "a.new_hold::text",
        "reservation_id": "a.new_hold",
        "actor_id": "a.actor",
        "counter_ids": counters,
        "occurred_at": "a.at",
        "created_at": "a.at",
        "position": "%(position)s + a.n",
    }
    return [
        insert(Reservation, hold, _WHERE.format(table="credits_reservation", name="hold")),
        insert(LedgerEntry, entry, _WHERE.format(table="credits_ledgerentry", name="entry")),
        insert(GrantDraw, draw, "again AS a"),
        insert(UsageEvent, event, _WHERE.format(table="usage_usageevent", name="event")),
    ]
