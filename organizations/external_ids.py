"""What a parent calls its children, as it likes: of those that are not archived each has its own; so have organizations without a parent."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError

from organizations.models import Organization

_RULE = "organization_one_per_external_id"
_TAKEN = "Another organization beside it has this external id, and is not archived."


class ExternalIdTaken(Exception):
    """Another organization of the same parent and side has it."""

    def __init__(self) -> None:
        super().__init__(_TAKEN)
        self.details = {"fields": {"externalId": [_TAKEN]}}


@contextmanager
def one_of_each() -> Iterator[None]:
    """Say of an organization that is written within what rule it breaks, whoever came first.

    :raises ExternalIdTaken: if its external id is another's
    """
    try:
        yield
    except IntegrityError as error:
        diagnostics = getattr(error.__cause__, "diag", None)
        if getattr(diagnostics, "constraint_name", None) != _RULE:
            raise
        raise ExternalIdTaken from error


def holder(external_id: str, *, parent: Organization | None, env: str) -> Organization | None:
    """Return who has an external id among the children of a parent, or among the organizations without one, on one side."""
    beside = Organization.objects.filter(parent=parent, env=env, external_id=external_id)
    return beside.exclude(status=Organization.Status.ARCHIVED).first()
