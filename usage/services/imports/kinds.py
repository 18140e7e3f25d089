"""The kinds of rows that can be imported."""

from collections.abc import Mapping

from usage.services.imports.balances import Balances
from usage.services.imports.customers import Customers
from usage.services.imports.history import History
from usage.services.imports.keys import Keys
from usage.services.imports.limits import Limits
from usage.services.imports.people import People
from usage.services.imports.rows import Kind

KINDS: Mapping[str, Kind] = {
    kind.slug: kind for kind in (Customers(), People(), Keys(), Balances(), Limits(), History())
}
"""In the order in which a customer is brought along."""
