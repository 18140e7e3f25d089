"""What `make run` does: start everything Purser needs in order, watch it, stop it in order."""

import fcntl
import http.client
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import StringIO
from typing import TypedDict

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections

from config import assets, embedded, secret
from config.supervisor import (
    MARK,
    KeepsCrashing,
    Program,
    Stop,
    Supervisor,
    adopt_orphans,
    kill_leftovers,
    stop_on_signals,
)

HOST = "127.0.0.1"
READY_TIMEOUT_SECONDS = 120
POLL_SECONDS = 0.1
DATABASE_CHECK_SECONDS = 2


class CannotRun(Exception):
    """Something outside is in the way; the message says what, and what to do about it."""


class Credentials(TypedDict):
    organizationId: str
    apiKey: str


class PersonalCredentials(TypedDict):
    actorId: str
    apiKey: str


class Login(TypedDict):
    username: str
    password: str


class Demo(TypedDict):
    """What `manage.py demo --json` prints."""

    parent: Credentials
    child: Credentials
    actor: PersonalCredentials
    admin: Login


def main() -> None:
    environment = dict(os.environ)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # Only for the migrations here; what we start gets the environment as we found it.
    os.environ.setdefault("STATEMENT_TIMEOUT_SECONDS", "0")
    # What we write, and what our programs write, is for us alone: logs and messages too.
    os.umask(0o077)
    stop_on_signals()
    adopt_orphans()
    try:
        django.setup()
        run(environment)
    except Stop:
        sys.stdout.write("Purser has stopped.\n")
    except (CannotRun, KeepsCrashing, embedded.CannotStart) as error:
        sys.exit(f"make run: {error}")
    except (ImproperlyConfigured, ValueError) as error:
        sys.exit(f"make run: a setting is wrong: {error}")
    except OperationalError as error:
        sys.exit(f"make run: the database does not answer: {error}")


def run(environment: Mapping[str, str]) -> None:
    """Serve until somebody says stop.

    :raises Stop: when somebody does
    :raises CannotRun: if the port or the folder is taken, or the server never gets ready
    :raises CannotStart: if the embedded database does not
    :raises KeepsCrashing: if the web server does
    """
    with _alone_in_data_dir():
        kill_leftovers(str(settings.DATA_DIR))
        _require_free_port(settings.PORT)
        with _database(), _nothing_left():
            demo = _prepare()
            with Supervisor(_programs(environment)) as supervisor:
                _wait_until_ready(supervisor)
                sys.stdout.write(_welcome(demo))
                sys.stdout.flush()
                _watch(supervisor)


@contextmanager
def _alone_in_data_dir() -> Iterator[None]:
    """Hold the folder: two workers with a beat each, or two databases, must not share one."""
    secret.make_private_folder(settings.DATA_DIR)
    with open(settings.DATA_DIR / "run.lock", "w", opener=secret.private) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotRun(
                f"another one runs in {settings.DATA_DIR}; stop it, or give this one a DATA_DIR"
                " and a PORT of its own."
            ) from error
        yield


@contextmanager
def _nothing_left() -> Iterator[None]:
    """Kill at the end what a stop in the middle of a start kept from the supervisor's list."""
    try:
        yield
    finally:
        kill_leftovers(str(settings.DATA_DIR))


def _require_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise CannotRun(
                f"port {port} is not free; choose another one, as in `make run PORT=8001`."
            ) from error


def _database() -> AbstractContextManager[None]:
    if not settings.EMBEDDED_DATABASE:
        return nullcontext()
    return embedded.running(embedded.folder_in(settings.DATA_DIR), is_owner=True)


def _prepare() -> Demo | None:
    """Bring the database and the static files up to this code; return the demo's credentials.

    None if the database holds something else than the demo: nobody wants a demo among customers.
    """
    shutil.rmtree(settings.BROKER_DIR, ignore_errors=True)
    for folder in ("messages", "control"):
        (settings.BROKER_DIR / folder).mkdir(parents=True)
    call_command("migrate", verbosity=0, interactive=False)
    assets.collect()
    answer = StringIO()
    try:
        call_command("demo", "--json", stdout=answer)
    except CommandError as error:
        sys.stdout.write(f"No demo: {error}\n")
        return None
    finally:
        connections.close_all()
    demo: Demo = json.loads(answer.getvalue())
    return demo


def _programs(environment: Mapping[str, str]) -> list[Program]:
    marked = {**environment, MARK: str(settings.DATA_DIR), "PYTHONUNBUFFERED": "1"}

    def program(name: str, *arguments: str, nice: int = 0) -> Program:
        # What nobody waits for gives way to requests: they share the machine.
        command = ["nice", "-n", str(nice), sys.executable, "-m", *arguments]
        return Program(name, command, marked, is_needed=False, answers=lambda: True)

    web = program(
        "web server",
        *("granian", "--interface", "rsgi", "--http", "1", "--no-ws", "--workers", "2"),
        *("--host", HOST, "--port", str(settings.PORT)),
        *("--respawn-failed-workers", "--respawn-interval", "0.5", "--workers-kill-timeout", "4"),
        "config.server:application",
    )
    web.is_needed = True
    web.answers = _answers
    celery = ("celery", "-A", "config")
    worker = (
        *(*celery, "worker", "--hostname", f"port-{settings.PORT}@%h", "--concurrency", "2"),
        *("--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"),
    )
    if settings.REDIS_URL:
        beat = program("beat", *celery, "beat", "--loglevel", "INFO", "--pidfile=")
        return [web, program("worker", *worker, nice=10), beat]
    # Files as messages: a worker that is its own beat is the only one who writes any.
    return [web, program("worker", *worker, "--beat", nice=10)]


def _answers() -> bool:
    """Say whether the web server is ready for requests."""
    connection = http.client.HTTPConnection(HOST, settings.PORT, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait_until_ready(supervisor: Supervisor) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while not supervisor.is_ready:
        if time.monotonic() > deadline:
            raise CannotRun(f"nothing answered within {READY_TIMEOUT_SECONDS} seconds.")
        supervisor.check()
        time.sleep(POLL_SECONDS)


def _watch(supervisor: Supervisor) -> None:
    folder = embedded.folder_in(settings.DATA_DIR)
    check_database_at = time.monotonic()
    while True:
        supervisor.check()
        if settings.EMBEDDED_DATABASE and time.monotonic() >= check_database_at:
            embedded.start(folder)
            check_database_at = time.monotonic() + DATABASE_CHECK_SECONDS
        time.sleep(POLL_SECONDS)


def _welcome(demo: Demo | None) -> str:
    address = f"http://{HOST}:{settings.PORT}"
    body = json.dumps({"estimatedCredits": 10})
    lines = [
        "",
        "Purser is ready. Ctrl-C stops it.",
        f"  admin       {address}/admin/",
        f"  API         {address}/api/docs/",
    ]
    if demo is not None:
        lines += [
            f"  login       {demo['admin']['username']} / {demo['admin']['password']}",
            f"  parent key  {demo['parent']['apiKey']}",
            f"  child key   {demo['child']['apiKey']}",
            "",
            "Hold ten credits of the child:",
            (
                f"  curl -X POST {address}/api/v1/usage/reservations -d '{body}'"
                f" -H 'Content-Type: application/json'"
                f" -H 'Authorization: Bearer {demo['child']['apiKey']}'"
            ),
        ]
    return "\n".join([*lines, "", ""])


if __name__ == "__main__":
    main()
