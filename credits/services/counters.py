"""The counters of a calendar month: what each subject used and has reserved in it."""

from collections.abc import Sequence
from datetime import date

from django.db.models import Q

from credits.ledger import ORGANIZATION as ORGANIZATION
from credits.ledger import Subject as Subject
from credits.models import UsageCounter, Wallet


def subject_of(counter: UsageCounter) -> Subject:
    """Return whom a counter counts."""
    return Subject(counter.actor_id, counter.group_id, counter.resource_type, counter.resource_id)


def counters_of(wallet: Wallet, month: date, subjects: Sequence[Subject]) -> list[UsageCounter]:
    """Return the counters of these subjects in a month, of a locked wallet; make those that are missing."""
    wanted = Q()
    for subject in subjects:
        wanted |= Q(**subject._asdict())
    found = {
        subject_of(counter): counter
        for counter in UsageCounter.objects.filter(wanted, wallet=wallet, month=month)
    }
    missing = [
        UsageCounter(wallet=wallet, month=month, **subject._asdict())
        for subject in subjects
        if subject not in found
    ]
    if missing:
        UsageCounter.objects.bulk_create(missing)
        found.update((subject_of(counter), counter) for counter in missing)
    return [found[subject] for subject in subjects]


def counter_of(wallet: Wallet, month: date) -> UsageCounter:
    """Return the organization's own counter of a month, to be read; one that says 0 where nothing was counted yet."""
    found = UsageCounter.objects.filter(wallet=wallet, month=month, **ORGANIZATION._asdict())
    return found.first() or UsageCounter(wallet=wallet, month=month)
