"""What is worth an alert of the money of an organization: near its cap, at it soon, dry soon, in debt, or deeper in debt than a day ago."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import OuterRef, Subquery

from credits.models import ZERO, LedgerEntry, Wallet
from organizations.alerts import Noticed
from organizations.models import Alert, BudgetWarning
from usage import foretold
from usage.services.facts import Reading
from usage.services.forecasts import Outlook
from usage.services.noticing.rules import Rule

DAY = timedelta(days=1)
REACHED = 100
Kind, Severity = Alert.Kind, Alert.Severity


def see(
    reading: Reading,
    outlook: Outlook | None,
    rule: Rule,
    percents: Collection[int] | None,
    *,
    now: datetime,
) -> Iterator[Noticed]:
    """Yield what is true of the money of an organization, as it was measured.

    :param outlook: what is foreseen of it, unless that cannot matter
    :param percents: those of its cap that staff set in place of the rule
    """
    yield from _near_cap(reading, usual_percents(rule) if percents is None else percents)
    yield from _cap_soon(reading, outlook, rule, now)
    yield from _dry_soon(reading, outlook, rule, now)
    yield from _in_debt(reading, rule)


class Share(NamedTuple):
    """How far a cap is used, as an alert says it."""

    level: int
    severity: int
    figures: Mapping[str, str]


def share_of(used: Decimal, cap: Decimal | None, percents: Collection[int]) -> Share | None:
    """Return the highest percentage that is reached of a cap: by what is settled, since holds come and go. None if none is.

    Of a cap of 0 nothing is near: somebody wants nothing spent.
    """
    if not cap:
        return None
    reached = [percent for percent in percents if used * REACHED >= cap * percent]
    if not reached:
        return None
    level = max(reached)
    severity = Severity.CRITICAL if level >= REACHED else Severity.WARNING
    return Share(level, severity, {"used": plain(used), "cap": plain(cap), "percent": str(level)})


def plain(amount: Decimal) -> str:
    """Return an amount as the figures of an alert keep it."""
    return f"{amount.normalize():f}"


def percents_of(ids: Collection[UUID]) -> Mapping[UUID, Collection[int]]:
    """Return the percentages of the cap that staff set for organizations in place of the rule."""
    rows = BudgetWarning.objects.filter(organization__in=ids, actor=None, group=None, budget=None)
    return dict(rows.values_list("organization_id", "percents"))


def usual_percents(rule: Rule) -> Collection[int]:
    """Return the percentages of a cap that are worth an alert by a rule; none where it says never."""
    return () if rule.near_cap_percent is None else (rule.near_cap_percent, REACHED)


def _near_cap(reading: Reading, percents: Collection[int]) -> Iterator[Noticed]:
    share = share_of(reading.used, reading.monthly_cap, percents)
    if share is not None:
        level, severity, figures = share
        yield Noticed(Kind.NEAR_CAP, severity, reading.id, level=level, figures=figures)


def _cap_soon(
    reading: Reading, outlook: Outlook | None, rule: Rule, now: datetime
) -> Iterator[Noticed]:
    """Notice that the cap will likely be reached before it resets, as the forecast says it. Of one that is reached `_near_cap` tells."""
    capped = outlook and outlook.capped
    if rule.cap_within_days is None or outlook is None or capped is None or not capped.likely:
        return
    if capped.state == foretold.REACHED or capped.likely >= now + rule.cap_within_days * DAY:
        return
    figures = {
        "used": plain(reading.used),
        "cap": plain(reading.monthly_cap or ZERO),
        "aDay": plain(outlook.a_day.quantize(Decimal("0.01"))),
        "days": str((capped.likely - now) // DAY),
        "earliestDays": str(((capped.earliest or now) - now) // DAY),
    }
    yield Noticed(Kind.CAP_SOON, Severity.WARNING, reading.id, level=1, figures=figures)


def _dry_soon(
    reading: Reading, outlook: Outlook | None, rule: Rule, now: datetime
) -> Iterator[Noticed]:
    """Notice that work will likely be refused for want of credits, as the forecast says it."""
    dry = outlook and outlook.dry
    if rule.dry_within_days is None or outlook is None or dry is None or dry.likely is None:
        return
    if dry.likely >= now + rule.dry_within_days * DAY:
        return
    is_dry = dry.state == foretold.REACHED
    yield Noticed(
        Kind.DRY_SOON,
        Severity.CRITICAL if is_dry else Severity.WARNING,
        reading.id,
        level=2 if is_dry else 1,
        figures={
            "left": plain(reading.left or ZERO),
            "aDay": plain(outlook.a_day.quantize(Decimal("0.01"))),
            "days": str((dry.likely - now) // DAY),
            "earliestDays": str(((dry.earliest or now) - now) // DAY),
        },
    )


def _in_debt(reading: Reading, rule: Rule) -> Iterator[Noticed]:
    debt, overdraft = reading.debt, reading.overdraft_limit
    if rule.debt_above is None or debt <= rule.debt_above:
        return
    is_beyond = overdraft is not None and debt > overdraft
    figures = {"debt": plain(debt)}
    if overdraft is not None:
        figures["overdraftLimit"] = plain(overdraft)
    yield Noticed(
        Kind.IN_DEBT,
        Severity.CRITICAL if is_beyond else Severity.WARNING,
        reading.id,
        level=2 if is_beyond else 1,
        figures=figures,
    )


def deeper(ids: Collection[UUID], rules: Mapping[UUID, Rule], now: datetime) -> Iterator[Noticed]:
    """Yield those whose debt grew within a day, each wallet by the last entry before that."""
    earlier = LedgerEntry.objects.filter(wallet=OuterRef("pk"), posted_at__lte=now - DAY)
    before = earlier.order_by("-posted_at", "-number").values("balance_after")[:1]
    in_debt = Wallet.objects.filter(organization__in=ids, balance__lt=0)
    rows = in_debt.annotate(before=Subquery(before))
    for id, balance, was in rows.values_list("organization_id", "balance", "before"):
        growth, limit = -balance - max(ZERO, -(was or ZERO)), rules[id].debt_growth
        if limit is not None and growth >= limit:
            figures = {"debt": plain(-balance), "grownBy": plain(growth)}
            yield Noticed(Kind.DEBT_GROWN, Severity.CRITICAL, id, level=0, figures=figures)
