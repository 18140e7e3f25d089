"""Identifiers: of version 7, growing, unlike each other, and with room for a bucket."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import RFC_4122

from organizations.ids import new_id

MANY = 20_000


class TestNewId:
    def test_is_of_version_seven_and_of_this_moment(self) -> None:
        made = new_id()

        moment = datetime.fromtimestamp((made.int >> 80) / 1_000, UTC)
        assert (made.version, made.variant) == (7, RFC_4122)
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)

    def test_keeps_the_bits_of_the_bucket_zero(self) -> None:
        assert {new_id().int >> 64 & 0xFFF for _ in range(MANY)} == {0}

    def test_grows_with_each_that_a_process_makes(self) -> None:
        assert all(one < next for one, next in pairwise([new_id() for _ in range(MANY)]))

    def test_is_never_made_twice_whoever_makes_it(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: new_id(), range(MANY)))

        assert len(set(made)) == MANY

    def test_leaves_to_chance_what_another_process_could_repeat(self) -> None:
        """Where a millisecond's count begins, and what is behind it: no bit of them is always the same."""
        of_moments: dict[int, int] = {}
        while len(of_moments) < 80:
            made = new_id().int
            of_moments.setdefault(made >> 80, made & (1 << 62) - 1)

        always_set = always_clear = (1 << 62) - 1
        for each in of_moments.values():
            always_set &= each
            always_clear &= ~each
        # The first bit of a count is clear, so that it has room to grow.
        assert (always_set, always_clear & ~(1 << 61)) == (0, 0)
