"""Every page of the console, by construction: the names of all its addresses, and which of them answer with no page of their own."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.urls import NoReverseMatch, get_resolver, resolve, reverse
from django.urls.resolvers import URLPattern, URLResolver

FILES = "export|csv|statement|lines|movements|template|problems|report"
DEEDS = "decide|confirm|stop|now|views|view|try_again|run|go-on"
"""What a button sends; it answers with a page that has an address of its own."""
NO_PAGE = re.compile(
    rf"(_({FILES}|{DEEDS}))$|^admin:(logout|jsi18n|autocomplete|view_on_site|search)$"
)


def names() -> set[str]:
    """Return the names of all pages of the console: whoever adds one finds it here."""
    found = set(_named(get_resolver(), "", ""))
    return {name for name in found if not NO_PAGE.search(name)}


def _named(resolver: URLResolver, space: str, path: str) -> Iterator[str]:
    for each in resolver.url_patterns:
        here = path + str(each.pattern)
        if isinstance(each, URLPattern):
            if here.startswith("admin/") and each.name:
                yield space + each.name
        else:
            yield from _named(each, f"{each.namespace}:" if each.namespace else space, here)


def name_of(link: str) -> str:
    """Return the name of the address that a link leads to."""
    return resolve(urlsplit(link).path).view_name


def links_to(name: str, known: dict[str, str]) -> Iterator[str]:
    """Yield where a page that no link led to may be: at its own address, or beside the page of a row that is known."""
    try:
        yield reverse(name, kwargs={"app_label": "usage"} if name == "admin:app_list" else None)
    except NoReverseMatch:
        model, _, what = name.rpartition("_")
        row = known.get(f"{model}_change")
        if row:
            yield row.split("?")[0].replace("/change/", f"/{what}/")
