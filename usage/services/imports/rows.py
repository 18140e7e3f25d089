"""What a row of an import becomes, whatever its kind: how it names its organization, what was made of it, or why nothing was."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from django.db import transaction

from credits.models import ZERO
from organizations import ids
from organizations.models import Env, ImportRow, Organization
from organizations.services import OrganizationArchived, OrganizationSuspended
from organizations.tokens import Prepared
from usage.services.imports.cells import Column, name

State = ImportRow.State

ORGANIZATION = Column(
    "organization",
    "Whose it is: its org_ id, or its external id.",
    name(),
    "acme",
    required=True,
)
PARENT = Column(
    "parent",
    "Of a child that is named by its external id: its parent, by its org_ id or external id. Empty for one without a parent.",
    name(),
)


@dataclass(frozen=True)
class Read:
    """A row whose cells could be read; by the name of a column it gives what that one says."""

    number: int
    values: Mapping[str, Any]
    prepared: Prepared | None = None
    """The key that is to be made of it."""

    def __getitem__(self, column: str) -> Any:
        return self.values[column]


class Outcome(NamedTuple):
    """What a row became: something new, or what was there."""

    is_new: bool
    made: str = ""
    """Its public id."""
    said: str = ""
    organization: Organization | None = None
    """The one that it made."""


class Wrong(NamedTuple):
    """What is wrong with a row, and in which column; none where it is the whole row."""

    number: int
    column: str
    sentence: str


class Refused(Exception):
    """Some rows of an organization cannot be carried out: then none is."""

    def __init__(self, problems: Sequence[Wrong]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


class NoOrganization(Exception):
    """What a row calls its organization is nobody."""

    def __init__(self, column: str, sentence: str) -> None:
        super().__init__(sentence)
        self.column = column


@dataclass(frozen=True)
class Doing:
    """In whose name rows are carried out, when, and what they may give."""

    performed_by: str
    now: datetime
    scopes: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    parent: Read | None = None
    """The row that will make the parent, where rows are rehearsed and it is not there yet."""
    is_rehearsal: bool = False


class Kind:
    """A kind of rows: its columns, and what each becomes."""

    slug: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    rights: ClassVar[Sequence[str]]
    """What somebody needs besides the right to import."""
    noun: ClassVar[tuple[str, str]]
    """What one row is, and what several are."""
    columns: ClassVar[Sequence[Column]]
    most_of_one = 10_000
    """How many rows of one organization a file may have: they are one transaction, and its wallet is locked for so long."""

    most_rows = 20_000
    """How many a file may have."""

    def same(self, row: Read) -> Any:
        """Return what may be in a file once for each organization; None where anything may."""
        return None

    def weight(self, row: Read) -> Decimal:
        """Return how many credits a row is about."""
        return ZERO

    def make(
        self, rows: Sequence[Read], organization: Organization | None, doing: Doing
    ) -> list[Outcome]:
        """Carry out the rows of one organization, in the caller's transaction, and return what became of each.

        :raises Refused: if any cannot be
        """
        raise NotImplementedError


class OfOrganization(Kind):
    """A kind of rows that each name an organization which is there, and are carried out together for it."""

    own: ClassVar[Sequence[Column]]
    """The columns beside those that name the organization."""

    def __init_subclass__(cls) -> None:
        cls.columns = (ORGANIZATION, PARENT, *cls.own)

    def make(
        self, rows: Sequence[Read], organization: Organization | None, doing: Doing
    ) -> list[Outcome]:
        assert organization is not None
        collected = Collected()
        try:
            outcomes = self.make_of(organization, rows, doing, collected)
        except (OrganizationArchived, OrganizationSuspended) as error:
            wrong = [Wrong(row.number, "organization", str(error)) for row in rows]
            raise Refused(wrong) from error
        collected.require_none()
        return outcomes

    def make_of(
        self,
        organization: Organization,
        rows: Sequence[Read],
        doing: Doing,
        collected: "Collected",
    ) -> list[Outcome]:
        """Carry out the rows of one organization, and return what became of each; or note what is wrong with them.

        :raises Refused: if something is wrong without which the others cannot be tried
        """
        raise NotImplementedError


class Collected:
    """What is wrong with the rows of an organization, each tried although another failed: so all of it is told at once."""

    def __init__(self) -> None:
        self.problems: list[Wrong] = []

    def add(self, row: Read, column: str, sentence: str) -> None:
        """Note what is wrong with a row."""
        self.problems.append(Wrong(row.number, column, sentence))

    @contextmanager
    def trying(
        self, row: Read, refusals: Mapping[type[Exception], str], *, savepoint: bool = True
    ) -> Iterator[None]:
        """Note what a service refuses in the block, in the column that each kind of refusal is about."""
        try:
            with transaction.atomic(savepoint=savepoint):
                yield
        except tuple(refusals) as error:
            column = next(refusals[kind] for kind in refusals if isinstance(error, kind))
            self.add(row, column, sentence_of(error))

    def require_none(self) -> None:
        """Do nothing if nothing is wrong.

        :raises Refused: if something is
        """
        if self.problems:
            raise Refused(self.problems)


def sentence_of(error: Exception) -> str:
    """Return what a service said as people write it. An id keeps its letters."""
    text = str(error).strip() or type(error).__name__
    begins = text[:1] if text[3:4] == "_" else text[:1].upper()
    return begins + text[1:].rstrip(".") + "."


def organization_called(called: str, parent: str | None) -> Organization:
    """Return the live organization that a row names.

    :raises NoOrganization: if there is none
    """
    above = None if not parent else _called(parent, None, "parent")
    return _called(called, above, "organization")


def parent_called(called: str) -> Organization:
    """Return the organization without a parent that a row names as one.

    :raises NoOrganization: if there is none
    """
    return _called(called, None, "parent")


def _called(called: str, parent: Organization | None, column: str) -> Organization:
    if called.startswith("org_"):
        return _with_id(called, parent, column)
    rows = Organization.objects.filter(parent=parent, env=Env.LIVE, external_id=called)
    found = rows.exclude(status=Organization.Status.ARCHIVED).first()
    if found is None:
        where = f" beneath {parent.name}" if parent else " without a parent"
        raise NoOrganization(column, f"No organization{where} has this external id.")
    return found


def _with_id(called: str, parent: Organization | None, column: str) -> Organization:
    found = None
    if (id := _id(called)) is not None:
        found = Organization.objects.filter(pk=id, env=Env.LIVE).first()
    if found is None:
        raise NoOrganization(column, "There is no such organization, or it is a sandbox.")
    if parent is not None and found.parent_id != parent.pk:
        raise NoOrganization("parent", f"It is not the parent of {found.name}.")
    if found.status == Organization.Status.ARCHIVED:
        raise NoOrganization(column, "The organization is archived.")
    return found


def _id(called: str) -> UUID | None:
    try:
        return ids.read("org", called)
    except ids.MalformedId:
        return None
