"""Whether all is well, in a sentence that is true whatever the calendar does: late, switched off, failing, under way, never rung for."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Max, QuerySet, Sum
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django_celery_beat.models import PeriodicTask

from credits.tasks import RENEW, SEAL, VERIFY
from organizations import jobs, pulse
from organizations.models import Env, Failure, Finding, Job
from organizations.pulse import Late
from organizations.templatetags.moments import clock_time
from usage.tasks import RECONCILE

DAY = timedelta(days=1)
MOST = 1_000
"""Up to how many are counted."""
NEVER_VERIFIED = "The ledger has not been verified yet: it is every night"
RENEWING, VERIFYING = "credits.tasks.renew", "credits.tasks.verify_ledger"
AUDITS = (RECONCILE.kind, SEAL.kind)
TITLES = {"good": "All is well", "warn": "Worth a look", "bad": "Something is wrong"}
TONES = ("good", "warn", "bad")


class Clause(NamedTuple):
    """A part of the sentence, and how good it is: `good`, `warn` or `bad`."""

    text: SafeString
    tone: str = "good"


class Wellbeing(NamedTuple):
    """How all is, and why."""

    title: str
    tone: str
    clauses: Sequence[Clause]
    late: Sequence[Late]


class Ended(NamedTuple):
    """A job that ended, when it did, and how much it found."""

    job: Job
    ended_at: datetime
    found: int


class Calendar(NamedTuple):
    """What is late and what is switched off, by the names of their tasks in the code."""

    late: Mapping[str, Late]
    off: Mapping[str, str]


def wellbeing(*, now: datetime) -> Wellbeing:
    """Return how the calendar's work is: its renewals, its verification of the ledger, its audits, and all else that is late, off or failed."""
    late = pulse.late(now=now)
    off = PeriodicTask.objects.filter(enabled=False).order_by("name")
    calendar = Calendar({each.task: each for each in late}, dict(off.values_list("task", "name")))
    clauses = [
        _renewals(calendar, now),
        _verification(calendar),
        *_audits(),
        *_others(calendar),
        *_failures(),
    ]
    tone = max((clause.tone for clause in clauses), key=TONES.index)
    return Wellbeing(TITLES[tone], tone, clauses, late)


def _renewals(calendar: Calendar, now: datetime) -> Clause:
    """Say whether last night's renewals ran."""
    waiting = _waiting(now)
    left = format_html("; {} wait", _counted(waiting)) if waiting else ""
    if RENEWING in calendar.off:
        return Clause(format_html("Renewals are switched off{}", left), "bad")
    if RENEWING in calendar.late:
        since = clock_time(calendar.late[RENEWING].due_at)
        return Clause(format_html("Renewals are late, due since {}{}", since, left), "bad")
    under_way = Job.objects.filter(kind=RENEW.kind, finished_at=None).first()
    if under_way is not None:
        done, total = f"{under_way.done:,}", f"{under_way.total:,}"
        return Clause(format_html("Renewals run now: {} of {} done", done, total))
    return _past_renewals(waiting, now)


def _past_renewals(waiting: int, now: datetime) -> Clause:
    """Say what became of those that were due, where nothing keeps the others from being done."""
    failed = _open_failures(RENEW.kind)
    ran = _ran(now)
    if failed or waiting:
        said = [f"{_counted(failed)} failed"] if failed else []
        said += [f"{_counted(waiting)} wait for the worker"] if waiting else []
        text = format_html("Of the renewals {}{}", " and ".join(said), _of_the_others(ran))
        return Clause(text, "bad" if failed else "warn")
    if ran:
        return Clause(format_html("All renewals ran, {}", ran))
    last = _last(RENEW.kind)
    if last is None:
        return Clause(format_html("{}", "No renewal has been due yet"))
    when = clock_time(last.ended_at)
    return Clause(
        format_html(
            "No renewal was due in 24 hours; the last, {}, ran {}", f"{last.job.done:,}", when
        )
    )


def _of_the_others(ran: SafeString | str) -> SafeString | str:
    return format_html("; the others ran, {}", ran) if ran else ""


def _waiting(now: datetime) -> int:
    """Return how many should have been renewed by now and do not fail. Those whose period is closed are not asked."""
    due = jobs.preview(RENEW, now=now - pulse.GRACE).filter(wallet__period__closed_at=None)
    return len(due.order_by().values_list("id", flat=True)[: MOST + 1])


def _ran(now: datetime) -> SafeString | str:
    """Return how many were renewed in 24 hours, and when the last of them."""
    ended = Job.objects.filter(kind=RENEW.kind, started_at__gt=now - DAY, finished_at__isnull=False)
    sums = ended.aggregate(done=Sum("done"), last=Max("finished_at"), jobs=Count("id"))
    if not sums["done"]:
        return ""
    form = "{} at {}" if sums["jobs"] == 1 else "{} in 24 hours, the last at {}"
    return format_html(form, f"{sums['done']:,}", clock_time(sums["last"]))


def _verification(calendar: Calendar) -> Clause:
    """Say whether the hash chains of the ledger were walked, and fit."""
    last = _last(VERIFY.kind)
    if last is not None and last.found:
        text = "Verifying the ledger found {} that {} not fit, at {}"
        fits = "does" if last.found == 1 else "do"
        return Clause(
            format_html(text, _counted(last.found), fits, clock_time(last.ended_at)), "bad"
        )
    when = format_html("last done {}", clock_time(last.ended_at)) if last else "never done yet"
    if VERIFYING in calendar.off:
        return Clause(format_html("Verifying the ledger is switched off, {}", when), "bad")
    if VERIFYING in calendar.late:
        return Clause(format_html("Verifying the ledger is late, {}", when), "bad")
    if last is None:
        return Clause(format_html("{}", NEVER_VERIFIED))
    return Clause(format_html("Ledger verified {}", clock_time(last.ended_at)))


def _audits() -> list[Clause]:
    """Return what the last reconciliation and the last seal found, if they found anything."""
    clauses = []
    for kind in AUDITS:
        last = _last(kind)
        if last is not None and last.found:
            text = "The job “{}” found {} that should not be, at {}"
            said = format_html(text, kind, _counted(last.found), clock_time(last.ended_at))
            clauses.append(Clause(said, "bad"))
    return clauses


def _others(calendar: Calendar) -> list[Clause]:
    """Return what else is late or switched off."""
    said = {RENEWING, VERIFYING}
    late = [each.name for task, each in calendar.late.items() if task not in said]
    off = [name for task, name in calendar.off.items() if task not in said]
    clauses = [Clause(format_html("Late: {}", ", ".join(late)), "bad")] if late else []
    if off:
        clauses.append(Clause(format_html("Switched off: {}", ", ".join(off)), "warn"))
    doubt = pulse.doubted()
    if doubt:
        clauses.append(Clause(format_html("{}", doubt[:1].upper() + doubt[1:]), "bad"))
    return clauses


def _failures() -> list[Clause]:
    """Return the work, other than renewals, that failed too often to be tried again."""
    left = _failing().filter(next_try_at=None).exclude(kind=RENEW.kind)
    kinds = left.values_list("kind", flat=True)[: MOST + 1]
    counts: dict[str, int] = {}
    for kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
    if not counts:
        return []
    said = format_html_join(", ", "“{}” {}×", ((kind, f"{n:,}") for kind, n in counts.items()))
    return [Clause(format_html("Failed and left to staff: {}", said), "bad")]


def _failing() -> QuerySet[Failure]:
    """Return what fails and is not resolved; of a sandbox it keeps nobody awake."""
    return Failure.objects.filter(resolved_at=None).exclude(organization__env=Env.TEST)


def _open_failures(kind: str) -> int:
    rows = _failing().filter(kind=kind)
    return len(rows.values_list("id", flat=True)[: MOST + 1])


def _last(kind: str) -> Ended | None:
    """Return the last job of a kind that ended, with how many rows it found to be wrong."""
    ended = Job.objects.filter(kind=kind, finished_at__isnull=False)
    job = ended.order_by("-started_at").first()
    if job is None or job.finished_at is None:
        return None
    found = Finding.objects.filter(job=job).values_list("id", flat=True)[: MOST + 1]
    return Ended(job, job.finished_at, len(found))


def _counted(number: int) -> str:
    return f"more than {MOST:,}" if number > MOST else f"{number:,}"
