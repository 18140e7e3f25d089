"""The secret that a copy of Purser makes for itself, once, when nobody gives it one."""

import os
import secrets
from pathlib import Path


def kept_in(path: Path) -> str:
    """Return the secret in the file, making both the first time; only their owner may read it."""
    if not path.exists():
        _make(path)
    return path.read_text().strip()


def _make(path: Path) -> None:
    """Write aside, then link: of two processes that start at once both read what one wrote."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
    with open(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(64) + "\n")
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
