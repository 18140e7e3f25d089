"""What rates said in columns they say in rows: the migration, over tables of before that stand in for the real ones."""

import json
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from usage.pricing import Tokens, price, thaw

pytestmark = pytest.mark.django_db(transaction=True)

FORWARD = import_module("usage.migrations.0010_rates_by_unit").FORWARD
OLD = """model_id text, starts_at timestamptz, prompt_tokens_from integer, input numeric, cached_input numeric, cache_write numeric,
    output numeric, reasoning numeric, per_request numeric, per_unit numeric, input_includes_cached boolean,
    output_includes_reasoning boolean, unit text DEFAULT '', amount numeric"""
TABLES = [
    f"CREATE TEMP TABLE usage_rate (id bigserial, {OLD})",
    f"""CREATE TEMP TABLE usage_historicalrate (history_id bigserial, id bigint, {OLD}, history_date timestamptz,
        history_change_reason text, history_type text)""",
    """CREATE TEMP TABLE usage_aimodel (slug text, input_includes_cached boolean DEFAULT false,
        output_includes_reasoning boolean DEFAULT true)""",
    "CREATE TEMP TABLE credits_reservation (status text, rate_card jsonb)",
    "INSERT INTO usage_aimodel VALUES ('m')",
    """INSERT INTO usage_rate (model_id, starts_at, prompt_tokens_from, input, cached_input, cache_write, output, reasoning, per_request,
            per_unit, input_includes_cached, output_includes_reasoning)
        VALUES ('m', '2026-01-01', 0, 10, 1, NULL, 50, NULL, 0.5, 0, true, false),
            ('m', '2026-01-01', 1000, 20, NULL, NULL, 90, NULL, 0.5, 0, true, false)""",
    """INSERT INTO usage_historicalrate (id, model_id, starts_at, prompt_tokens_from, input, cached_input, cache_write, output, reasoning,
            per_request, per_unit, input_includes_cached, output_includes_reasoning, history_date, history_change_reason, history_type)
        VALUES (1, 'm', '2026-01-01', 0, 9, NULL, NULL, 50, NULL, 0.5, 0, true, false, '2026-01-02', 'staff:ana', '+'),
            (7, 'gone', '2026-01-01', 0, 9, NULL, NULL, 50, NULL, 0, 0, true, false, '2026-01-02', 'staff:ana', '-')""",
    """INSERT INTO credits_reservation VALUES ('open', '{"starts_at": "2026-01-01T00:00:00+00:00", "per_request": "0.5",
        "input_includes_cached": true, "output_includes_reasoning": false, "bands": [{"prompt_tokens_from": 0, "input": "10",
        "cached_input": null, "cache_write": "12.5", "output": "50", "reasoning": null, "per_request": null}]}')""",
]


@pytest.fixture
def migrated() -> Iterator[None]:
    with connection.cursor() as cursor:
        for statement in [*TABLES, *FORWARD]:
            cursor.execute(statement)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DISCARD TEMP")


@pytest.mark.usefixtures("migrated")
class TestMigration:
    def test_makes_a_row_of_each_price(self) -> None:
        assert rows("SELECT unit, prompt_tokens_from, amount FROM usage_rate ORDER BY 1, 2") == [
            ("cache_read_tokens", 0, 1),
            # It cost what the input does there, not what it did for shorter prompts.
            ("cache_read_tokens", 1_000, 20),
            ("input_tokens", 0, 10),
            ("input_tokens", 1_000, 20),
            ("output_tokens", 0, 50),
            ("output_tokens", 1_000, 90),
            ("requests", 0, 500),
        ]
        assert rows("SELECT * FROM usage_aimodel") == [("m", True, False)]

    def test_keeps_the_history_of_each_price(self) -> None:
        kept = rows(
            "SELECT model_id, unit, amount, history_change_reason FROM usage_historicalrate"
        )
        assert set(kept) == {
            ("m", "input_tokens", 9, "staff:ana"),
            ("m", "output_tokens", 50, "staff:ana"),
            ("m", "requests", 500, "staff:ana"),
            ("gone", "input_tokens", 9, "staff:ana"),
            ("gone", "output_tokens", 50, "staff:ana"),
        }
        of_a_rate = "SELECT count(*) FROM usage_historicalrate h JOIN usage_rate r USING (id, unit)"
        assert rows(of_a_rate) == [(3,)]

    def test_writes_the_card_of_an_open_hold_as_it_is_read_now(self) -> None:
        ((frozen,),) = rows("SELECT rate_card #>> '{}' FROM credits_reservation")

        card = thaw(json.loads(frozen))

        assert card.input_includes_cached
        # 1,000 × 12.5 + 1,000 × 50, per million, and the fee
        assert price(card, Tokens(1_000, 0, 1_000, 1_000)) == Decimal("0.5625")


def rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
