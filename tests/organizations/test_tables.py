"""Tables that people made: in whatever way their spreadsheet writes them, and files that were made to do harm."""

import io
import zipfile
from datetime import date
from typing import Any

import openpyxl
import pytest

from organizations import tables
from organizations.tables import Unreadable

COLUMNS = ("name", "external_id", "credits")


def read(content: bytes | str, **options: Any) -> tables.Table:
    if isinstance(content, str):
        content = content.encode()
    return tables.read(content, columns=COLUMNS, **options)


def book(*lines: Any) -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for line in lines:
        sheet.append(line)
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def repacked(content: bytes, name: str, text: str) -> bytes:
    """Return a workbook with one of its files replaced."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for each in old.namelist():
            new.writestr(each, text if each == name else old.read(each))
    return file.getvalue()


def why(content: bytes | str, **options: Any) -> str:
    with pytest.raises(Unreadable) as raised:
        read(content, **options)
    return str(raised.value)


class TestCsv:
    @pytest.mark.parametrize(
        ("content", "read_as"),
        [
            ("name,credits\nZoë,5\n".encode(), "CSV with commas, UTF-8"),
            ("\ufeffname;credits\r\nZoë;5\r\n".encode(), "CSV with semicolons, UTF-8"),
            ("name\tcredits\nZoë\t5".encode("utf-16"), "CSV with tabs, UTF-16"),
            ("name;credits\r\nZoë;5\r\n".encode("cp1252"), "CSV with semicolons, Windows-1252"),
            ("sep=;\r\nName ;CREDITS*\r\n Zoë ;5\r\n".encode(), "CSV with semicolons, UTF-8"),
            ('"name";"credits"\n"Zoë";"5"\n'.encode(), "CSV with semicolons, UTF-8"),
        ],
    )
    def test_is_read_as_it_was_written(self, content: bytes, read_as: str) -> None:
        table = read(content)

        assert [row.cells for row in table.rows] == [{"name": "Zoë", "credits": "5"}]
        assert table.read_as == read_as

    def test_counts_rows_as_a_spreadsheet_does(self) -> None:
        table = read('# what it is\nname,credits\n\n"two\nlines",1\n,\nlast,2\n')

        assert [(row.number, row.cells["name"]) for row in table.rows] == [
            (4, "two\nlines"),
            (6, "last"),
        ]

    def test_keeps_a_row_below_the_names_that_begins_like_a_remark(self) -> None:
        assert [row.cells["name"] for row in read("name\n#1\n").rows] == ["#1"]

    def test_says_which_row_has_too_many_cells(self) -> None:
        (row,) = read("name,credits\nAcme, Inc.,5\n").rows

        assert row.number == 2
        assert row.problems == [
            ("", "More cells than there are columns: is a separator in a text?")
        ]

    def test_says_which_cell_is_too_long(self) -> None:
        (row,) = read(f"name,credits\n{'x' * 1001},5\n").rows

        assert row.problems == [("name", "Longer than 1,000 characters.")]

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("", "the file is empty"),
            ("name\n", "no row below"),
            ("# only\n", "no row that names"),
            (
                "nome,credits\na,1\n",
                "no column is called nome; there are name, external_id, credits",
            ),
            ("name,name\na,b\n", "the column name is there twice"),
            ("credits\n1\n", "the column name is missing"),
            ('name\n"a\n', "quotes of the file do not match"),
            (b"\x00\x01name", "neither CSV nor XLSX"),
            (b"\xd0\xcf\x11\xe0", "has a password, or is of the old kind"),
            ("name\n" + "a\n" * 20_001, "at most 20,000 rows"),
            ("name\n" + "\n" * 1_001, "say nothing"),
            ("name\n" + "a" * (2 * 1024 * 1024), "at most 2 MB"),
        ],
        ids=lambda value: value[:20] if isinstance(value, str) else "bytes",
    )
    def test_that_is_none_is_refused(self, content: bytes | str, said: str) -> None:
        assert said in why(content, required=["name"])


class TestXlsx:
    def test_is_read_with_its_numbers_and_dates(self) -> None:
        content = book(
            ["name", None, None], ["Acme"], [date(2026, 12, 31)], [5.0], [0.1], [12345678901]
        )

        cells = [row.cells["name"] for row in read(content).rows]

        assert cells == ["Acme", "2026-12-31T00:00:00", "5", "0.1", "12345678901"]

    def test_with_a_formula_says_where(self) -> None:
        (row,) = read(book(["name", "credits"], ["Acme", "=1+1"])).rows

        assert (row.number, row.problems) == (
            2,
            [("credits", "A formula, or its error: paste its value instead.")],
        )

    def test_that_we_hand_out_is_one_that_we_read(self) -> None:
        made = tables.workbook({"name": "Who.", "credits": "How many."}, {"name": "Acme"})

        assert why(made) == "there is no row below that of the names"

    def test_that_unpacks_to_gigabytes_is_refused_before_it_is_unpacked(self) -> None:
        bomb = repacked(book(["name"]), "xl/worksheets/sheet1.xml", " " * (33 * 1024 * 1024))

        assert len(bomb) < 100_000
        assert "unpacked the workbook is too large" in why(bomb)

    def test_that_announces_less_than_it_unpacks_to_is_refused(self) -> None:
        bomb = bytearray(
            repacked(book(["name"]), "xl/worksheets/sheet1.xml", " " * (33 * 1024 * 1024))
        )
        real = (33 * 1024 * 1024).to_bytes(4, "little")
        while (at := bomb.find(real)) >= 0:
            bomb[at : at + 4] = (1000).to_bytes(4, "little")

        assert "cannot be read" in why(bytes(bomb))

    def test_with_entities_that_grow_is_refused(self) -> None:
        text = (
            '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
            '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
            '<row r="1"><c r="A1" t="str"><v>name&b;</v></c></row></sheetData></worksheet>'
        )
        bomb = repacked(book(["name"]), "xl/worksheets/sheet1.xml", text)

        assert why(bomb) == "the workbook cannot be read (ValueError)"

    @pytest.mark.parametrize(
        ("corner", "said"), [("A1048576", "say nothing"), ("XFD2", "no row below")]
    )
    def test_of_which_only_a_far_corner_is_filled_costs_no_more_than_its_bounds(
        self, corner: str, said: str
    ) -> None:
        workbook = openpyxl.Workbook()
        sheet = workbook.active
        assert sheet is not None
        sheet["A1"], sheet[corner] = "name", "far"
        file = io.BytesIO()
        workbook.save(file)

        assert said in why(file.getvalue())

    def test_that_is_broken_is_refused(self) -> None:
        assert why(book(["name"])[:200]) == "the workbook is broken"
