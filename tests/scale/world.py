"""The world in which pages are measured: neighbourhoods by the thousand, with a few giants among them, and books that hold."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from config.demo_people import load_rate_card
from credits.models import Rehearsal, RehearsedRenewal
from organizations.models import BulkAction, BulkItem, Import, ImportPart, ImportRow
from tests.scale import sealing, staff
from tests.scale.copying import copy_all, filling
from tests.scale.giants import NTH, Size, again, giant, nth
from tests.scale.staff import Apart
from tests.scale.stories import Amounts, neighbourhood
from tests.usage import people as p

NEIGHBOURS = 12
"""How many organizations a neighbourhood has, its sandbox among them."""


class Shape(NamedTuple):
    """How large a world is."""

    organizations: int
    small: Amounts
    giants: dict[str, Size]
    rows_apart: int
    """How many imports, actions on many, what-ifs there are besides."""

    @property
    def is_large(self) -> bool:
        """Whether indexes are better made than kept, and prices are those of everybody."""
        return self.organizations > 1_000


FULL = Shape(
    organizations=10_000,
    small=Amounts(pieces=106, denials=8),
    giants={
        "Goliath": Size(Amounts(pieces=100_000, denials=5_000, grants=300), 10_000, 300),
        "Titan": Size(Amounts(pieces=20_000, denials=3_000, grants=50), 2_000, 0),
    },
    rows_apart=2_000,
)
"""Ten thousand organizations, with a million entries and events."""
SMALL = Shape(
    organizations=2 * NEIGHBOURS,
    small=Amounts(pieces=15, denials=3),
    giants={"Goliath": Size(Amounts(pieces=300, denials=20, grants=3), 60, 2)},
    rows_apart=3,
)
"""What the quick tests look at."""


def build(shape: Shape, *, now: datetime, say: Callable[[str], None] = lambda text: None) -> None:
    """Make the world, as far as `now`.

    :param say: is told what is being made
    """
    say("a neighbourhood, as the services write it")
    if shape.is_large:
        load_rate_card()
    p.make_model("sonnet", provider="lab", tier="advanced")
    p.make_model("haiku", provider="lab", credits_per_million=2)
    apart = staff.apart(now=now)
    neighbourhood(shape.small, apart, now=now)
    say(f"its copies, until there are {shape.organizations:,} organizations")
    copy_all(shape.organizations // NEIGHBOURS)
    for name, size in shape.giants.items():
        say(f"{name}: {size.amounts.pieces:,} pieces of work of {size.people:,} people")
        giant(name, size, apart, now=now)
    say("what staff left")
    _staff(apart, shape.rows_apart)
    say("hashes and checksums")
    sealing.seal(is_large=shape.is_large)
    say("rollups and totals")
    sealing.add_up(now=now)
    say("done")


def _staff(apart: Apart, count: int) -> None:
    """Count what each that stands apart is about, and make more of its kind, about hardly anybody."""
    about = {
        BulkAction: BulkItem.objects.filter(bulk_id=apart.bulk.pk),
        Rehearsal: RehearsedRenewal.objects.filter(rehearsal_id=apart.rehearsal.pk),
    }
    with filling():
        for model, rows in about.items():
            model._default_manager.update(total=rows.count())
        parts = ImportPart.objects.filter(whole=apart.file).count()
        Import.objects.update(parts=parts, rows=ImportRow.objects.filter(whole=apart.file).count())
        for row in (apart.rehearsal, apart.file, apart.what_if, apart.job):
            again(row, count, id=NTH.format("t.id"))
        # Nothing is done to nobody: each of these is about one.
        again(apart.bulk, count, id=NTH.format("t.id"), total="1")
        item = about[BulkAction].earliest("id")
        again(item, count, id=NTH.format("t.id"), bulk_id=nth(apart.bulk))
