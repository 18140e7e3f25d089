"""Who works for the demo's organizations, and the month in which the reseller's own people tried it out.

The reseller's people worked last month only: in the open month it has used nothing, so that whoever tries out caps and thresholds on it
begins at zero.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from config.demo_story import DAY, HOUR, MADE_BY, STANDARD_TIERS, Story, ask_in_vain, charge, hold
from credits import services as credits
from organizations.models import Actor, Group, Organization, UsageProfile
from usage import services
from usage.models import AIModel
from usage.pricing import Tokens
from usage.services import groups, limits, profiles, rate_card, rate_file

EVERY_TIER = STANDARD_TIERS | {UsageProfile.Tier.STRATEGIC}
SPENDER = "demo"
"""The external id of the actor whose personal key scripts are given."""


def load_rate_card() -> None:
    """Load the rate card that comes with Purser, where no models are."""
    if not AIModel.objects.exists():
        rate_card.load(rate_file.read(rate_file.BUNDLED), performed_by=MADE_BY)


def spender_of(reseller: Organization, *, now: datetime) -> Actor:
    """Return the actor whose personal key scripts are given; make it first where it is missing."""
    found = reseller.actors.filter(external_id=SPENDER).first()
    return found or credits.create_actor(
        organization=reseller,
        name="Sam Rivera",
        email="sam@harbour.example",
        external_id=SPENDER,
        profile=limits.standard_profile(),
        performed_by=MADE_BY,
        now=now,
    )


def employ(
    story: Story, organization: Organization, names: Iterable[str], *, now: datetime
) -> list[Actor]:
    """Let people join an organization and do its work, one after the other."""
    people = [_join(organization, name, now=now) for name in names]
    story.employ(organization, people)
    return people


def try_out(story: Story, reseller: Organization, begins_at: datetime, ends_at: datetime) -> None:
    """Tell of the reseller's own month: a team, an agent, a client's bucket, and a batch told afterwards."""
    people = employ(story, reseller, ["Mara Okafor", "Jonas Weber", "Lucía Prieto"], now=begins_at)
    kind = Actor.Kind.AGENT
    agent = credits.create_actor(
        organization=reseller,
        kind=kind,
        name="Triage agent",
        performed_by=MADE_BY,
        now=begins_at,
    )
    _make_groups(reseller, people, agent, now=begins_at)
    tell: dict[str, Any] = {"since": begins_at + 3 * DAY, "until": ends_at - HOUR}
    story.conversations(reseller, pieces=8, **tell)
    story.conversations(reseller, pieces=6, resource_type="app", resource_id="helpdesk", **tell)
    story.at(begins_at + 9 * DAY, _run_agent, story=story, agent=agent)
    story.at(begins_at + 12 * DAY, _run_agent, story=story, agent=agent)
    story.at(begins_at + 16 * DAY, _plan, story=story, planner=people[0])
    story.at(begins_at + 20 * DAY, _tell_batch, story=story, reseller=reseller, person=people[1])


def train(story: Story, organization: Organization, joins_at: datetime) -> None:
    """Tell of a trainee, whose profile has a small cap and no advanced models, and who asks for too much."""
    profile = profiles.create_profile(
        organization=organization,
        name="Trainee",
        slug="trainee",
        credit_cap_per_month=Decimal(200),
        allowed_model_tiers=[UsageProfile.Tier.EVERYDAY],
        performed_by=MADE_BY,
        now=joins_at,
    )
    trainee = _join(organization, "Noor Haddad", now=joins_at, profile=profile)
    too_much = services.Work(organization, credits=Decimal(250), actor=trainee)
    story.at(story.ends_at - 2 * DAY, ask_in_vain, work=too_much)
    story.at(story.ends_at - 3 * DAY, _ask_too_high, story=story, actor=trainee)


def bring_own_keys(*, story: Story, organization: Organization, now: datetime) -> None:
    """Change to keys of its own at the providers: work is still noted, and costs nothing here."""
    changes = {"byok": True}
    own = credits.update_organization(
        organization=organization, changes=changes, performed_by=MADE_BY, now=now
    )
    story.conversations(own, pieces=2, since=now, until=now + HOUR)


def _join(organization: Organization, name: str, *, now: datetime, **fields: Any) -> Actor:
    first = name.split(maxsplit=1)[0].lower()
    domain = organization.name.split(maxsplit=1)[0].lower()
    # Addresses are plain letters, names are not.
    mail = f"{first.encode('ascii', 'ignore').decode()}@{domain}.example"
    return credits.create_actor(
        organization=organization, name=name, email=mail, performed_by=MADE_BY, now=now, **fields
    )


def _make_groups(
    reseller: Organization, people: list[Actor], agent: Actor, *, now: datetime
) -> None:
    premium = UsageProfile.objects.get(organization=None, slug="premium")
    kinds = Group.Kind
    team = groups.create_group(
        organization=reseller,
        kind=kinds.TEAM,
        key="solutions",
        name="Solutions",
        profile=premium,
        performed_by=MADE_BY,
        now=now,
    )
    client = groups.create_group(
        organization=reseller,
        kind=kinds.ENTITY,
        key="northgate",
        name="Northgate Retail",
        performed_by=MADE_BY,
        now=now,
    )
    for member in people[:2]:
        groups.add_member(group=team, actor=member, performed_by=MADE_BY)
    for member in (people[2], agent):
        groups.add_member(group=client, actor=member, performed_by=MADE_BY)


def _run_agent(*, story: Story, agent: Actor, now: datetime) -> None:
    """Let an agent work for an hour: one hold that it keeps alive, settled with everything it took."""
    model = story.model(now)
    if model is None:
        return
    work = services.Work(
        agent.organization,
        tokens=Tokens(input=48_000, output=9_000),
        model=model,
        actor=agent,
        work_type="agent_run",
    )
    reservation = hold(work, now=now)
    extend = {"organization": agent.organization, "reservation_id": reservation.id}
    story.at(now + timedelta(minutes=10), credits.extend, time_to_live=2 * HOUR, **extend)
    took = Tokens(input=46_300, output=7_450)
    story.at(now + HOUR, charge, reservation=reservation, tokens=took)


def _plan(*, story: Story, planner: Actor, now: datetime) -> None:
    """Let one of the team use the best model there is, which their profile allows and Standard does not."""
    models = story.models(now, EVERY_TIER)
    best = max(models, key=lambda model: UsageProfile.Tier.values.index(model.tier), default=None)
    if best is None:
        return
    work = services.Work(
        planner.organization, tokens=Tokens(input=12_000, output=4_000), model=best, actor=planner
    )
    took = Tokens(input=12_000, output=2_890)
    story.at(now + HOUR / 60, charge, reservation=hold(work, now=now), tokens=took)


def _tell_batch(*, story: Story, reseller: Organization, person: Actor, now: datetime) -> None:
    """Tell afterwards of a nightly batch that asked nobody."""
    model = story.model(now - 6 * HOUR)
    if model is None:
        return
    told = [
        services.Told(
            source="nightly-batch",
            id=f"summary-{number}",
            occurred_at=now - 6 * HOUR + timedelta(minutes=4 * number),
            tokens=Tokens(input=9_000 + 350 * number, output=420),
            model=model.slug,
            actor_id=person.id,
            resource_type="dataset",
            resource_id="tickets",
        )
        for number in range(1, 5)
    ]
    services.record(organization=reseller, told=told, performed_by=MADE_BY, now=now)


def _ask_too_high(*, story: Story, actor: Actor, now: datetime) -> None:
    advanced = story.models(now, frozenset({UsageProfile.Tier.ADVANCED}))
    for model in advanced[:1]:
        tokens = Tokens(input=2_000, output=500)
        ask_in_vain(
            services.Work(actor.organization, tokens=tokens, model=model, actor=actor), now=now
        )
