"""Terms as they were read: each organization's in a book, at a version, kept by the process while there is room.

A book may be stale, and that does no harm: it decides nothing alone. Whoever admits work compares the book's versions under the wallet's
lock, and if one differs reads the terms there (`fresh`). So what a book answers is used to ask, and only its refusals have to be looked at
again before they are told (`Book.is_current`).
"""

import logging
from collections.abc import Hashable, Iterator
from threading import Lock
from typing import Any
from uuid import UUID

from credits.models import CreditConfig
from organizations.models import Organization, UsageProfile
from organizations.recent import Recent
from organizations.statements import Columns, read_one, relate
from usage.models import Thresholds
from usage.services import markups
from usage.services.book import Book, Versions, no_wallet

log = logging.getLogger(__name__)

BOOKS = 20_000
"""How many organizations' terms a process keeps: some 4 kB each."""
OF_THE_CATALOGUE = 10_000
"""How many models and prices."""

_OWN = Columns(Organization, "o", without=["metadata"])
_CONFIG = Columns(CreditConfig, "config")
_ABOVE = [
    Columns(Organization, alias, without=["metadata"])
    for alias in ("parent", "live_of_parent", "live", "parent_of_live")
]
"""On whose status the organization's depends."""
_PROFILE = Columns(UsageProfile, "profile")
_THRESHOLDS = Columns(Thresholds, "thresholds")
_READ: list[Columns[Any]] = [_OWN, _CONFIG, *_ABOVE, _PROFILE, _THRESHOLDS]
_FIRST_COLUMN = 5
_READ_ALL = f"""
    SELECT w.id, w.terms_version, p.terms_version, c.version, {markups.OF_ORGANIZATION}, {", ".join(each.sql for each in _READ)}
    FROM credits_wallet w
        JOIN organizations_organization o ON o.id = w.organization_id
        JOIN {CreditConfig._meta.db_table} config ON config.wallet_id = w.id
        LEFT JOIN credits_wallet p ON p.organization_id = o.parent_id
        LEFT JOIN organizations_organization parent ON parent.id = o.parent_id
        LEFT JOIN organizations_organization live_of_parent ON live_of_parent.id = parent.sandbox_of_id
        LEFT JOIN organizations_organization live ON live.id = o.sandbox_of_id
        LEFT JOIN organizations_organization parent_of_live ON parent_of_live.id = live.parent_id
        LEFT JOIN {UsageProfile._meta.db_table} profile ON profile.id = o.default_profile_id
        LEFT JOIN {Thresholds._meta.db_table} thresholds ON thresholds.organization_id = o.id
        CROSS JOIN credits_catalogue c
    WHERE w.organization_id = %s"""
"""All that a book begins with: its versions are those of the rows, for one statement sees one moment."""


def book_of(organization: Organization) -> Book:
    """Return the terms of an organization as they are kept, whatever their age; else as they are now."""
    kept = _books.get(organization.id, None)
    return kept or fresh(organization)


def fresh(organization: Organization) -> Book:
    """Read the terms of an organization, and keep them. Under its wallet's lock they are those by which it may decide.

    :raises Wallet.DoesNotExist: if it has no wallet
    """
    row = read_one(_READ_ALL, [organization.id])
    if row is None:
        raise no_wallet(organization.id)
    wallet_id, *read, customer = row[:_FIRST_COLUMN]
    versions = Versions(*read)
    catalogue = _catalogues.get(versions.catalogue, None)
    if catalogue is None:
        catalogue = Recent(OF_THE_CATALOGUE)
        _catalogues.put(versions.catalogue, catalogue)
    own, config = _told(iter(row[_FIRST_COLUMN:]))
    book = Book(versions, wallet_id, own, config, catalogue, customer=markups.read(customer))
    _books.put(organization.id, book)
    return book


def current(organization: Organization) -> Book:
    """Return the terms of an organization as they are now: those that are kept, if nothing was changed since. Under its wallet's lock they
    are those by which it may decide.

    :raises Wallet.DoesNotExist: if it has no wallet
    """
    kept = _books.get(organization.id, None)
    if kept is not None and kept.is_current():
        return kept
    if kept is not None:
        note_stale(kept)
    return fresh(organization)


def forget(organization_id: UUID) -> None:
    """Keep no terms of an organization: whoever asks next reads them."""
    _books.drop(organization_id)


def note_stale(book: Book) -> None:
    """Count that terms were found stale under the wallet's lock."""
    _stale.add()
    log.info("terms of %s were stale", book.organization.public_id)


def stale_count() -> int:
    """Return how often this process found its terms stale."""
    return _stale.count


class _Count:
    """A number that threads add to."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = Lock()

    def add(self) -> None:
        with self._lock:
            self.count += 1


def _told(values: Iterator[Any]) -> tuple[Organization, CreditConfig]:
    """Return what the columns of `_READ_ALL` say: an organization with whom and what it depends on, and its wallet's configuration."""
    own, config = _OWN.take(values), _CONFIG.take(values)
    parent, live_of_parent, live, parent_of_live = (each.take(values) for each in _ABOVE)
    profile, thresholds = _PROFILE.take(values), _THRESHOLDS.take(values)
    assert own is not None
    assert config is not None
    relate(own, parent=parent, sandbox_of=live, default_profile=profile)
    relate(parent, sandbox_of=live_of_parent)
    relate(live, parent=parent_of_live)
    own._state.fields_cache["thresholds"] = thresholds  # also that there are none
    relate(thresholds, organization=own)
    return own, config


_books: Recent[UUID, Book] = Recent(BOOKS)
_catalogues: Recent[UUID, Recent[Hashable, Any]] = Recent(2)
_stale = _Count()
