"""Settings as another process reads them: what is wrong stops it, what is right arrives."""

import ast
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import secret

PROJECT = Path(__file__).resolve().parents[2]
OUTSIDE = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "HTTPS"}
SECRET = "correct-horse-battery-staple-and-some-more-words-of-chance"
OTHER = "thirteen-lighthouses-blink-beside-a-quiet-harbour-at-dusk"
PRODUCTION = {
    "HTTPS": "true",
    "ALLOWED_HOSTS": "purser.example",
    "DATABASE_URL": "postgres://purser@database/purser",
    "SECRET_KEY": "a-secret-of-more-than-fifty-characters-which-nobody-guesses",
}


def python(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={**inherited, "DATA_DIR": str(data_dir), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def read(data_dir: Path, name: str, **environment: str) -> str:
    """Return the text of one setting, or the last line of what went wrong."""
    answer = python(
        data_dir, "-c", f"from config import settings; print(settings.{name})", **environment
    )
    return answer.stdout.strip() or answer.stderr.strip().splitlines()[-1]


class TestWrongSettings:
    @pytest.mark.parametrize(
        ("name", "value", "sentence"),
        [
            ("DEBUG", "ture", "DEBUG=ture is neither true nor false"),
            ("HTTPS", "maybe", "HTTPS=maybe is neither true nor false"),
            ("PORT", "http", "invalid literal for int() with base 10: 'http'"),
            ("DATABASE_URL", "mysql://host/name", "DATABASE_URL must begin with postgres://"),
            ("REDIS_URL", "host:6379", "REDIS_URL must begin with redis://"),
        ],
    )
    def test_stop_the_start(self, tmp_path: Path, name: str, value: str, sentence: str) -> None:
        assert sentence in read(tmp_path, "BASE_DIR", **{name: value})


class TestSecretKey:
    def test_is_made_once_and_kept_for_its_owner(self, tmp_path: Path) -> None:
        first = read(tmp_path, "SECRET_KEY")
        second = read(tmp_path, "SECRET_KEY")

        assert first == second
        assert len(first) > 50
        assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
        assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]

    def test_is_another_one_in_another_folder(self, tmp_path: Path) -> None:
        secrets = {read(tmp_path / name, "SECRET_KEY") for name in ("one", "other")}

        assert len(secrets) == 2

    def test_is_the_pepper_of_api_keys_unless_there_is_another(self, tmp_path: Path) -> None:
        given = {"SECRET_KEY": SECRET}

        assert read(tmp_path, "API_KEY_SECRET", **given) == SECRET
        assert read(tmp_path, "API_KEY_SECRET", API_KEY_SECRET=OTHER, **given) == OTHER

    @pytest.mark.parametrize("name", ["SECRET_KEY", "API_KEY_SECRET", "SECRET_KEY_FALLBACKS"])
    @pytest.mark.parametrize(
        ("weak", "sentence"),
        [
            ("x", "has 1 characters, 50 are needed"),
            (SECRET[:49], "has 49 characters, 50 are needed"),
            ("x" * 64, "repeats itself"),
            ("0123456789" * 6, "repeats itself"),
            ("abcdefghijklmnopqrstuvwxyz" * 2, "repeats itself"),
            (f"django-insecure-{SECRET}", "is the text of an example"),
            (f"{SECRET}-please-change-me", "is the text of an example"),
            (f"{SECRET} replace me", "is the text of an example"),
        ],
    )
    def test_stops_the_start_if_it_is_easily_guessed(
        self, monkeypatch: pytest.MonkeyPatch, name: str, weak: str, sentence: str
    ) -> None:
        with pytest.raises(ImproperlyConfigured, match=f"^{name} {sentence}") as refused:
            secret.require_strong(name, weak)

        assert weak == "x" or weak not in str(refused.value)

    @pytest.mark.parametrize("name", ["SECRET_KEY", "API_KEY_SECRET", "SECRET_KEY_FALLBACKS"])
    def test_is_looked_at_before_anything_starts(self, tmp_path: Path, name: str) -> None:
        sentence = read(tmp_path, "BASE_DIR", **{"SECRET_KEY": SECRET, name: "x"})

        assert f"ImproperlyConfigured: {name}" in sentence
        assert sentence.endswith("secrets.token_urlsafe(64))'")
        assert (
            read(tmp_path, "DEBUG", **{"SECRET_KEY": SECRET, name: "x", "DEBUG": "yes"}) == "True"
        )

    def test_may_be_any_that_chance_makes(self) -> None:
        for make in (secrets.token_urlsafe, secrets.token_hex):
            for length in (50, 64):
                assert secret.require_strong("SECRET_KEY", make(length))

    def test_may_not_contain_what_separates_secrets(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="contains a comma"):
            secret.require_strong("SECRET_KEY", f"{SECRET},{OTHER}")


class TestFallbacks:
    def fallbacks(self, tmp_path: Path, **environment: str) -> tuple[list[str], list[str]]:
        """Return those of the secret and those of API keys."""
        both = "SECRET_KEY_FALLBACKS, settings.API_KEY_SECRET_FALLBACKS"
        read_both: tuple[list[str], list[str]] = ast.literal_eval(
            read(tmp_path, both, **environment).replace("] [", "], [")
        )
        return read_both

    def test_are_none_unless_there_are_any(self, tmp_path: Path) -> None:
        assert self.fallbacks(tmp_path, SECRET_KEY=SECRET) == ([], [])

    def test_of_the_secret_are_those_of_api_keys_where_it_is_their_pepper(
        self, tmp_path: Path
    ) -> None:
        given = {"SECRET_KEY": SECRET, "SECRET_KEY_FALLBACKS": OTHER}

        assert self.fallbacks(tmp_path, **given) == ([OTHER], [OTHER])
        assert self.fallbacks(tmp_path, **given, API_KEY_SECRET=OTHER) == ([OTHER], [])

    def test_of_api_keys_may_be_as_weak_as_they_were(self, tmp_path: Path) -> None:
        given = {"SECRET_KEY": SECRET, "API_KEY_SECRET_FALLBACKS": "x,,y"}

        assert self.fallbacks(tmp_path, **given) == ([], ["x", "y"])


class TestDatabases:
    def test_are_embedded_in_the_folder_without_a_url(self, tmp_path: Path) -> None:
        assert read(tmp_path, "DATABASES['default']['HOST']") == str(tmp_path / "postgres")
        assert not (tmp_path / "postgres").exists()

    def test_keep_what_their_url_asks_for_beside_the_limits(self, tmp_path: Path) -> None:
        url = "postgres://purser@database/purser?sslmode=require"

        options = read(tmp_path, "DATABASES['default']['OPTIONS']", DATABASE_URL=url)

        assert "'sslmode': 'require'" in options
        assert "statement_timeout=15s" in options
        assert "lock_timeout=5000ms" in options

    def test_wait_as_long_as_a_command_takes(self, tmp_path: Path) -> None:
        code = "from django.conf import settings; print(settings.DATABASES['default']['OPTIONS'])"

        answer = python(tmp_path, "manage.py", "shell", "--no-imports", "-c", code)

        assert "statement_timeout=0s" in answer.stdout


class TestDeployment:
    def test_passes_the_checks_of_django_without_a_word(self, tmp_path: Path) -> None:
        arguments = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")

        assert python(tmp_path, *arguments, **PRODUCTION).returncode == 0
        assert python(tmp_path, *arguments, **{**PRODUCTION, "HTTPS": "no"}).returncode != 0
