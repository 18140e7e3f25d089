"""What the demo's organizations did, and when: a story, played through the services.

It begins on the first of the month before, so that every wallet has a statement to look at, and ends now. Every moment is computed from
`now`, so it can be told on any day: on the 1st at half a minute past midnight as well as on 29 February.
"""

from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from functools import partial
from typing import Any, NamedTuple

from config import demo_people as people
from config.demo_story import (
    DAY,
    EXACTLY,
    HOUR,
    MADE_BY,
    MICRO,
    WHOLE,
    Story,
    ask_in_vain,
    balance_of,
    charge,
    hold,
)
from credits import periods, services
from organizations.models import Organization
from usage.services import Work

PARENT_CREDITS = Decimal(1_000_000)


class World(NamedTuple):
    """The two organizations that scripts use."""

    parent: Organization
    child: Organization


def build(*, now: datetime) -> World:
    """Make the demo's world as it is at `now`, with the models of the rate card that have a price by then.

    Everything but the ids is the same for the same `now` and rate card.
    """
    month = periods.month_of(now).starts_at
    begins_at = periods.month_of(month - timedelta(microseconds=1)).starts_at
    story = Story(ends_at=now)
    parent = _reseller(story, begins_at, month)
    child = _publisher(story, parent, begins_at + 1 * DAY + 9 * HOUR)
    others = [
        _school(story, parent, begins_at + 1 * DAY + 13 * HOUR),
        _law_firm(story, parent, begins_at + 2 * DAY + 8 * HOUR, month),
        _architects(story, parent, begins_at + 14 * DAY + 10 * HOUR),
    ]
    for organization in (parent, child, *others):
        story.at(month + timedelta(seconds=20), services.renew, organization=organization)
        story.at(now, services.renew, organization=organization)
    story.play()
    _top_up(parent, now=now)
    return World(parent, child)


def _reseller(story: Story, begins_at: datetime, month: datetime) -> Organization:
    """The parent: it pays for all, and its own people tried it out last month."""
    reseller = services.create_organization(
        name="Harbour AI Services",
        billing_email="accounts@harbour.example",
        metadata={"contract": "HB-2041"},
        recharge_limit=Decimal(250_000),
        performed_by=MADE_BY,
        now=begins_at,
    )
    _grant(story, begins_at, reseller, 900_000, "Prepaid order 1043")
    recharge = {"organization": reseller, "amount": Decimal(100_000), "performed_by": MADE_BY}
    story.at(begins_at + 16 * DAY, services.recharge, **recharge)
    people.try_out(story, reseller, begins_at, month)
    return reseller


def _publisher(story: Story, parent: Organization, joins_at: datetime) -> Organization:
    """The child that scripts use: no cap, no refill rule, whole credits, and plenty of them."""
    publisher = _customer("Brightwater Publishing", parent, joins_at)
    _allocate(story, joins_at, publisher, 12_000, "Starter package")
    _allocate(story, joins_at + 17 * DAY, publisher, 8_000, "Extension")
    people.employ(story, publisher, ["Ada Lind", "Felix Brandt", "Yuki Tanaka"], now=joins_at)
    people.train(story, publisher, joins_at)
    until = story.ends_at
    story.work(publisher, total=Decimal(8_400), pieces=60, since=joins_at, until=until, step=WHOLE)
    for days in (4, 11, 19):
        _give_up(story, joins_at + days * DAY, publisher)
    _forget(story, joins_at + 8 * DAY, publisher)
    _finish_late(story, joins_at + 21 * DAY, publisher)
    goodwill = {"amount": Decimal(150), "reason": "Goodwill after an outage"}
    details = {"organization": publisher, "performed_by": MADE_BY, **goodwill}
    story.at(joins_at + 22 * DAY, services.adjust, **details)
    return publisher


def _school(story: Story, parent: Organization, joins_at: datetime) -> Organization:
    """The suspended one: a trial of which some lapsed, an order, keys of its own, and an invoice that nobody paid."""
    school = _customer("Lumen Language School", parent, joins_at)
    people.employ(story, school, ["Elif Demir", "Paul Rousseau"], now=joins_at)
    trial_ends_at = joins_at + 9 * DAY
    suspended_at = joins_at + 23 * DAY
    _grant(story, joins_at, school, 300, "Trial credits", expires_at=trial_ends_at)
    story.work(school, total=Decimal("181.4"), pieces=5, since=joins_at, until=trial_ends_at - HOUR)
    story.at(trial_ends_at + timedelta(seconds=20), services.renew, organization=school)
    ordered_at = trial_ends_at + HOUR
    _allocate(story, ordered_at, school, 2_500, "First order")
    story.work(
        school, total=Decimal("912.75"), pieces=8, since=ordered_at, until=suspended_at - 9 * HOUR
    )
    own_keys = {"story": story, "organization": school}
    story.at(suspended_at - 8 * HOUR, people.bring_own_keys, **own_keys)
    story.at(suspended_at, services.suspend, organization=school, performed_by=MADE_BY)
    return school


def _law_firm(
    story: Story, parent: Organization, joins_at: datetime, month: datetime
) -> Organization:
    """The one near its cap: 96.8 % is used in the open period, be it a month old or half a minute."""
    terms = {"monthly_cap": Decimal(2_000), "allowance": Decimal(500), "first_term_full": True}
    firm = _customer("Oakline Legal", parent, joins_at, **terms)
    people.employ(story, firm, ["Ruth Oakline", "David Mensah", "Irene Costa"], now=joins_at)
    _allocate(story, joins_at, firm, 6_000, "Annual package")
    last_month = partial(story.work, firm, total=Decimal("1412.640125"), pieces=18, step=MICRO)
    last_month(since=joins_at, until=month - HOUR)
    this_month = partial(story.work, firm, total=Decimal("1936.205875"), pieces=26, step=MICRO)
    this_month(since=month, until=story.ends_at, held=EXACTLY)
    story.conversations(firm, pieces=6, since=month, until=story.ends_at)
    promised, lapses = story.ends_at - timedelta(minutes=1), story.ends_at + 9 * DAY
    _grant(story, promised, firm, 250, "Launch promotion", expires_at=lapses)
    story.at(story.ends_at, hold, work=Work(firm, credits=Decimal(24)))
    story.at(story.ends_at, ask_in_vain, work=Work(firm, credits=Decimal(150)))
    return firm


def _architects(story: Story, parent: Organization, joins_at: datetime) -> Organization:
    """The one about to be refilled: it was once, and work for more than 6.50 credits does it again."""
    terms = {"refill_threshold": Decimal(200), "refill_amount": Decimal(1_000)}
    architects = _customer(
        "Tinsley & Rowe Architects", parent, joins_at, anchored_on=joins_at.date(), **terms
    )
    people.employ(story, architects, ["Grace Tinsley", "Omar Rowe"], now=joins_at)
    refilled_by = joins_at + 7 * DAY

    def spend_down(*, now: datetime) -> None:
        services.end_refill_cooldown(organization=architects, now=now)
        total = balance_of(architects) - Decimal("206.5")
        until = story.ends_at
        story.work(architects, total=total, pieces=8, since=now, until=until, held=EXACTLY)

    _allocate(story, joins_at, architects, 1_000, "First package")
    story.work(architects, total=Decimal("902.35"), pieces=10, since=joins_at, until=refilled_by)
    story.at(refilled_by + HOUR, spend_down)
    return architects


def _customer(name: str, parent: Organization, joins_at: datetime, **terms: Any) -> Organization:
    mail = f"billing@{name.split(maxsplit=1)[0].lower()}.example"
    return services.create_organization(
        name=name,
        parent=parent,
        billing_email=mail,
        performed_by=MADE_BY,
        now=joins_at,
        **terms,
    )


def _grant(
    story: Story,
    moment: datetime,
    organization: Organization,
    amount: int,
    reason: str,
    *,
    expires_at: datetime | None = None,
) -> None:
    details = {"organization": organization, "amount": Decimal(amount), "reason": reason}
    story.at(moment, services.grant, expires_at=expires_at, performed_by=MADE_BY, **details)


def _allocate(
    story: Story, moment: datetime, child: Organization, amount: int, description: str
) -> None:
    details = {"child": child, "amount": Decimal(amount), "description": description}
    story.at(moment, services.allocate, performed_by=MADE_BY, **details)


def _give_up(story: Story, moment: datetime, organization: Organization) -> None:
    """Tell of work that did not happen: its hold is released."""

    def release(*, now: datetime) -> None:
        reservation = hold(Work(organization, credits=Decimal(240)), now=now)
        details = {"organization": organization, "reservation_id": reservation.id}
        story.at(now + timedelta(seconds=90), services.release, **details)

    story.at(moment, release)


def _forget(story: Story, moment: datetime, organization: Organization) -> None:
    """Tell of work that nobody heard of again: its hold expires."""
    story.at(moment, hold, work=Work(organization, credits=Decimal(320)))
    story.at(moment + timedelta(minutes=15, seconds=10), services.expire, organization=organization)


def _finish_late(story: Story, moment: datetime, organization: Organization) -> None:
    """Tell of work that took longer than its hold lived: it is charged all the same, and marked late."""

    def work(*, now: datetime) -> None:
        reservation = hold(Work(organization, credits=Decimal(400)), now=now)
        expires_at = now + timedelta(minutes=15, seconds=10)
        story.at(expires_at, services.expire, organization=organization)
        done_at = now + timedelta(minutes=21)
        story.at(done_at, charge, reservation=reservation, credits=Decimal(365))

    story.at(moment, work)


def _top_up(reseller: Organization, *, now: datetime) -> None:
    """Bring the reseller back to a round number, after all that it spent and its customers got."""
    missing = PARENT_CREDITS - balance_of(reseller)
    order = missing.to_integral_value(ROUND_FLOOR)
    details: dict[str, Any] = {"organization": reseller, "performed_by": MADE_BY, "now": now}
    if missing != order:
        services.adjust(amount=missing - order, reason="Rounded up to whole credits", **details)
    services.grant(amount=order, reason="Prepaid order 1107", **details)
