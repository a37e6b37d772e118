"""Where the stack's servers keep their data, on which ports they listen, and what they share."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.launch.application import ROOT
from config.launch.errors import LaunchError
from config.launch.parts import own

HOST = "127.0.0.1"

# Distance from STACK_BASE_PORT; the same on every machine, so that notes and dashboards stay right.
_OFFSETS = {
    "postgres-primary": 1,
    "postgres-replica": 2,
    "pgbouncer": 3,
    "redis": 4,
    "rabbitmq": 5,
    "rabbitmq-distribution": 6,
    "epmd": 7,
    "rabbitmq-management": 8,
    "rabbitmq-metrics": 9,
    "keycloak": 10,
    "keycloak-management": 11,
    "mail": 12,
    "mail-inbox": 13,
    "prometheus": 14,
    "api-1": 21,
    "api-2": 22,
    "metrics": 31,  # and the next ones, one for each of Taskmill's processes
}
_HIGHEST = 49
OTHER_PORTS = "choose others with STACK_PORT (nginx) or STACK_BASE_PORT (all others)"


@dataclass(frozen=True, kw_only=True)
class Layout:
    folder: Path
    data: Path
    cache: Path
    port: Mapping[str, int]
    secret: Mapping[str, str] = field(default_factory=dict)

    @property
    def site_url(self) -> str:
        return f"http://{HOST}:{self.port['nginx']}"

    def log(self, part: str) -> Path:
        return self.folder / "log" / f"{part}.log"

    def home(self, part: str, user: str | None = None) -> Path:
        """The part's own folder, closed to everybody but the account that its server runs as."""
        folder = self.data / part
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        own(folder, user)
        return folder


def ports() -> dict[str, int]:
    base, public = _number("STACK_BASE_PORT", 18000), _number("STACK_PORT", 8080)
    if base + _HIGHEST > 65535:
        raise LaunchError(f"STACK_BASE_PORT={base} is too high: {65535 - _HIGHEST} is the highest.")
    return {"nginx": public, **{name: base + offset for name, offset in _OFFSETS.items()}}


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdigit() or not 1024 <= int(text) <= 65535:
        raise LaunchError(f"{name}={text} is wrong: expected a port from 1024 to 65535.")
    return int(text)


def is_open_to_others(path: Path) -> bool:
    """Whether another account may pass through all folders down to here."""
    return all(folder.stat().st_mode & 0o001 for folder in [path, *path.parents])


def data_folder(folder: Path) -> Path:
    """`.stack/data`; elsewhere when root's servers, which run as other accounts, could not come to it there."""
    link = folder / "data"
    if os.geteuid() != 0 or is_open_to_others(folder):
        link.mkdir(exist_ok=True)
        return link.resolve()
    elsewhere = Path("/var/lib") / f"taskmill-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    elsewhere.mkdir(exist_ok=True)
    if not link.exists():
        link.symlink_to(elsewhere)
    return elsewhere


def cache_folder() -> Path:
    """What is downloaded or built once per machine: outside the checkout, so that cleaning it costs nothing."""
    if chosen := os.environ.get("TASKMILL_CACHE"):
        return Path(chosen).resolve()
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen).resolve() / "taskmill"
    if os.geteuid() == 0 and not is_open_to_others(Path.home()):
        return Path("/var/cache/taskmill")
    return Path.home() / ".cache" / "taskmill"


def template(part: str, name: str) -> Path:
    return ROOT / "docker" / part / name
