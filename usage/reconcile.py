"""The books of usage: that what every counter says is what the events of its month say, and the other way round."""

from credits import reconcile as credits
from credits.reconcile import COUNTER, ENTRY, WALLET
from usage.models import UsageEvent

EVENT = "'event ' || v.id"
WALLET_OF_EVENT = "(SELECT id FROM credits_wallet WHERE organization_id = v.organization_id)"
ROLLED_UP_BY = "e.work_type, e.resource_type, e.resource_id, e.model_id, e.actor_id"

CHECKS: dict[str, str] = credits.CHECKS | {
    # What a free fallback was not charged is the organization's own business: no other counter says it.
    "a counter has used what its events say": f"""
        SELECT c.wallet_id, {COUNTER}, 'it has used ' || c.used || ', its events say ' || coalesce(v.total, 0)
            || CASE WHEN c.free_used = 0 THEN '' ELSE ', and ' || c.free_used || ' for free, they ' || coalesce(v.free, 0) END
        FROM credits_usagecounter c
        LEFT JOIN (
            SELECT counter_id, sum(credits) AS total,
                sum(list_credits - credits) FILTER (WHERE source = 'reservation' AND NOT byok) AS free
            FROM usage_usageevent, unnest(counter_ids) AS counter_id GROUP BY 1
        ) v ON v.counter_id = c.id
        WHERE c.used <> coalesce(v.total, 0)
            OR c.free_used <> coalesce(v.free, 0) * (c.actor_id IS NULL AND c.group_id IS NULL AND c.resource_type = '')::int""",
    # From the events to the counters: the organization's own, and one for each of actor, group and resource that it names.
    "an event lists the counters of its own wallet, month and subjects": f"""
        SELECT {WALLET_OF_EVENT}, {EVENT},
            'it costs ' || v.credits || ' and lists ' || cardinality(v.counter_ids) || ' counters; '
                || v.own || ' of them are its own, which should be ' || v.expected
        FROM (
            SELECT v.id, v.organization_id, v.credits, v.charged, v.counter_ids,
                CASE WHEN v.source = 'forgiven' THEN 1
                    ELSE 1 + num_nonnulls(v.actor_id, v.group_id) + (v.resource_type <> '')::int END AS expected,
                (
                    SELECT count(*) FROM credits_usagecounter c JOIN credits_wallet w ON w.id = c.wallet_id
                    WHERE c.id = ANY (v.counter_ids) AND w.organization_id = v.organization_id AND c.month = v.month
                        AND coalesce(c.actor_id = v.actor_id, c.actor_id IS NULL)
                        AND coalesce(c.group_id = v.group_id, c.group_id IS NULL)
                        AND (c.resource_type = '' OR (c.resource_type, c.resource_id) = (v.resource_type, v.resource_id))
                ) AS own
            FROM usage_usageevent v
        ) v
        WHERE v.own <> cardinality(v.counter_ids) OR (v.credits <> 0 AND v.charged AND v.own <> v.expected)""",
    "work that was charged is what its entry says": f"""
        SELECT e.wallet_id, {ENTRY}, 'its amount is ' || e.amount || ', its events cost ' || v.total
        FROM credits_ledgerentry e
        JOIN (SELECT entry_id, sum(credits) AS total FROM usage_usageevent WHERE entry_id IS NOT NULL GROUP BY 1) v
            ON v.entry_id = e.id
        WHERE e.amount <> -v.total""",
    "an event of a hold says what was charged for it": f"""
        SELECT r.wallet_id, {EVENT},
            'it costs ' || v.credits || ', reservation ' || r.id || ' was settled for ' || coalesce(r.settled_credits, 0)
        FROM usage_usageevent v JOIN credits_reservation r ON r.id = v.reservation_id
        WHERE v.credits <> coalesce(r.settled_credits, 0)""",
    "a correction takes back what its event said, in its month": f"""
        SELECT {WALLET_OF_EVENT}, {EVENT}, 'it is a ' || v.source || ' of ' || v.credits || ', of event ' || b.id || ' of ' || b.credits
        FROM usage_usageevent v JOIN usage_usageevent b ON b.id = v.corrects_id
        LEFT JOIN (
            SELECT corrects_id, sum(credits) AS total FROM usage_usageevent WHERE source = 'refund' GROUP BY 1
        ) p ON p.corrects_id = b.id
        WHERE v.source = 'correction' AND v.credits <> -(b.credits + coalesce(p.total, 0))
            OR v.source = 'refund' AND b.credits + p.total < 0
            OR v.organization_id <> b.organization_id OR v.month <> b.month OR v.counter_ids <> b.counter_ids
            OR v.actor_id IS DISTINCT FROM b.actor_id OR v.occurred_at <> b.occurred_at""",
    "an event is taken back by what takes back its charge": f"""
        SELECT {WALLET_OF_EVENT}, {EVENT}, 'it takes back event ' || b.id || ' by entry ' || coalesce(r.number::text, 'none')
        FROM usage_usageevent v
        JOIN usage_usageevent b ON b.id = v.corrects_id
        LEFT JOIN credits_ledgerentry r ON r.id = v.entry_id AND r.kind = 'reversal'
        LEFT JOIN credits_ledgerentry n ON n.id = r.reverses_id
        WHERE v.source IN ('correction', 'refund') AND (b.entry_id = n.id) IS NOT TRUE
            AND (b.reservation_id = n.reservation_id AND n.reverses_id IS NULL) IS NOT TRUE""",
    "work whose charge was taken back has its events taken back": f"""
        SELECT e.wallet_id, {ENTRY}, 'it returned ' || e.amount || ', its events ' || coalesce(v.total, 0)
        FROM credits_ledgerentry e
        JOIN credits_ledgerentry n ON n.id = e.reverses_id AND n.kind = 'settle'
        LEFT JOIN (
            SELECT entry_id, -sum(credits) AS total FROM usage_usageevent WHERE source IN ('correction', 'refund') GROUP BY 1
        ) v ON v.entry_id = e.id
        WHERE e.kind = 'reversal' AND e.amount <> coalesce(v.total, 0) AND (
            EXISTS (SELECT FROM usage_usageevent b WHERE b.entry_id = n.id)
            OR n.reverses_id IS NULL
                AND EXISTS (SELECT FROM usage_usageevent b WHERE b.reservation_id = n.reservation_id)
        )""",
    "work is priced again only where its price was taken back": f"""
        SELECT {WALLET_OF_EVENT}, {EVENT}, 'it stands for event ' || b.id || ' of ' || b.credits || ', which was not taken back'
        FROM usage_usageevent v JOIN usage_usageevent b ON b.id = v.corrects_id
        WHERE v.source = 'rerated' AND b.credits <> 0 AND NOT EXISTS (
            SELECT FROM usage_usageevent t WHERE t.corrects_id = b.id AND t.source = 'correction'
        )""",
    "an event is charged to its own organization": f"""
        SELECT {WALLET_OF_EVENT}, {EVENT}, 'its organization is another than that of wallet ' || w.id || ', which was charged'
        FROM usage_usageevent v
        LEFT JOIN credits_ledgerentry e ON e.id = v.entry_id
        LEFT JOIN credits_reservation r ON r.id = v.reservation_id
        JOIN credits_wallet w ON w.id IN (e.wallet_id, r.wallet_id)
        WHERE w.organization_id <> v.organization_id""",
    "an event refers to nothing that is not there": credits.dangling(UsageEvent),
    # Of an event that is gone nothing else tells, if its work was free.
    "the events of an organization are as many as its wallet has counted, with no gap": f"""
        SELECT w.id, {WALLET}, 'it has counted ' || w.event_position || ' events, ' || coalesce(v.events, 0) || ' are there: '
            || CASE WHEN v.events IS NULL THEN 'not one is left'
                WHEN v.first > 1 THEN 'before position ' || v.first || ' some are missing'
                WHEN v.first = 1 AND v.last = v.events THEN 'they end at position ' || v.last
                ELSE coalesce((
                    SELECT 'position ' || min(e.position) - 1 || ' is missing' FROM usage_usageevent e
                    WHERE e.organization_id = w.organization_id AND e.position > v.first AND NOT EXISTS (
                        SELECT FROM usage_usageevent b WHERE b.organization_id = e.organization_id AND b.position = e.position - 1
                    )
                ), 'they begin at position ' || v.first) END
        FROM credits_wallet w
        LEFT JOIN (
            SELECT organization_id, count(*) AS events, min(position) AS first, max(position) AS last
            FROM usage_usageevent GROUP BY 1
        ) v ON v.organization_id = w.organization_id
        WHERE w.event_position <> coalesce(v.events, 0) OR v.first <> 1 OR v.last <> v.events""",
    "a rollup is what the events of its day say": f"""
        SELECT w.id, 'rollup of ' || coalesce(r.day, v.day), 'it says ' || coalesce(r.credits, 0) || ' credits and '
            || coalesce(r.events, 0) || ' events, they say ' || coalesce(v.credits, 0) || ' and ' || coalesce(v.events, 0)
        FROM (
            SELECT u.* FROM usage_usagerollup u JOIN usage_rollupmark m ON m.organization_id = u.organization_id
        ) r
        FULL JOIN (
            SELECT e.organization_id, (e.occurred_at AT TIME ZONE 'UTC')::date AS day, {ROLLED_UP_BY},
                sum(e.credits) AS credits, count(*) FILTER (WHERE e.corrects_id IS NULL) AS events
            FROM usage_usageevent e JOIN usage_rollupmark m ON m.organization_id = e.organization_id
            WHERE e.position <= m.position AND e.source <> 'forgiven'
            GROUP BY 1, 2, {ROLLED_UP_BY}
        ) v ON (r.organization_id, r.day, r.work_type, r.resource_type, r.resource_id)
                = (v.organization_id, v.day, v.work_type, v.resource_type, v.resource_id)
            AND coalesce(r.model_id, '') = coalesce(v.model_id, '') AND coalesce(r.actor_id::text, '') = coalesce(v.actor_id::text, '')
        JOIN credits_wallet w ON w.organization_id = coalesce(r.organization_id, v.organization_id)
        WHERE (r.credits, r.events) IS DISTINCT FROM (v.credits, v.events)""",
    "a total is what the events of its span say": """
        SELECT w.id, 'total of ' || coalesce(t.of, v.of) || ' in the ' || coalesce(t.span, v.span) || ' of ' || coalesce(t.starts_on, v.starts_on),
            'it says ' || coalesce(t.credits, 0) || ' credits and ' || coalesce(t.events, 0) || ' events, they say '
                || coalesce(v.credits, 0) || ' and ' || coalesce(v.events, 0)
        FROM (
            SELECT u.* FROM usage_usagetotal u JOIN usage_rollupmark m ON m.organization_id = u.organization_id
        ) t
        FULL JOIN (
            SELECT e.organization_id, x.of, s.span, s.starts_on, x.work_type, x.resource_type, x.resource_id, x.actor_id,
                sum(e.credits) AS credits, count(*) FILTER (WHERE e.corrects_id IS NULL) AS events
            FROM usage_usageevent e JOIN usage_rollupmark m ON m.organization_id = e.organization_id AND e.position <= m.position,
                LATERAL (VALUES ('day', (e.occurred_at AT TIME ZONE 'UTC')::date),
                    ('month', date_trunc('month', e.occurred_at AT TIME ZONE 'UTC')::date)) AS s (span, starts_on),
                LATERAL (VALUES
                    ('work', e.work_type, '', '', NULL::uuid),
                    ('resource', e.work_type, e.resource_type, e.resource_id, NULL),
                    ('actor', '', '', '', e.actor_id)
                ) AS x (of, work_type, resource_type, resource_id, actor_id)
            WHERE e.source <> 'forgiven'
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
        ) v ON (t.organization_id, t.of, t.span, t.starts_on, t.work_type, t.resource_type, t.resource_id)
                = (v.organization_id, v.of, v.span, v.starts_on, v.work_type, v.resource_type, v.resource_id)
            AND coalesce(t.actor_id::text, '') = coalesce(v.actor_id::text, '')
        JOIN credits_wallet w ON w.organization_id = coalesce(t.organization_id, v.organization_id)
        WHERE (t.credits, t.events) IS DISTINCT FROM (v.credits, v.events)""",
    "what somebody used in a month is what their events say": """
        SELECT w.id, 'use of ' || coalesce(t.of, v.of) || ' in the month of ' || coalesce(t.month, v.month),
            'it says ' || coalesce(t.credits, 0) || ' credits and ' || coalesce(t.events, 0) || ' events, they say '
                || coalesce(v.credits, 0) || ' and ' || coalesce(v.events, 0)
        FROM (
            SELECT u.* FROM usage_monthlyuse u JOIN usage_rollupmark m ON m.organization_id = u.organization_id
        ) t
        FULL JOIN (
            SELECT e.organization_id, date_trunc('month', e.occurred_at AT TIME ZONE 'UTC')::date AS month,
                x.of, x.is_whole, x.actor_id, x.model_id,
                sum(e.credits) AS credits, count(*) FILTER (WHERE e.corrects_id IS NULL) AS events
            FROM usage_usageevent e JOIN usage_rollupmark m ON m.organization_id = e.organization_id AND e.position <= m.position,
                LATERAL (VALUES
                    ('organization', true, NULL::uuid, NULL::varchar), ('organization', false, NULL, e.model_id),
                    ('person', true, e.actor_id, NULL), ('person', false, e.actor_id, e.model_id)
                ) AS x (of, is_whole, actor_id, model_id)
            WHERE e.source <> 'forgiven'
            GROUP BY 1, 2, 3, 4, 5, 6
        ) v ON (t.organization_id, t.month, t.of, t.is_whole) = (v.organization_id, v.month, v.of, v.is_whole)
            AND coalesce(t.actor_id::text, '') = coalesce(v.actor_id::text, '')
            AND coalesce(t.model_id, '') = coalesce(v.model_id, '')
        JOIN credits_wallet w ON w.organization_id = coalesce(t.organization_id, v.organization_id)
        WHERE (t.credits, t.events) IS DISTINCT FROM (v.credits, v.events)""",
    # Nothing is wrong in the books: somebody renames them, or knows why not.
    "a name that people match by looks like no other": """
        SELECT w.id, n.subject, 'it may look like another: NFKC, without spaces around it and invisible characters'
        FROM (
            SELECT organization_id, 'key of group ' || id, key FROM organizations_group
            UNION ALL SELECT id, 'external id of organization ' || id, external_id FROM organizations_organization
            UNION ALL SELECT organization_id, 'external id of actor ' || id, external_id FROM organizations_actor
            UNION ALL SELECT organization_id, 'resource of limit ' || id, resource_id FROM usage_limit
        ) n (organization_id, subject, name)
        JOIN credits_wallet w ON w.organization_id = n.organization_id
        WHERE NOT organizations_is_exact_1(n.name)""",
    "free work costs nothing": f"""
        SELECT {WALLET_OF_EVENT}, {EVENT}, 'it was free and costs ' || v.credits
        FROM usage_usageevent v WHERE v.byok AND v.credits <> 0""",
}
