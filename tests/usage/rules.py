"""Every rule of usage that the database keeps, by its name, with statements that break it and must be refused."""

from tests.credits.rules import A_GROUP, AN_ACTOR, Breach, like

MODEL, RATE, THRESHOLDS = "usage_aimodel", "usage_rate", "usage_thresholds"
LIMIT, EVENT, ROLLUP, TOTAL, DENIAL = (
    "usage_limit",
    "usage_usageevent",
    "usage_usagerollup",
    "usage_usagetotal",
    "usage_denial",
)
MARKUP, CUSTOMER, FACTORS = "usage_markup", "usage_customerprice", ("0", "-1", "1000.000001")
PROPOSAL = "usage_priceproposal"
DEFAULTS = ("actor_default", "team_default", "entity_default")


def event(where: str, **changes: str) -> Breach:
    """Insert a copy of an event, at a position of its own: so what is changed is refused, and nothing else."""
    return like(EVENT, where, **{"position": "position + 1000"} | changes)


RULES: dict[str, list[Breach]] = {
    "thresholds_no_truncate": [Breach(f"TRUNCATE {THRESHOLDS}")],
    "limit_no_truncate": [Breach(f"TRUNCATE {LIMIT}")],
    "markup_no_truncate": [Breach(f"TRUNCATE {MARKUP}")],
    "customerprice_no_truncate": [Breach(f"TRUNCATE {CUSTOMER}")],
    "markup_factor_in_range": [Breach(f"UPDATE {MARKUP} SET factor = {each}") for each in FACTORS],
    "customerprice_factor_in_range": [
        Breach(f"UPDATE {CUSTOMER} SET factor = {each}") for each in FACTORS
    ],
    "markup_of_provider_or_model": [
        Breach(f"UPDATE {MARKUP} SET provider = 'a' WHERE model_id IS NOT NULL")
    ],
    "customerprice_of_provider_or_model": [
        Breach(f"UPDATE {CUSTOMER} SET provider = 'a' WHERE model_id IS NOT NULL")
    ],
    "markup_one_per_moment": [like(MARKUP, "true")],
    "customerprice_one_per_moment": [like(CUSTOMER, "true")],
    "aimodel_no_truncate": [Breach(f"TRUNCATE {MODEL} CASCADE")],
    "rate_no_truncate": [Breach(f"TRUNCATE {RATE}")],
    "aimodel_tier_known": [Breach(f"UPDATE {MODEL} SET tier = 'golden'")],
    "aimodel_one_fallback_per_provider": [Breach(f"UPDATE {MODEL} SET is_fallback = true")],
    "rate_one_per_step": [like(RATE, "true")],
    "rate_not_negative": [Breach(f"UPDATE {RATE} SET amount = -0.000001")],
    "rate_of_a_unit": [like(RATE, "true", unit="''")],
    "thresholds_not_negative": [
        Breach(f"UPDATE {THRESHOLDS} SET downgrade = -0.000001, shutoff = NULL"),
        Breach(f"UPDATE {THRESHOLDS} SET downgrade = NULL, shutoff = -0.000001"),
    ],
    "thresholds_downgrade_before_shutoff": [
        Breach(f"UPDATE {THRESHOLDS} SET downgrade = 1.000001, shutoff = 1")
    ],
    "limit_one_per_subject": [
        like(LIMIT, f"scope = '{scope}'") for scope in ("actor", "group", "resource", *DEFAULTS)
    ],
    "limit_subject_fits_its_scope": [
        *(
            Breach(f"UPDATE {LIMIT} SET {change} WHERE scope = '{scope}'")
            for scope, change in {
                "actor": "actor_id = NULL",
                "group": "group_id = NULL",
                "resource": "resource_type = '', resource_id = ''",
            }.items()
        ),
        *(
            Breach(f"UPDATE {LIMIT} SET actor_id = {AN_ACTOR} WHERE scope = '{scope}'")
            for scope in ("group", "resource", *DEFAULTS)
        ),
        *(
            Breach(f"UPDATE {LIMIT} SET group_id = {A_GROUP} WHERE scope = '{scope}'")
            for scope in ("actor", "resource", *DEFAULTS)
        ),
        *(
            Breach(
                f"UPDATE {LIMIT} SET resource_type = 'app', resource_id = 'b' WHERE scope = '{scope}'"
            )
            for scope in ("actor", "group", *DEFAULTS)
        ),
        Breach(f"UPDATE {LIMIT} SET scope = 'planet' WHERE scope = 'actor_default'"),
    ],
    "limit_resource_as_a_whole": [
        Breach(f"UPDATE {LIMIT} SET resource_id = '' WHERE scope = 'resource'"),
        Breach(f"UPDATE {LIMIT} SET resource_id = 'b' WHERE scope = 'actor'"),
    ],
    "limit_cap_not_negative": [Breach(f"UPDATE {LIMIT} SET cap = -0.000001")],
    "usageevent_once_for_ever": [event("source = 'job'")],
    "usageevent_credits_not_negative": [
        event("source = 'job'", external_id="'x'", credits="-0.000001"),
    ],
    "usageevent_corrects_by_source": [
        event("source = 'job'", external_id="'x'", corrects_id="id"),
        *(
            event("source = 'job'", external_id="'x'", source=f"'{source}'", credits=credits)
            for source, credits in (("correction", "-1"), ("refund", "-1"), ("rerated", "1"))
        ),
        event("source = 'job'", source="'correction'", corrects_id="id", credits="0"),
        event("source = 'job'", source="'refund'", corrects_id="id", credits="0"),
    ],
    "usageevent_corrected_once": [event("source = 'correction'", external_id="'x'")],
    "usageevent_byok_is_free": [event("source = 'job'", external_id="'x'", byok="true")],
    "usageevent_history_counts_nowhere": [
        event("source = 'job' AND entry_id IS NOT NULL", external_id="'x'", charged="false"),
        event(
            "source = 'job' AND counter_ids <> '{}'",
            external_id="'x'",
            charged="false",
            entry_id="NULL",
        ),
    ],
    "usageevent_one_per_position": [
        event("source = 'job'", external_id="'x'", position="position")
    ],
    "usageevent_append_only": [
        Breach(f"UPDATE {EVENT} SET credits = credits", f"{EVENT}_append_only"),
        Breach(f"DELETE FROM {EVENT}", f"{EVENT}_append_only"),
    ],
    "usageevent_no_truncate": [Breach(f"TRUNCATE {EVENT}", f"{EVENT}_append_only")],
    "usagerollup_one_per_day": [like(ROLLUP, "true")],
    "usagetotal_one_per_span": [like(TOTAL, "of = 'actor' AND span = 'day'")],
    "monthlyuse_one_of_each": [like("usage_monthlyuse", "of = 'person'")],
    "dailyuse_one_per_model": [like("usage_dailyuse", "true")],
    "stock_is_one_row": [Breach("UPDATE usage_stock SET id = 2")],
    "denial_one_a_minute": [like(DENIAL, "true")],
    "accepteddifference_one_per_step": [like("usage_accepteddifference", "true")],
    "priceproposal_state_known": [
        like(PROPOSAL, "true", state="'lost'", decided_by="'ben'", decided_at="proposed_at")
    ],
    "priceproposal_decided_or_open": [like(PROPOSAL, "true", state="'refused'")],
    "priceproposal_approved_by_another": [
        like(
            PROPOSAL,
            "true",
            state="'approved'",
            decided_by="proposed_by",
            decided_at="proposed_at",
        )
    ],
    "priceproposal_decided_in_time": [
        like(PROPOSAL, "true", state="'approved'", decided_by="'ben'", decided_at="expires_at")
    ],
    "priceproposal_expires_later": [like(PROPOSAL, "true", expires_at="proposed_at")],
    "priceproposal_is_fixed": [
        Breach(f"UPDATE {PROPOSAL} SET reason = 'another'"),
        Breach(f"DELETE FROM {PROPOSAL}"),
    ],
    "whatifpart_one_per_organization": [like("usage_whatifpart", "true")],
    "whatifline_one_per_outcome": [like("usage_whatifline", "true")],
}
