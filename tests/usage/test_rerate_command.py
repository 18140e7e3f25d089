"""`manage.py rerate`: what it shows, what it writes, and that it does it once."""

from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.management import CommandError, call_command

from organizations.models import Organization
from tests import factories as f
from tests.usage import people as p
from usage.pricing import Tokens
from usage.services import rerating
from usage.services.events import Told, record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization() -> Organization:
    """Three pieces of work of 10 credits each, whose price was corrected to 7."""
    p.make_models()
    organization = f.make_organization(funded=100)
    for number in range(3):
        work = Told("job", str(number), f.NOW, tokens=Tokens(output=p.MILLION), model="sonnet")
        record(organization=organization, told=[work], performed_by=f.KEY, now=f.NOW)
    p.set_price("sonnet", 7)
    return organization


def rerate(organization: Organization, *options: str, **more: Any) -> str:
    out = StringIO()
    call_command(
        "rerate",
        "--organization",
        organization.public_id,
        "--period",
        more.pop("period", "2026-05-20"),
        *options,
        stdout=out,
        stderr=StringIO(),
    )
    return out.getvalue()


class TestCommand:
    def test_only_shows_in_a_dry_run(self, organization: Organization) -> None:
        text = rerate(organization, "--dry-run")

        assert text.count("evt_") == 3
        assert "3 events differ, −9 credits in all" in text
        assert f.money_of(organization) == f.amounts(70, 0, 70)

    def test_charges_again_and_says_how_much(self, organization: Organization) -> None:
        text = rerate(organization, "--yes")

        assert "3 events charged again, −9 credits in all" in text
        assert f.money_of(organization) == f.amounts(79, 0, 79)
        assert f.entries_of(organization)[-1].performed_by.startswith("shell:")

    def test_does_it_in_several_transactions(self, organization: Organization) -> None:
        rerated = mock.Mock(wraps=rerating.rerate)
        with (
            mock.patch("usage.services.rerate", rerated),
            mock.patch.object(rerating, "READ_AT_ONCE", 2),
            mock.patch.object(rerating, "PAGES_AT_ONCE", 1),
        ):
            rerate(organization, "--yes")

        assert rerated.call_count == 3
        assert f.money_of(organization) == f.amounts(79, 0, 79)

    def test_finds_nothing_the_second_time(self, organization: Organization) -> None:
        rerate(organization, "--yes")

        assert rerate(organization, "--yes") == "0 events differ, 0 credits in all\n"

    def test_asks_first(self, organization: Organization) -> None:
        with (
            mock.patch("builtins.input", return_value="n"),
            pytest.raises(CommandError, match="nothing was changed"),
        ):
            rerate(organization)

        assert f.money_of(organization) == f.amounts(70, 0, 70)

    def test_writes_a_file_for_people(self, organization: Organization, tmp_path: Path) -> None:
        file = tmp_path / "may.csv"

        rerate(organization, "--dry-run", "--csv", str(file))

        assert file.read_bytes().startswith(b"\xef\xbb\xbfevent,")
        head, *rows = file.read_text("utf-8-sig").splitlines()
        assert head == "event,occurred_at,model,old,new,difference,problem"
        assert [row.split(",")[3:6] for row in rows] == [["10.000000", "7.000000", "-3.000000"]] * 3

    @pytest.mark.parametrize(
        ("period", "problem"),
        [("May", "--period: a day like"), ("2026-04-30", "no billing period with 2026-04-30")],
    )
    def test_names_the_option_that_is_wrong(
        self, organization: Organization, period: str, problem: str
    ) -> None:
        with pytest.raises(CommandError, match=problem):
            rerate(organization, period=period)

    def test_knows_no_other_organization(self) -> None:
        with pytest.raises(CommandError, match="--organization: org_x is none"):
            call_command("rerate", "--organization", "org_x", "--period", "2026-05-01")
