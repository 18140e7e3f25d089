"""What of a text nobody sees: characters by which two names look alike, or one carries what is not shown. Pure: no Django."""

import re
import unicodedata

INEXACT = "A name that others may look like: it has to be Unicode NFKC, without spaces around it and invisible characters."

_JOINERS = "\u200c\u200d"
_SELECTORS = "\ufe00-\ufe0f"

_WHERE_WRITTEN = re.compile(
    # Persian and emoji join letters and pictures; nothing joins or selects a plain letter.
    f"(?<=[^\x00-\x7f])[{_JOINERS}](?=[^\x00-\x7f])|(?<=[^\x00-\x7f]|[0-9#*])[{_SELECTORS}]"
)
_INVISIBLE = re.compile(
    # Fillers, blanks and selectors that are letters, marks or symbols by their category.
    f"[{_JOINERS}{_SELECTORS}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\U000e0000-\U000e0fff"
    "\ufdd0-\ufdef\ufffe\uffff]"
)
_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Controls, formats (zero width, direction, tags), halves of pairs, separators of lines and paragraphs."""


def normal(email: str) -> str:
    """Return an address as it is kept: NFKC, without spaces around it, in lower case."""
    return unicodedata.normalize("NFKC", email).strip().lower()


def is_exact(name: str) -> bool:
    """Say whether a name that people match by has one spelling: NFKC, no spaces around it, and nothing invisible, joiners included.

    The database says the same (`organizations_is_exact_1`).
    """
    if name.isascii() and name.isprintable():
        return name == name.strip()
    is_normal = unicodedata.is_normalized("NFKC", name) and name == name.strip()
    return is_normal and not hides(name) and not _INVISIBLE.search(name)


def hides(text: str, *, multiline: bool = False) -> bool:
    """Say whether a text has characters that nobody sees. `multiline` lets line breaks and tabs pass."""
    if text.isascii() and text.isprintable():
        return False
    shown = _WHERE_WRITTEN.sub("", text)
    if multiline:
        shown = shown.translate({9: None, 10: None, 13: None})
    if _INVISIBLE.search(shown):
        return True
    return any(unicodedata.category(character) in _CATEGORIES for character in shown)
