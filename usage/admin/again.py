"""What the running month's work would have come to by a rule that is about to change: as a what-if answers it, on the page that shows what the change means."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from credits.models import ZERO
from credits.templatetags.amounts import credits
from organizations.admin.actions import Again, Effect
from organizations.models import Actor, Organization
from usage.models import WhatIfLine
from usage.services.what_if import MonthAgain

Outcome = WhatIfLine.Outcome
NAMED = 3
SAID = (
    (Outcome.REFUSED, "Refused that was done", True),
    (Outcome.DOWNGRADED, "Moved to the fallback", True),
    (Outcome.ADMITTED, "Done that was refused", False),
    (Outcome.SPARED, "Not moved to the fallback", False),
)
"""What may become of work, how that is said, and whether it is harsher than before."""
TOO_MUCH = ("more work than a page goes through", "a question for What if, under Prices")


def month_again(organization: Organization, *, now: datetime) -> Again:
    """Read the month's work and the rules as they stand. The transaction is to be undone."""
    again = MonthAgain(organization, now=now)
    whose = f"{organization.name}: the work of {now:%B} again"

    def effects() -> Sequence[Effect]:
        if again.is_much:
            return [Effect(whose, "By the rules then", *TOO_MUCH)]
        lines = again.lines()
        return [_cost(whose, lines), *_outcomes(whose, lines)] if lines else []

    def changed() -> Callable[[], Sequence[Effect]]:
        again.read_rules()
        return effects

    return changed


def _cost(whose: str, lines: Sequence[WhatIfLine]) -> Effect:
    before = sum((line.credits_before for line in lines), ZERO)
    after = sum((line.credits_after for line in lines), ZERO)
    return Effect(whose, "Comes to", credits(before), credits(after))


def _outcomes(whose: str, lines: Sequence[WhatIfLine]) -> list[Effect]:
    names = Actor.objects.in_bulk({line.actor_id for line in lines if line.actor_id})
    told = []
    for outcome, what, is_harsher in SAID:
        those = [line for line in lines if line.outcome == outcome]
        if those:
            told.append(Effect(whose, what, "none", _in_words(those, names), is_harsher))
    return told


def _in_words(lines: Sequence[WhatIfLine], names: dict[UUID, Actor]) -> str:
    """Return how many pieces of work, of whom most of them, and since when."""
    pieces = Counter[str]()
    for line in lines:
        known = names.get(line.actor_id) if line.actor_id else None
        pieces[known.name if known else "nobody named"] += line.pieces
    first = min(line.first_at for line in lines)
    most = ", ".join(f"{name} {count:,}" for name, count in pieces.most_common(NAMED))
    more = f" and {len(pieces) - NAMED} more" if len(pieces) > NAMED else ""
    return f"{pieces.total():,}, since {first:%-d %b}: {most}{more}"
