"""The secrets of a copy of Purser: which are good enough, and the one that it makes for itself when nobody gives it one."""

import os
import re
import secrets
import zlib
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

# As many as Django's own deployment check asks for.
LENGTH_MIN = 50
# Fifty random hexadecimal digits do not get smaller than 48 bytes; a word or a keyboard row, repeated, gets far smaller.
PACKED_MIN = 45
EXAMPLES = re.compile(
    r"django.?insecure|change.?(me|this)|replace.?(me|this)|example|place.?holder|(your|my).?secret",
    re.IGNORECASE,
)
HOW_TO_MAKE_ONE = "python3 -c 'import secrets; print(secrets.token_urlsafe(64))'"


def require_strong(name: str, value: str) -> str:
    """Return the value of a setting that must be a secret; it is told to nobody, not even here.

    :raises ImproperlyConfigured: if it is short, easily guessed, the text of an example, or contains a comma
    """
    if len(value) < LENGTH_MIN:
        weakness = f"has {len(value)} characters, {LENGTH_MIN} are needed"
    elif len(zlib.compress(value.encode(), 9)) < PACKED_MIN:
        weakness = "repeats itself, so it is easily guessed"
    elif EXAMPLES.search(value):
        weakness = "is the text of an example, which everybody knows"
    elif "," in value:
        weakness = "contains a comma, which is what keeps old secrets apart in a list"
    else:
        return value
    raise ImproperlyConfigured(f"{name} {weakness}; make one with {HOW_TO_MAKE_ONE}")


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner opens. One that is there stays as it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def private(path: str, flags: int) -> int:
    """Open a file that only its owner reads, and locks: an opener, for `open`."""
    return os.open(path, flags, mode=0o600)


def kept_in(path: Path) -> str:
    """Return the secret in the file, making both the first time; only their owner may read it."""
    if not path.exists():
        _make(path)
    return path.read_text().strip()


def _make(path: Path) -> None:
    """Write aside, then link: of two processes that start at once both read what one wrote."""
    make_private_folder(path.parent)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with open(aside, "w", opener=private) as file:
        file.write(secrets.token_urlsafe(64) + "\n")
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
