"""Rows 1 and 2 of the order of checks, which compare no numbers: the first that fails names the reason."""

from decimal import Decimal
from typing import Any

import pytest

from usage.policy import Offer, Terms, refuse

SONNET = Offer("claude-sonnet-5-5", "anthropic", "advanced", Decimal(4))
OPEN = Terms(enabled_providers=frozenset({"anthropic"}), tiers=frozenset({"advanced"}))


class TestRows:
    def test_admit_what_nothing_refuses(self) -> None:
        assert refuse(OPEN, SONNET) is None

    @pytest.mark.parametrize(
        ("broken", "refusal"),
        [
            ({"is_entitled": False}, "entitlement"),
            ({"enabled_providers": frozenset({"openai"})}, "provider"),
            ({"enabled_providers": frozenset()}, "provider"),
            ({"tiers": frozenset({"everyday"})}, "tier"),
            ({"tiers": frozenset()}, "tier"),
        ],
    )
    def test_refuse_by_name(self, broken: dict[str, Any], refusal: str) -> None:
        assert refuse(OPEN._replace(**broken), SONNET) == refusal

    def test_are_asked_in_their_order(self) -> None:
        """With everything broken the first row answers; repaired one by one, each next one does."""
        terms = Terms(is_entitled=False, enabled_providers=frozenset(), tiers=frozenset())
        repairs: list[dict[str, Any]] = [
            {"is_entitled": True},
            {"enabled_providers": None},
            {"tiers": frozenset({"advanced"})},
        ]

        answers = []
        for repair in repairs:
            answers.append(refuse(terms, SONNET))
            terms = terms._replace(**repair)
        answers.append(refuse(terms, SONNET))

        assert answers == ["entitlement", "provider", "tier", None]

    def test_leave_out_the_model_where_none_is_named(self) -> None:
        closed = OPEN._replace(enabled_providers=frozenset(), tiers=frozenset())

        assert refuse(closed, None) is None

    def test_leave_out_tiers_where_there_is_no_actor(self) -> None:
        assert refuse(OPEN._replace(tiers=None), SONNET) is None
