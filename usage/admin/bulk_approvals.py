"""An action on many that is too much for one person: what it comes to, and having it done."""

from collections.abc import Iterable
from functools import cached_property

from organizations import bulk
from organizations.admin import many as carrying_out
from organizations.admin.approvals import Approval, Shown, asked_in_words, words
from organizations.admin.delegation import Staff
from organizations.admin.many import Asked, Many, asked
from organizations.admin.selection import count_of
from organizations.bulk import Totals
from organizations.models import BulkAction
from usage.admin.many import BY_SLUG


class BulkApproval(Approval[BulkAction]):
    """An action on many, proposed."""

    model = BulkAction

    @classmethod
    def known(cls) -> Iterable[str]:
        return BY_SLUG

    @classmethod
    def right_of(cls, action: str) -> str:
        return BY_SLUG[action].action.permission

    @classmethod
    def may_approve(cls, user: Staff, action: str) -> bool:
        return BY_SLUG[action].action.may_approve(user)

    @property
    def many(self) -> Many:
        return BY_SLUG[self.proposal.action]

    @property
    def icon(self) -> str:
        return self.many.action.icon

    @property
    def title(self) -> str:
        return f"{self.many.verb} for {count_of(self.many, self.proposal)}"

    @property
    def effect(self) -> str:
        return f"about {words(self.totals.amount)} credits in all"

    @cached_property
    def totals(self) -> Totals:
        return bulk.totals_of(self.proposal)

    @cached_property
    def of(self) -> Asked:
        return asked(self.proposal, self.many, now=self.now)

    def asked(self, user: Staff) -> list[tuple[str, str]]:
        return asked_in_words(self.of.form)

    def shown(self, user: Staff) -> Shown:
        """Nothing anew: each of them stands on the page, as it was looked at within the hour."""
        return Shown()

    def perform(self, performed_by: str, user: Staff) -> str:
        bulk.require_fresh(self.proposal, now=self.now)
        bulk.begin_doing(self.proposal)
        return f"Begun for {count_of(self.many, self.proposal)}."

    def afterwards(self, outcome: str) -> str:
        return do_some(self.of)


def do_some(of: Asked) -> str:
    """Do it to as many as there is time for, and return how many that were."""
    carrying_out.do_some(of)
    totals = bulk.totals_of(of.bulk)
    left = totals.total - totals.finished
    more = f" {left:,} to go." if left else ""
    return f"{totals.done:,} done, {totals.skipped:,} skipped, {totals.failed:,} failed.{more}"
