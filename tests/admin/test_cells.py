"""How lists write numbers and moments: in one format, whatever the list."""

import re
from decimal import Decimal

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client

from credits.admin.columns import amount, capped
from credits.admin.forms import CreditsField
from credits.models import LedgerEntry
from credits.templatetags.amounts import aligned, aligned_signed, in_brief, shown
from organizations.admin.cells import UNLIMITED, moment
from tests import factories as f
from tests.admin.people import url_of
from tests.admin.test_pages import list_of, page, world
from tests.usage import people as p

CELL = re.compile(r"<t[dh][^>]* class=\"[^\"]*field-[^>]*>(.*?)</t[dh]>", re.DOTALL)
AMOUNT = re.compile(r"[+−]?\d{1,3}(,\d{3})*(\.\d\d)?")
NUMBER = re.compile(r"[+−-]?[\d,]*\d(\.\d+)?")


def ill_written(html: str) -> list[str]:
    """Return the cells of a list that hold a number or a moment in a format of their own."""
    wrong = []
    for cell in CELL.findall(html):
        text = re.sub(r'<i class="rest">.*?</i>', "", cell)
        bare = re.sub(r"<[^>]*>", "", text).strip()
        is_number = NUMBER.fullmatch(bare) is not None
        if is_number and not ('class="amount' in cell and AMOUNT.fullmatch(bare)):
            wrong.append(cell)
        without_times = re.sub(r"<time .*?</time>|title=\"[^\"]*\"", "", cell)
        if re.search(r"-\d\d \d\d:\d\d|[ap]\.m\.", re.sub(r"<[^>]*>", "", without_times)):
            wrong.append(cell)
    return wrong


@pytest.mark.django_db(transaction=True)
def test_every_list_writes_numbers_and_moments_alike(ana: Client) -> None:
    child = world()
    ada = p.make_actor(child, "Ada")
    p.use(p.work(child, credits="3.123456", actor=ada), "3.123456")

    wrong = {}
    cells = 0
    models: list[type[Model]] = list(admin.site._registry)
    for model in models:
        html = ana.get(list_of(model)).content.decode()
        cells += len(CELL.findall(html))
        wrong[model._meta.label] = ill_written(html)

    assert cells > 200
    assert {label: found for label, found in wrong.items() if found} == {}


def test_a_cell_in_another_format_is_found() -> None:
    td = '<td class="field-x">{}</td>'
    for text in ("12.3", "1234", "-5", "2026-05-10 12:00", '<span class="amount">1.234567</span>'):
        assert ill_written(td.format(text))
    for text in ("#12", "–", '<span class="amount">1,234.50</span>', "gpt-4.1"):
        assert not ill_written(td.format(text))


@pytest.mark.django_db(transaction=True)
def test_the_page_of_a_row_has_all_six_decimals(ana: Client) -> None:
    entry = LedgerEntry.objects.get(kind="settle", wallet__organization=world())

    html = ana.get(page(LedgerEntry, "change", entry.pk)).content.decode()

    assert '>−12.34<i class="rest">5678</i>' in html


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("0", '<span class="amount">0.00</span>'),
        ("1234.5", '<span class="amount">1,234.50</span>'),
        ("1.999999", '<span class="amount" title="1.999999">1.99<i class="rest">9999</i></span>'),
        (
            "-0.004",
            '<span class="amount amount-out" title="−0.004">−0.00<i class="rest">4</i></span>',
        ),
    ],
)
def test_cuts_an_amount_after_two_decimals(value: str, cell: str) -> None:
    assert amount(Decimal(value)) == cell


def test_colours_no_movement() -> None:
    assert amount(Decimal(-5), movement=True) == '<span class="amount">−5.00</span>'
    assert amount(Decimal(5), movement=True) == '<span class="amount">+5.00</span>'


def test_a_card_is_whole_or_has_two_decimals() -> None:
    assert shown(Decimal(1_000)) == "1,000"
    assert shown(Decimal("2.123")) == '<span title="2.123">2.12</span>'
    assert shown(None) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1000", "1,000.00"),
        ("-0.5", "−0.50"),
        ("2.123", '<span title="2.123">2.12</span>'),
    ],
)
def test_a_column_has_two_decimals_whatever_the_amount(value: str, shown: str) -> None:
    assert aligned(Decimal(value)) == shown
    assert aligned_signed(Decimal(value)) == (shown if value[0] == "-" else f"+{shown}")
    assert aligned(None) == ""


def test_what_was_written_of_amounts_is_cut_too() -> None:
    assert in_brief("−3,876.803585") == '<span title="−3,876.803585">−3,876.80</span>'
    assert in_brief("1, 3.256 credits") == '<span title="1, 3.256 credits">1, 3.25 credits</span>'
    for text in ("100", "0.50", "nothing left to spend"):
        assert in_brief(text) == text


def test_has_one_word_for_what_no_cap_bounds() -> None:
    assert capped(None) == UNLIMITED == '<span class="pill pill-quiet">unlimited</span>'


def test_a_moment_says_utc_where_the_pointer_rests() -> None:
    assert moment(f.NOW) == (
        '<time datetime="2026-05-10T12:00:00Z" title="2026-05-10 12:00:00 UTC">2026-05-10 12:00:00</time>'
    )
    assert moment(None) == "–"


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ("1,000", "1000"),
        ("1 000", "1000"),
        ("1\u00a0000.5", "1000.5"),
        ("12_000_000", "12000000"),
        ("1e6", "1000000"),
        ("2.5E3", "2500"),
        (" -1,234.567891 ", "-1234.567891"),
    ],
)
def test_takes_an_amount_as_it_was_pasted(pasted: str, meant: str) -> None:
    assert CreditsField().clean(pasted) == Decimal(meant)


@pytest.mark.parametrize(
    "pasted", ["1,5", "1,00", "1,000 000", "1.000,5", "1_0", "1e", "1e-3", "1e40", "NaN", "١٢"]
)
def test_asks_again_for_what_may_mean_something_else(pasted: str) -> None:
    with pytest.raises(Exception, match=r"amount|Ensure|less"):
        CreditsField().clean(pasted)


@pytest.mark.django_db(transaction=True)
def test_a_form_says_its_unit_and_begins_in_its_first_field(ana: Client) -> None:
    html = ana.get(url_of("grant", f.make_organization())).content.decode()

    first = re.search(r"<input[^>]*autofocus[^>]*>", html)
    assert first is not None
    assert 'name="amount"' in first[0]
    assert re.search(r">\s*credits\s*<", html)
