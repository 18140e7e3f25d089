"""`compose.yaml` and the Dockerfile, as far as they can be read without a Docker: who gets what, and what stands in the way of the rest."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.bodies import PATIENCE_SECONDS
from config.privileges import APP
from config.server import LINGER_BYTES

PROJECT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if service.get("image") == "purser"}
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
# A full version, and of which system: `18` and `slim` are another image next month.
PINNED = re.compile(r"[a-z]+:\d+\.\d+(\.\d+)?-[a-z0-9.-]+")
# What a copy of compose sets itself, and what only `make run` reads.
NOT_FOR_COMPOSE = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SECRET_KEY", "SEALS_DIR"} | {
    *("DATA_DIR", "PORT", "DEBUG")
}


def environment(name: str) -> dict[str, str]:
    """Return the variables of a service; None is one that is taken from .env."""
    found: dict[str, str] = SERVICES[name].get("environment", {})
    return found


def words(value: object) -> str:
    """Return a command or a health check as the list of processes may show it."""
    return " ".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("name", SERVICES)
class TestEveryService:
    def test_is_pinned(self, name: str) -> None:
        image = SERVICES[name]["image"]

        assert image == "purser" or (PINNED.fullmatch(image) and not image.endswith("latest"))

    def test_gains_no_rights_and_writes_to_nothing_of_its_image(self, name: str) -> None:
        service = SERVICES[name]

        assert service["cap_drop"] == ["ALL"]
        assert "cap_add" not in service
        assert "privileged" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True

    def test_is_not_root(self, name: str) -> None:
        user = SERVICES[name].get("user")

        assert name in OURS or (user and user not in {"root", "0"})

    def test_has_limits(self, name: str) -> None:
        limits = SERVICES[name]["deploy"]["resources"]["limits"]

        assert {"cpus", "memory", "pids"} <= set(limits)

    def test_says_whether_it_is_well(self, name: str) -> None:
        if name == "migrate":
            assert SERVICES[name]["healthcheck"] == {"disable": True}
        elif name != "web":
            assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}

    def test_shows_no_secret_in_its_command(self, name: str) -> None:
        shown = [SERVICES[name].get("command", ""), SERVICES[name].get("healthcheck", {})]

        for text in map(words, shown):
            assert not re.search(r"(?<!\$)\$\{?\w*(PASSWORD|SECRET)", text), text

    def test_gets_only_what_is_named(self, name: str) -> None:
        assert "env_file" not in SERVICES[name]


class TestNetworks:
    def test_lead_nowhere_from_the_database_and_the_broker(self) -> None:
        assert COMPOSE["networks"]["inside"] == {"internal": True}
        for name in ("database", "redis", "migrate", "worker", "beat"):
            assert SERVICES[name]["networks"] == ["inside"]

    def test_publish_one_port_and_on_this_machine_alone(self) -> None:
        published = [port for service in SERVICES.values() for port in service.get("ports", [])]

        assert published == ["127.0.0.1:${PORT:-8000}:8000"]


class TestProxy:
    """It says the bounds of the server once more, and nothing wider."""

    CONF = (PROJECT / "config" / "nginx.conf").read_text()

    def test_is_the_only_way_in(self) -> None:
        assert [name for name, one in SERVICES.items() if "ports" in one] == ["proxy"]
        assert SERVICES["web"]["networks"] == ["inside"]
        assert environment("web")["TRUSTED_PROXIES"] == "${TRUSTED_PROXIES:-1}"

    @pytest.mark.parametrize(
        "line",
        [
            "listen 8000;",
            "server web:8000;",
            "proxy_request_buffering on;",
            "proxy_buffering on;",
            f"client_body_timeout {PATIENCE_SECONDS:.0f}s;",
            f"client_max_body_size {LINGER_BYTES // 1024**2}m;",
            "underscores_in_headers off;",
            "proxy_next_upstream off;",
        ],
    )
    def test_says(self, line: str) -> None:
        assert line in self.CONF


class TestSecrets:
    def test_of_the_owner_are_known_to_migrations_alone(self) -> None:
        told = {name for name in OURS if "DATABASE_OWNER_URL" in environment(name)}

        assert told == {"migrate"}
        for name in OURS - {"migrate"}:
            assert "OWNER" not in str(environment(name))
        assert not any("POSTGRES_PASSWORD" in str(environment(name)) for name in OURS)

    def test_of_the_application_are_not_the_owners(self) -> None:
        for name in OURS:
            assert environment(name)["DATABASE_URL"].startswith(f"postgres://{APP}:${{")

    def test_guard_redis(self) -> None:
        assert "requirepass" in words(SERVICES["redis"]["command"])
        for name in OURS:
            assert environment(name)["REDIS_URL"].startswith("redis://:${REDIS_PASSWORD")

    def test_must_be_set(self) -> None:
        for name in SERVICES:
            for value in environment(name).values():
                for variable in re.findall(r"\$\{(\w*(?:PASSWORD|SECRET)\w*)([^}]*)\}", str(value)):
                    assert variable[1].startswith(":?"), variable

    def test_are_all_in_the_example_and_have_no_value_there(self) -> None:
        example = (PROJECT / ".env.example").read_text()
        needed = set(re.findall(r"\$\{(\w+):\?", (PROJECT / "compose.yaml").read_text()))

        assert {
            name for name in needed if re.search(rf"^{name}=$", example, re.MULTILINE)
        } == needed


class TestSettings:
    def test_of_the_example_reach_every_program(self) -> None:
        example = (PROJECT / ".env.example").read_text()
        settings = set(re.findall(r"^#?([A-Z][A-Z_]+)=", example, re.MULTILINE))
        passwords = {name for name in settings if name.endswith("_PASSWORD")}

        for name in OURS:
            assert settings - passwords - NOT_FOR_COMPOSE <= set(environment(name))


class TestScripts:
    def test_run_in_the_order_of_their_names(self) -> None:
        mounted = [
            volume.split(":")
            for volume in SERVICES["database"]["volumes"]
            if volume.startswith("./")
        ]

        assert [Path(inside).name for _, inside, _ in mounted] == [
            "10-roles.sql",
            "20-passwords.sql",
        ]
        for outside, inside, mode in mounted:
            assert (PROJECT / outside).is_file()
            assert inside.startswith("/docker-entrypoint-initdb.d/")
            assert mode == "ro"


class TestImage:
    def test_has_a_pinned_base_and_a_user_who_is_not_root(self) -> None:
        [base] = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
        [user] = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)

        assert PINNED.fullmatch(base)
        assert user == "10001:10001"
        assert DOCKERFILE.index("USER ") < DOCKERFILE.index("HEALTHCHECK ")

    def test_gets_nothing_but_what_it_runs(self) -> None:
        lines = (PROJECT / ".dockerignore").read_text().splitlines()
        allowed = {line[1:] for line in lines if line.startswith("!")}
        copied = {
            found.split()[0] for found in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)
        }

        assert "*" in lines
        assert allowed == copied
        assert not allowed & {"tests", "examples", "docs", ".env", ".git", "requirements-dev.lock"}

    def test_keeps_no_secret(self) -> None:
        assert not re.search(r"^(ENV|ARG) .*(SECRET|PASSWORD|KEY)", DOCKERFILE, re.MULTILINE)
