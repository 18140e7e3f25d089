"""CSV that people open in a spreadsheet."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from organizations import sheet


class TestLines:
    def test_writes_numbers_and_times_plainly(self) -> None:
        moment = datetime(2026, 5, 1, 12, tzinfo=UTC)

        (line,) = sheet.lines([[Decimal("-1.5"), -3, moment, None, "Acme, Ltd"]])

        assert line == '-1.500000,-3,2026-05-01T12:00:00.000Z,,"Acme, Ltd"\r\n'

    @pytest.mark.parametrize(
        "text",
        [
            *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\nplain"),
            *("＝1+1", "＋1", "－1", "＠SUM(A1)", "﹦1", "−1"),
            *(" =1", "\u3000＝1", '"=1', "'=1", ' "\n=1', "\ufeff=1", "\u200b=1"),
        ],
    )
    def test_never_writes_text_as_a_formula(self, text: str) -> None:
        assert sheet.cell(text) == f"'{text}"

    @pytest.mark.parametrize("text", ["Acme", "a=b", "日本語", "  padded", '"quoted"', "it's", ""])
    def test_leaves_other_text_alone(self, text: str) -> None:
        assert sheet.cell(text) == text

    def test_begins_a_file_with_the_mark_of_utf_8(self) -> None:
        whole = "".join(sheet.file([["Zoë"], [1]])).encode()

        assert whole == b"\xef\xbb\xbfZo\xc3\xab\r\n1\r\n"

    def test_writes_a_row_at_a_time(self) -> None:
        endless = iter(lambda: ["x"], None)

        assert next(sheet.lines(endless)) == "x\r\n"
