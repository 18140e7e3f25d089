"""A month as each of three products describes it, told step by step with every balance. (Omni's is test_omni_month.py.)"""

from decimal import Decimal

import pytest

from credits.models import LedgerEntry, Reservation
from credits.services import BillingExhausted
from organizations.models import Organization
from tests import factories as f
from tests.usage import people as p
from usage.models import AIModel, UsageEvent
from usage.services import budgets, catalogue, terms

pytestmark = pytest.mark.django_db(transaction=True)

Row = tuple[str, str, str]


def ledger_of(organization: Organization) -> list[Row]:
    """Return kind, amount and balance after of every entry, in order."""
    entries = LedgerEntry.objects.filter(wallet__organization=organization).order_by("number")
    return [
        (e.kind, f"{e.amount.normalize():f}", f"{e.balance_after.normalize():f}") for e in entries
    ]


def available(organization: Organization, now: str) -> dict[str, str | None]:
    """Return what a model switcher shows: each model with why it is greyed out, or None."""
    owner = p.fresh(organization)
    listed = catalogue.standing_of(
        catalogue.shown_to(owner), terms.current(owner), None, now=f.at(now)
    )
    return {each.model.slug: each.reason for each in listed}


class TestOmnifact:
    """https://docs.omnifact.ai: AI Credits and Usage Limits."""

    def test_a_pool_runs_dry_falls_back_and_is_recharged(self) -> None:
        # A team of three, 100 credits for each; Anthropic and OpenAI are enabled, Google is not.
        # "Each user gets a monthly credit allowance, which is pooled at the organization level."
        sonnet, haiku = p.make_models()
        p.make_model("gpt-4o-mini", credits_per_million=1, provider="openai", is_fallback=True)
        p.make_model("gpt", credits_per_million=20, provider="openai", tier="advanced")
        p.make_model("gemini", credits_per_million=5, provider="google", tier="advanced")
        p.make_model("flash", credits_per_million=1, provider="google", is_fallback=True)
        team = f.make_organization(
            "Team",
            now=f.at("2026-05-01"),
            allowance_per_user=100,
            when_empty="fallback",
            recharge_limit=50,
        )
        Organization.objects.filter(pk=team.pk).update(enabled_providers=["anthropic", "openai"])
        for name in ("Ada", "Bob", "Cyd"):
            p.make_actor(team, name, now=f.at("2026-05-01"))
        assert f.money_of(team) == f.amounts(300, 0, 300)

        # "Different models cost different amounts." Ten million tokens of sonnet cost 100, of haiku 20.
        for model, credits in ((sonnet, 100), (haiku, 20)):
            done = self.work(team, model, "2026-05-10", millions=10)
            assert done.settled_credits == credits
        assert f.money_of(team) == f.amounts(180, 0, 180)

        # Eighteen more empty the pool. Premium models are greyed out, the fallbacks of the two providers stay; that of the third is
        # not shown at all.
        self.work(team, sonnet, "2026-05-20", millions=18)
        assert f.money_of(team) == f.amounts(0, 0, 0)
        assert available(team, "2026-05-20") == {
            "sonnet": "BILLING_EXHAUSTED",
            "haiku": None,
            "gpt": "BILLING_EXHAUSTED",
            "gpt-4o-mini": None,
            "gemini": "MODEL_NOT_ENABLED",
        }

        # "You are automatically switched to smaller, efficient models", and "can keep working": at no charge.
        done = self.work(team, sonnet, "2026-05-21", millions=40)
        assert [done.effective_model, done.settled_credits] == ["haiku", 0]
        assert f.money_of(team) == f.amounts(0, 0, 0)

        # "Or when your organization's administrator manually recharges credits": up to the limit that staff set.
        f.recharge(team, 50, now=f.at("2026-05-22"))
        assert available(team, "2026-05-22")["sonnet"] is None
        done = self.work(team, sonnet, "2026-05-22", millions=2)
        assert [done.effective_model, done.settled_credits] == ["sonnet", 20]

        # "At the start of your next billing period" everybody's allowance is there again; what was bought stays too.
        f.renew(team, now=f.at("2026-06-01"))
        assert f.money_of(team) == f.amounts(330, 0, 330)
        assert ledger_of(team) == [
            ("renew", "100", "100"),
            ("renew", "100", "200"),
            ("renew", "100", "300"),
            ("settle", "-100", "200"),
            ("settle", "-20", "180"),
            ("settle", "-180", "0"),
            ("recharge", "50", "50"),
            ("settle", "-20", "30"),
            ("renew", "300", "330"),
        ]
        assert (
            sum(event.list_credits for event in UsageEvent.objects.all())
            == 100 + 20 + 180 + 80 + 20
        )

    def work(self, team: Organization, model: AIModel, day: str, *, millions: int) -> Reservation:
        now = f.at(day)
        return p.settle(
            p.hold(p.work(team, millions=millions, model=model), now=now),
            millions=millions,
            now=now,
        )


class TestInformer:
    """Informer i5: AI budget; usage and credits."""

    def test_a_cap_of_5000_slush_and_renewal(self) -> None:
        # A tenant of 6,000 credits a month, with a slush of 100; a user of the Standard profile, capped at 5,000.
        tenant = f.make_organization(
            "Tenant", now=f.at("2026-05-01"), allowance=6_000, overdraft_limit=100
        )
        jane = p.make_actor(tenant, "Jane", now=f.at("2026-05-01"))

        # 1,234.5 credits by the tenth: the document's own numbers.
        p.use(p.work(tenant, "1234.5", actor=jane), "1234.5", now=f.at("2026-05-10"))
        standing = budgets.standing_of(jane, now=f.at("2026-05-10"))
        assert [standing.used, standing.terms.cap] == [Decimal("1234.5"), 5_000]
        assert budgets.percent(standing.used, standing.terms.cap) == Decimal("24.7")

        # Up to her cap, to the credit; a request that would exceed it is refused.
        p.use(p.work(tenant, "3765.5", actor=jane), "3765.5", now=f.at("2026-05-12"))
        over = p.work(tenant, "0.000001", actor=jane)
        assert p.refusal(over, now=f.at("2026-05-12")) == "actor_cap"

        # Others go on: to the end of the pool, and then on the slush.
        p.use(p.work(tenant, 1_000), 1_000, now=f.at("2026-05-20"))
        pool = budgets.pool_of(tenant, now=f.at("2026-05-20"))
        assert [pool.included, pool.used, pool.remaining] == [6_000, 6_000, 0]
        assert not pool.slush_active
        p.use(p.work(tenant, 60), 60, now=f.at("2026-05-21"))
        pool = budgets.pool_of(tenant, now=f.at("2026-05-21"))
        assert [pool.included, pool.used, pool.remaining] == [6_000, 6_060, 0]
        assert pool.slush_active

        # The slush is 100 and no more.
        outcome = p.ask(p.work(tenant, 41), now=f.at("2026-05-22"))
        assert isinstance(outcome, BillingExhausted)
        assert [outcome.reason, outcome.affordable_credits] == ["balance", 40]

        # June: the new allowance pays the debt first. Jane's month is new as well.
        f.renew(tenant, now=f.at("2026-06-01"))
        assert f.money_of(tenant) == f.amounts(5_940, 0, 5_940)
        assert p.hold(p.work(tenant, 5_000, actor=jane), now=f.at("2026-06-01")).credits == 5_000
        assert ledger_of(tenant) == [
            ("renew", "6000", "6000"),
            ("settle", "-1234.5", "4765.5"),
            ("settle", "-3765.5", "1000"),
            ("settle", "-1000", "0"),
            ("settle", "-60", "-60"),
            ("renew", "6000", "5940"),
        ]


class TestLayers:
    """Layers: Credits (/docs/api/concepts/credits)."""

    def test_allocate_cap_refill_and_archive(self) -> None:
        # A parent of 10,000 funds a customer with 2,000, caps it at 5,000 a month, and lets it top itself up by 2,000 below 1,000.
        parent = f.make_organization("Parent", funded=10_000, now=f.at("2026-05-01"))
        child = f.make_organization("Customer", parent=parent, now=f.at("2026-05-01"))
        f.allocate(child, 2_000, now=f.at("2026-05-02"))
        terms = {"monthly_cap": 5_000, "refill_threshold": 1_000, "refill_amount": 2_000}
        f.set_terms(child, now=f.at("2026-05-02"), **terms)

        # 1,000 leave exactly the threshold: no refill. One more credit goes below it: one refill.
        p.use(p.work(child, 1_000), 1_000, now=f.at("2026-05-03"))
        assert f.money_of(child) == f.amounts(1_000, 0, 1_000)
        p.use(p.work(child, 1), 1, now=f.at("2026-05-04"))
        assert f.money_of(child) == f.amounts(2_999, 0, 2_999)

        # One more refill as it works on, to 4,999 used of its cap.
        p.use(p.work(child, 2_000), 2_000, now=f.at("2026-05-05"))
        p.use(p.work(child, 1_998), 1_998, now=f.at("2026-05-06"))
        assert f.money_of(child) == f.amounts(1_001, 0, 1_001)

        # Landing on the cap is allowed, crossing it is not, and no refill gets past it.
        assert p.refusal(p.work(child, 2), now=f.at("2026-05-07")) == "cap"
        p.use(p.work(child, 1), 1, now=f.at("2026-05-07"))
        assert p.refusal(p.work(child, 1), now=f.at("2026-05-08")) == "cap"
        assert f.money_of(child) == f.amounts(1_000, 0, 1_000)

        # In June the cap is new. 400 are held, with a refill on the way, for work that runs while the customer is archived.
        held = p.hold(p.work(child, 400), now=f.at("2026-06-01"))
        before = f.money_of(parent)
        archival = f.archive(child, now=f.at("2026-06-02"))
        assert archival.reclaimed_credits == 2_600
        assert f.money_of(child) == f.amounts(400, 400, 0)

        # The work cost 150; the rest of its hold goes to the parent as well.
        p.settle(held, 150, now=f.at("2026-06-02 01:00"))
        assert f.money_of(child) == f.amounts(0, 0, 0)
        assert f.money_of(parent)[0] == before[0] + 2_600 + 250
        assert ledger_of(child) == [
            ("allocate", "2000", "2000"),
            ("settle", "-1000", "1000"),
            ("refill", "2000", "3000"),
            ("settle", "-1", "2999"),
            ("refill", "2000", "4999"),
            ("settle", "-2000", "2999"),
            ("settle", "-1998", "1001"),
            ("settle", "-1", "1000"),
            ("refill", "2000", "3000"),
            ("sweep", "-2600", "400"),
            ("settle", "-150", "250"),
            ("sweep", "-250", "0"),
        ]
