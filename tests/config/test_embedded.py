"""The embedded PostgreSQL: it comes with the first who needs it and goes with the last."""

import os
from collections.abc import Iterator
from pathlib import Path

import environ
import psutil
import psycopg
import pytest

from config import embedded

pytestmark = pytest.mark.xdist_group("embedded")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where a server is made once, by the first test that starts it."""
    return embedded.folder_in(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def _nothing_left_running(folder: Path) -> Iterator[None]:
    yield
    embedded.stop(folder)


def ask(folder: Path, query: str) -> object:
    host = str(embedded.socket_folder(folder))
    with psycopg.connect(host=host, user="postgres", autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def postmasters(folder: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in (process.info["cmdline"] or [])
    ]


class TestRunning:
    def test_starts_the_server_and_stops_it(self, folder: Path) -> None:
        with embedded.running(folder):
            assert embedded.is_answering(folder)

        assert not embedded.is_answering(folder)
        assert postmasters(folder) == []

    def test_leaves_the_server_to_whoever_stays(self, folder: Path) -> None:
        with embedded.running(folder):
            with embedded.running(folder):
                pass

            assert embedded.is_answering(folder)

    def test_stops_the_server_of_its_owner_whoever_stays(self, folder: Path) -> None:
        with embedded.running(folder):
            with embedded.running(folder, is_owner=True):
                pass

            assert not embedded.is_answering(folder)

    def test_stops_the_server_when_the_work_fails(self, folder: Path) -> None:
        with pytest.raises(ZeroDivisionError), embedded.running(folder):
            raise ZeroDivisionError

        assert not embedded.is_answering(folder)

    def test_stops_a_server_that_was_interrupted_while_starting(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(seconds: float) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("time.sleep", interrupt)
            with pytest.raises(KeyboardInterrupt), embedded.running(folder):
                pass

        assert postmasters(folder) == []

    def test_makes_room_for_three_hundred_connections(self, folder: Path) -> None:
        with embedded.running(folder):
            assert ask(folder, "SHOW max_connections") == "300"
            assert ask(folder, "SHOW TimeZone") == "UTC"

    def test_keeps_acknowledged_writes_over_a_kill(self, folder: Path) -> None:
        with embedded.running(folder):
            ask(folder, "CREATE TABLE kept (number integer)")
            ask(folder, "INSERT INTO kept VALUES (7)")
            [postmaster] = postmasters(folder)
            postmaster.kill()
            postmaster.wait()

            with embedded.running(folder):
                assert ask(folder, "SELECT number FROM kept") == 7

    def test_makes_the_roles_even_if_the_server_goes_away_meanwhile(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[bool] = []
        make_roles = embedded._make_roles

        def kill_first(folder: Path) -> bool:
            if not tried:
                [postmaster] = postmasters(folder)
                postmaster.kill()
                postmaster.wait()
            tried.append(make_roles(folder))
            return tried[-1]

        monkeypatch.setattr(embedded, "_make_roles", kill_first)
        with embedded.running(folder):
            assert tried == [False, True]
            assert ask(folder, "SELECT rolname FROM pg_roles WHERE rolname = 'purser_app'")

    def test_is_not_misled_by_a_pid_file_that_names_somebody_else(self, folder: Path) -> None:
        with embedded.running(folder):
            pid_file = (folder / "postmaster.pid").read_text().split("\n")
        pid_file[0] = str(os.getpid())
        (folder / "postmaster.pid").write_text("\n".join(pid_file))

        with embedded.running(folder):
            assert embedded.is_answering(folder)

    def test_starts_again_after_a_creation_that_was_killed(self, tmp_path: Path) -> None:
        folder = embedded.folder_in(tmp_path)
        unfinished = tmp_path / "postgres.new"
        unfinished.mkdir()
        (unfinished / "PG_VERSION").write_text("18\n")

        with embedded.running(folder):
            assert ask(folder, "SELECT 1") == 1

    def test_works_in_a_folder_whose_path_is_too_long_for_a_socket(self, tmp_path: Path) -> None:
        folder = embedded.folder_in(tmp_path / "a folder with spaces" / ("deep" * 25))

        with embedded.running(folder):
            assert ask(folder, "SELECT 1") == 1

        assert embedded.socket_folder(folder) != folder

    def test_says_in_the_words_of_the_log_why_it_cannot_start(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded, "RETRY_SECONDS", 0)
        folder = embedded.folder_in(tmp_path)
        with embedded.running(folder):
            pass
        with open(folder / "postgresql.conf", "a") as configuration:
            configuration.write("nonsense = 1\n")

        with (
            pytest.raises(embedded.CannotStart, match='parameter "nonsense"'),
            embedded.running(folder),
        ):
            pass


class TestUrl:
    @pytest.mark.parametrize("name", ["plain", "with space", "percent%41", "hash#", "long" * 30])
    def test_is_read_back_as_the_folder_of_the_socket(self, name: str) -> None:
        folder = Path("/srv") / name

        address = environ.Env.db_url_config(embedded.url(folder))

        assert address["ENGINE"] == "django.db.backends.postgresql"
        assert address["HOST"] == str(embedded.socket_folder(folder))
        assert (address["USER"], address["NAME"]) == ("postgres", "postgres")
