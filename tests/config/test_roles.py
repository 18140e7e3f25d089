"""The roles of the database: what the application and readers may do, and that nobody may do more."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from config import embedded, roles
from config.privileges import APP, APP_FUNCTIONS, APPEND, FUNCTIONS, READER, TABLES
from tests import factories as f
from tests.credits import test_archive, test_renew, test_reserve, test_reverse, test_settle
from tests.test_dump import tool

pytestmark = pytest.mark.django_db(transaction=True)

PROJECT = Path(__file__).resolve().parents[2]
NO_LINE = """a table without a line in config/privileges.py: the application cannot even read it. Add one, for example
    "app_table": Privileges(KEEP),   (READ, APPEND, KEEP or ALL; hidden=["column"] for what is a secret)"""
SOUNDS_SECRET = re.compile(
    r"secret|passw|credential|fingerprint|session|(^|_)(hash|token|body|key)$", re.IGNORECASE
)
# They sound like secrets, and are none: the ledger's own hashes, a worker's word for its lease, and names of things.
KNOWN_TO_ALL = {
    *("credits_ledgerentry.hash", "credits_ledgerentry.previous_hash", "credits_wallet.head_hash"),
    *("organizations_apikey.hashed_under", "organizations_lease.token"),
    *("organizations_group.key", "organizations_historicalgroup.key"),
    *("organizations_idempotencykey.key", "django_celery_beat_periodictask.routing_key"),
}
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@pytest.fixture(autouse=True)
def made(transactional_db: None) -> None:
    """Make the roles where the tests' server has none yet, as its administrator would; else migrate has given them their rights."""
    there = ask("SELECT rolname FROM pg_roles WHERE rolname LIKE 'purser\\_%%'")
    if not {"purser_owner", APP, READER} <= set(there):
        with connection.cursor() as cursor:
            cursor.execute(embedded.ROLES.read_text())
        assert roles.grant() == set()


def ask(query: str, *values: str | list[str]) -> list[Any]:
    """Return the first column of what the owner is answered."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [row[0] for row in cursor]


def tables() -> set[str]:
    return set(
        ask(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p', 'v', 'm', 'f')"
        )
    )


def session_of(role: str) -> psycopg.Connection:
    """Return a session of a role itself, not of a superuser who acts as one: he could go back."""
    place = connection.settings_dict
    try:
        return psycopg.connect(
            host=place["HOST"] or None,
            port=place["PORT"] or None,
            dbname=place["NAME"],
            user=role,
            autocommit=True,
        )
    except psycopg.OperationalError:
        pytest.skip("the server of the tests asks the roles for passwords")


@pytest.fixture
def app() -> Iterator[psycopg.Connection]:
    with session_of(APP) as session:
        yield session


@pytest.fixture
def reader() -> Iterator[psycopg.Connection]:
    with session_of(READER) as session:
        yield session


class TestEveryTable:
    def test_says_what_the_application_may_do_with_it(self) -> None:
        assert sorted(tables() - TABLES.keys()) == [], NO_LINE

    def test_is_there(self) -> None:
        assert sorted(TABLES.keys() - tables()) == [], "a line for a table that is gone"

    def test_lets_the_application_do_what_it_says_and_nothing_else(self) -> None:
        with connection.cursor() as cursor:
            for name, said in TABLES.items():
                whole = re.sub(r", UPDATE \(.*\)", "", said.app).split(", ")
                held = [f"has_table_privilege('{APP}', '{name}', '{right}')" for right in RIGHTS]
                cursor.execute(f"SELECT {', '.join(held)}")
                allowed = [
                    right for right, has in zip(RIGHTS, cursor.fetchone(), strict=True) if has
                ]
                assert allowed == whole, name

    def test_lets_nobody_change_what_is_append_only(self) -> None:
        guarded = ask(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid"
            " WHERE proname LIKE '%%append_only'"
        )
        histories = [name for name in TABLES if re.search("_historical", name)]

        assert len(guarded) >= 3
        for name in {*guarded, *histories, "credits_growth", "credits_statuschange"}:
            assert TABLES[name].app == APPEND, name

    def test_shows_readers_no_column_that_sounds_secret(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT attrelid::regclass || '.' || attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
                " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped"
                " AND has_column_privilege(%s, attrelid, attnum, 'SELECT')",
                [READER],
            )
            seen = {name for (name,) in cursor}

        sounding = {name for name in seen if SOUNDS_SECRET.search(name.split(".")[1])}
        assert sounding - KNOWN_TO_ALL == set(), (
            "hide it in config/privileges.py, or say here why not"
        )

    def test_lets_readers_only_read(self) -> None:
        held = [
            (name, right)
            for name in TABLES
            for right in RIGHTS[1:]
            if ask(f"SELECT has_any_column_privilege('{READER}', '{name}', 'INSERT, UPDATE')")[0]
            or (right in {"DELETE", "TRUNCATE", "TRIGGER"} and self.may(READER, name, right))
        ]

        assert held == []

    def may(self, role: str, name: str, right: str) -> bool:
        return bool(ask("SELECT has_table_privilege(%s, %s, %s)", role, name, right)[0])


class TestEverythingElse:
    def test_is_counted_by_no_sequence_that_it_names(self) -> None:
        usable = ask(
            "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"
            " AND has_sequence_privilege(%s, quote_ident(sequencename), 'USAGE, SELECT, UPDATE')",
            APP,
        )

        assert not usable

    def test_calls_no_other_function(self) -> None:
        for role, functions in ((APP, FUNCTIONS | APP_FUNCTIONS), (READER, FUNCTIONS)):
            callable_ = ask(
                "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
                " AND has_function_privilege(%s, oid, 'EXECUTE')",
                role,
            )
            assert set(callable_) == functions

    def test_acts_as_its_owner_only_where_the_application_calls_it(self) -> None:
        of_the_owner = ask(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
        )

        assert set(of_the_owner) & (FUNCTIONS | APP_FUNCTIONS) == APP_FUNCTIONS

    def test_runs_as_nobody_else_without_a_fixed_search_path(self) -> None:
        assert not ask(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
            " AND NOT coalesce(proconfig::text, '') LIKE '%%search_path%%'"
        )

    def test_makes_roles_that_rule_nothing(self) -> None:
        assert not ask(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'purser\\_%%'"
            " AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)"
        )
        assert not ask(
            "SELECT member::regrole::text FROM pg_auth_members WHERE member::regrole::text IN (%s, %s)",
            APP,
            READER,
        )


class TestApplication:
    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE TABLE more (id integer)",
            "CREATE TEMPORARY TABLE more (id integer)",
            "CREATE SCHEMA more",
            "CREATE FUNCTION more() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "CREATE OR REPLACE FUNCTION credits_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER more AFTER INSERT ON credits_ledgerentry FOR EACH ROW EXECUTE FUNCTION credits_append_only()",
            "DROP TABLE credits_ledgerentry",
            "DROP TRIGGER ledgerentry_append_only ON credits_ledgerentry",
            "ALTER TABLE credits_ledgerentry DISABLE TRIGGER USER",
            "ALTER TABLE credits_ledgerentry DISABLE TRIGGER ledgerentry_append_only",
            "ALTER TABLE credits_wallet DROP COLUMN checksum",
            "ALTER TABLE credits_ledgerentry OWNER TO purser_app",
            "ALTER FUNCTION credits_append_only() OWNER TO purser_app",
            "SET session_replication_role = replica",
            "SET LOCAL session_replication_role = replica",
            "SELECT set_config('session_replication_role', 'replica', false)",
            "ALTER ROLE purser_app SUPERUSER",
            "ALTER ROLE purser_app SET session_replication_role = replica",
            "CREATE ROLE more",
            "SET ROLE purser_owner",
            "SET ROLE pg_write_all_data",
            "SET SESSION AUTHORIZATION purser_owner",
            "UPDATE credits_grant SET amount = 1",
            "UPDATE credits_grant SET expires_at = NULL",
            "DELETE FROM credits_grant",
            "DELETE FROM credits_wallet",
            "DELETE FROM credits_reservation",
            "DELETE FROM credits_billingperiod",
            "DELETE FROM organizations_organization",
            "DELETE FROM organizations_apikey",
            "DELETE FROM auth_user",
            "UPDATE auth_permission SET codename = 'x'",
            "INSERT INTO django_migrations (app, name, applied) VALUES ('a', 'b', '2026-01-01')",
            "SELECT credits_check_wallet_1()",
            "SELECT setval('credits_grantdraw_id_seq', 1)",
            "SELECT nextval('credits_grantdraw_id_seq')",
            "COPY credits_wallet TO PROGRAM 'cat'",
            "COPY credits_ledgerentry TO '/tmp/ledger'",
            "SELECT pg_read_file('/etc/passwd')",
            "ALTER SYSTEM SET fsync = off",
        ],
    )
    def test_is_refused(self, app: psycopg.Connection, statement: str) -> None:
        with pytest.raises(InsufficientPrivilege):
            app.execute(statement.encode())

    @pytest.mark.parametrize("name", sorted(name for name in TABLES if TABLES[name].app == APPEND))
    def test_changes_nothing_that_was_written(self, app: psycopg.Connection, name: str) -> None:
        [column] = ask(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum = 1", name
        )
        table, first = sql.Identifier(name), sql.Identifier(column)

        for words in ("UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"):
            with pytest.raises(InsufficientPrivilege):
                app.execute(sql.SQL(words).format(table, first))

    def test_reads_every_table(self, app: psycopg.Connection) -> None:
        for name in TABLES:
            app.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(name)))

    def test_gives_nobody_what_it_has(self, app: psycopg.Connection) -> None:
        app.execute("GRANT INSERT ON credits_ledgerentry TO purser_reader")

        assert not ask(f"SELECT has_table_privilege('{READER}', 'credits_ledgerentry', 'INSERT')")[
            0
        ]


class TestReader:
    def test_sees_the_money(self, reader: psycopg.Connection) -> None:
        f.make_organization(funded=10)

        row = reader.execute("SELECT balance FROM credits_wallet").fetchone()

        assert row == (10,)

    @pytest.mark.parametrize(
        "query",
        [
            "SELECT * FROM auth_user",
            "SELECT password FROM auth_user",
            "SELECT * FROM django_session",
            "SELECT secret_hash FROM organizations_apikey",
            "SELECT body FROM organizations_idempotencykey",
            "SELECT a FROM organizations_apikey a",
            "UPDATE credits_wallet SET balance = 1",
            "SELECT FROM credits_wallet FOR UPDATE",
            "INSERT INTO organizations_tick VALUES ('a', '2026-01-01')",
            "DELETE FROM usage_denial",
            "CREATE TABLE more (id integer)",
            "SELECT pg_read_file('/etc/passwd')",
        ],
    )
    def test_is_refused(self, reader: psycopg.Connection, query: str) -> None:
        with pytest.raises(InsufficientPrivilege):
            reader.execute(query.encode())

    def test_audits_the_books(self) -> None:
        organization = f.make_organization(funded=10)
        f.spend(organization, 3)

        with acting_as(READER):
            call_command("reconcile")
            call_command("verify_ledger")


class acting_as:
    """Have Django's own session act as a role, for the length of a block."""

    def __init__(self, role: str) -> None:
        self.role = role

    def __enter__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.role)))

    def __exit__(self, *_: object) -> None:
        with suppress(Exception), connection.cursor() as cursor:
            cursor.execute("SET ROLE NONE")


class AsApp:
    """The tests of a verb once more, by who may do no more than the application."""

    @pytest.fixture(autouse=True)
    def as_app(self, made: None) -> Iterator[None]:
        with acting_as(APP):
            assert ask("SELECT current_user") == [APP]
            yield


class TestReserveAsApp(AsApp, test_reserve.TestReserve):
    pass


class TestCapAsApp(AsApp, test_reserve.TestCap):
    pass


class TestSettleAsApp(AsApp, test_settle.TestSettle):
    pass


class TestDebtAsApp(AsApp, test_settle.TestDebt):
    pass


class TestAllowanceAsApp(AsApp, test_renew.TestAllowance):
    pass


class TestArchiveAsApp(AsApp, test_archive.TestArchive):
    pass


class TestReverseAsApp(AsApp, test_reverse.TestReverseOfWork):
    pass


class TestCheck:
    def test_complains_of_who_could_do_anything(self) -> None:
        [complaint] = roles.app_owns_nothing(databases=["default"])

        assert complaint.id == "config.W001"
        assert "a superuser" in complaint.msg

    def test_complains_of_the_owner_of_a_table(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE theirs ()")
            cursor.execute(f"ALTER TABLE theirs OWNER TO {READER}")
        try:
            with acting_as(READER):
                [complaint] = roles.app_owns_nothing(databases=["default"])
        finally:
            with connection.cursor() as cursor:
                cursor.execute("DROP TABLE theirs")

        assert "the owner of the tables" in complaint.msg

    def test_is_content_with_the_application(self) -> None:
        with acting_as(APP):
            assert roles.app_owns_nothing(databases=["default"]) == []

    def test_says_nothing_in_debug_or_without_a_database(self, settings: Any) -> None:
        assert roles.app_owns_nothing(databases=None) == []

        settings.DEBUG = True

        assert roles.app_owns_nothing(databases=["default"]) == []


class TestGrant:
    def test_takes_back_what_is_not_written(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"GRANT ALL ON credits_ledgerentry TO {APP}, {READER}, PUBLIC")
            cursor.execute(f"GRANT UPDATE (amount) ON credits_ledgerentry TO {APP}")
            cursor.execute(f"GRANT CREATE ON SCHEMA public TO {APP}, PUBLIC")
            cursor.execute("GRANT EXECUTE ON FUNCTION credits_check_wallet_1() TO PUBLIC")

        roles.grant()

        with session_of(APP) as session:
            for statement in (
                "UPDATE credits_ledgerentry SET amount = 1",
                "DELETE FROM credits_ledgerentry",
                "CREATE TABLE more (id integer)",
                "SELECT credits_check_wallet_1()",
            ):
                with pytest.raises(InsufficientPrivilege):
                    session.execute(statement.encode())
                session.rollback()

    def test_opens_no_table_that_has_no_line(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE unheard_of (id integer)")
        try:
            roles.grant()

            with session_of(APP) as session, pytest.raises(InsufficientPrivilege):
                session.execute("SELECT * FROM unheard_of")
        finally:
            with connection.cursor() as cursor:
                cursor.execute("DROP TABLE unheard_of")


@pytest.fixture
def scratch() -> Iterator[str]:
    """Return the name of an empty database that `purser_owner` owns."""
    name = f"{connection.settings_dict['NAME']}_roles"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" OWNER purser_owner')
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


class TestMigrate:
    def test_is_the_owners_and_everything_else_the_applications(
        self, scratch: str, tmp_path: Path
    ) -> None:
        session_of(APP).close()
        environment = os.environ | {
            "DATABASE_URL": url_of(APP, scratch),
            "DATABASE_OWNER_URL": url_of("purser_owner", scratch),
            "DATA_DIR": str(tmp_path),
        }

        def manage(*words: str) -> str:
            return subprocess.check_output(
                [sys.executable, PROJECT / "manage.py", *words],
                env=environment,
                text=True,
                stderr=subprocess.STDOUT,
            )

        assert "No rights" not in manage("migrate", "--noinput")
        assert "No migrations to apply" in manage("migrate", "--noinput")
        who = "from django.db import connection as c; k = c.cursor(); k.execute('SELECT current_user'); print(k.fetchone())"
        assert APP in manage("shell", "--no-imports", "-c", who)
        assert manage("reconcile").endswith("nothing found\n")
        assert "config.W001" not in manage("check", "--database", "default")
        place = connection.settings_dict
        with psycopg.connect(
            host=place["HOST"] or None,
            port=place["PORT"] or None,
            dbname=scratch,
            user=place["USER"],
        ) as session:
            owners = session.execute(
                "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
        assert owners == [("purser_owner",)]

    def test_connects_as_the_owner_for_as_long_as_it_takes(self, settings: Any) -> None:
        session_of(APP).close()
        ours = connection.settings_dict
        settings.DATABASE_APP = ours
        settings.DATABASE_OWNER = {"USER": "purser_owner"}

        with roles.as_owner():
            assert ask("SELECT current_user") == ["purser_owner"]
            assert roles.app_owns_nothing(databases=["default"]) == []
        assert ask("SELECT current_user") == [ours["USER"]]

    def test_leaves_a_connection_to_another_place_alone(self, settings: Any) -> None:
        settings.DATABASE_APP = {**connection.settings_dict, "HOST": "elsewhere"}
        settings.DATABASE_OWNER = {"USER": "nobody"}

        with roles.as_owner():
            assert ask("SELECT 1") == [1]


def url_of(role: str, database: str) -> str:
    """Return the address of a database on the tests' server, for a role without a password."""
    host, port = str(connection.settings_dict["HOST"]), str(connection.settings_dict["PORT"])
    # A socket's folder stands where the name of a database would, as in config/embedded.py.
    place = f"/{host}" if host.startswith("/") else f"{host}:{port or 5432}"
    return f"postgres://{role}@{place}/{database}"


class TestScripts:
    def test_make_roles_with_passwords_and_give_the_database_its_owner(
        self, scratch: str, tmp_path: Path
    ) -> None:
        """With names of their own: the roles of this server may be somebody's."""
        prefix = f"p{os.getpid()}_"
        names = [prefix + name for name in ("owner", "app", "reader")]
        place = connection.settings_dict
        where = [f"--host={place['HOST']}"] if place["HOST"] else []
        where += [f"--port={place['PORT']}"] if place["PORT"] else []
        passwords = {
            f"PURSER_{name}_PASSWORD": f"it's {name}" for name in ("OWNER", "APP", "READER")
        }
        try:
            for _ in range(2):
                for script in ("roles.sql", "passwords.sql"):
                    copy = tmp_path / script
                    text = (PROJECT / "config" / "sql" / script).read_text()
                    copy.write_text(text.replace("purser_", prefix))
                    subprocess.run(
                        [
                            *(tool("psql"), *where, f"--username={place['USER']}"),
                            *(f"--dbname={scratch}", "--no-psqlrc", "--set=ON_ERROR_STOP=1"),
                            f"--file={copy}",
                        ],
                        env=os.environ | passwords,
                        check=True,
                        capture_output=True,
                    )

            made = ask(
                "SELECT rolname::text FROM pg_authid WHERE rolname = ANY(%s)"
                " AND rolpassword LIKE 'SCRAM-SHA-256%%' AND rolcanlogin AND NOT rolsuper",
                names,
            )
            assert sorted(made) == sorted(names)
            assert ask(
                "SELECT datdba::regrole::text FROM pg_database WHERE datname = %s", scratch
            ) == [names[0]]
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f'ALTER DATABASE "{scratch}" OWNER TO CURRENT_USER')
                for name in names:
                    cursor.execute(f"DROP ROLE IF EXISTS {name}")
