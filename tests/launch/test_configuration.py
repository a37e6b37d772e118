"""What a system is started with: environment, ports, secrets, configuration files."""

import errno
import json
from pathlib import Path

import pytest

from config.launch import disk, secrets
from config.launch.application import environment
from config.launch.errors import LaunchError, explain
from config.launch.stack import layout, templates


def test_variable_of_the_caller_wins_over_the_default() -> None:
    env = environment({"RATE_LIMIT_USER": "600/m", "LOG_LEVEL": "INFO"}, {"RATE_LIMIT_USER": "5/m"})
    assert env == {"RATE_LIMIT_USER": "5/m", "LOG_LEVEL": "INFO"}


def test_file_of_the_caller_wins_over_the_default() -> None:
    """Both set would stop the start."""
    env = environment({"SECRET_KEY": "ours"}, {"SECRET_KEY_FILE": "/run/secrets/key"})
    assert env == {"SECRET_KEY_FILE": "/run/secrets/key"}


def test_secrets_stay_the_same_for_one_data_folder(tmp_path: Path) -> None:
    """The databases in it know the first ones."""
    path = tmp_path / "secrets.json"
    first = secrets.keep(path, ["REDIS_PASSWORD"])
    second = secrets.keep(path, ["REDIS_PASSWORD", "SECRET_KEY"])
    assert second["REDIS_PASSWORD"] == first["REDIS_PASSWORD"]
    assert len(second["SECRET_KEY"]) >= 32
    assert path.stat().st_mode & 0o077 == 0


def test_secrets_of_other_data_are_taken_over(tmp_path: Path) -> None:
    """A copied realm was made with secrets of its own."""
    path = tmp_path / "secrets.json"
    secrets.keep(path, ["TASKMILL_ADMIN_SECRET"])
    secrets.keep(path, ["TASKMILL_ADMIN_SECRET"], {"TASKMILL_ADMIN_SECRET": "of the realm"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"TASKMILL_ADMIN_SECRET": "of the realm"}


@pytest.mark.parametrize("port", ["http", "80", "70000", "-1"])
def test_wrong_port_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("STACK_PORT", port)
    with pytest.raises(LaunchError, match=f"STACK_PORT={port} is wrong: expected a port from 1024 to 65535"):
        layout.ports()


def test_ports_follow_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STACK_PORT", raising=False)
    monkeypatch.setenv("STACK_BASE_PORT", "21000")
    found = layout.ports()
    assert (found["nginx"], found["postgres-primary"], found["keycloak"]) == (8080, 21001, 21010)
    assert len(set(found.values())) == len(found)


def test_template_without_a_value_is_refused(tmp_path: Path) -> None:
    template = tmp_path / "nginx.conf"
    template.write_text("listen ${NGINX_LISTEN}; set $host ${NGINX_DIR};", encoding="utf-8")
    with pytest.raises(LaunchError, match="no value for NGINX_DIR"):
        templates.fill(template, tmp_path / "out", {"NGINX_LISTEN": "127.0.0.1:80"})


def test_template_keeps_variables_that_are_not_ours(tmp_path: Path) -> None:
    """nginx has its own $variables, also as ${host}."""
    template = tmp_path / "nginx.conf"
    template.write_text("listen ${NGINX_LISTEN}; set $a ${host};", encoding="utf-8")
    out = templates.fill(template, tmp_path / "out", {"NGINX_LISTEN": "127.0.0.1:80"})
    assert out.read_text(encoding="utf-8") == "listen 127.0.0.1:80; set $a ${host};"
    assert out.stat().st_mode & 0o077 == 0


def test_folder_without_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"MB of free disk, 1000000000 MB are needed: free some space\."):
        disk.prepare(tmp_path / "data", megabytes=1_000_000_000)


def test_full_disk_is_explained() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/data/state.json")
    assert explain(error) == "/data/state.json: the disk is full: free some space and start again."


def test_data_lies_elsewhere_when_other_accounts_cannot_come_to_it(tmp_path: Path) -> None:
    """Root's servers run as other accounts, and a checkout may lie in a closed home."""
    closed = tmp_path / "home"
    (closed / "checkout").mkdir(parents=True)
    closed.chmod(0o700)
    assert not layout.is_open_to_others(closed / "checkout")
