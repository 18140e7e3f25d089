"""Short ways to say who works on what: actors, groups, models with round prices, and work."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from credits import services as credits_services
from credits.models import Reservation, UsageCounter
from organizations.models import Actor, BudgetWarning, Group, Organization, UsageProfile
from tests import factories as f
from usage import services
from usage.models import AIModel, CustomerPrice, Limit, Markup, Rate, Thresholds, UsageEvent
from usage.pricing import Tokens
from usage.services import groups

SINCE = f.at("2026-01-01")
MILLION = 1_000_000
TIERS = {
    "everyday": ["everyday"],
    "standard": ["everyday", "advanced"],
    "all": ["everyday", "advanced", "strategic"],
}


def make_models() -> tuple[AIModel, AIModel]:
    """Make an advanced model of 10 credits a million tokens, in or out, and its fallback of 2."""
    return (
        make_model("sonnet", tier="advanced", credits_per_million=10),
        make_model("haiku", credits_per_million=2, is_fallback=True),
    )


def make_model(
    slug: str,
    *,
    credits_per_million: f.Amount | None = 10,
    provider: str = "anthropic",
    tier: str = "everyday",
    is_fallback: bool = False,
    since: datetime = SINCE,
) -> AIModel:
    model = AIModel.objects.create(
        slug=slug, name=slug.title(), provider=provider, tier=tier, is_fallback=is_fallback
    )
    if credits_per_million is not None:
        set_rate(model, credits_per_million, since=since)
    return model


def set_rate(model: AIModel, credits_per_million: f.Amount, *, since: datetime) -> Rate:
    """Say what a model costs from a moment on, the same for every class of tokens. Returns the rate of its output."""
    for unit in ("input_tokens", "output_tokens"):
        rate = set_price(model, credits_per_million, unit, since=since)
    return rate


def set_price(
    model: AIModel | str,
    amount: f.Amount | None,
    unit: str = "output_tokens",
    *,
    since: datetime = SINCE,
    **step: Any,
) -> Rate:
    """Say what a unit of a model costs from a moment on: instead of what it did, if it did."""
    slug = model if isinstance(model, str) else model.slug
    rate, _ = Rate.objects.update_or_create(
        model_id=slug,
        starts_at=since,
        unit=unit,
        **step,
        defaults={"amount": None if amount is None else Decimal(amount)},
    )
    return rate


def markup(
    factor: f.Amount = 2,
    *,
    of: Organization | None = None,
    model: AIModel | None = None,
    provider: str = "",
    since: datetime | None = None,
) -> Markup | CustomerPrice:
    """Make a markup: for everybody, or for one organization."""
    said = {"factor": Decimal(factor), "model": model, "provider": provider}
    starts_at = since or f.at("2026-01-01")
    if of is None:
        return Markup.objects.create(starts_at=starts_at, **said)
    return CustomerPrice.objects.create(organization=of, starts_at=starts_at, **said)


def make_actor(
    organization: Organization, name: str = "Ada", *, now: datetime = f.NOW, **fields: Any
) -> Actor:
    return credits_services.create_actor(organization=organization, name=name, now=now, **fields)


def make_profile(
    organization: Organization | None, slug: str, *, cap: f.Amount | None, tiers: str = "standard"
) -> UsageProfile:
    return UsageProfile.objects.create(
        organization=organization,
        name=slug.title(),
        slug=slug,
        credit_cap_per_month=None if cap is None else Decimal(cap),
        allowed_model_tiers=TIERS[tiers],
        created_at=f.NOW,
        updated_at=f.NOW,
    )


def make_group(
    organization: Organization, key: str, *members: Actor, kind: str = "team", **fields: Any
) -> Group:
    group = groups.create_group(
        organization=organization, kind=kind, key=key, name=key.title(), now=f.NOW, **fields
    )
    for member in members:
        groups.add_member(group=group, actor=member)
    return group


def limit(organization: Organization, cap: f.Amount | None, scope: str, **subject: Any) -> Limit:
    """Set a limit: `limit(org, 5, "actor", actor=ada)`, `limit(org, None, "actor_default")`."""
    return Limit.objects.create(
        organization=organization,
        scope=scope,
        cap=None if cap is None else Decimal(cap),
        created_at=f.NOW,
        updated_at=f.NOW,
        **subject,
    )


def budget_warning(
    organization: Organization,
    *percents: int,
    budget: f.Amount | None = None,
    **subject: Any,
) -> BudgetWarning:
    """Warn of an organization's budget, a person's or a group's: at 80 and 100 %, unless it is said."""
    return BudgetWarning.objects.create(
        organization=organization,
        budget=None if budget is None else Decimal(budget),
        percents=list(percents or (80, 100)),
        **subject,
    )


def thresholds(
    organization: Organization,
    *,
    downgrade: f.Amount | None = None,
    shutoff: f.Amount | None = None,
) -> Thresholds:
    return Thresholds.objects.create(
        organization=organization,
        downgrade=None if downgrade is None else Decimal(downgrade),
        shutoff=None if shutoff is None else Decimal(shutoff),
    )


def work(
    organization: Organization, credits: f.Amount | None = None, **fields: Any
) -> services.Work:
    """Describe work: an amount of credits, or with `million` so many million output tokens of a model."""
    millions = fields.pop("millions", None)
    if millions is not None:
        fields["tokens"] = Tokens(output=int(Decimal(millions) * MILLION))
    amount = None if credits is None else Decimal(credits)
    return services.Work(fresh(organization), credits=amount, **fields)


def fresh(organization: Organization) -> Organization:
    """Return an organization as the database has it."""
    return Organization.objects.get(pk=organization.pk)


def ask(
    what: services.Work, *, now: datetime = f.NOW, mode: str = "exact"
) -> Reservation | services.Denied | services.Left:
    return services.reserve(what, now=now, performed_by=f.KEY, mode=mode)


def hold(what: services.Work, **options: Any) -> Reservation:
    """Hold credits for work; the test fails if it is refused."""
    outcome = ask(what, **options)
    assert isinstance(outcome, Reservation), outcome
    return outcome


def refusal(what: services.Work, **options: Any) -> str:
    """Ask and return the reason of the denial; the test fails if it is held."""
    outcome = ask(what, **options)
    assert not isinstance(outcome, Reservation), outcome
    return outcome.reason


def settle(
    reservation: Reservation,
    credits: f.Amount | None = None,
    *,
    millions: f.Amount | None = None,
    now: datetime = f.NOW,
) -> Reservation:
    """Settle in credits, or in so many million output tokens."""
    return services.settle(
        organization=f.owner_of(reservation),
        reservation_id=reservation.id,
        credits=None if credits is None else Decimal(credits),
        tokens=None if millions is None else Tokens(output=int(Decimal(millions) * MILLION)),
        performed_by=f.KEY,
        now=now,
    )


def use(what: services.Work, credits: f.Amount, *, now: datetime = f.NOW) -> Reservation:
    """Hold and settle: work that is done."""
    return settle(hold(what, now=now), credits, now=now)


def counted(organization: Organization, month: str, **subject: Any) -> tuple[Any, Any]:
    """Return what a subject used and has reserved in a month: `counted(org, "2026-05", actor=ada)`."""
    if not subject:
        subject = {"actor": None, "group": None, "resource_type": ""}
    counter = UsageCounter.objects.filter(
        wallet__organization=organization, month=f"{month}-01", **subject
    ).first()
    return (counter.used, counter.reserved) if counter else (Decimal(0), Decimal(0))


def set_active(actor: Actor, active: bool, *, now: datetime = f.NOW) -> Actor:
    return credits_services.update_actor(actor=actor, changes={"active": active}, now=now)


def forgive(actor: Actor, credits: f.Amount) -> UsageEvent:
    return services.forgive(
        organization=actor.organization,
        actor=actor,
        credits=Decimal(credits),
        reason="a mistake of ours",
        performed_by=f.STAFF,
        now=f.NOW,
    )
