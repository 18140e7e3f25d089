"""What the rules of usage mean today, from this month's figures: who can spend no more, who loses which models, what is downgraded, what work costs."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from credits.models import MAX_AMOUNT, ZERO, Reservation, UsageCounter, Wallet
from credits.periods import month_of
from credits.templatetags.amounts import credits
from organizations.admin.actions import Figure
from organizations.models import Actor, Group, Organization, UsageProfile
from usage.models import AIModel, Limit, Thresholds
from usage.services import limits, outlook

MOST = 1_000
"""How many people, groups and budgets of an organization are looked at."""
ORGANIZATIONS = 20
"""And how many organizations, where a rule is for many."""
NAMED = 3


class Subject(NamedTuple):
    """Somebody or something with a cap per month: its name, the cap, and what is used and held of it."""

    name: str
    cap: Decimal | None
    taken: Decimal

    @property
    def is_stopped(self) -> bool:
        return self.cap is not None and self.taken >= self.cap


def limits_today(organization: Organization, *, now: datetime) -> list[Figure]:
    """Return how many people, shared budgets and apps of an organization can spend no more this month, and who may use which models."""
    counters = _counters(organization, now)
    actors = list(Actor.objects.filter(organization=organization, active=True)[:MOST])
    terms = limits.actor_terms(organization, actors)
    people = [
        Subject(actor.name, terms[actor.pk].cap, counters.get(("actor", actor.pk), ZERO))
        for actor in actors
    ]
    whose = organization.name
    return [
        _stopped(whose, "People who can spend no more this month", people),
        _stopped(whose, "Shared budgets that are used up", _shared(organization, counters)),
        _stopped(
            whose, "Budgets of apps and datasets that are used up", _apps(organization, counters)
        ),
        *(
            _count(
                whose,
                f"People who may use {tier} models",
                [actor for actor in actors if tier in terms[actor.pk].tiers],
                len(actors),
            )
            for tier in UsageProfile.Tier.values
        ),
    ]


def actor_today(actor: Actor, *, now: datetime) -> list[Figure]:
    """Return what becomes of a person: holds, keys, share of the allowance, and the limits of the organization."""
    current = Actor.objects.get(pk=actor.pk)
    wallet = Wallet.objects.get(organization_id=current.organization_id)
    holds = wallet.reservations.filter(
        actor=current, status=Reservation.Status.OPEN, expires_at__gt=now
    )
    keys = current.api_keys.filter(revoked_at=None).count()
    whose = current.name
    is_gone = int(not current.active)
    return [
        Figure(whose, "Spends", "nothing more" if is_gone else "up to the cap", is_gone),
        Figure(whose, "Personal keys that open something", str(0 if is_gone else keys), is_gone),
        Figure(whose, "Open holds, which are settled as usual", f"{holds.count():,}"),
        Figure(
            whose,
            "Seats that are taken",
            str(
                Actor.objects.filter(
                    organization=current.organization, kind="user", active=True
                ).count()
            ),
        ),
        Figure(whose, "Balance", credits(wallet.balance)),
        *limits_today(current.organization, now=now),
    ]


def thresholds_today(organization: Organization, *, now: datetime) -> list[Figure]:
    """Return what is settled this month against the thresholds of an organization, and what happens to its work."""
    own = Thresholds.objects.filter(organization=organization).first() or Thresholds()
    settled = _settled(organization, now)
    whose = organization.name
    state = "as asked"
    if own.downgrade is not None and settled >= own.downgrade:
        state = "downgraded to the fallback, where it is cheaper"
    if own.shutoff is not None and settled >= own.shutoff:
        state = "shut off until the month ends"
    weight = ("a", "d", "s").index(state[0])
    return [
        Figure(whose, "Settled this month", credits(settled)),
        _until(whose, "Until it is downgraded", own.downgrade, settled),
        _until(whose, "Until it is shut off", own.shutoff, settled),
        Figure(whose, "New work", state, weight),
    ]


def profile_today(profile: UsageProfile, *, now: datetime) -> list[Figure]:
    """Return what limits mean today in the organizations that a profile concerns: its own, or the first that use one of the system."""
    if profile.organization is not None:
        return [*_users_of(profile), *limits_today(profile.organization, now=now)]
    concerned = _concerned(profile)
    figures = [figure for each in concerned for figure in limits_today(each, now=now)]
    return [*_users_of(profile), *figures]


def model_today(model: AIModel, *, now: datetime) -> list[Figure]:
    """Return whether a model does new work, what it is used for, and what its work of thirty days costs as it is."""
    current = AIModel.objects.filter(pk=model.pk).first() or model
    return [_new_work(current, now=now), *price_today(model, now, now=now)]


def _new_work(model: AIModel, *, now: datetime) -> Figure:
    state, weight = "admitted", 0
    if model.retired_at is not None:
        weight = 2 if model.is_retired(now) else 1
        since = "since" if model.is_retired(now) else "from"
        state = f"refused {since} {model.retired_at:%Y-%m-%d %H:%M} UTC"
    return Figure(model.name, "New work", state, weight)


def price_today(model: AIModel, moment: datetime, *, now: datetime) -> list[Figure]:
    """Return what a model's work of the last thirty days would cost by its prices of a moment."""
    found = outlook.at_prices_of(model, moment, now=now)
    when = "now" if moment <= now else f"{moment:%Y-%m-%d %H:%M} UTC"
    whose = f"{model.name}: work of the last 30 days"
    pieces = f"{found.events:,} pieces of work of {found.organizations} organizations"
    return [
        Figure(whose, "Looked at", pieces if found.events else "none"),
        Figure(whose, f"Costs by the prices of {when}", credits(found.credits), found.credits),
        Figure(whose, "Has no price", f"{found.unpriced:,} of {found.events:,}", found.unpriced),
    ]


def _counters(organization: Organization, now: datetime) -> dict[tuple[str, object], Decimal]:
    """Return what is used and held this month, by whom or what it is counted for."""
    wallet = Wallet.objects.filter(organization=organization).values("id")[:1]
    rows = UsageCounter.objects.filter(wallet=wallet, month=month_of(now).starts_at.date())
    found: dict[tuple[str, object], Decimal] = {}
    for row in rows.only(
        "actor_id", "group_id", "resource_type", "resource_id", "used", "reserved"
    ):
        key: tuple[str, object] = ("resource", (row.resource_type, row.resource_id))
        if row.actor_id is not None:
            key = ("actor", row.actor_id)
        elif row.group_id is not None:
            key = ("group", row.group_id)
        found[key] = row.used + row.reserved
    return found


def _settled(organization: Organization, now: datetime) -> Decimal:
    wallet = Wallet.objects.filter(organization=organization).values("id")[:1]
    own = UsageCounter.objects.filter(
        wallet=wallet,
        month=month_of(now).starts_at.date(),
        actor=None,
        group=None,
        resource_type="",
        resource_id="",
    )
    return own.values_list("used", flat=True).first() or ZERO


def _shared(
    organization: Organization, counters: dict[tuple[str, object], Decimal]
) -> list[Subject]:
    groups = list(Group.objects.filter(organization=organization, kind=Group.Kind.ENTITY)[:MOST])
    caps = limits.entity_group_caps(groups)
    return [
        Subject(group.name, caps[group.pk], counters.get(("group", group.pk), ZERO))
        for group in groups
    ]


def _apps(organization: Organization, counters: dict[tuple[str, object], Decimal]) -> list[Subject]:
    rows = Limit.objects.filter(organization=organization, scope=Limit.Scope.RESOURCE)[:MOST]
    return [
        Subject(
            f"{row.resource_type} {row.resource_id}",
            row.cap,
            counters.get(("resource", (row.resource_type, row.resource_id)), ZERO),
        )
        for row in rows
    ]


def _stopped(whose: str, what: str, subjects: Sequence[Subject]) -> Figure:
    stopped = [each for each in subjects if each.is_stopped]
    return _count(whose, what, stopped, len(subjects), weight=len(stopped))


def _count(
    whose: str, what: str, those: Sequence[Subject | Actor], all_of: int, weight: int | None = None
) -> Figure:
    """Return so many of so many, the first of them by name; fewer is harsher, unless a weight says otherwise."""
    names = ", ".join(each.name for each in those[:NAMED])
    more = f" and {len(those) - NAMED} more" if len(those) > NAMED else ""
    said = f"{len(those)} of {all_of}" + (f": {names}{more}" if those else "")
    return Figure(whose, what, said, -len(those) if weight is None else weight)


def _until(whose: str, what: str, threshold: Decimal | None, settled: Decimal) -> Figure:
    left = MAX_AMOUNT if threshold is None else max(ZERO, threshold - settled)
    return Figure(whose, what, "never" if threshold is None else credits(left), -left)


def _users_of(profile: UsageProfile) -> list[Figure]:
    people = Actor.objects.filter(profile=profile, active=True)
    teams = Group.objects.filter(profile=profile)
    whole = Organization.objects.filter(default_profile=profile)
    said = f"{people.count():,} people, {teams.count():,} teams, {whole.count():,} organizations by default"
    return [Figure(str(profile), "Whom it concerns", said)]


def _concerned(profile: UsageProfile) -> list[Organization]:
    """Return the first organizations that use a profile of the system: those that name it, then those that have none of their own."""
    named = Organization.objects.filter(actors__profile=profile).distinct()
    by_default = Organization.objects.filter(default_profile=profile)
    found = [*named[:ORGANIZATIONS], *by_default[:ORGANIZATIONS]]
    if profile.slug == UsageProfile.STANDARD:
        found += Organization.objects.filter(default_profile=None)[:ORGANIZATIONS]
    return list({each.pk: each for each in found}.values())[:ORGANIZATIONS]
