"""Every rule that the database keeps, by its name, with statements that break it and must be refused."""

from dataclasses import dataclass

from django.db import connection


@dataclass(frozen=True)
class Breach:
    """A statement that must be refused, and the name under which it is, if not that of the rule itself."""

    sql: str
    reported_as: str | None = None


def like(table: str, where: str, **changes: str) -> Breach:
    """Insert a copy of one row, with some columns changed to these expressions.

    A rule about rows that may not be updated can only be broken by a new one.
    """
    return Breach(
        f"LIKE {table} | {where} | " + " | ".join(f"{k} := {v}" for k, v in changes.items())
    )


def as_sql(breach: Breach) -> str:
    if not breach.sql.startswith("LIKE "):
        return breach.sql
    table, where, *changes = breach.sql.removeprefix("LIKE ").split(" | ")
    given = dict(change.split(" := ") for change in changes if change)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_name = %s AND is_generated = 'NEVER' AND is_identity = 'NO'",
            [table],
        )
        columns = dict(cursor.fetchall())
    values = {name: name for name in columns}
    if columns.get("id") == "uuid":
        values["id"] = "gen_random_uuid()"
    values |= given
    return (
        f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {table}"
        f" WHERE {where} ORDER BY ctid LIMIT 1"  # always the same row, whatever the plan
    )


WALLET, CONFIG = "UPDATE credits_wallet SET", "UPDATE credits_creditconfig SET"
PERIOD, HOLD = "UPDATE credits_billingperiod SET", "UPDATE credits_reservation SET"
ENTRY, GRANT, DRAW = "credits_ledgerentry", "credits_grant", "credits_grantdraw"
PENDING = "credits_pendinggrant"
REFERENCE, MOVE = "credits_reference", "credits_referencemove"
UNNAMED = "(SELECT id FROM credits_ledgerentry WHERE kind = 'settle' LIMIT 1)"
OPEN, CLOSED = "WHERE status = 'open'", "WHERE status <> 'open'"
MAY, JUNE = "WHERE index = 0", "WHERE index = 1"
NEXT = "(SELECT max(e.number) + 1 FROM credits_ledgerentry e WHERE e.wallet_id = credits_ledgerentry.wallet_id)"
ORGANIZATION, PROFILE = "organizations_organization", "organizations_usageprofile"
ACTOR, GROUP = "organizations_actor", "organizations_group"
BULK, BULK_ITEM = "organizations_bulkaction", "organizations_bulkitem"
PROPOSAL, BEN = "organizations_proposal", "'ben'"
COUNTER, MEMBERSHIP = "credits_usagecounter", "organizations_membership"
AN_ACTOR = f"(SELECT id FROM {ACTOR} WHERE name = 'Ana')"
A_GROUP = f"(SELECT id FROM {GROUP} WHERE key = 'design')"
OTHER = f"(SELECT id FROM {ORGANIZATION} WHERE name = 'Other')"

RULES: dict[str, list[Breach]] = {
    "wallet_reserved_not_negative": [Breach(f"{WALLET} reserved = -0.000001")],
    "wallet_open_holds_not_negative": [Breach(f"{WALLET} open_holds = -1")],
    "wallet_allowance_within_balance": [
        Breach(f"{WALLET} allowance_remaining = balance + 0.000001"),
        Breach(f"{WALLET} allowance_remaining = -1"),
    ],
    "wallet_head_not_negative": [
        Breach(f"{WALLET} {column} = -1") for column in ("head_number", "event_position")
    ],
    "catalogue_is_one_row": [
        Breach("INSERT INTO credits_catalogue (id) VALUES (2)"),
        Breach("UPDATE credits_catalogue SET id = 0"),
    ],
    "catalogue_credit_is_worth_something": [
        Breach("UPDATE credits_catalogue SET credit_usd = 0"),
        Breach("UPDATE credits_catalogue SET credit_usd = -0.01"),
        Breach("UPDATE credits_catalogue SET credit_usd = 1000.0000000001"),
    ],
    "clockmark_only_one": [
        Breach(
            "INSERT INTO organizations_clockmark (id, believed_at, said_at, counted, machine, decisions)"
            " VALUES (2, now(), now(), 0, 'here', 0)"
        )
    ],
    "alert_one_open_per_subject": [like("organizations_alert", "true")],
    "alert_acknowledged_by_somebody": [
        Breach("UPDATE organizations_alert SET acknowledged_at = now()"),
        Breach("UPDATE organizations_alert SET acknowledged_by = 'ben'"),
    ],
    "alert_silenced_by_somebody": [
        Breach("UPDATE organizations_alert SET silenced_until = now()"),
        Breach("UPDATE organizations_alert SET silenced_by = 'ben'"),
    ],
    "alert_resolved_after_it_fired": [
        Breach("UPDATE organizations_alert SET resolved_at = fired_at - interval '1 second'")
    ],
    "alertrule_one_for_everybody": [
        Breach(
            "INSERT INTO organizations_alertrule (near_cap_percent) SELECT near_cap_percent"
            " FROM organizations_alertrule WHERE organization_id IS NULL"
        )
    ],
    "alertrule_numbers_make_sense": [
        Breach(f"UPDATE organizations_alertrule SET {column}")
        for column in (
            "near_cap_percent = 0",
            "near_cap_percent = 101",
            "cap_within_days = 0",
            "cap_within_days = 91",
            "dry_within_days = 0",
            "dry_within_days = 91",
            "debt_above = -0.000001",
            "debt_growth = 0",
            "refusals_at_least = 0",
            "refusals_factor = 0.99",
        )
    ],
    "budgetwarning_one_per_subject": [like("organizations_budgetwarning", "true")],
    "budgetwarning_of_one_subject": [
        Breach(f"UPDATE organizations_budgetwarning SET group_id = {A_GROUP}")
    ],
    "budgetwarning_budget_positive": [Breach("UPDATE organizations_budgetwarning SET budget = 0")],
    "budgetwarning_some_percents": [
        Breach("UPDATE organizations_budgetwarning SET percents = '{}'"),
        Breach("UPDATE organizations_budgetwarning SET percents = '{1,2,3,4,5,6}'"),
    ],
    "budgetwarning_percents_in_range": [
        Breach(f"UPDATE organizations_budgetwarning SET percents = '{{{percent}}}'")
        for percent in (0, 1_001)
    ],
    "budgetwarning_actor_fits": [
        like("organizations_budgetwarning", "true", organization_id=OTHER)
    ],
    "creditconfig_no_truncate": [Breach("TRUNCATE credits_creditconfig")],
    "organization_no_truncate": [Breach(f"TRUNCATE {ORGANIZATION} CASCADE")],
    "usageprofile_no_truncate": [Breach(f"TRUNCATE {PROFILE} CASCADE")],
    "actor_no_truncate": [Breach(f"TRUNCATE {ACTOR} CASCADE")],
    "group_no_truncate": [Breach(f"TRUNCATE {GROUP} CASCADE")],
    "membership_no_truncate": [Breach(f"TRUNCATE {MEMBERSHIP}")],
    "creditconfig_amounts_not_negative": [
        Breach(f"{CONFIG} {column} = -0.000001")
        for column in (
            "monthly_cap",
            "allowance",
            "allowance_per_user",
            "rollover_limit",
            "charge_limit",
            "free_fallback_limit",
            "overdraft_limit",
            "overage_rate",
            "recharge_limit",
        )
    ]
    + [Breach(f"{CONFIG} refill_threshold = -1, refill_amount = 1")],
    "creditconfig_refill_amount_positive": [
        Breach(f"{CONFIG} refill_threshold = 1, refill_amount = 0"),
        Breach(f"{CONFIG} refill_threshold = 1, refill_amount = -1"),
    ],
    "creditconfig_refill_both_or_neither": [
        Breach(f"{CONFIG} refill_threshold = 1"),
        Breach(f"{CONFIG} refill_amount = 1"),
    ],
    "creditconfig_term_known": [Breach(f"{CONFIG} term = 'week'")],
    "creditconfig_when_empty_known": [Breach(f"{CONFIG} when_empty = 'shrug'")],
    "creditconfig_cancelled_by_known": [Breach(f"{CONFIG} cancelled_by = 'a rival'")],
    "billingperiod_one_per_index": [Breach(f"{PERIOD} index = 0 {JUNE}")],
    "billingperiod_one_per_start": [
        Breach(f"{PERIOD} starts_at = '2026-05-01Z', term_starts_at = '2026-05-01Z' {JUNE}")
    ],
    "billingperiod_one_per_end": [
        Breach(f"{PERIOD} ends_at = '2026-07-01Z', term_ends_at = '2026-07-01Z' {MAY}")
    ],
    "billingperiod_one_open": [Breach(f"{PERIOD} closed_at = NULL, closing_balance = NULL {MAY}")],
    "billingperiod_ends_after_it_starts": [
        Breach(f"{PERIOD} ends_at = starts_at {JUNE}"),
        Breach(f"{PERIOD} ends_at = starts_at - interval '1 day' {JUNE}"),
    ],
    "billingperiod_within_its_term": [
        Breach(f"{PERIOD} term_starts_at = starts_at + interval '1 microsecond' {JUNE}"),
        Breach(f"{PERIOD} term_ends_at = ends_at - interval '1 microsecond' {JUNE}"),
    ],
    "billingperiod_counters_not_negative": [
        Breach(f"{PERIOD} used = -0.000001"),
        Breach(f"{PERIOD} reserved = -0.000001"),
        Breach(f"{PERIOD} allowance = -0.000001"),
        Breach(f"{PERIOD} share = -0.000001"),
        Breach(f"{PERIOD} recharged = -0.000001"),
        Breach(f"{PERIOD} seats = -1"),
        Breach(f"{PERIOD} index = -1 {MAY}"),
    ],
    "billingperiod_part_of_a_whole_term": [
        Breach(f"{PERIOD} term_days = 0"),
        Breach(f"{PERIOD} term_days = whole_days + 1"),
        Breach(f"{PERIOD} share = allowance_per_user + 0.000001"),
    ],
    "billingperiod_closed_as_a_whole": [
        Breach(f"{PERIOD} closing_balance = NULL {MAY}"),
        Breach(f"{PERIOD} closing_balance = 1 {JUNE}"),
        Breach(f"{PERIOD} closed_at = '2026-06-01Z' {JUNE}"),
    ],
    "billingperiod_contiguous": [
        Breach(
            f"{PERIOD} starts_at = starts_at + interval '1 day',"
            f" term_starts_at = term_starts_at + interval '1 day' {JUNE}"
        ),
        Breach(f"{PERIOD} ends_at = ends_at - interval '1 day' {MAY}"),
        Breach(
            f"{PERIOD} index = 7, starts_at = '2026-05-31Z', term_starts_at = '2026-05-31Z' {JUNE}"
        ),
    ],
    "usagecounter_one_per_subject": [like(COUNTER, "true")],
    "usagecounter_has_one_subject": [
        Breach(f"UPDATE {COUNTER} SET actor_id = {AN_ACTOR}, group_id = {A_GROUP}"),
        Breach(
            f"UPDATE {COUNTER} SET actor_id = {AN_ACTOR}, resource_type = 'app', resource_id = 'a-1'"
        ),
        Breach(
            f"UPDATE {COUNTER} SET group_id = {A_GROUP}, resource_type = 'app', resource_id = 'a-1'"
        ),
    ],
    "usagecounter_resource_as_a_whole": [
        Breach(f"UPDATE {COUNTER} SET resource_type = 'app'"),
        Breach(f"UPDATE {COUNTER} SET resource_id = 'a-1'"),
    ],
    "usagecounter_amounts_not_negative": [
        Breach(f"UPDATE {COUNTER} SET used = -0.000001"),
        Breach(f"UPDATE {COUNTER} SET reserved = -0.000001"),
    ],
    "usagecounter_free_is_the_organizations": [
        Breach(f"UPDATE {COUNTER} SET free_used = 1, resource_type = 'app', resource_id = 'a-1'"),
        Breach(f"UPDATE {COUNTER} SET free_reserved = 1, actor_id = {AN_ACTOR}"),
        Breach(f"UPDATE {COUNTER} SET free_used = -1"),
        Breach(f"UPDATE {COUNTER} SET free_reserved = -1"),
    ],
    "usagecounter_from_the_first": [Breach(f"UPDATE {COUNTER} SET month = '2026-05-02'")],
    "grant_amount_positive": [
        like(GRANT, "source = 'grant'", amount="0", remaining="0"),
        like(GRANT, "source = 'grant'", amount="-1", remaining="0"),
    ],
    "grant_remaining_within_amount": [
        Breach(f"UPDATE {GRANT} SET remaining = -0.000001"),
        Breach(f"UPDATE {GRANT} SET remaining = amount + 0.000001"),
    ],
    "grant_allowance_has_a_term_and_an_end": [
        like(GRANT, "source = 'allowance'", term_starts_at="NULL"),
        like(GRANT, "source = 'allowance'", term_starts_at="'2027-01-01Z'", expires_at="NULL"),
        like(GRANT, "source = 'grant'", term_starts_at="'2027-01-01Z'"),
    ],
    "grant_numbers_not_negative": [
        like(GRANT, "source = 'allowance'", **{column: "-1"})
        for column in ("priority", "seat", "upgrade")
    ],
    "grant_one_renewal_per_term": [
        like(GRANT, "source = 'allowance' AND seat = 0"),
        like(GRANT, "source = 'allowance' AND seat = 1"),
    ],
    "grant_seat_or_upgrade_of_an_allowance": [
        like(GRANT, "source = 'grant'", seat="1"),
        like(GRANT, "source = 'grant'", upgrade="1"),
        like(GRANT, "source = 'allowance'", seat="77", upgrade="1"),
    ],
    "grant_category_known": [like(GRANT, "source = 'grant'", category="'gift'")],
    "pendinggrant_amount_positive": [like(PENDING, "true", amount="0", reference="''")],
    "pendinggrant_ends_after_it_begins": [
        like(PENDING, "true", expires_at="effective_at", reference="''")
    ],
    "pendinggrant_began_or_was_cancelled": [
        like(PENDING, "true", begun_at="now()", cancelled_at="now()", reference="''")
    ],
    "pendinggrant_category_known": [like(PENDING, "true", category="'gift'", reference="''")],
    "pendinggrant_one_per_reference": [like(PENDING, "reference <> ''")],
    "pendinggrant_is_fixed": [
        *(
            Breach(f"UPDATE {PENDING} SET {column} = {column}")
            for column in ("amount", "wallet_id", "effective_at", "expires_at", "name")
        ),
        Breach(f"DELETE FROM {PENDING}"),
    ],
    "pendinggrant_ends_once": [
        Breach(
            f"UPDATE {PENDING} SET cancelled_at = NULL WHERE cancelled_at IS NOT NULL",
            "pendinggrant_is_fixed",
        )
    ],
    "pendinggrant_no_truncate": [Breach(f"TRUNCATE {PENDING}", "pendinggrant_is_fixed")],
    "rehearsedrenewal_one_of_each": [like("credits_rehearsedrenewal", "true")],
    "grant_source_known": [like(GRANT, "source = 'grant'", source="'gift'")],
    "grant_is_fixed": [
        Breach(f"UPDATE {GRANT} SET {column} = {column}")
        for column in (
            "id",
            "wallet_id",
            "entry_id",
            "source",
            "amount",
            "priority",
            "expires_at",
            "name",
            "category",
            "term_starts_at",
            "seat",
            "upgrade",
            "created_at",
        )
    ],
    "reservation_credits_not_negative": [Breach(f"{HOLD} credits = -0.000001 {OPEN}")],
    "reservation_settled_with_credits": [
        Breach(f"{HOLD} status = 'settled', closed_at = created_at {OPEN}"),
        Breach(f"{HOLD} status = 'settled', closed_at = created_at, settled_credits = -1 {OPEN}"),
        Breach(f"{HOLD} settled_credits = 1 {OPEN}"),
    ],
    "reservation_closed_at_with_status": [
        Breach(f"{HOLD} closed_at = created_at {OPEN}"),
        Breach(f"{HOLD} status = 'released' {OPEN}"),
    ],
    "reservation_late_only_when_settled": [Breach(f"{HOLD} late = true {OPEN}")],
    "reservation_status_known": [
        Breach(f"{HOLD} status = 'lost', closed_at = created_at {OPEN}"),
    ],
    "reservation_mode_known": [Breach(f"{HOLD} mode = 'about' {OPEN}")],
    "reservation_decision_known": [Breach(f"{HOLD} decision = 'maybe' {OPEN}")],
    "reservation_holds_only_what_it_charges": [Breach(f"{HOLD} is_charged = false {OPEN}")],
    "reservation_free_credits_not_negative": [Breach(f"{HOLD} free_credits = -0.000001 {OPEN}")],
    "reservation_resolves_once": [
        Breach(f"{HOLD} status = 'open', closed_at = NULL, settled_credits = NULL {CLOSED}"),
        Breach(f"{HOLD} credits = credits {CLOSED}"),
        Breach(f"{HOLD} settled_credits = 1 WHERE status = 'settled'"),
        Breach(f"{HOLD} status = 'settled', settled_credits = 1 WHERE status = 'released'"),
        Breach(f"{HOLD} status = 'settled', settled_credits = 1 WHERE status = 'expired'"),
        Breach(f"{HOLD} status = 'released' WHERE status = 'expired'"),
    ],
    "ledgerentry_one_per_number": [like(ENTRY, "kind = 'grant'")],
    "ledgerentry_number_from_one": [
        like(ENTRY, "kind = 'grant'", number="0"),
        like(ENTRY, "kind = 'grant'", number="-1"),
    ],
    "ledgerentry_no_gap": [
        like(ENTRY, "kind = 'grant'", number=f"{NEXT} + 1"),
        like(ENTRY, "kind = 'grant'", number="999"),
    ],
    "ledgerentry_amount_not_zero": [
        like(ENTRY, "kind = 'grant'", number=NEXT, kind="'adjust'", amount="0")
    ],
    "ledgerentry_sign_of_kind": [
        like(ENTRY, "kind = 'grant'", number=NEXT, kind=f"'{kind}'", amount=amount)
        for kind, amount in {
            "settle": "1",
            "lapse": "1",
            "grant": "-1",
            "recharge": "-1",
            "renew": "-1",
        }.items()
    ],
    "ledgerentry_transfer_has_an_id": [
        like(ENTRY, "kind = 'grant'", number=NEXT, transfer_id="gen_random_uuid()"),
        like(ENTRY, "kind = 'allocate'", number=NEXT, transfer_id="NULL"),
    ],
    "ledgerentry_reference_by_kind": [
        like(ENTRY, "kind = 'settle'", number=NEXT, reference="'pay-1'")
    ],
    "ledgerentry_one_side_per_wallet": [like(ENTRY, "kind = 'allocate'", number=NEXT)],
    "ledgerentry_one_charge_per_reservation": [like(ENTRY, "kind = 'settle'", number=NEXT)],
    "ledgerentry_reversed_within_itself": [
        like(ENTRY, "kind = 'reversal'", number=NEXT),
        like(ENTRY, "kind = 'reversal'", number=NEXT, amount="amount / 1000000"),
        like(ENTRY, "kind = 'reversal'", number=NEXT, amount="-amount"),
    ],
    "ledgerentry_followed_once": [
        like(ENTRY, "kind = 'settle' AND reverses_id IS NOT NULL", number=NEXT)
    ],
    "ledgerentry_reverses_by_kind": [
        like(ENTRY, "kind = 'grant'", number=NEXT, reverses_id="id"),
        like(ENTRY, "kind = 'reversal'", number=NEXT, reverses_id="NULL"),
    ],
    "statuschange_status_known": [Breach("UPDATE credits_statuschange SET status = 'asleep'")],
    "growth_credits_positive": [Breach("UPDATE credits_growth SET credits = 0")],
    "ledgerentry_kind_known": [like(ENTRY, "kind = 'grant'", number=NEXT, kind="'gift'")],
    "ledgerentry_transfer_sums_to_zero": [
        # One side alone; and a third side, on the wallet that had no part in it.
        like(ENTRY, "kind = 'allocate'", number=NEXT, transfer_id="gen_random_uuid()"),
        like(
            ENTRY,
            f"amount = 5 AND wallet_id = (SELECT id FROM credits_wallet WHERE organization_id = {OTHER})",
            number=NEXT,
            kind="'sweep'",
            transfer_id="(SELECT transfer_id FROM credits_ledgerentry WHERE kind = 'allocate' LIMIT 1)",
        ),
    ],
    "ledgerentry_append_only": [
        Breach(f"UPDATE {ENTRY} SET reason = 'better'", f"{ENTRY}_append_only"),
        Breach(f"UPDATE {ENTRY} SET amount = amount", f"{ENTRY}_append_only"),
        Breach(f"DELETE FROM {ENTRY}", f"{ENTRY}_append_only"),
    ],
    "ledgerentry_no_truncate": [Breach(f"TRUNCATE {ENTRY} CASCADE", f"{ENTRY}_append_only")],
    "grantdraw_one_per_grant": [like(DRAW, "true")],
    "grantdraw_amount_not_zero": [
        like(
            DRAW,
            "true",
            amount="0",
            grant_id="(SELECT id FROM credits_grant g WHERE g.id <> credits_grantdraw.grant_id LIMIT 1)",
        )
    ],
    "grantdraw_append_only": [
        Breach(f"UPDATE {DRAW} SET amount = amount", f"{DRAW}_append_only"),
        Breach(f"DELETE FROM {DRAW}", f"{DRAW}_append_only"),
    ],
    "grantdraw_no_truncate": [Breach(f"TRUNCATE {DRAW}", f"{DRAW}_append_only")],
    "reference_means_one_entry": [like(REFERENCE, "true", entry_id=UNNAMED)],
    "reference_has_a_text": [Breach(f"UPDATE {REFERENCE} SET text = ''")],
    "reference_namespace_known": [
        like(REFERENCE, "true", entry_id=UNNAMED, text="'pay-9'", namespace="'gift'")
    ],
    "reference_is_fixed": [
        Breach(f"UPDATE {REFERENCE} SET entry_id = {UNNAMED}"),
        Breach(f"UPDATE {REFERENCE} SET namespace = 'received'"),
        Breach(f"DELETE FROM {REFERENCE}"),
    ],
    "reference_no_truncate": [Breach(f"TRUNCATE {REFERENCE}", "reference_is_fixed")],
    "referencemove_has_a_text": [like(MOVE, "true", after="''")],
    "referencemove_append_only": [
        Breach(f"UPDATE {MOVE} SET reason = 'better'", f"{MOVE}_append_only"),
        Breach(f"DELETE FROM {MOVE}", f"{MOVE}_append_only"),
    ],
    "referencemove_no_truncate": [Breach(f"TRUNCATE {MOVE}", f"{MOVE}_append_only")],
    "organization_status_known": [Breach(f"UPDATE {ORGANIZATION} SET status = 'asleep'")],
    "organization_has_a_name": [Breach(f"UPDATE {ORGANIZATION} SET name = ''")],
    "organization_archived_at_with_status": [
        Breach(f"UPDATE {ORGANIZATION} SET status = 'archived'"),
        Breach(f"UPDATE {ORGANIZATION} SET archived_at = created_at"),
    ],
    "organization_not_its_own_parent": [
        like(
            ORGANIZATION,
            "parent_id IS NULL AND env = 'live'",
            id="'01980000-0000-7000-8000-000000000001'",
            parent_id="'01980000-0000-7000-8000-000000000001'",
        )
    ],
    "organization_one_level": [
        like(ORGANIZATION, "parent_id IS NOT NULL AND env = 'live'", parent_id="id")
    ],
    "organization_parent_is_fixed": [
        Breach(f"UPDATE {ORGANIZATION} SET parent_id = NULL WHERE parent_id IS NOT NULL"),
        Breach(f"UPDATE {ORGANIZATION} SET parent_id = {OTHER} WHERE name = 'Harbour Reseller'"),
    ],
    "organization_env_as_its_place": [
        like(ORGANIZATION, "parent_id IS NULL AND env = 'live'", env="'test'"),
        like(ORGANIZATION, "parent_id IS NULL AND env = 'test'", env="'live'"),
    ],
    "organization_env_of_its_parent": [
        like(ORGANIZATION, "parent_id IS NOT NULL AND env = 'live'", env="'test'"),
        like(
            ORGANIZATION,
            "parent_id IS NOT NULL AND env = 'test'",
            env="'live'",
            sandbox_of_id="NULL",
        ),
    ],
    "organization_one_per_external_id": [
        Breach(f"UPDATE {ORGANIZATION} SET external_id = 'acme' WHERE parent_id IS NULL"),
    ],
    "organization_exact_external_id": [
        Breach(f"UPDATE {ORGANIZATION} SET external_id = {name}")
        for name in ("' 7'", "U&'\\0065\\0301'", "U&'7\\200B'", "E'7\\n'")
    ],
    "organization_one_sandbox": [like(ORGANIZATION, "env = 'test'")],
    "organization_sandbox_in_its_place": [
        like(ORGANIZATION, "env = 'test'", sandbox_of_id="id"),
        like(ORGANIZATION, "env = 'test' AND parent_id IS NOT NULL", parent_id="NULL"),
        like(ORGANIZATION, "env = 'test' AND parent_id IS NOT NULL", sandbox_of_id=OTHER),
    ],
    "organization_sandbox_is_fixed": [
        Breach(f"UPDATE {ORGANIZATION} SET env = 'test' WHERE name = 'Other'"),
        Breach(f"UPDATE {ORGANIZATION} SET sandbox_of_id = {OTHER} WHERE env = 'test'"),
    ],
    "usageprofile_one_per_slug": [
        like(PROFILE, "slug = 'standard'"),
        like(PROFILE, "slug = 'own'"),
    ],
    "usageprofile_slug_form": [
        Breach(f"UPDATE {PROFILE} SET slug = '{slug}' WHERE slug = 'own'")
        for slug in ("", "Own", "9own", "-own", "o_wn", "o wn")
    ],
    "usageprofile_cap_not_negative": [Breach(f"UPDATE {PROFILE} SET credit_cap_per_month = -1")],
    "usageprofile_tiers_known": [
        Breach(f"UPDATE {PROFILE} SET allowed_model_tiers = '{{everyday,golden}}'")
    ],
    "actor_kind_known": [Breach(f"UPDATE {ACTOR} SET kind = 'robot'")],
    "actor_has_a_name": [Breach(f"UPDATE {ACTOR} SET name = ''")],
    "actor_one_per_external_id": [like(ACTOR, "external_id = 'u-1'")],
    "group_kind_known": [Breach(f"UPDATE {GROUP} SET kind = 'crowd' WHERE key = 'lonely'")],
    "group_has_a_key_and_a_name": [
        Breach(f"UPDATE {GROUP} SET key = ''"),
        Breach(f"UPDATE {GROUP} SET name = ''"),
    ],
    "group_profile_is_for_teams": [
        Breach(
            f"UPDATE {GROUP} SET profile_id = (SELECT id FROM {PROFILE} LIMIT 1) WHERE kind = 'entity'"
        )
    ],
    "group_one_per_key": [like(GROUP, "true")],
    "membership_once": [like(MEMBERSHIP, "kind = 'team'")],
    "membership_one_entity_group": [
        like(
            MEMBERSHIP,
            "kind = 'entity'",
            group_id=f"(SELECT id FROM {GROUP} WHERE key = 'lonely')",
        )
    ],
    "membership_group_fits": [
        Breach(f"UPDATE {MEMBERSHIP} SET kind = 'team' WHERE kind = 'entity'"),
        Breach(f"UPDATE {GROUP} SET organization_id = {OTHER} WHERE key = 'design'"),
    ],
    "membership_actor_fits": [
        Breach(f"UPDATE {ACTOR} SET organization_id = {OTHER}"),
    ],
    "group_exact_key": [
        Breach(f"UPDATE {GROUP} SET key = {name}")
        for name in ("' acme'", "'acme '", "U&'\\FF41cme'", "U&'ac\\200Dme'", "U&'acme\\00A0'")
    ],
    "actor_exact_external_id": [
        Breach(f"UPDATE {ACTOR} SET external_id = {name}")
        for name in ("' 7'", "U&'\\0065\\0301'", "U&'7\\FE0F'", "U&'7\\200B'", "E'7\\n'")
    ],
    "apikey_env_known": [Breach("UPDATE organizations_apikey SET env = 'prod'")],
    "apikey_sandbox_tier_for_test_keys": [
        Breach("UPDATE organizations_apikey SET rate_limit_tier = 'sandbox' WHERE env = 'live'"),
        Breach("UPDATE organizations_apikey SET rate_limit_tier = 'partner' WHERE env = 'test'"),
    ],
    "apikey_env_of_its_organization": [
        Breach(
            "UPDATE organizations_apikey SET env = 'test', rate_limit_tier = 'sandbox' WHERE env = 'live'"
        ),
        Breach(f"UPDATE organizations_apikey SET organization_id = {OTHER} WHERE env = 'test'"),
    ],
    "apikey_tier_known": [
        Breach("UPDATE organizations_apikey SET rate_limit_tier = 'gold' WHERE env = 'live'")
    ],
    "apikey_superseded_means_rotated": [
        Breach("UPDATE organizations_apikey SET rotated_at = created_at"),
        Breach("UPDATE organizations_apikey SET grace_until = created_at"),
        Breach("UPDATE organizations_apikey SET superseded_by_id = id"),
    ],
    "idempotency_key_once_per_owner": [like("organizations_idempotencykey", "true")],
    "idempotency_owner_known": [Breach("UPDATE organizations_idempotencykey SET owner = 'me'")],
    "idempotency_numbers_not_negative": [
        Breach("UPDATE organizations_idempotencykey SET status_code = -1"),
        Breach("UPDATE organizations_idempotencykey SET format = -1"),
    ],
    "idempotency_answer_is_whole": [
        Breach("UPDATE organizations_idempotencykey SET body = NULL"),
        Breach("UPDATE organizations_idempotencykey SET status_code = NULL"),
    ],
    "proposal_state_known": [
        like(PROPOSAL, "true", state="'lost'", decided_by=BEN, decided_at="proposed_at")
    ],
    "proposal_decided_or_open": [like(PROPOSAL, "true", state="'refused'")],
    "proposal_approved_by_another": [
        like(
            PROPOSAL,
            "true",
            state="'approved'",
            decided_by="proposed_by",
            decided_at="proposed_at",
        )
    ],
    "proposal_decided_in_time": [
        like(PROPOSAL, "true", state="'approved'", decided_by=BEN, decided_at="expires_at")
    ],
    "proposal_amount_positive": [like(PROPOSAL, "true", amount="0")],
    "proposal_expires_later": [like(PROPOSAL, "true", expires_at="proposed_at")],
    "proposal_is_fixed": [
        Breach(f"UPDATE {PROPOSAL} SET amount = 1"),
        Breach(f"UPDATE {PROPOSAL} SET state = 'draft'"),
        Breach(f"DELETE FROM {PROPOSAL}"),
    ],
    "bulkaction_state_known": [
        like(BULK, "true", state="'lost'", decided_by=BEN, decided_at="proposed_at")
    ],
    "bulkaction_decided_or_open": [like(BULK, "true", state="'refused'")],
    "bulkaction_approved_by_another": [
        like(
            BULK,
            "true",
            state="'approved'",
            decided_by="proposed_by",
            decided_at="proposed_at",
        )
    ],
    "bulkaction_confirmed_by_who_asked": [
        like(BULK, "true", state="'confirmed'", decided_by=BEN, decided_at="proposed_at")
    ],
    "bulkaction_decided_in_time": [
        like(BULK, "true", state=state, decided_by=by, decided_at="expires_at")
        for state, by in (("'approved'", BEN), ("'confirmed'", "proposed_by"))
    ],
    "bulkaction_of_somebody": [like(BULK, "true", total="0")],
    "bulkaction_expires_later": [like(BULK, "true", expires_at="proposed_at")],
    "bulkaction_is_fixed": [
        Breach(f"UPDATE {BULK} SET total = 2"),
        Breach(
            f"UPDATE {BULK} SET state = 'approved', decided_by = {BEN}, decided_at = proposed_at"
        ),
        Breach(f"DELETE FROM {BULK}"),
    ],
    "bulkitem_one_of_each": [like(BULK_ITEM, "true")],
    "bulkitem_outcome_known": [
        like(BULK_ITEM, "true", outcome="'lost'", finished_at="now()", is_to_do="true")
    ],
    "bulkitem_effect_known": [like(BULK_ITEM, "true", effect="'lost'")],
    "bulkitem_finished_with_an_outcome": [like(BULK_ITEM, "true", outcome="'done'")],
    "bulkitem_is_fixed": [
        Breach(f"UPDATE {BULK_ITEM} SET actor_id = NULL"),
        Breach(f"DELETE FROM {BULK_ITEM}"),
    ],
    "savedview_one_of_a_name": [like("organizations_savedview", "true")],
    "savedview_has_a_name": [like("organizations_savedview", "true", name="''")],
    "import_carried_out_after_it_was_checked": [
        Breach("UPDATE organizations_import SET started_at = created_at, problems = 1"),
    ],
    "import_finished_after_it_was_started": [
        Breach("UPDATE organizations_import SET finished_at = created_at"),
    ],
    "importpart_one_per_turn": [like("organizations_importpart", "true")],
    "importrow_one_per_number": [like("organizations_importrow", "true")],
    "job_one_open_per_kind": [like("organizations_job", "true")],
    "job_ends_after_it_starts": [
        Breach("UPDATE organizations_job SET finished_at = started_at - interval '1 second'")
    ],
    "lease_one_per_batch": [like("organizations_lease", "true")],
    "failure_one_open_per_organization": [like("organizations_failure", "true")],
}


REFERRED_TO = {"actor_of_organization", "group_of_organization", "organization_of_env"}
"""Keys that hold the primary key, so nothing can break them: they are there for `membership_…_fits` and `…_env_of_its_…`."""
