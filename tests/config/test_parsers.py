"""What counts as JSON, and how much of it is read."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIRequestFactory

from config.parsers import BodyTooLarge, MalformedJson, StrictJSONParser, loads
from organizations.models import Organization
from tests.organizations.people import client_of, keys_path, organization


class TestLoads:
    def test_reads_numbers_exactly(self) -> None:
        value = loads(b'{"a": 5, "b": 0.1, "c": 1e3, "d": -0.000001}')

        assert value == {"a": 5, "b": Decimal("0.1"), "c": Decimal(1000), "d": Decimal("-0.000001")}
        assert type(value["a"]) is int
        assert type(value["c"]) is Decimal

    def test_reads_text_in_utf8(self) -> None:
        assert loads('{"a": "Zoë \\ud83d\\ude00"}'.encode()) == {"a": "Zoë 😀"}

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" ",
            b"{",
            b'{"a":1,}',
            b"{'a':1}",
            b'{"a":NaN}',
            b'{"a":Infinity}',
            b'{"a":-Infinity}',
            b'{"a":01}',
            b'{"a":1e400}',
            b'{"a":1e-400}',
            b'{"a":1e999999999999999999999}',
            b'{"a":' + b"9" * 41 + b"}",
            b'{"a":' + b"9" * 50_000 + b"}",
            b'{"a":0.' + b"1" * 41 + b"}",
            b'{"a":1,"a":1}',
            b'{"a":{"b":1,"b":2}}',
            b'{"a":1,"\\u0061":1}',
            b'\xef\xbb\xbf{"a":1}',
            b'{"a":"\xff"}',
            '{"a":1}'.encode("utf-16"),
            b'{"a":"\x00"}',
            b'{"a":"\n"}',
            b'{"a":1} x',
            b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
            b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
            b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        ],
    )
    def test_refuses_what_is_not_strict_json(self, body: bytes) -> None:
        with pytest.raises(MalformedJson):
            loads(body)

    @pytest.mark.parametrize(
        "body",
        [
            b"[]",
            b"null",
            b"5",
            b'"text"',
            b"true",
            b'[{"a":1}]',
            b'{"a":"\\u0000"}',
            b'{"a\\u0000":1}',
            b'{"a":["\\ud800"]}',
            b'{"\\udfff":1}',
        ],
    )
    def test_refuses_what_no_field_can_hold(self, body: bytes) -> None:
        with pytest.raises(ValidationError):
            loads(body)

    def test_takes_32_levels(self) -> None:
        assert loads(b'{"a":' + b"[" * 31 + b"]" * 31 + b"}")
        with pytest.raises(MalformedJson):
            loads(b'{"a":' + b"[" * 32 + b"]" * 32 + b"}")


@pytest.mark.django_db
class TestParse:
    @pytest.fixture
    def acme(self) -> Organization:
        return organization()

    def post(self, acme: Organization, body: bytes, content_type: str = "application/json") -> Any:
        caller: Any = client_of(acme)
        return caller.generic("POST", keys_path(acme), body, content_type=content_type)

    def padded(self, size: int) -> bytes:
        start = b'{"name":"k","scopes":["*"]'
        return start + b" " * (size - len(start) - 1) + b"}"

    def test_takes_64_kilobytes(self, acme: Organization) -> None:
        assert self.post(acme, self.padded(64 * 1024)).status_code == 201

    @pytest.mark.parametrize("size", [64 * 1024 + 1, 3_000_000, 9_000_000])
    def test_refuses_more(self, acme: Organization, size: int) -> None:
        response = self.post(acme, self.padded(size))

        assert response.status_code == 413
        assert response.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "application/json; charset=utf-16",
            "",
            "\x00",
        ],
    )
    def test_refuses_what_does_not_say_that_it_is_json(
        self, acme: Organization, content_type: str
    ) -> None:
        response = self.post(acme, self.padded(64), content_type)

        assert response.status_code == 415
        assert response.json()["error"]["code"] == "UNSUPPORTED_MEDIA_TYPE"

    @pytest.mark.parametrize(
        "content_type", ["application/json", "application/json; charset=UTF-8", "Application/JSON"]
    )
    def test_takes_json(self, acme: Organization, content_type: str) -> None:
        assert self.post(acme, self.padded(64), content_type).status_code == 201

    def test_asks_for_a_body_where_there_is_none(self, acme: Organization) -> None:
        response = client_of(acme).post(keys_path(acme))

        assert response.status_code == 422
        assert "body" in response.json()["error"]["message"]

    def test_lets_a_view_take_more(
        self, acme: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("usage.views.keys.ApiKeys.max_body_bytes", 2 * 1024 * 1024)

        assert self.post(acme, self.padded(2 * 1024 * 1024)).status_code == 201
        assert self.post(acme, self.padded(2 * 1024 * 1024 + 1)).status_code == 413

    def test_refuses_what_is_announced_too_long_without_reading_it(self) -> None:
        request = APIRequestFactory().post("/", b" " * 70_000, content_type="application/json")

        with pytest.raises(BodyTooLarge):
            StrictJSONParser().parse(None, "application/json", {"request": request})


class TestManyObjects:
    """A body of 2 MB may hold 690,000 empty objects: they are counted, and none is built."""

    @pytest.mark.parametrize("item", ["{}", "[]", '{"a":{}}'])
    def test_are_refused_before_they_are_built(
        self, item: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("config.parsers.json.loads", None)
        body = '{{"events":[{}]}}'.format(",".join([item] * 300_000))

        with pytest.raises(ValidationError) as refusal:
            loads(body.encode())

        assert refusal.value.detail == {
            "events": ["At most 20000 objects and lists are allowed in a body."]
        }

    def test_are_as_many_as_the_largest_batch_needs(self) -> None:
        body = '{{"events":[{}]}}'.format(",".join(['{"metadata":{"a":[]}}'] * 5_000))

        assert len(loads(body.encode())["events"]) == 5_000

    def test_are_not_named_where_nobody_knows_their_field(self) -> None:
        with pytest.raises(ValidationError) as refusal:
            loads(b"[{" * 20_001)

        assert list(refusal.value.detail) == ["body"]
