"""What a job is of: a `Work` says what is due for whom and what is done about it; a `Found` what an audit found."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from organizations.models import Job, Organization

Now = Callable[[], datetime]


class Found(NamedTuple):
    """One row that an audit found to be wrong."""

    check: str
    subject: str
    detail: str
    organization_id: UUID | None = None


class Portion(NamedTuple):
    """What a part of some work found, and the place from which the next part goes on: None where it was the last."""

    found: Collection[Found]
    place: dict[str, Any] | None


@dataclass(frozen=True)
class Work:
    """A kind of job: which organizations it is due for at a moment, and what is done about each.

    Without `due` it is done once for the whole database. `do` is called with `now`, and with `organization` where there is one; an audit
    answers with what it found.

    Work `in_portions` does a part of it for an organization and answers with a `Portion`. It is called with the `place` that the part
    before it gave, which is None at the beginning; a run that is over leaves that place to the next.

    `do_together` does it for several `organizations` at once, and answers for which it did. It is only a faster way: whom it left out,
    and everybody when it fails, is done one by one, so that each failure has its name.
    """

    kind: str
    do: Callable[..., object]
    due: Callable[[datetime], QuerySet[Organization]] | None = None
    is_audit: bool = False
    do_together: Callable[..., Collection[UUID]] | None = None
    in_portions: bool = False


class Run(NamedTuple):
    """What one run came to: the job it worked on last, and for how many organizations it did something."""

    job: Job
    done: int
