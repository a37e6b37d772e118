"""PostgreSQL: a primary, and a replica that streams from it."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from config.launch import probes
from config.launch.errors import LaunchError
from config.launch.parts import Part
from config.launch.stack.layout import HOST, Layout, template
from config.launch.stack.templates import write

USER = "postgres"
_PLAIN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def programs() -> Path | None:
    """Debian's newest PostgreSQL; its programs are not on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def parts(layout: Layout) -> list[Part]:
    folder = programs()
    if folder is None:
        raise LaunchError("PostgreSQL is not installed: run `make stack-install`.")
    home = layout.home("postgres", USER)
    _check_version(home / "primary", folder)
    return [
        _init(layout, folder, home),
        _server(layout, folder, home, "primary", ("postgres-init",)),
        _roles(layout, folder),
        _copy(layout, folder, home),
        _server(layout, folder, home, "replica", ("postgres-copy",)),
    ]


def _check_version(data: Path, programs: Path) -> None:
    made_by = data / "PG_VERSION"
    installed = programs.parent.name
    if made_by.exists() and made_by.read_text(encoding="utf-8").strip() != installed:
        raise LaunchError(f"{data} was made by another PostgreSQL than {installed}: remove it by `make clean`.")


def _init(layout: Layout, programs: Path, home: Path) -> Part:
    password = home / "superuser.password"

    def prepare() -> None:
        shutil.rmtree(home / "primary.new", ignore_errors=True)  # an earlier try that was cut off
        write(password, layout.secret["POSTGRES_PASSWORD"], USER)

    encoding = ("-E", "UTF8", "--locale=C.UTF-8", "--data-checksums")
    access = ("-U", USER, "-A", "scram-sha-256", f"--pwfile={password}")
    return Part(
        name="postgres-init",
        command=[str(programs / "initdb"), "-D", str(home / "primary.new"), *encoding, *access],
        log=layout.log("postgres-init"),
        env=_PLAIN,
        user=USER,
        once=True,
        skip=(home / "primary").exists,
        prepare=prepare,
    )


def _server(layout: Layout, programs: Path, home: Path, role: str, needs: tuple[str, ...]) -> Part:
    port = layout.port[f"postgres-{role}"]
    settings = {
        "config_file": home / "postgresql.conf",
        "hba_file": home / "pg_hba.conf",
        "listen_addresses": HOST,
        "port": port,
        "unix_socket_directories": "",  # a socket's path has 107 bytes at most: TCP works everywhere
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    password = layout.secret["TASKMILL_DB_PASSWORD"]
    return Part(
        name=f"postgres-{role}",
        command=[str(programs / "postgres"), "-D", str(home / role), *options],
        log=layout.log(f"postgres-{role}"),
        env=_PLAIN,
        user=USER,
        port=port,
        url=f"postgresql://taskmill:{password}@{HOST}:{port}/taskmill",
        needs=needs,
        ready=probes.command(str(programs / "pg_isready"), "-q", "-h", HOST, "-p", str(port), env=_PLAIN),
        stop_signal=signal.SIGINT,
        prepare=_configure(home, role),
    )


def _configure(home: Path, role: str) -> Callable[[], None]:
    def prepare() -> None:
        if (made := home / f"{role}.new").exists():
            made.rename(home / role)
        for name in ("postgresql.conf", "pg_hba.conf"):
            write(home / name, template("postgres", name).read_text(encoding="utf-8"), USER)

    return prepare


def _roles(layout: Layout, programs: Path) -> Part:
    port = str(layout.port["postgres-primary"])
    passwords = {name: layout.secret[name] for name in ("TASKMILL_DB_PASSWORD", "REPLICATION_PASSWORD")}
    return Part(
        name="postgres-roles",
        command=[
            *(str(programs / "psql"), "-h", HOST, "-p", port, "-U", USER, "-d", "postgres"),
            *("-X", "-q", "-f", str(template("postgres", "roles.sql"))),
        ],
        log=layout.log("postgres-roles"),
        env={**_PLAIN, **passwords, "PGPASSWORD": layout.secret["POSTGRES_PASSWORD"]},
        needs=("postgres-primary",),
        once=True,
    )


def _copy(layout: Layout, programs: Path, home: Path) -> Part:
    source = ("-h", HOST, "-p", str(layout.port["postgres-primary"]), "-U", "replicator")
    how = ("-R", "-X", "stream", "-S", "replica_1", "-c", "fast")
    return Part(
        name="postgres-copy",
        command=[str(programs / "pg_basebackup"), *source, "-D", str(home / "replica.new"), *how],
        log=layout.log("postgres-copy"),
        env={**_PLAIN, "PGPASSWORD": layout.secret["REPLICATION_PASSWORD"]},
        user=USER,
        needs=("postgres-roles",),
        once=True,
        skip=(home / "replica").exists,
        prepare=lambda: shutil.rmtree(home / "replica.new", ignore_errors=True),
    )
