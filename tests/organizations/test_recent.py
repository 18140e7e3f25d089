"""A mapping that forgets what was not used for the longest."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from organizations.recent import Recent


@pytest.fixture
def recent() -> Recent[str, int | None]:
    kept: Recent[str, int | None] = Recent(2)
    kept.put("a", 1)
    kept.put("b", 2)
    return kept


class TestRecent:
    def test_keeps_so_many(self, recent: Recent[str, int | None]) -> None:
        recent.put("c", 3)

        assert [recent.get(key, 0) for key in "abc"] == [0, 2, 3]
        assert len(recent) == 2

    def test_forgets_what_was_not_used_for_the_longest(
        self, recent: Recent[str, int | None]
    ) -> None:
        recent.get("a", 0)
        recent.put("c", 3)

        assert [recent.get(key, 0) for key in "abc"] == [1, 0, 3]

    def test_puts_a_value_in_the_place_of_another(self, recent: Recent[str, int | None]) -> None:
        recent.put("a", 9)
        recent.put("c", 3)

        assert [recent.get(key, 0) for key in "abc"] == [9, 0, 3]

    def test_keeps_that_there_is_nothing(self, recent: Recent[str, int | None]) -> None:
        recent.put("a", None)

        assert recent.get("a", 0) is None

    def test_drops_one_or_all(self, recent: Recent[str, int | None]) -> None:
        recent.drop("a")
        recent.drop("never there")
        assert [recent.get(key, 0) for key in "ab"] == [0, 2]

        recent.clear()
        assert len(recent) == 0

    def test_is_whole_whatever_threads_do(self) -> None:
        shared: Recent[int, int] = Recent(10)

        def use(seed: int) -> list[int]:
            found = []
            for number in range(5_000):
                key = (number * seed) % 23
                shared.put(key, key)
                found.append(shared.get(key, key) - key)
                shared.drop((key + seed) % 23)
            return found

        with ThreadPoolExecutor() as threads:
            differences = list(threads.map(use, (3, 5, 7, 11)))

        assert not any(any(found) for found in differences)
        assert len(shared) <= 10
