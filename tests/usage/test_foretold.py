"""What a forecast says, to the word."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests import factories as f
from usage.forecast import Span
from usage.foretold import (
    Prospect,
    cap_said,
    pool_said,
    prospect_of,
    stopped,
    too_early,
)

NOTHING = Decimal(0)


def said(*span: float | None, overdraft: Decimal | None = NOTHING, days: int = 90) -> Prospect:
    return prospect_of(Span(*span), pool_said(overdraft=overdraft), now=f.NOW, days=days)


class TestProspectOf:
    @pytest.mark.parametrize(
        ("span", "state", "short", "words"),
        [
            ((0, 0, 0), "reached", "now", "Nothing is left."),
            (
                (20.1, 31.2, 45.3),
                "foreseen",
                "20 to 45 days",
                "The credits are used up in 20 to 45 days, likely in 31 days, on 10 June 2026.",
            ),
            (
                (0.1, 0.6, 1.2),
                "foreseen",
                "0 to 1 days",
                "The credits are used up in 0 to 1 days, likely tomorrow, on 11 May 2026.",
            ),
            (
                (0.1, 0.2, 0.3),
                "foreseen",
                "today",
                "The credits are used up today, on 10 May 2026.",
            ),
            ((1, 1, 1), "foreseen", "1 day", "The credits are used up tomorrow, on 11 May 2026."),
            (
                (60, 80, None),
                "foreseen",
                "60 to over 90 days",
                "The credits are used up in 60 to over 90 days, likely in 80 days, on 29 July 2026.",
            ),
            (
                (60, None, None),
                "foreseen",
                "60 to over 90 days",
                "The credits are not used up within 90 days in most cases; at the earliest in 60 days, on 9 July 2026.",
            ),
            (
                (None, None, None),
                "not_within",
                "over 90 days",
                "The credits are not used up within 90 days.",
            ),
        ],
    )
    def test_says(self, span: tuple[float | None, ...], state: str, short: str, words: str) -> None:
        found = said(*span)

        assert (found.state, found.short, found.words) == (state, short, words)

    def test_has_the_moments(self) -> None:
        found = said(1.5, 2, None)

        assert found[3:6] == (f.later(days=1.5), f.later(days=2), None)
        assert found.is_before(f.later(days=1.6))
        assert not found.is_before(f.later(days=1.5))

    @pytest.mark.parametrize(
        ("overdraft", "words"),
        [
            (None, " From then on work makes debt."),
            (Decimal(1_500), " From then on work makes debt, up to 1,500 credits."),
        ],
    )
    def test_says_what_work_does_then(self, overdraft: Decimal | None, words: str) -> None:
        assert said(1, 1, 1, overdraft=overdraft).words.endswith(words)
        assert "debt" not in said(None, None, None, overdraft=overdraft).words

    def test_says_when_a_cap_resets(self) -> None:
        resets_at = f.NOW + timedelta(days=22)
        cap = prospect_of(Span(3, 3, 3), cap_said(resets_at=resets_at), now=f.NOW, days=90)

        assert cap.words == (
            "The cap is reached in 3 days, on 13 May 2026. It resets on 1 June 2026."
        )


class TestTooEarly:
    @pytest.mark.parametrize(
        ("days", "behind"), [(0, "no whole day"), (1, "1 whole day"), (9, "9 whole days")]
    )
    def test_says_how_much_is_missing(self, days: int, behind: str) -> None:
        assert too_early(days).words == (
            f"It is too early to say: {behind} of use behind, and it takes 14."
        )


class TestStopped:
    def test_says_why(self) -> None:
        assert stopped("suspended").words == "Nothing is spent while it is suspended."
