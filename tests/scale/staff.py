"""What staff and the calendar leave behind: what stands apart from customers, once, and what of it concerns a customer."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from axes.models import AccessAttempt, AccessFailureLog, AccessLog

from credits.models import Rehearsal, RehearsedRenewal
from organizations.models import (
    Actor,
    Alert,
    AlertRule,
    AlertStep,
    BulkAction,
    BulkItem,
    Failure,
    Finding,
    Import,
    ImportPart,
    ImportRow,
    Job,
    Organization,
    Proposal,
)
from tests import factories as f
from tests.usage import people as p
from usage.models import (
    AcceptedDifference,
    AIModel,
    PriceProposal,
    WhatIf,
    WhatIfLine,
    WhatIfPart,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Apart(NamedTuple):
    """What is about all customers: an audit, a file, an action on many, renewals that were looked at, a question."""

    job: Job
    file: Import
    bulk: BulkAction
    rehearsal: Rehearsal
    what_if: WhatIf


def apart(*, now: datetime) -> Apart:
    """Make one of each."""
    at = now - DAY
    job = Job.objects.create(
        kind="reconcile", due_at=at, total=1, done=1, started_at=at, finished_at=now - HOUR
    )
    file = Import.objects.create(
        kind="people",
        file_name="people.csv",
        read_as="CSV",
        reason="they move to us",
        performed_by=f.STAFF,
        rows=1,
        parts=1,
        created_at=at,
        checked_at=at,
        started_at=at,
        started_by=f.STAFF,
        finished_at=at + HOUR,
    )
    bulk = BulkAction.objects.create(
        action="grant",
        payload={"amount": ["5"], "reason": ["goodwill"]},
        selection="/admin/organizations/organization/many/grant/?across=1",
        digest="0" * 64,
        total=1,
        reason="goodwill",
        proposed_by="ben",
        proposed_at=at,
        expires_at=now + DAY,
    )
    rehearsal = Rehearsal.objects.create(
        until=now + 31 * DAY, total=1, reason="look", performed_by=f.STAFF, created_at=at
    )
    _of_prices(now=now)
    _of_logins(now=now)
    what_if = WhatIf.objects.create(
        month=(now.date().replace(day=1) - DAY).replace(day=1),
        changes={"multiplier": "1.1"},
        asked_by="ben",
        created_at=at,
    )
    return Apart(job, file, bulk, rehearsal, what_if)


def _of_prices(*, now: datetime) -> None:
    model = AIModel.objects.get(slug="sonnet")
    p.markup(since=now + 30 * DAY)
    AcceptedDifference.objects.create(
        model=model,
        unit="input_tokens",
        own=Decimal(2),
        listed=Decimal(1),
        reason="agreed",
        accepted_by="ben",
        accepted_at=now - DAY,
    )
    fields = {
        "provider": "",
        "model_id": None,
        "starts_at": (now + 40 * DAY).isoformat(),
        "factor": "2",
    }
    PriceProposal.objects.create(
        action="markup",
        payload={"id": None, "is_deleted": False, "fields": fields},
        digest="0" * 64,
        subject="add markup: all models",
        effect="prices change by 100 %",
        reason="costs",
        proposed_by="ben",
        proposed_at=now - HOUR,
        expires_at=now + DAY,
    )


def _of_logins(*, now: datetime) -> None:
    """Let somebody mistake their password, and then come in."""
    who = {"username": "ben", "ip_address": "192.0.2.7"}
    AccessAttempt.objects.create(failures_since_start=1, **who)
    AccessFailureLog.objects.create(**who)
    AccessLog.objects.create(**who)
    # The next login of anybody forgets what is fifteen minutes old.
    AccessAttempt.objects.update(attempt_time=now + DAY)


def concern(organization: Organization, ada: Actor, about: Apart, *, now: datetime) -> None:
    """Leave an organization what concerns it."""
    _notice(organization, ada, now=now)
    _fail(organization, about, now=now)
    _import(organization, about)
    _rehearse(organization, about, now=now)
    _ask(organization, ada, about, now=now)
    for state in (Proposal.State.WAITING, Proposal.State.REFUSED):
        _propose(organization, state, now=now)


def _notice(organization: Organization, ada: Actor, *, now: datetime) -> None:
    alert = Alert.objects.create(
        kind="near_cap", severity=1, organization=organization, fired_at=now - DAY
    )
    AlertStep.objects.create(alert=alert, what="fired", at=now - DAY, by="calendar")
    over = {"kind": "person_near_cap", "severity": 1, "resolved_at": now - HOUR}
    Alert.objects.create(organization=organization, actor=ada, fired_at=now - 2 * DAY, **over)
    AlertRule.objects.create(organization=organization, near_cap_percent=90)


def _fail(organization: Organization, about: Apart, *, now: datetime) -> None:
    Failure.objects.create(
        kind="add up usage",
        organization=organization,
        job=about.job,
        error="it took too long",
        first_failed_at=now - DAY,
        last_failed_at=now - HOUR,
        resolved_at=now,
    )
    Finding.objects.create(
        job=about.job,
        organization=organization,
        check_name="balance is the sum of the ledger",
        subject="a wallet",
        detail="it is not",
    )


def _import(organization: Organization, about: Apart) -> None:
    turn = ImportPart.objects.count()
    part = ImportPart.objects.create(
        whole=about.file,
        turn=turn,
        name=organization.name,
        organization=organization,
        rows=2,
        state="done",
        said="2 people",
    )
    for number in range(2):
        ImportRow.objects.create(
            whole=about.file, part=part, number=2 * turn + number, state="made", said="made"
        )


def _rehearse(organization: Organization, about: Apart, *, now: datetime) -> None:
    RehearsedRenewal.objects.create(
        rehearsal_id=about.rehearsal.pk,
        organization=organization,
        until=about.rehearsal.until,
        rehearsed_at=now,
        periods=1,
        balance_before=100,
        lapsed=50,
        granted=100,
        balance_after=150,
    )
    BulkItem.objects.create(
        bulk_id=about.bulk.pk,
        organization=organization,
        rehearsed_at=now,
        figures={"Balance": ["100", "105"]},
        amount=5,
    )


def _ask(organization: Organization, ada: Actor, about: Apart, *, now: datetime) -> None:
    part = WhatIfPart.objects.create(
        what_if=about.what_if,
        organization=organization,
        credits_before=100,
        credits_after=110,
        finished_at=now,
    )
    WhatIfLine.objects.create(
        part=part,
        actor=ada,
        outcome="kept",
        pieces=10,
        credits_before=100,
        credits_after=110,
        first_at=now - 20 * DAY,
        last_at=now,
    )


def _propose(organization: Organization, state: str, *, now: datetime) -> None:
    is_open = state == Proposal.State.WAITING
    Proposal.objects.create(
        organization=organization,
        action="grant",
        payload={"amount": ["5"]},
        digest="0" * 64,
        amount=Decimal(5),
        reason="a large one",
        proposed_by="ben",
        proposed_at=now - HOUR,
        expires_at=now + DAY,
        state=state,
        decided_by=None if is_open else "cem",
        decided_at=None if is_open else now,
    )
