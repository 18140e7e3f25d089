"""Clients that others make of the document go through the README's first settled reservation and a refusal.

`make test-clients` runs this. It needs a package registry, once, and for TypeScript Node; what is missing is left out and said. The tools
stay in `$DATA_DIR/clients`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from drf_spectacular.renderers import OpenApiJsonRenderer

from config.openapi import document
from tests import factories as f
from tests.config.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)

HERE = Path(__file__).parent
PYTHON_LOCK = HERE.parents[1] / "requirements-clients.lock"
NODE_FILES = ("package.json", "package-lock.json")
OLDEST_NODE = 20
PATIENCE_SECONDS = 600
"""How long one command may take."""


@pytest.fixture
def purser(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Serve Purser to one customer with a hundred credits; yield the address and its key."""
    _, key = f.make_key(f.make_organization(funded=100, now=datetime.now(UTC)))
    with serving(tmp_path / "log") as port:
        yield f"http://127.0.0.1:{port}", key


@pytest.fixture
def description(tmp_path: Path) -> Path:
    """The document, as a client finds it at `/api/schema/?format=json`."""
    file = tmp_path / "purser.json"
    file.write_bytes(document(OpenApiJsonRenderer.media_type))
    return file


def tried(
    *command: str | Path, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command, and return what came of it."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    """Run a command that has to succeed, and return what it says."""
    ran = tried(*command, folder=folder, **environment)
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def install(folder: Path, lock: Path, *commands: tuple[str | Path, ...]) -> None:
    """Install what a lock names into a folder, unless it is there. Where no registry answers the test is left out."""
    mark = folder / "installed"
    if mark.exists() and mark.read_text() == lock.read_text():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in commands:
        try:
            ran = tried(*command, folder=folder)
        except subprocess.TimeoutExpired as error:
            pytest.skip(f"left out: {lock.name} could not be installed: {error}")
        if ran.returncode:
            last = ran.stdout.strip().splitlines()[-2:]
            pytest.skip(f"left out: {lock.name} could not be installed: {' '.join(last)}")
    mark.write_text(lock.read_text())


def node_version() -> int:
    """Return the major version of Node, 0 if there is none."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return 0
    return int(run("node", "--version", folder=HERE).strip().removeprefix("v").partition(".")[0])


@pytest.fixture
def python_tools() -> Path:
    """The folder of the programs of openapi-python-client."""
    folder = settings.DATA_DIR / "clients" / "python"
    programs: Path = folder / "bin"
    pip = (programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    hurry = ("--retries", "1", "--timeout", "15")
    install(
        folder,
        PYTHON_LOCK,
        (sys.executable, "-m", "venv", folder),
        (*pip, *hurry, "--require-hashes", "-r", PYTHON_LOCK),
    )
    return programs


@pytest.fixture
def node_modules() -> Path:
    """The folder with openapi-typescript, openapi-fetch and TypeScript."""
    version = node_version()
    if version < OLDEST_NODE:
        pytest.skip(f"left out: it needs Node {OLDEST_NODE} with npm: here is {version}")
    folder: Path = settings.DATA_DIR / "clients" / "node"
    hurry = ("--fetch-retries=1", "--fetch-timeout=15000")
    install(
        folder,
        HERE / "package-lock.json",
        *(("cp", HERE / name, folder) for name in NODE_FILES),
        ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", *hurry),
    )
    return folder / "node_modules"


def test_python(
    purser: tuple[str, str], description: Path, python_tools: Path, tmp_path: Path
) -> None:
    generator = python_tools / "openapi-python-client"
    options = tmp_path / "options.json"
    options.write_text(json.dumps({"post_hooks": []}))
    made = ("--output-path", "purser_client", "--meta", "none", "--config", options)

    run(generator, "generate", "--fail-on-warning", "--path", description, *made, folder=tmp_path)

    script = HERE / "first_reservation.py"
    run(python_tools / "python", script, *purser, folder=tmp_path, PYTHONPATH=str(tmp_path))


def test_typescript(
    purser: tuple[str, str], description: Path, node_modules: Path, tmp_path: Path
) -> None:
    programs = node_modules / ".bin"
    (tmp_path / "node_modules").symlink_to(node_modules)
    for name in ("package.json", "tsconfig.json", "first_reservation.ts"):
        shutil.copy(HERE / name, tmp_path)
    types = ("--output", "purser.d.ts", "--default-non-nullable=false")

    run(programs / "openapi-typescript", description, *types, folder=tmp_path)
    run(programs / "tsc", folder=tmp_path)
    run("node", "made/first_reservation.js", *purser, folder=tmp_path)
