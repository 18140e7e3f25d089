"""The database of the tests: which one, how it starts, and how a test leaves it empty."""

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import environ
import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from pytest_django.plugin import DjangoDbBlocker

from config import embedded
from tests import asking, database, sessions
from tests.books import MARKER as BROKEN_BOOKS
from tests.books import books as books
from tests.books import prepare, uses_the_database
from tests.documented import MARKER as UNDOCUMENTED
from tests.documented import watching

TEST_DATABASE_URL = "PURSER_TEST_DATABASE_URL"
# Whom the tests are to act as: `purser_app` may do what the application may, and nothing else.
TEST_ROLE = "PURSER_TEST_ROLE"
# Held by the process that the developer started; the workers of pytest-xdist use what it started.
embedded_server = ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", BROKEN_BOOKS)
    config.addinivalue_line("markers", UNDOCUMENTED)
    # Tests set the clock of the process; those of `organizations.clock` ask the database's.
    settings.CLOCK = "system"
    asking.spare()
    is_worker = hasattr(config, "workerinput")
    if not is_worker and settings.EMBEDDED_DATABASE and TEST_DATABASE_URL not in os.environ:
        _start_embedded_server()
    _point_settings_at_the_test_server()


def pytest_unconfigure() -> None:
    embedded_server.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put all races into one group of pytest-xdist, before it looks: two at a time only measure the machine. And mark what needs a server."""
    for item in items:
        if item.get_closest_marker("race"):
            item.add_marker(pytest.mark.xdist_group("race"))
        if uses_the_database(item):
            item.add_marker(pytest.mark.servers)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what stays anyway: to look through it again and again takes a fifth of the time of all tests."""
    gc.collect()
    gc.freeze()
    # What a page leaves behind is let go of soon enough a hundred pages later.
    gc.set_threshold(20_000, 20, 20)


def _start_embedded_server() -> None:
    # A plain SIGTERM would end pytest at once and leave the server running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = embedded.folder_in(settings.DATA_DIR / "test")
    embedded_server.enter_context(embedded.running(folder))
    os.environ[TEST_DATABASE_URL] = embedded.url(folder)
    _let_it_forget(folder)


def _let_it_forget(folder: Path) -> None:
    """Spare a server what it does to survive a power cut: nobody misses a test database after one. The kill of a process it survives."""
    host = str(embedded.socket_folder(folder))
    with psycopg.connect(
        host=host, user=embedded.USER, dbname=embedded.DATABASE, autocommit=True
    ) as session:
        session.execute("ALTER SYSTEM SET fsync = off")
        session.execute("ALTER SYSTEM SET full_page_writes = off")
        session.execute("SELECT pg_reload_conf()")


def _point_settings_at_the_test_server() -> None:
    default = settings.DATABASES["default"]
    if TEST_DATABASE_URL in os.environ:
        address = environ.Env.db_url_config(os.environ[TEST_DATABASE_URL])
        default.update({key: address[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")})
    # A commit need not wait for the disk: nobody misses a test database after a power cut.
    default["OPTIONS"]["options"] += " -c synchronous_commit=off"


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Make the test database once per process, and remember what the migrations put there."""
    # Several checkouts may share one server.
    name = f"test_purser_{os.getpid()}"
    with django_db_blocker.unblock():
        database.make(name)
        database.remember_seeded_rows()
        database.prepare_fingerprint()
        prepare()
        if TEST_ROLE in os.environ:
            database.act_as(os.environ[TEST_ROLE])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: _leave())
        # A session that begins plans everything anew, which takes longer than most tests.
        patch.setattr(TransactionTestCase, "_should_reload_connections", lambda self: False)
        yield
    with django_db_blocker.unblock():
        sessions.close_idle()
        database.stop_emptying()
        database.remove(name)


def _leave() -> None:
    """Leave the database as it was, and the session as a new one would be."""
    connection.close_if_unusable_or_obsolete()
    if connection.connection is not None:
        with connection.cursor() as cursor:
            cursor.execute("RESET ALL")
        connection.ensure_timezone()
    database.empty()


@pytest.fixture(autouse=True)
def no_session_without_a_database(request: pytest.FixtureRequest) -> None:
    """Leave no open session to a test that does not use the database: even looking at it is refused there."""
    if not uses_the_database(request.node):
        connection.close()


@pytest.fixture(autouse=True)
def documented(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare whatever the API answers with its document."""
    if request.node.get_closest_marker("undocumented"):
        yield
    else:
        with watching():
            yield
