"""Organizations that are near their cap, dry soon, in debt, or deeper in debt than a day ago."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import OuterRef, Subquery, Sum

from credits.models import ZERO, CreditConfig, LedgerEntry, Wallet
from organizations.alerts import Noticed
from organizations.models import Alert, BudgetWarning
from usage.models import UsageTotal
from usage.services.noticing.rules import Rule, rules_of

DAY = timedelta(days=1)
RECENT = 14
"""Of how many whole days the pace is, as the page of an organization has it."""
REACHED = 100
Kind, Severity = Alert.Kind, Alert.Severity


def see(ids: Collection[UUID], now: datetime) -> Iterator[Noticed]:
    """Yield what is true of the money of some organizations."""
    rules, paces, warned = rules_of(ids), _used_a_day(ids, now), _warned(ids)
    wallets = Wallet.objects.filter(organization__in=ids)
    for wallet in wallets.select_related("organization", "period", "config"):
        rule = rules[wallet.organization_id]
        percents = warned.get(wallet.organization_id) or usual_percents(rule)
        yield from _near_cap(wallet, percents, now)
        yield from _dry_soon(wallet, rule, paces.get(wallet.organization_id, ZERO), now)
        yield from _in_debt(wallet, rule)
    yield from _deeper(ids, rules, now)


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


def _warned(ids: Collection[UUID]) -> Mapping[UUID, Collection[int]]:
    """Return the percentages of the cap that staff set for organizations in place of the rule."""
    rows = BudgetWarning.objects.filter(organization__in=ids, actor=None, group=None, budget=None)
    return dict(rows.values_list("organization_id", "percents"))


def usual_percents(rule: Rule) -> Collection[int]:
    """Return the percentages of a cap that are worth an alert by a rule; none where it says never."""
    return () if rule.near_cap_percent is None else (rule.near_cap_percent, REACHED)


def _near_cap(wallet: Wallet, percents: Collection[int], now: datetime) -> Iterator[Noticed]:
    period = wallet.period
    # One that has ended counts for nothing; the calendar opens the next.
    if period is None or period.ends_at <= now:
        return
    share = share_of(period.used, wallet.config.monthly_cap, percents)
    if share is not None:
        yield Noticed(
            Kind.NEAR_CAP,
            share.severity,
            wallet.organization_id,
            level=share.level,
            figures=share.figures,
        )


def _dry_soon(wallet: Wallet, rule: Rule, used: Decimal, now: datetime) -> Iterator[Noticed]:
    """Notice what will be refused for want of credits, unless the parent or the next term brings some before."""
    config = wallet.config
    behind = min(RECENT, (now.date() - wallet.organization.created_at.date()) // DAY)
    if rule.dry_within_days is None or config.overdraft_limit is None or behind < 1 or used <= 0:
        return
    a_day = used / behind
    left = max(ZERO, wallet.unreserved + config.overdraft_limit)
    days = left / a_day
    if days >= rule.dry_within_days or _is_topped_up(wallet, config, now, days):
        return
    is_dry = left == 0
    yield Noticed(
        Kind.DRY_SOON,
        Severity.CRITICAL if is_dry else Severity.WARNING,
        wallet.organization_id,
        level=2 if is_dry else 1,
        figures={
            "left": plain(left),
            "aDay": plain(a_day.quantize(Decimal("0.01"))),
            "days": str(days.quantize(Decimal(1), ROUND_DOWN)),
        },
    )


def _is_topped_up(wallet: Wallet, config: CreditConfig, now: datetime, days: Decimal) -> bool:
    if config.auto_refill_enabled and wallet.refill_retry_at is None:
        return True
    brings = config.allowance > 0 or config.allowance_per_user > 0
    period = wallet.period
    if period is None or not brings or config.cancel_at_period_end:
        return False
    return days > 0 and period.term_ends_at <= now + float(days) * DAY


def _used_a_day(ids: Collection[UUID], now: datetime) -> dict[UUID, Decimal]:
    """Return what each used in the whole days behind us, as far as it is added up."""
    today = now.date()
    totals = UsageTotal.objects.filter(
        organization__in=ids,
        of=UsageTotal.Of.WORK,
        span=UsageTotal.Span.DAY,
        starts_on__gte=today - RECENT * DAY,
        starts_on__lt=today,
    )
    return dict(totals.values_list("organization").annotate(used=Sum("credits")))


def _in_debt(wallet: Wallet, rule: Rule) -> Iterator[Noticed]:
    if rule.debt_above is None or wallet.debt <= rule.debt_above:
        return
    overdraft = wallet.config.overdraft_limit
    is_beyond = overdraft is not None and wallet.debt > overdraft
    figures = {"debt": plain(wallet.debt)}
    if overdraft is not None:
        figures["overdraftLimit"] = plain(overdraft)
    yield Noticed(
        Kind.IN_DEBT,
        Severity.CRITICAL if is_beyond else Severity.WARNING,
        wallet.organization_id,
        level=2 if is_beyond else 1,
        figures=figures,
    )


def _deeper(ids: Collection[UUID], rules: Mapping[UUID, Rule], now: datetime) -> Iterator[Noticed]:
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
