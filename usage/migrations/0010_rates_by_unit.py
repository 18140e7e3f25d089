"""What rates said in a column for each kind of token they say in a row for each unit; their history and the cards of open holds too.

A part that had a price in one band of a card has a row in all of them, since a row goes on until the next: where it was empty, what it
cost, which is the price of the whole. A fee per request is of the whole card, and priced by the thousand.
"""

from django.db import migrations

PARTS = {
    "cache_read_tokens": ("cached_input", "input"),
    "cache_write_tokens": ("cache_write", "input"),
    "output_reasoning_tokens": ("reasoning", "output"),
}
# Of each row of before, `o`: its units, with their amounts. `has_…` say what its card prices.
UNITS = ", ".join(
    [
        "('input_tokens', o.input, true)",
        "('output_tokens', o.output, true)",
        *(
            f"('{unit}', coalesce(o.{own}, o.{whole}), o.has_{own})"
            for unit, (own, whole) in PARTS.items()
        ),
        "('requests', o.per_request * 1000, o.prompt_tokens_from = 0 AND o.per_request <> 0)",
    ]
)
HAS = ", ".join(
    f"bool_or({own} IS NOT NULL) OVER (PARTITION BY model_id, starts_at) AS has_{own}"
    for own, _ in PARTS.values()
)
OLD = "input, cached_input, cache_write, output, reasoning, per_request, per_unit, input_includes_cached, output_includes_reasoning"
NOTHING = "NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, 0, 0, false, true"

FORWARD = [
    """UPDATE usage_aimodel m SET
            input_includes_cached = r.input_includes_cached, output_includes_reasoning = r.output_includes_reasoning
        FROM (SELECT DISTINCT ON (model_id) * FROM usage_rate ORDER BY model_id, starts_at DESC, prompt_tokens_from) r
        WHERE r.model_id = m.slug""",
    f"""INSERT INTO usage_rate (model_id, starts_at, prompt_tokens_from, unit, amount, {OLD})
        SELECT o.model_id, o.starts_at, o.prompt_tokens_from, u.unit, u.amount, {NOTHING}
        FROM (SELECT *, {HAS} FROM usage_rate WHERE unit = '') o
            CROSS JOIN LATERAL (VALUES {UNITS}) u(unit, amount, is_there)
        WHERE u.is_there""",
    "DELETE FROM usage_rate WHERE unit = ''",
    # A history keeps the id of its row; of one that is gone, what no row has.
    f"""INSERT INTO usage_historicalrate (
            id, model_id, starts_at, prompt_tokens_from, unit, amount, history_date, history_change_reason, history_type, {OLD})
        SELECT coalesce(r.id, -o.id), o.model_id, o.starts_at, o.prompt_tokens_from, u.unit, u.amount,
            o.history_date, o.history_change_reason, o.history_type, {NOTHING}
        FROM (
                SELECT *, cached_input IS NOT NULL AS has_cached_input, cache_write IS NOT NULL AS has_cache_write,
                    reasoning IS NOT NULL AS has_reasoning
                FROM usage_historicalrate WHERE unit = ''
            ) o
            CROSS JOIN LATERAL (VALUES {UNITS}) u(unit, amount, is_there)
            LEFT JOIN usage_rate r ON r.model_id = o.model_id AND r.starts_at = o.starts_at
                AND r.prompt_tokens_from = o.prompt_tokens_from AND r.unit = u.unit
        WHERE u.is_there ORDER BY o.history_id""",
    "DELETE FROM usage_historicalrate WHERE unit = ''",
    # Work that is under way is charged by the card of its hold, which is read as it is written now.
    """UPDATE credits_reservation h SET rate_card = jsonb_build_object(
            'starts_at', h.rate_card -> 'starts_at',
            'input_includes_cached', h.rate_card -> 'input_includes_cached',
            'output_includes_reasoning', h.rate_card -> 'output_includes_reasoning',
            'prices', (
                SELECT jsonb_agg(jsonb_build_array(u.unit, (b -> 'prompt_tokens_from')::integer, '', u.amount::text, 0))
                FROM jsonb_array_elements(h.rate_card -> 'bands') b CROSS JOIN LATERAL (VALUES
                    ('input_tokens', (b ->> 'input')::numeric, true),
                    ('output_tokens', (b ->> 'output')::numeric, true),
                    ('cache_read_tokens', coalesce(b ->> 'cached_input', b ->> 'input')::numeric, true),
                    ('cache_write_tokens', coalesce(b ->> 'cache_write', b ->> 'input')::numeric, true),
                    ('output_reasoning_tokens', coalesce(b ->> 'reasoning', b ->> 'output')::numeric, true),
                    ('requests', coalesce(b ->> 'per_request', h.rate_card ->> 'per_request')::numeric * 1000, true)
                ) u(unit, amount, is_there)
            ))
        WHERE h.status IN ('open', 'expired') AND h.rate_card ? 'bands'""",
]


class Migration(migrations.Migration):
    dependencies = [("usage", "0009_rates_hold_any_unit")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
