"""The server through its socket, while somebody else holds a wallet: who wants that wallet is told to come again, and nobody else notices."""

import pytest

from config.server import THREADS
from credits.models import Reservation
from organizations.gates import Gates
from organizations.models import Organization
from tests.config.serving import Line, post
from tests.config.test_run import request
from tests.config.test_server import HOLD, HOLDS, bearer
from tests.config.test_server import port as port
from tests.factories import make_organization
from tests.parallel import locked

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("server")]
CALLERS = 8


def call(port: int, secret: str, callers: int = CALLERS) -> list[Line]:
    return [post(port, HOLDS, HOLD, secret) for _ in range(callers)]


@pytest.fixture
def held() -> Organization:
    return make_organization("Held", funded=1_000)


class TestWalletThatIsLocked:
    def test_keeps_no_neighbour_waiting(self, port: int, held: Organization) -> None:
        """As many callers as have a few tries each, all of them while nothing moves."""
        neighbour = bearer(make_organization("Neighbour", funded=100_000))
        own = bearer(held)
        with locked(held):
            for _ in range(3):
                lines = call(port, own)
                for _ in range(THREADS):
                    assert post(port, HOLDS, HOLD, neighbour).answer().status == 201
                    assert request(port, "GET", "/healthz")[0] == 200
                answers = [line.answer() for line in lines]

                assert {answer.status for answer in answers} == {503}
                assert {answer.headers["retry-after"] for answer in answers} == {"1"}
                assert {answer.json["error"]["code"] for answer in answers} == {"UNAVAILABLE"}

        assert Reservation.objects.filter(wallet__organization=held).count() == 0

    def test_lets_few_wait_once_it_is_known(self, port: int, held: Organization) -> None:
        own = bearer(held)
        with locked(held):
            assert post(port, HOLDS, HOLD, own).answer().status == 503
            told = [line.answer().json["error"]["message"] for line in call(port, own)]

        waited = sum("busy" in each for each in told)
        assert 1 <= waited <= Gates.places_if_stuck

    def test_is_open_again_when_it_moves(self, port: int, held: Organization) -> None:
        own = bearer(held)
        with locked(held):
            assert {line.answer().status for line in call(port, own)} == {503}

        assert [post(port, HOLDS, HOLD, own).answer().status for _ in range(CALLERS)] == (
            [201] * CALLERS
        )
