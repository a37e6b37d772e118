"""The whole start, as an operator meets it: `manage.py check` as a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config import env

SECRET = re.compile(r"""(?:secret|SECRET|SECRET_KEY)["']?\s*[:=]\s*["']?([^\s"',|`]+)""")
ROOT = Path(__file__).resolve().parents[2]


def check(*arguments: str, **changes: str | None) -> "subprocess.CompletedProcess[str]":
    merged = {**os.environ, "SITE_URL": "https://tasks.example.org", "DEVELOPMENT": "0", **changes}
    command = [sys.executable, "manage.py", "check", *arguments]
    kept = {name: value for name, value in merged.items() if value is not None}
    return subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False)


WRONG: dict[str, list[str | None]] = {
    "SECRET_KEY": [None, "changeme", "short"],
    "OIDC_CLIENT_SECRET": [None],
    "OIDC_ADMIN_CLIENT_SECRET": [None],
    "DATABASE_URL": [None, "mysql://localhost/tasks"],
    "DATABASE_REPLICA_URLS": ["postgresql://a/b,postgresql://c"],
    "CACHE_URL": [None, "memcached://localhost"],
    "BROKER_URL": [None, "http://localhost"],
    "RATE_LIMIT_USER": ["600"],
    "CACHE_TTL": ["10m"],
    "TRUSTED_PROXIES": ["everybody"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_or_missing_setting_stops_the_start_with_one_line(name: str, value: str | None) -> None:
    done = check(**{name: value})
    assert done.returncode != 0
    (line,) = (done.stdout + done.stderr).strip().splitlines()
    assert line.startswith(f"taskmill: {name}")


def test_the_deployment_check_has_no_warning() -> None:
    done = check("--deploy", "--fail-level", "WARNING", TRUSTED_PROXIES="10.0.0.0/8")
    assert (done.returncode, "no issues" in done.stdout) == (0, True), done.stderr


def test_options_of_a_database_url_are_kept() -> None:
    source = (
        "from django.conf import settings; o = settings.DATABASES['default']['OPTIONS'];"
        "print(o['sslmode'], o['connect_timeout'])"
    )
    environment = {**os.environ, "DATABASE_URL": "postgresql://u:p%40ss@h/db?sslmode=verify-full&connect_timeout=1"}
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["verify-full", "1"]


def published_secrets() -> list[str]:
    """Values of secrets that stand in files of the repository."""
    found = set()
    for path in [
        *ROOT.glob("*.md"),
        *(path for name in ("docker", "docs", "config") for path in ROOT.glob(f"{name}/**/*")),
    ]:
        if path.suffix in {".yaml", ".yml", ".env", ".md", ".json", ".conf", ".example"} and path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                match = SECRET.search(line)
                if match:
                    found.add(match[1])
    return sorted(found)


def test_a_secret_that_stands_in_the_repository_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = published_secrets()
    assert secrets, "the realm file at least names its secrets"
    for value in secrets:
        monkeypatch.setenv("SOME_SECRET", value)
        with pytest.raises(Exception, match="SOME_SECRET"):
            env.secret("SOME_SECRET")
