"""What the database refuses whoever asks: every constraint and every trigger, and that it says its name."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from credits import services
from credits.ledger import Note
from credits.models import LedgerEntry, PendingGrant, UsageCounter
from credits.services import corrections as charges
from credits.services import rehearsing
from credits.services.locking import lock
from organizations import bulk
from organizations.models import (
    Alert,
    AlertRule,
    BudgetWarning,
    BulkAction,
    Failure,
    Group,
    Import,
    Job,
    Membership,
    Organization,
    Proposal,
    SavedView,
    UsageProfile,
)
from tests.credits.rules import (
    ENTRY,
    GRANT,
    HOLD,
    NEXT,
    ORGANIZATION,
    REFERRED_TO,
    as_sql,
    like,
)
from tests.credits.rules import RULES as RULES_OF_CREDITS
from tests.factories import (
    NOW,
    STAFF,
    allocate,
    at,
    expire,
    grow,
    make_key,
    make_organization,
    move_reference,
    release,
    renew,
    reserve,
    resume,
    schedule,
    settle,
    suspend,
)
from tests.kept import Kept
from tests.usage import people as p
from tests.usage.rules import RULES as RULES_OF_USAGE
from usage.models import AcceptedDifference, AIModel, Denial, Limit, PriceProposal
from usage.services import stock
from usage.services.corrections import reverse
from usage.services.events import Told, record
from usage.services.rollups import roll_up
from usage.services.what_if import ask
from usage.what_if import Changes

pytestmark = pytest.mark.django_db(transaction=True)
APPS = ("credits", "organizations", "usage")
IN_ONE = {
    f"{table}_rules"
    for table in (
        *("wallet", "billingperiod", "usagecounter", "reservation", "ledgerentry", "grant"),
        *("usageevent", "idempotencykey"),
    )
}
"""The constraints that ask a function, which has the rules of the whole table, each with its name."""
RULES = RULES_OF_CREDITS | RULES_OF_USAGE


def make_world() -> None:
    """Make a little of everything: two periods, every kind of hold, a transfer, a key, a stored answer."""
    parent = make_organization("Harbour Reseller", funded=1_000)
    make_organization("Other", funded=5)
    child = make_organization(parent=parent, allowance=100, allowance_per_user=5)
    make_key(child, env="test")
    sent, _ = allocate(child, 300, reference="order-1")
    move_reference(sent, "order-2")
    settle(reserve(child, 10), 10)
    release(reserve(child, 10))
    grow(reserve(child, 9), 10)
    resume(suspend(child))
    expire(child, now=at("2026-05-11"))
    reserve(child, 10, ttl=timedelta(days=1), now=at("2026-05-31 23:00"))
    renew(child, now=at("2026-06-01"))
    make_key(parent)
    schedule(parent, 5, effective_at=at("2027-01-01"), reference="to-come")
    cancel(schedule(parent, 5, effective_at=at("2027-01-01")))
    rehearsing.begin_rehearsal(until=at("2027-01-01"), reason="r", performed_by=STAFF, now=NOW)
    make_people(child)
    make_usage(child)
    make_job(child)
    make_alerts(child)
    make_proposal(child)
    SavedView.objects.create(list="a.b", name="Mine", owner="ana", created_at=NOW)
    make_bulk_action(child)
    make_price_proposal()
    make_accepted_difference()
    make_import(child)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO organizations_idempotencykey"
            " (organization_id, key, fingerprint, status_code, body, created_at)"
            " VALUES (%s, 'k-1', '\\x00', 200, '{}', '2026-05-10Z')",
            [parent.id],
        )


def cancel(pending: PendingGrant) -> None:
    services.cancel_grant(pending=pending, reason="r", performed_by=STAFF, now=NOW)


def make_job(organization: Organization) -> None:
    job = Job.objects.create(kind="renew", due_at=NOW, total=1, started_at=NOW)
    job.leases.create(until=organization.id, size=1, worker="w1", expires_at=NOW)
    Failure.objects.create(
        kind="renew", organization=organization, error="no", first_failed_at=NOW, last_failed_at=NOW
    )


def make_import(organization: Organization) -> None:
    whole = Import.objects.create(
        kind="people",
        file_name="people.csv",
        read_as="CSV",
        reason="a move",
        performed_by=STAFF,
        rows=1,
        parts=1,
        created_at=NOW,
    )
    part = whole.part_set.create(turn=0, name="acme", organization=organization, rows=1)
    whole.row_set.create(part=part, number=2)


def make_alerts(organization: Organization) -> None:
    Alert.objects.create(kind="in_debt", severity=1, organization=organization, fired_at=NOW)
    AlertRule.objects.create(organization=organization, near_cap_percent=50)
    BudgetWarning.objects.create(
        organization=organization, actor=organization.actors.get(), budget=5, percents=[80]
    )


def make_proposal(organization: Organization) -> None:
    Proposal.objects.create(
        organization=organization,
        action="grant",
        payload={"amount": "5"},
        digest="d",
        amount=5,
        reason="a present",
        proposed_by="ana",
        proposed_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )


def make_bulk_action(organization: Organization) -> None:
    bulk.begin(
        BulkAction(action="set-limit", payload={"cap": ["5"]}, reason="r", proposed_by="ana"),
        subjects=[(actor.organization_id, actor.pk) for actor in organization.actors.all()[:1]],
        now=NOW,
    )


def make_price_proposal() -> None:
    PriceProposal.objects.create(
        action="card",
        payload={},
        digest="d",
        subject="New prices",
        effect="by 60 %",
        reason="they ask more",
        proposed_by="ana",
        proposed_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )


def make_accepted_difference() -> None:
    AcceptedDifference.objects.create(
        model=AIModel.objects.all()[0],
        unit="input_tokens",
        own=75,
        listed=7,
        reason="as agreed",
        accepted_by=STAFF,
        accepted_at=NOW,
    )


def make_people(organization: Organization) -> None:
    ana = services.create_actor(
        organization=organization, name="Ana", external_id="u-1", now=at("2026-06-01")
    )
    stamps = {"created_at": NOW, "updated_at": NOW}
    for kind, key in (("entity", "design"), ("entity", "lonely"), ("team", "blue")):
        group = Group.objects.create(
            organization=organization, kind=kind, key=key, name=key, **stamps
        )
        if key != "lonely":
            Membership.objects.create(organization=organization, group=group, actor=ana, kind=kind)
    UsageProfile.objects.create(organization=organization, name="Own", slug="own", **stamps)
    UsageCounter.objects.create(wallet=organization.wallet, month=date(2026, 6, 1))


def make_usage(organization: Organization) -> None:
    """A model and its fallback, a limit of every scope, and work that was told, rolled up and refused."""
    p.make_models()
    sonnet = AIModel.objects.get(slug="sonnet")
    p.markup(model=sonnet)
    p.markup(model=sonnet, of=organization)
    p.thresholds(organization, downgrade=1, shutoff=2)
    ana, design = organization.actors.get(), organization.groups.get(key="design")
    subjects: dict[str, dict[str, object]] = {
        "actor": {"actor": ana},
        "group": {"group": design},
        "resource": {"resource_type": "app", "resource_id": "a-1"},
    }
    for scope in Limit.Scope.values:
        p.limit(organization, 5, scope, **subjects.get(scope, {}))
    now = at("2026-06-02")
    told = [Told("job", "1", now, credits=Decimal(1))]
    record(organization=organization, told=told, performed_by=STAFF, now=now)
    charge = LedgerEntry.objects.get(usage_events__source="job")
    reversal = reverse(entry=charge, reason="failed", performed_by=STAFF, now=now)
    charge_again(organization, reversal)
    roll_up(organization=organization, now=now)
    stock.take_all(now=now)
    Denial.objects.create(organization=organization, minute=now, reason="cap", created_at=now)
    asked = ask(
        changes=Changes(), month=date(2026, 6, 1), organization=organization, asked_by="a", now=now
    )
    asked.parts.get().lines.create(
        outcome="kept", pieces=1, credits_before=1, credits_after=1, first_at=now, last_at=now
    )


def charge_again(organization: Organization, reversal: LedgerEntry) -> None:
    with transaction.atomic():
        wallet, _ = lock(organization, now=reversal.posted_at)
        note = Note(STAFF, reversal.posted_at, "wrong price")
        period_id = reversal.counted_in_id or 0
        charges.charge_again(
            wallet, Decimal(2), counted_in_id=period_id, follows=reversal, note=note
        )


KEPT = Kept("constraints", make_world)


@pytest.fixture
def world(transactional_db: None) -> None:
    KEPT.get()


@pytest.mark.usefixtures("world")
class TestTheDatabase:
    @pytest.mark.parametrize("table", sorted({rule.split("_")[0] for rule in RULES}))
    def test_refuses_what_breaks_a_rule_of(self, table: str) -> None:
        rules = {rule: breaches for rule, breaches in RULES.items() if rule.split("_")[0] == table}
        for rule, breaches in rules.items():
            for breach in breaches:
                sql = as_sql(breach)

                with pytest.raises(IntegrityError) as refusal, transaction.atomic():
                    execute(sql)

                assert name_in(refusal.value) == (breach.reported_as or rule), sql

    def test_takes_the_copies_that_break_nothing(self) -> None:
        """The negative control: what `like` inserts is refused for what is changed, not for itself."""
        harmless = [
            like(GRANT, "source = 'grant'"),
            like(ENTRY, "kind = 'grant'", number=NEXT),
            like(ORGANIZATION, "parent_id IS NULL AND env = 'live'"),
            like("organizations_idempotencykey", "true", key="'k-2'"),
        ]

        for breach in harmless:
            with transaction.atomic():
                execute(as_sql(breach))
                transaction.set_rollback(True)

    def test_lets_an_expired_hold_be_settled_late(self) -> None:
        with transaction.atomic():
            changed = execute(
                f"{HOLD} status = 'settled', settled_credits = 1, late = true WHERE status = 'expired'"
            )
            transaction.set_rollback(True)

        assert changed == 1


class TestEveryRule:
    def test_has_a_statement_that_breaks_it(self) -> None:
        rules = rules_in_the_models() | rules_in_the_database()

        assert rules - set(RULES) - REFERRED_TO == set()

    def test_exists(self) -> None:
        invented = set(RULES) - rules_in_the_models() - rules_in_the_database()

        assert invented == set()


def execute(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.rowcount)


def name_in(error: IntegrityError) -> str | None:
    diagnostics = getattr(error.__cause__, "diag", None)
    name = getattr(diagnostics, "constraint_name", None)
    return name if isinstance(name, str) else None


def rules_in_the_models() -> set[str]:
    models = (model for app in APPS for model in apps.get_app_config(app).get_models())
    return {each.name for model in models for each in model._meta.constraints} - IN_ONE


def rules_in_the_database() -> set[str]:
    """Triggers that refuse, the constraints that were given a name, and what a function refuses that a constraint asks.

    The names of Django's own constraints begin with the table's.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            r"""
            SELECT tgname FROM pg_trigger JOIN pg_class t ON t.oid = tgrelid
            WHERE NOT tgisinternal AND t.relname ~ %s AND tgfoid NOT IN
                ('credits_check_wallet_1'::regproc, 'credits_check_billingperiod_1'::regproc, 'credits_check_reservation_1'::regproc,
                 'credits_check_grantdraw_1'::regproc, 'usage_forget_mark'::regproc, 'credits_terms_edited'::regproc,
                 'credits_organizations_edited'::regproc, 'credits_configs_edited'::regproc, 'organizations_renew_version_1'::regproc)
            UNION
            SELECT conname FROM pg_constraint JOIN pg_class t ON t.oid = conrelid
            WHERE contype IN ('c', 'u', 'x', 'f') AND t.relname ~ %s AND conname !~ %s AND conname <> ALL (%s)
            UNION
            SELECT (regexp_matches(prosrc, 'THEN ''(\w+)''', 'g'))[1] FROM pg_proc JOIN pg_depend ON refobjid = pg_proc.oid
            JOIN pg_constraint c ON c.oid = objid WHERE refclassid = 'pg_proc'::regclass AND contype = 'c' AND conname = ANY (%s)
            """,
            [*[f"^({'|'.join(APPS)})_"] * 3, list(IN_ONE), list(IN_ONE)],
        )
        return {name for (name,) in cursor.fetchall()}
