"""Rows 1 to 6 of the order of checks, each with every earlier row passing: the first that fails names the reason."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from usage.policy import Offer, Terms, Verdict, decide

D = Decimal
SONNET = Offer("claude-sonnet-5-5", "anthropic", "advanced", D(4))
HAIKU = Offer("claude-haiku-4-5", "anthropic", "everyday", D(2))
OPEN = Terms(
    enabled_providers=frozenset({"anthropic"}),
    tiers=frozenset({"advanced"}),
    downgrade=D(800),
    shutoff=D(1200),
    settled_this_month=D(10),
)


def decided(terms: Terms = OPEN, offer: Offer | None = SONNET) -> Verdict:
    return decide(terms, offer, HAIKU)


class TestRows:
    def test_admit_what_nothing_refuses(self) -> None:
        assert decided() == Verdict("allow", SONNET)

    @pytest.mark.parametrize(
        ("broken", "refusal"),
        [
            ({"is_entitled": False}, "entitlement"),
            ({"enabled_providers": frozenset({"openai"})}, "provider"),
            ({"enabled_providers": frozenset()}, "provider"),
            ({"tiers": frozenset({"everyday"})}, "tier"),
            ({"tiers": frozenset()}, "tier"),
            ({"settled_this_month": D(1200)}, "shutoff"),
            ({"shutoff": D(0), "downgrade": None, "settled_this_month": D(0)}, "shutoff"),
        ],
    )
    def test_refuse_by_name(self, broken: dict[str, Any], refusal: str) -> None:
        assert decided(replace(OPEN, **broken)).refusal == refusal

    def test_are_asked_in_their_order(self) -> None:
        """With everything broken the first row answers; repaired one by one, each next one does."""
        terms = Terms(
            is_entitled=False,
            enabled_providers=frozenset(),
            tiers=frozenset(),
            shutoff=D(1),
            downgrade=D(1),
            settled_this_month=D(1),
        )
        repairs: list[dict[str, Any]] = [
            {"is_entitled": True},
            {"enabled_providers": None},
            {"tiers": frozenset({"advanced"})},
            {"shutoff": None},
            {"downgrade": None},
        ]

        answers = []
        for repair in repairs:
            verdict = decided(terms)
            answers.append(verdict.refusal or verdict.decision)
            terms = replace(terms, **repair)
        answers.append(decided(terms).decision)

        assert answers == ["entitlement", "provider", "tier", "shutoff", "downgrade", "allow"]

    def test_leave_out_the_model_where_none_is_named(self) -> None:
        closed = replace(OPEN, enabled_providers=frozenset(), tiers=frozenset())

        assert decided(closed, None) == Verdict("allow", None)

    def test_leave_out_tiers_where_there_is_no_actor(self) -> None:
        assert decided(replace(OPEN, tiers=None)).decision == "allow"


class TestByok:
    def test_skips_shutoff_and_downgrade(self) -> None:
        terms = replace(OPEN, byok=True, settled_this_month=D(5000))

        assert decided(terms) == Verdict("allow", SONNET, byok=True)

    @pytest.mark.parametrize("broken", [{"is_entitled": False}, {"tiers": frozenset()}])
    def test_skips_neither_entitlement_nor_tier(self, broken: dict[str, Any]) -> None:
        assert decided(replace(OPEN, byok=True, **broken)).decision == "deny"


class TestDowngrade:
    @pytest.mark.parametrize(
        ("settled", "decision"),
        [("799.999999", "allow"), ("800", "downgrade"), ("801", "downgrade")],
    )
    def test_begins_at_its_threshold(self, settled: str, decision: str) -> None:
        assert decided(replace(OPEN, settled_this_month=D(settled))).decision == decision

    def test_moves_to_the_fallback_whatever_its_tier(self) -> None:
        assert decided(replace(OPEN, settled_this_month=D(900))).offer == HAIKU

    @pytest.mark.parametrize("price", ["4", "5"])
    def test_is_none_where_the_fallback_costs_as_much(self, price: str) -> None:
        terms = replace(OPEN, settled_this_month=D(900))

        verdict = decide(terms, SONNET, replace(HAIKU, price=D(price)))

        assert verdict == Verdict("allow", SONNET)

    def test_is_none_without_a_fallback_or_a_model(self) -> None:
        terms = replace(OPEN, settled_this_month=D(900))

        assert decide(terms, SONNET).decision == "allow"
        assert decide(terms, None, HAIKU).decision == "allow"

    def test_never_stands_before_the_shutoff(self) -> None:
        assert decided(replace(OPEN, settled_this_month=D(1200))).refusal == "shutoff"


class TestShutoff:
    def test_refuses_at_the_number_itself(self) -> None:
        assert decided(replace(OPEN, settled_this_month=D("1199.999999"))).decision == "downgrade"
        assert decided(replace(OPEN, settled_this_month=D(1200))).decision == "deny"

    def test_of_none_refuses_nothing(self) -> None:
        terms = replace(OPEN, shutoff=None, downgrade=None, settled_this_month=D(10**9))

        assert decided(terms).decision == "allow"
