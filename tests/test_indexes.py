"""Every index of ours is asked by something: each costs every write of its table, and those of hot tables are written thousands of times a second."""

import re
from itertools import chain

import pytest
from django.db import connection

from usage.admin.happened import OF_SOMEBODY, RULES

pytestmark = pytest.mark.django_db

INDEXES = {
    # credits
    "credits_billingperiod (ends_at) WHERE closed_at IS NULL": "credits.tasks: whose period has ended",
    "credits_grant (entry_id)": "credits.ledger: taking back what an entry brought; its page",
    "credits_grant (wallet_id, expires_at) WHERE expires_at IS NOT NULL AND live": "credits: what ends next",
    "credits_grant (wallet_id, id DESC)": "the list of grants of an organization",
    "credits_grant (wallet_id, priority, expires_at, created_at, id) WHERE live": "credits.ledger: charging",
    "credits_grantdraw (grant_id, id DESC)": "the page of a grant; a chargeback: what was left of it",
    "credits_pendinggrant (wallet_id, effective_at) WHERE begun_at IS NULL AND cancelled_at IS NULL": "credits: what begins next",
    "credits_pendinggrant (wallet_id, id DESC)": "credits/grants?status=pending; the list of an organization",
    "credits_rehearsedrenewal (organization_id) WHERE rehearsed_at IS NULL": "the job that rehearses renewals",
    "credits_rehearsedrenewal (organization_id) WHERE is_to_run AND ran_at IS NULL": "the job that runs them",
    "credits_growth (reservation_id)": "asOf; the page of a hold",
    "credits_ledgerentry (counted_in_id, number) WHERE counted_in_id IS NOT NULL": "asOf: what a period had used",
    "credits_ledgerentry (period_id)": "statements",
    "credits_ledgerentry (reverses_id) WHERE reverses_id IS NOT NULL": "the trigger of reversals; pages",
    "credits_ledgerentry (wallet_id, kind, posted_at, number) WHERE NOT kind = 'settle'": "credits/events?eventType=",
    "credits_ledgerentry (wallet_id, (metadata ->> 'projectId'), posted_at, number) WHERE metadata ? 'projectId'": "credits/events?projectId=",
    "credits_ledgerentry (wallet_id, posted_at, number)": "credits/events, since and until; asOf",
    "credits_reference (text)": "the search of the admin for what a payment moved",
    "credits_referencemove (entry_id)": "the page of an entry",
    "credits_reservation (group_id) WHERE group_id IS NOT NULL": "deleting a group: the foreign key",
    "credits_reservation (wallet_id, actor_id, expires_at) WHERE actor_id IS NOT NULL AND status = 'open'": "an actor's open holds",
    "credits_reservation (wallet_id, expires_at) WHERE status = 'open'": "holds that are due: sweeps, reads, the worker",
    "credits_reservation (wallet_id, id DESC)": "the list of holds of an organization; seals",
    "credits_reservation (wallet_id, credits_lasted_1(created_at, closed_at, expires_at), created_at) WHERE closed_at IS NOT NULL AND credits > 0::numeric": (
        "asOf: what was held"
    ),
    "credits_reservation (wallet_id, created_at, id)": "usage/reservations, since and until; seals",
    "credits_reservation (wallet_id, status, created_at, id) WHERE NOT status = 'settled'": "usage/reservations?status=",
    "credits_statuschange (wallet_id, changed_at)": "asOf",
    "credits_usagecounter (group_id) WHERE group_id IS NOT NULL": "deleting a group: whether work was counted",
    "credits_wallet (lapse_at) WHERE lapse_at IS NOT NULL": "credits.tasks: whose grants have expired",
    "credits_wallet (refill_cooldown_ends_at) WHERE refill_cooldown_ends_at IS NOT NULL": "credits.tasks: whose cooldown is over",
    "credits_wallet (refill_retry_at) WHERE refill_retry_at IS NOT NULL": "credits.tasks: whose parent was short",
    "credits_ledgerentry words of (reason) WHERE NOT reason = ''": "the finder",
    # organizations
    "organizations_actor words of (name, email, external_id)": "the finder",
    "organizations_group words of (name, key)": "the lists of what groups used",
    "organizations_organization words of (name, billing_email, external_id)": "the finder",
    "organizations_actor (organization_id, id DESC)": "actors",
    "organizations_actor (profile_id)": "deleting a profile",
    "organizations_bulkaction (expires_at) WHERE state = 'waiting'": "what waits for a second person: the first page, the menu",
    "organizations_bulkaction (proposed_by, proposed_at DESC)": "what one person asked for many of late",
    "organizations_bulkitem (organization_id) WHERE rehearsed_at IS NULL": "the job that rehearses for many",
    "organizations_bulkitem (organization_id) WHERE finished_at IS NULL AND is_to_do": "the job that does it to many",
    "organizations_alert (actor_id) WHERE actor_id IS NOT NULL": "the page of a person; erasing one",
    "organizations_alert (group_id) WHERE group_id IS NOT NULL": "the page of a group; deleting one",
    "organizations_alert (id DESC) WHERE resolved_at IS NULL": "the list of alerts, and the count beside the menu",
    "organizations_alert (organization_id, id DESC) WHERE resolved_at IS NULL": "the page of an organization",
    "organizations_alert (organization_id, kind, silenced_until) WHERE silenced_until IS NOT NULL": "whether what fires is silenced",
    "organizations_alert (resolved_at) WHERE resolved_at IS NOT NULL": "forgetting alerts after 90 days",
    "organizations_alertstep (alert_id)": "the page of an alert; forgetting alerts",
    "organizations_apikey (actor_id)": "the page of an actor",
    "organizations_apikey (organization_id, id DESC)": "api-keys",
    "organizations_budgetwarning (actor_id)": "the page of a person",
    "organizations_budgetwarning (group_id)": "the page of a group; deleting one",
    "organizations_failure (job_id)": "the page of a job; forgetting jobs",
    "organizations_finding (job_id)": "the page of a job; forgetting jobs",
    "organizations_group (organization_id, id DESC)": "groups",
    "organizations_group (profile_id)": "deleting a profile",
    "organizations_idempotencykey (created_at)": "forgetting answers after a day",
    "organizations_job (kind, started_at DESC)": "the last job of a kind: the first page of the console, the badges",
    "organizations_job (started_at DESC)": "the list of jobs; the pulse",
    "organizations_import (id) WHERE checked_at IS NULL OR finished_at IS NULL AND started_at IS NOT NULL": "what a worker has to do for imports",
    "organizations_importpart (whole_id, state, turn)": "the next parts of an import; how many are in which state",
    "organizations_importrow (part_id, number)": "the rows of a part",
    "organizations_importrow (whole_id, number) WHERE state = ANY ARRAY['wrong'::character varying, 'failed'::character varying][]": "what is wrong with the rows of an import",
    "organizations_membership (actor_id)": "what applies to an actor",
    "organizations_organization (default_profile_id)": "deleting a profile",
    "organizations_organization (parent_id, external_id, id DESC) WHERE external_id IS NOT NULL": "organizations?externalId=",
    "organizations_organization (parent_id, id DESC)": "organizations",
    "organizations_organization (parent_id, status, id DESC)": "organizations?status=",
    "organizations_organization (sandbox_of_id)": "the sandboxes of an organization, archived ones too: its keys",
    "organizations_proposal (expires_at) WHERE state = 'waiting'": "what waits for a second person",
    "organizations_proposal (organization_id)": "the proposals of an organization",
    # usage
    "usage_priceproposal (expires_at) WHERE state = 'waiting'": "what waits for a second person",
    "usage_denial (created_at)": "forgetting denials after 30 days",
    "usage_denial gin (request_ids)": "the refusal of a request, by the id that its answer named",
    "usage_limit (actor_id)": "what applies to an actor",
    "usage_limit (group_id)": "what applies to a group; deleting it",
    "usage_limit (organization_id, created_at, id) WHERE cap IS NOT NULL AND scope = 'resource'": "budgets with a cap: usage",
    "usage_monthlyuse (month, of, is_whole, model_id, credits DESC, id DESC)": "the report of who used most",
    "usage_monthlyuse (month, of, is_whole, model_id, events DESC, id DESC)": "who did most work",
    "usage_usagerollup (day)": "taking stock: what all used on a day",
    "usage_vitals (cap_share DESC) WHERE near_cap > 0": "the first page of the console: near a cap",
    "usage_vitals (capped_at) WHERE capped_at IS NOT NULL": "whose cap is reached soon",
    "usage_vitals (change)": "whose use changed most",
    "usage_vitals (debt DESC) WHERE in_debt > 0": "who is in debt",
    "usage_vitals (dry_at) WHERE dry > 0": "who is dry soon",
    "usage_vitals (ends_at) WHERE ends_at IS NOT NULL": "whose credits end soon",
    "usage_vitals (refused DESC) WHERE refused > 0": "who is refused most",
    "usage_usageevent (actor_id, occurred_at, position) WHERE actor_id IS NOT NULL": "usage/events of an actor",
    "usage_usageevent (corrects_id) WHERE corrects_id IS NOT NULL": "what corrects an event: refunds, reversals; its page",
    "usage_usageevent (entry_id) WHERE entry_id IS NOT NULL": "taking back what an entry charged; its events",
    "usage_usageevent (group_id) WHERE group_id IS NOT NULL": "deleting a group: the foreign key",
    "usage_usageevent (organization_id, model_id, occurred_at, position) WHERE model_id IS NOT NULL": "usage/events?model=",
    "usage_usageevent (organization_id, occurred_at, position)": "usage/events, since and until",
    "usage_usageevent (organization_id, source, occurred_at, position) WHERE NOT source = 'reservation'": "usage/events?source=",
    "usage_whatifpart (organization_id) WHERE finished_at IS NULL": "whom a what-if is not answered for",
}
"""From each index that is not a rule to the query that uses it. Unique ones are rules, and `rules.py` tries them."""


def test_every_index_is_asked_by_something() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT tables.relname, pg_get_indexdef(i.indexrelid)
            FROM pg_index i JOIN pg_class tables ON tables.oid = i.indrelid
            WHERE NOT i.indisunique AND relname ~ '^(credits|organizations|usage)_(?!historical)'
            """
        )
        found = {f"{table} {_said(definition)}" for table, definition in cursor}

    assert found == set(INDEXES)


def _said(definition: str) -> str:
    """Return the columns and the condition of an index, without what PostgreSQL says of types."""
    kind, _, rest = definition.partition(" USING ")[2].partition(" ")
    columns, _, condition = rest.partition(" WHERE ")
    if "to_tsvector" in columns:
        fields = re.findall(r"COALESCE.(\w+)", columns)
        columns = f"words of ({', '.join(fields)})"
    elif kind != "btree":
        columns = f"{kind} {columns}"
    columns = columns.replace("::text", "").replace("((", "(").replace("))", ")").replace('"', "")
    if not condition:
        return columns
    return f"{columns} WHERE {re.sub(r'::text|[()]', '', condition)}"


def test_what_happened_to_an_organization_is_found_by_it() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename, indexdef FROM pg_indexes WHERE tablename ~ 'historical'")
        found = {(table, definition.partition("btree ")[2]) for table, definition in cursor}

    for rule in chain(RULES, *OF_SOMEBODY.values()):
        table = rule.model.history.model._meta.db_table
        if rule.of == "organization_id":
            assert (table, "(organization_id, history_date DESC, history_id DESC)") in found
        else:
            assert (table, f"({rule.of})") in found, "one row, and so few changes"
