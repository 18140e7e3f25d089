"""What must always hold, asked of the database in SQL: the books.

Each check selects the rows that break it, as (wallet, subject, detail): whose they are, which they are, and what is wrong in words. An
honest database selects none. `manage.py reconcile` runs them, and so does a fixture after every test that touches the database.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, models, transaction

from credits import checksums
from credits.checksums import is_edited
from credits.models import Wallet
from organizations.jobs import Found
from organizations.models import Organization

# How a row is named to whoever reads a finding.
WALLET = "'wallet ' || w.id"
ENTRY = "'entry ' || e.number || ' of wallet ' || e.wallet_id || ' (' || e.id || ')'"
GRANT = "'grant ' || g.id || ' of wallet ' || g.wallet_id"
DRAW = """'draw ' || d.id || ' of entry ' || coalesce(
    (SELECT x.number || ' of wallet ' || x.wallet_id FROM credits_ledgerentry x WHERE x.id = d.entry_id), d.entry_id::text)"""
RESERVATION = "'reservation ' || r.id || ' of wallet ' || r.wallet_id"
PERIOD = "'period ' || p.id || ', number ' || p.index || ' of wallet ' || p.wallet_id"
COUNTER = "'counter ' || c.id || ' of wallet ' || c.wallet_id"
WALLET_OF_DRAW = "(SELECT wallet_id FROM credits_grant WHERE id = d.grant_id)"

EDITED = "'it is not as it was last written: its checksum does not fit, somebody edited it past the ledger'"


def dangling(*tables: type[models.Model]) -> str:
    """Return the rows of tables that refer to a row that is not there, by any of their foreign keys.

    The database refuses that while its foreign keys are on; who may switch them off can do it.
    """
    return " UNION ALL ".join(
        _dangling(model, field) for model in tables for field in _foreign_keys(model)
    )


def _foreign_keys(model: type[models.Model]) -> list[Any]:
    """All but those that need not hold: a history outlives what it is of."""
    keys: list[Any] = [f for f in model._meta.concrete_fields if isinstance(f, models.ForeignKey)]
    return [key for key in keys if key.db_constraint]


def _dangling(model: type[models.Model], key: Any) -> str:
    this, target, column = model._meta, key.related_model._meta, key.column
    return f"""
        SELECT {_wallet_of(model)}, '{this.verbose_name} ' || t.{this.pk.column},
            'its {key.verbose_name} is not there: {target.verbose_name} ' || t.{column}
        FROM {this.db_table} t
        WHERE t.{column} IS NOT NULL
            AND NOT EXISTS (SELECT FROM {target.db_table} x WHERE x.{target.pk.column} = t.{column})"""


def _wallet_of(model: type[models.Model]) -> str:
    """The wallet that a row belongs to, in SQL."""
    columns = {field.column for field in model._meta.concrete_fields}
    if model is Wallet:
        return "t.id"
    if "wallet_id" in columns:
        return "t.wallet_id"
    for owner in ("grant", "reservation"):
        if f"{owner}_id" in columns and "organization_id" not in columns:
            return f"(SELECT x.wallet_id FROM credits_{owner} x WHERE x.id = t.{owner}_id)"
    if "organization_id" in columns:
        return "(SELECT x.id FROM credits_wallet x WHERE x.organization_id = t.organization_id)"
    return "NULL::uuid"


CHECKS: dict[str, str] = {
    "balance is what remains in the grants, less debt": f"""
        SELECT w.id, {WALLET}, 'its balance is ' || w.balance || ', its grants hold ' || coalesce(g.remaining, 0)
        FROM credits_wallet w
        LEFT JOIN (SELECT wallet_id, sum(remaining) AS remaining FROM credits_grant GROUP BY 1) g ON g.wallet_id = w.id
        WHERE greatest(w.balance, 0) <> coalesce(g.remaining, 0)""",
    "balance is the sum of the ledger": f"""
        SELECT w.id, {WALLET}, 'its balance is ' || w.balance || ', its entries add up to ' || coalesce(e.total, 0)
        FROM credits_wallet w
        LEFT JOIN (SELECT wallet_id, sum(amount) AS total FROM credits_ledgerentry GROUP BY 1) e ON e.wallet_id = w.id
        WHERE w.balance <> coalesce(e.total, 0)""",
    "reserved is the sum of the open reservations": f"""
        SELECT w.id, {WALLET}, 'reserved is ' || w.reserved || ', its open reservations hold ' || coalesce(r.total, 0)
            || CASE WHEN w.open_holds = coalesce(r.holds, 0) THEN '' ELSE ', and are ' || coalesce(r.holds, 0) || ', not ' || w.open_holds END
        FROM credits_wallet w
        LEFT JOIN (
            SELECT wallet_id, sum(credits) AS total, count(*) AS holds FROM credits_reservation WHERE status = 'open' GROUP BY 1
        ) r ON r.wallet_id = w.id
        WHERE w.reserved <> coalesce(r.total, 0) OR w.open_holds <> coalesce(r.holds, 0)""",
    "the allowance is what remains of allowance grants": f"""
        SELECT w.id, {WALLET},
            'its allowance is ' || w.allowance_remaining || ', its allowance grants hold ' || coalesce(g.remaining, 0)
        FROM credits_wallet w
        LEFT JOIN (SELECT wallet_id, sum(remaining) AS remaining FROM credits_grant WHERE source = 'allowance' GROUP BY 1) g
            ON g.wallet_id = w.id
        WHERE w.allowance_remaining <> coalesce(g.remaining, 0)""",
    "the next lapse is no later than the soonest expiry": f"""
        SELECT w.id, {WALLET},
            'its next lapse is ' || coalesce('at ' || w.lapse_at::text, 'never') || ', a grant expires at ' || g.soonest
        FROM credits_wallet w
        JOIN (SELECT wallet_id, min(expires_at) AS soonest FROM credits_grant WHERE remaining > 0 GROUP BY 1) g
            ON g.wallet_id = w.id
        WHERE g.soonest IS NOT NULL AND (w.lapse_at IS NULL OR w.lapse_at > g.soonest)""",
    "what is pending is looked at when it begins": f"""
        SELECT w.id, {WALLET},
            'its next lapse is ' || coalesce('at ' || w.lapse_at::text, 'never') || ', a grant begins at ' || p.soonest
        FROM credits_wallet w
        JOIN (
            SELECT wallet_id, min(effective_at) AS soonest FROM credits_pendinggrant
            WHERE begun_at IS NULL AND cancelled_at IS NULL GROUP BY 1
        ) p ON p.wallet_id = w.id
        WHERE w.lapse_at IS NULL OR w.lapse_at > p.soonest""",
    "what began is a grant, and what is pending is none": """
        SELECT p.wallet_id, 'pending grant ' || p.id || ' of wallet ' || p.wallet_id,
            CASE WHEN g.id IS NULL THEN 'it began, and there is no such grant' ELSE 'there is such a grant, of other terms or before it began' END
        FROM credits_pendinggrant p LEFT JOIN credits_grant g ON g.id = p.id
        WHERE (p.begun_at IS NULL) <> (g.id IS NULL)
            OR (g.wallet_id, g.amount, g.priority) IS DISTINCT FROM (p.wallet_id, p.amount, p.priority) AND p.begun_at IS NOT NULL""",
    "every grant remains what its draws left": f"""
        SELECT g.wallet_id, {GRANT}, 'it has ' || g.remaining || ' left, its draws leave ' || coalesce(d.total, 0)
        FROM credits_grant g
        LEFT JOIN (SELECT grant_id, sum(amount) AS total FROM credits_grantdraw GROUP BY 1) d ON d.grant_id = g.id
        WHERE g.remaining <> coalesce(d.total, 0)""",
    # Which entry made a grant only its hash says, and of two that no longer fit it names the first: here both are named.
    "a grant is first filled by the entry that made it": f"""
        SELECT g.wallet_id, {GRANT}, 'entry ' || g.entry_id || ' made it, and its first draw is of entry ' || d.entry_id
        FROM credits_grant g
        JOIN (SELECT DISTINCT ON (grant_id) grant_id, entry_id FROM credits_grantdraw ORDER BY grant_id, id) d ON d.grant_id = g.id
        WHERE d.entry_id <> g.entry_id""",
    "what an entry brings is in the grants that it made": f"""
        SELECT e.wallet_id, {ENTRY}, 'its amount is ' || e.amount || ', its grants and its draws on others add up to '
            || coalesce(g.total, 0) + coalesce(d.total, 0)
        FROM credits_ledgerentry e
        LEFT JOIN (SELECT entry_id, sum(amount) AS total FROM credits_grant GROUP BY 1) g ON g.entry_id = e.id
        LEFT JOIN (
            SELECT d.entry_id, sum(d.amount) AS total FROM credits_grantdraw d JOIN credits_grant g ON g.id = d.grant_id
            WHERE g.entry_id <> d.entry_id GROUP BY 1
        ) d ON d.entry_id = e.id
        WHERE e.kind <> 'reversal' AND CASE
            WHEN e.amount >= 0 THEN e.amount <> coalesce(g.total, 0) + coalesce(d.total, 0) ELSE g.total IS NOT NULL END""",
    "the draws of an entry are its amount, less the change of debt": f"""
        SELECT e.wallet_id, {ENTRY}, 'its amount is ' || e.amount || ', its draws add up to ' || coalesce(d.total, 0)
        FROM credits_ledgerentry e
        LEFT JOIN (SELECT entry_id, sum(amount) AS total FROM credits_grantdraw GROUP BY 1) d ON d.entry_id = e.id
        WHERE coalesce(d.total, 0) <> greatest(e.balance_after, 0) - greatest(e.balance_after - e.amount, 0)""",
    "the ledger is numbered, chained and added up without a gap": f"""
        SELECT e.wallet_id, {ENTRY},
            CASE WHEN e.number <> e.expected THEN 'its number is ' || e.number || ', the next one would be ' || e.expected
                WHEN e.balance_after <> e.balance_before + e.amount
                    THEN 'it makes ' || e.balance_before || ' and ' || e.amount || ' to ' || e.balance_after
                ELSE 'it does not continue the entry before it' END
        FROM (
            SELECT id, wallet_id, number, balance_after, amount, previous_hash,
                row_number() OVER chain AS expected,
                coalesce(lag(balance_after) OVER chain, 0) AS balance_before,
                coalesce(lag(hash) OVER chain, decode(repeat('00', 32), 'hex')) AS hash_before
            FROM credits_ledgerentry WINDOW chain AS (PARTITION BY wallet_id ORDER BY number)
        ) e
        WHERE number <> expected OR balance_after <> balance_before + amount OR previous_hash <> hash_before""",
    "the head of a wallet is its last entry": f"""
        SELECT w.id, {WALLET},
            CASE WHEN w.head_number <> coalesce(e.number, 0)
                    THEN 'its head is entry ' || w.head_number || ', its last entry is ' || coalesce(e.number, 0)
                WHEN w.allowance_remaining <> coalesce(e.allowance_after, 0)
                    THEN 'its allowance is ' || w.allowance_remaining || ', its last entry says ' || coalesce(e.allowance_after, 0)
                WHEN w.posted_at IS DISTINCT FROM e.posted_at
                    THEN 'its last entry is of ' || coalesce(w.posted_at::text, 'no moment') || ', that says ' || coalesce(e.posted_at::text, 'none')
                ELSE 'its head has another hash than entry ' || w.head_number END
        FROM credits_wallet w
        LEFT JOIN (
            SELECT DISTINCT ON (wallet_id) wallet_id, number, hash, allowance_after, posted_at
            FROM credits_ledgerentry ORDER BY wallet_id, number DESC
        ) e ON e.wallet_id = w.id
        WHERE w.head_number <> coalesce(e.number, 0)
            OR w.head_hash <> coalesce(e.hash, decode(repeat('00', 32), 'hex'))
            OR w.allowance_remaining <> coalesce(e.allowance_after, 0)
            OR w.posted_at IS DISTINCT FROM e.posted_at""",
    # Of the open periods: what a clock did is told while the statement may still be looked at, and not for ever.
    "the times of a ledger run with its numbers": f"""
        SELECT e.wallet_id, {ENTRY}, 'it is of ' || e.posted_at || ', the entry before it of ' || b.posted_at || ': a clock had leapt'
        FROM credits_wallet w
        JOIN credits_ledgerentry e ON e.period_id = w.period_id
        JOIN credits_ledgerentry b ON b.wallet_id = e.wallet_id AND b.number = e.number - 1
        WHERE b.posted_at > e.posted_at""",
    "a transfer is two entries of one family that sum to zero": """
        SELECT min(e.wallet_id::text)::uuid, 'transfer ' || e.transfer_id,
            'it has ' || count(*) || ' entries, which add up to ' || sum(e.amount) || ': '
                || string_agg('entry ' || e.number || ' of wallet ' || e.wallet_id, ', ' ORDER BY e.wallet_id)
        FROM credits_ledgerentry e
        LEFT JOIN credits_wallet w ON w.id = e.wallet_id
        LEFT JOIN organizations_organization o ON o.id = w.organization_id
        WHERE e.transfer_id IS NOT NULL
        GROUP BY e.transfer_id
        HAVING count(*) <> 2 OR sum(e.amount) <> 0 OR count(DISTINCT coalesce(o.parent_id, o.id)) <> 1""",
    "reversals go against what they take back, and come to no more": f"""
        SELECT e.wallet_id, {ENTRY}, 'it takes back ' || b.amount || ' of a ' || b.kind || ', entry ' || b.number || ', with ' || e.amount
        FROM credits_ledgerentry e
        JOIN credits_ledgerentry b ON b.id = e.reverses_id
        WHERE e.kind = 'reversal' AND (
            sign(e.amount) <> -sign(b.amount)
            OR abs(b.amount) < (SELECT abs(sum(x.amount)) FROM credits_ledgerentry x WHERE x.reverses_id = b.id AND x.kind = 'reversal')
            OR e.wallet_id <> b.wallet_id OR e.number <= b.number
            OR b.kind IN ('renew', 'lapse', 'reversal')
            OR e.counted_in_id IS DISTINCT FROM b.counted_in_id
            OR e.reservation_id IS DISTINCT FROM b.reservation_id
        )""",
    "a reversal returns credits to where they came from": f"""
        SELECT e.wallet_id, {DRAW},
            d.amount || ' of ' || {GRANT} || ' by a reversal, ' || coalesce(before.amount, 0) || ' of what it takes back'
        FROM credits_grantdraw d
        JOIN credits_ledgerentry e ON e.id = d.entry_id AND e.kind = 'reversal'
        JOIN credits_grant g ON g.id = d.grant_id
        LEFT JOIN credits_grantdraw before ON before.entry_id = e.reverses_id AND before.grant_id = d.grant_id
        WHERE CASE
            -- From elsewhere, into debt, it takes only once the grants of what it takes back hold nothing more.
            WHEN d.amount < 0 THEN g.entry_id <> e.reverses_id AND 0 <> (
                SELECT coalesce(sum(x.amount), 0) FROM credits_grant own
                JOIN credits_grantdraw x ON x.grant_id = own.id
                JOIN credits_ledgerentry y ON y.id = x.entry_id AND y.number <= e.number
                WHERE own.entry_id = e.reverses_id
            )
            ELSE g.entry_id <> e.id AND coalesce(-before.amount, 0) < (
                SELECT sum(x.amount) FROM credits_grantdraw x
                JOIN credits_ledgerentry y ON y.id = x.entry_id AND y.kind = 'reversal' AND y.reverses_id = e.reverses_id
                WHERE x.grant_id = d.grant_id
            )
        END""",
    "a transfer is taken back on both its sides alike": """
        SELECT min(e.wallet_id::text)::uuid, 'transfer ' || e.transfer_id,
            count(r.id) || ' reversals of its sides add up to ' || sum(r.amount)
        FROM credits_ledgerentry e
        JOIN credits_ledgerentry r ON r.reverses_id = e.id
        WHERE e.transfer_id IS NOT NULL
        GROUP BY e.transfer_id
        HAVING sum(r.amount) <> 0 OR count(r.id) <> 2 * count(DISTINCT r.transfer_id)""",
    "a reference means the entry that was posted with it, or to which staff moved it": f"""
        SELECT e.wallet_id, {ENTRY},
            'it was posted with ' || coalesce(nullif(e.reference, ''), 'no reference')
                || coalesce(', moved to ' || m.after, '') || ', and is meant by '
                || coalesce(n.text || ' of wallet ' || n.wallet_id || ', ' || n.namespace, 'none')
        FROM credits_ledgerentry e
        LEFT JOIN credits_reference n ON n.entry_id = e.id
        LEFT JOIN (
            SELECT DISTINCT ON (entry_id) entry_id, after FROM credits_referencemove ORDER BY entry_id, id DESC
        ) m ON m.entry_id = e.id
        WHERE coalesce(m.after, e.reference) <> coalesce(n.text, '') OR n.wallet_id <> e.wallet_id
            OR n.namespace <> CASE
                WHEN e.kind = 'allocate' THEN 'allocated'
                WHEN e.kind IN ('reversal', 'reclaim') OR e.amount < 0 THEN 'taken_back'
                ELSE 'received' END""",
    "work that is charged again follows the reversal of its charge": f"""
        SELECT e.wallet_id, {ENTRY}, 'it follows a ' || r.kind || ' of ' || r.amount || ', entry ' || r.number
        FROM credits_ledgerentry e
        JOIN credits_ledgerentry r ON r.id = e.reverses_id
        WHERE e.kind = 'settle' AND (
            r.kind <> 'reversal' OR r.counted_in_id IS NULL OR r.wallet_id <> e.wallet_id OR r.number >= e.number
            OR r.counted_in_id IS DISTINCT FROM e.counted_in_id
            OR r.reservation_id IS DISTINCT FROM e.reservation_id
        )""",
    "a settled reservation was charged once, what it says": f"""
        SELECT r.wallet_id, {RESERVATION},
            'it was settled for ' || coalesce(r.settled_credits, 0) || ', charged ' || coalesce(e.total, 0)
        FROM credits_reservation r
        LEFT JOIN (
            SELECT reservation_id, -sum(amount) AS total FROM credits_ledgerentry
            WHERE kind = 'settle' AND reverses_id IS NULL GROUP BY 1
        ) e ON e.reservation_id = r.id
        WHERE coalesce(r.settled_credits, 0) <> coalesce(e.total, 0)""",
    "a period has reserved what its open reservations hold": f"""
        SELECT p.wallet_id, {PERIOD}, 'it has ' || p.reserved || ' reserved, its open reservations hold ' || coalesce(r.total, 0)
        FROM credits_billingperiod p
        LEFT JOIN (SELECT period_id, sum(credits) AS total FROM credits_reservation WHERE status = 'open' GROUP BY 1) r
            ON r.period_id = p.id
        WHERE p.reserved <> coalesce(r.total, 0)""",
    "a period has used what the entries that it counts say": f"""
        SELECT p.wallet_id, {PERIOD}, 'it has used ' || p.used || ', the entries that it counts say ' || coalesce(e.total, 0)
        FROM credits_billingperiod p
        LEFT JOIN (SELECT counted_in_id, -sum(amount) AS total FROM credits_ledgerentry GROUP BY 1) e
            ON e.counted_in_id = p.id
        WHERE p.used <> coalesce(e.total, 0)""",
    "a period has recharged what its recharges brought, less what was taken back of them": f"""
        SELECT p.wallet_id, {PERIOD}, 'it has recharged ' || p.recharged || ', its recharges say ' || coalesce(e.total, 0)
        FROM credits_billingperiod p
        LEFT JOIN (
            SELECT e.period_id, sum(e.amount + coalesce(r.total, 0)) AS total
            FROM credits_ledgerentry e
            LEFT JOIN (
                SELECT reverses_id, sum(amount) AS total FROM credits_ledgerentry WHERE kind = 'reversal' GROUP BY 1
            ) r ON r.reverses_id = e.id
            WHERE e.kind = 'recharge' GROUP BY 1
        ) e ON e.period_id = p.id
        WHERE p.recharged <> coalesce(e.total, 0)""",
    # What is set aside for free is the organization's own business: no other counter says it.
    "a counter has reserved what its open reservations hold": f"""
        SELECT c.wallet_id, {COUNTER}, 'it has ' || c.reserved || ' reserved, its open reservations hold ' || coalesce(r.total, 0)
            || CASE WHEN c.free_reserved = 0 THEN '' ELSE ', and ' || c.free_reserved || ' for free, they ' || coalesce(r.free, 0) END
        FROM credits_usagecounter c
        LEFT JOIN (
            SELECT counter_id, sum(credits) AS total, sum(free_credits) AS free
            FROM credits_reservation, unnest(counter_ids) AS counter_id
            WHERE status = 'open' GROUP BY 1
        ) r ON r.counter_id = c.id
        WHERE c.reserved <> coalesce(r.total, 0)
            OR c.free_reserved <> coalesce(r.free, 0) * (c.actor_id IS NULL AND c.group_id IS NULL AND c.resource_type = '')::int""",
    "a statement opens where the last one closed, and adds up": f"""
        SELECT p.wallet_id, {PERIOD},
            CASE WHEN p.index <> p.expected THEN 'the next number would be ' || p.expected
                WHEN p.opening_balance <> p.carried
                    THEN 'it opens with ' || p.opening_balance || ', the one before closed with ' || p.carried
                ELSE 'it opens with ' || p.opening_balance || ', its entries add ' || p.total || ', and '
                    || coalesce('it closes with ' || p.closing_balance, 'the balance is ' || p.balance) END
        FROM (
            SELECT p.id, p.wallet_id, p.index, p.opening_balance, p.closing_balance, w.balance, coalesce(e.total, 0) AS total,
                row_number() OVER months - 1 AS expected,
                coalesce(lag(p.closing_balance) OVER months, 0) AS carried
            FROM credits_billingperiod p
            JOIN credits_wallet w ON w.id = p.wallet_id
            LEFT JOIN (SELECT period_id, sum(amount) AS total FROM credits_ledgerentry GROUP BY 1) e ON e.period_id = p.id
            WINDOW months AS (PARTITION BY p.wallet_id ORDER BY p.index)
        ) p
        WHERE index <> expected OR opening_balance <> carried
            OR opening_balance + total <> coalesce(closing_balance, balance)""",
    "periods follow one another without a gap or an overlap": f"""
        SELECT p.wallet_id, {PERIOD},
            'it starts at ' || p.starts_at || ', the one before it ended ' || coalesce('at ' || p.ended::text, 'never')
        FROM (
            SELECT id, wallet_id, index, starts_at,
                lag(ends_at) OVER (PARTITION BY wallet_id ORDER BY index) AS ended
            FROM credits_billingperiod
        ) p
        WHERE index > 0 AND starts_at IS DISTINCT FROM ended""",
    "the open period of a wallet is its own last one": f"""
        SELECT w.id, {WALLET}, coalesce('period ' || w.period_id || ' is not an open one of its own', 'it has none')
        FROM credits_wallet w
        LEFT JOIN credits_billingperiod p ON p.id = w.period_id AND p.wallet_id = w.id AND p.closed_at IS NULL
        WHERE p.id IS NULL""",
    "a term is renewed once": f"""
        SELECT g.wallet_id, 'wallet ' || g.wallet_id,
            'the term from ' || g.term_starts_at || ' has ' || count(*) || ' allowances'
                || CASE WHEN g.seat > 0 THEN ' for seat ' || g.seat WHEN g.upgrade > 0 THEN ' by upgrade ' || g.upgrade ELSE '' END
                || ': ' || string_agg('grant ' || g.id, ', ' ORDER BY g.id)
        FROM credits_grant g WHERE g.source = 'allowance' GROUP BY g.wallet_id, g.term_starts_at, g.seat, g.upgrade
        HAVING count(*) > 1
        UNION ALL
        SELECT e.wallet_id, {ENTRY}, 'it renews a term and made ' || count(g.id) || ' allowances'
        FROM credits_ledgerentry e LEFT JOIN credits_grant g ON g.entry_id = e.id AND g.source = 'allowance'
        WHERE e.kind = 'renew' GROUP BY e.id, e.number, e.wallet_id HAVING count(g.id) <> 1
        UNION ALL
        SELECT g.wallet_id, {GRANT}, 'it is the allowance of a term that the wallet never had, from ' || g.term_starts_at
        FROM credits_grant g
        WHERE g.source = 'allowance' AND NOT EXISTS (
            SELECT FROM credits_billingperiod p
            WHERE p.wallet_id = g.wallet_id AND p.term_starts_at = g.term_starts_at AND p.term_ends_at = g.expires_at
        )""",
    "a term has brought the shares of its seats, and no more than its allowance": f"""
        SELECT p.wallet_id, {PERIOD},
            CASE WHEN p.seats < p.seats_before THEN 'it has ' || p.seats || ' seats, its term had ' || p.seats_before || ' already'
                WHEN p.seats < g.seat THEN 'it has ' || p.seats || ' seats, and a share was brought for seat ' || g.seat
                ELSE 'its term has ' || p.seats || ' seats of ' || p.share || ' and an allowance of ' || p.allowance
                    || ' in force, its renewals bring ' || coalesce(g.total, 0) END
        FROM (
            SELECT *, lag(seats) OVER term AS seats_before, lead(id) OVER term IS NULL AS is_last
            FROM credits_billingperiod WINDOW term AS (PARTITION BY wallet_id, term_starts_at ORDER BY index)
        ) p
        LEFT JOIN (
            SELECT g.wallet_id, g.term_starts_at, max(g.seat) AS seat, sum(e.amount) AS total
            FROM credits_grant g JOIN credits_ledgerentry e ON e.id = g.entry_id
            WHERE g.source = 'allowance' GROUP BY 1, 2
        ) g ON g.wallet_id = p.wallet_id AND g.term_starts_at = p.term_starts_at
        WHERE p.seats < p.seats_before OR p.is_last AND (
            p.seats < g.seat OR coalesce(g.total, 0) NOT BETWEEN p.seats * p.share AND p.seats * p.share + p.allowance)""",
    "nothing refers to another wallet's rows": f"""
        SELECT g.wallet_id, {GRANT}, 'it was made by an entry of another wallet: ' || {ENTRY}
        FROM credits_grant g JOIN credits_ledgerentry e ON e.id = g.entry_id WHERE g.wallet_id <> e.wallet_id
        UNION ALL
        SELECT g.wallet_id, {DRAW}, 'its entry and its grant are of two wallets: ' || {ENTRY} || ', ' || {GRANT}
        FROM credits_grantdraw d JOIN credits_ledgerentry e ON e.id = d.entry_id JOIN credits_grant g ON g.id = d.grant_id
        WHERE g.wallet_id <> e.wallet_id
        UNION ALL
        SELECT e.wallet_id, {ENTRY}, 'it is posted or counted in a period of another wallet: ' || {PERIOD}
        FROM credits_ledgerentry e JOIN credits_billingperiod p ON p.id IN (e.period_id, e.counted_in_id)
        WHERE p.wallet_id <> e.wallet_id
        UNION ALL
        SELECT e.wallet_id, {ENTRY}, 'it charges a reservation of another wallet: ' || {RESERVATION}
        FROM credits_ledgerentry e JOIN credits_reservation r ON r.id = e.reservation_id WHERE r.wallet_id <> e.wallet_id
        UNION ALL
        SELECT r.wallet_id, {RESERVATION}, 'it is counted in a period of another wallet: ' || {PERIOD}
        FROM credits_reservation r JOIN credits_billingperiod p ON p.id = r.period_id WHERE p.wallet_id <> r.wallet_id
        UNION ALL
        SELECT r.wallet_id, {RESERVATION}, 'it is counted in a counter of another wallet: ' || {COUNTER}
        FROM credits_reservation r, unnest(r.counter_ids) AS counter_id JOIN credits_usagecounter c ON c.id = counter_id
        WHERE c.wallet_id <> r.wallet_id""",
    "nothing refers to a row that is not there": dangling(
        *apps.get_app_config("credits").get_models()
    )
    + f"""
        UNION ALL
        SELECT r.wallet_id, {RESERVATION}, 'a counter that carries it is not there: ' || counter_id
        FROM credits_reservation r, unnest(r.counter_ids) AS counter_id
        WHERE NOT EXISTS (SELECT FROM credits_usagecounter c WHERE c.id = counter_id)""",
    "every organization has a wallet, and every wallet its terms": f"""
        SELECT NULL::uuid, 'organization ' || o.id, 'it has no wallet'
        FROM organizations_organization o WHERE NOT EXISTS (SELECT FROM credits_wallet w WHERE w.organization_id = o.id)
        UNION ALL
        SELECT w.id, {WALLET}, 'it has no terms'
        FROM credits_wallet w WHERE NOT EXISTS (SELECT FROM credits_creditconfig c WHERE c.wallet_id = w.id)""",
    "a wallet is as it was last written": f"""
        SELECT w.id, {WALLET}, {EDITED} FROM credits_wallet w WHERE {is_edited("w", checksums.WALLET)}""",
    "a billing period is as it was last written": f"""
        SELECT p.wallet_id, {PERIOD}, {EDITED} FROM credits_billingperiod p WHERE {is_edited("p", checksums.BILLING_PERIOD)}""",
    "a reservation is as it was last written": f"""
        SELECT r.wallet_id, {RESERVATION}, {EDITED} FROM credits_reservation r WHERE {is_edited("r", checksums.RESERVATION)}""",
    "a draw is as it was written": f"""
        SELECT {WALLET_OF_DRAW}, {DRAW}, {EDITED} FROM credits_grantdraw d WHERE {is_edited("d", checksums.DRAW)}""",
    "an idempotency key has its answer": """
        SELECT w.id, 'idempotency key ' || k.id, 'it has no answer: ' || k.key
        FROM organizations_idempotencykey k LEFT JOIN credits_wallet w ON w.organization_id = k.organization_id
        WHERE k.status_code IS NULL""",
}


def reconcile(checks: Mapping[str, str] = CHECKS) -> list[Found]:
    """Run checks, in one statement and so on one snapshot of the database; return what they found.

    It takes as long as it takes: the limit of a worker's statements is for those that somebody waits for.
    """
    names = list(checks)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(statement(checks))
        return [Found(names[number], *row) for number, *row in cursor]


def statement(checks: Mapping[str, str]) -> str:
    """Return all checks as one statement, of (number of the check, subject, detail, organization)."""
    parts = [
        f"SELECT {number} AS number, wallet, subject, detail FROM ({sql}) AS c{number} (wallet, subject, detail)"
        for number, sql in enumerate(checks.values())
    ]
    return (
        f"SELECT f.number, f.subject, f.detail, o.id FROM ({' UNION ALL '.join(parts)}) f"
        " LEFT JOIN credits_wallet w ON w.id = f.wallet"
        " LEFT JOIN organizations_organization o ON o.id = w.organization_id ORDER BY 1, 2, 3"
    )


def known(organization_id: UUID | None) -> UUID | None:
    """Return an organization's id if it is there: whoever stores a finding refers to it."""
    if organization_id is None:
        return None
    return Organization.objects.filter(id=organization_id).values_list("id", flat=True).first()
