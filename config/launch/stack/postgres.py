"""PostgreSQL: a primary, and a replica that streams from it."""

import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from config.launch import probes
from config.launch.errors import LaunchError
from config.launch.parts import Part
from config.launch.processes import everything, wait_gone
from config.launch.stack.layout import HOST, Layout, template
from config.launch.stack.templates import write

USER = "postgres"
# Who connects, and the secret that is his password (docker/postgres/roles.sql).
API, WORKER, MIGRATOR, READER = "taskmill", "taskmill_worker", "taskmill_migrator", "taskmill_reader"
PASSWORDS = {
    API: "TASKMILL_DB_PASSWORD",
    WORKER: "TASKMILL_WORKER_PASSWORD",
    MIGRATOR: "TASKMILL_MIGRATOR_PASSWORD",
    READER: "TASKMILL_READER_PASSWORD",
}
SECRETS = ("POSTGRES_PASSWORD", "REPLICATION_PASSWORD", *PASSWORDS.values())
_PLAIN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True)
class Cluster:
    """Which PostgreSQL runs, and as whom when the launcher is root. `settings` win over those of the file."""

    layout: Layout
    programs: Path
    version: str
    account: str
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.layout.home("postgres", self.account)


def url(layout: Layout, role: str, port: int, database: str = "taskmill") -> str:
    return f"postgresql://{role}:{layout.secret[PASSWORDS[role]]}@{HOST}:{port}/{database}"


def programs() -> Path | None:
    """Debian's newest PostgreSQL; its programs are not on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def parts(layout: Layout, settings: Mapping[str, str] = MappingProxyType({})) -> list[Part]:
    """Debian's PostgreSQL."""
    folder = programs()
    if folder is None:
        raise LaunchError("PostgreSQL is not installed: run `make stack-install`.")
    return cluster_parts(Cluster(layout, folder, folder.parent.name, USER, settings))


def cluster_parts(cluster: Cluster) -> list[Part]:
    _check_version(cluster)
    return [
        _init(cluster),
        _server(cluster, "primary", ("postgres-init",)),
        _roles(cluster),
        _copy(cluster),
        _server(cluster, "replica", ("postgres-copy",)),
    ]


def _check_version(cluster: Cluster) -> None:
    made_by = cluster.home / "primary" / "PG_VERSION"
    if made_by.exists() and made_by.read_text(encoding="utf-8").strip() != cluster.version:
        raise LaunchError(
            f"{made_by.parent} was made by another PostgreSQL than {cluster.version}: remove it by `make clean`."
        )


def _init(cluster: Cluster) -> Part:
    home = cluster.home
    password = home / "superuser.password"

    def prepare() -> None:
        shutil.rmtree(home / "primary.new", ignore_errors=True)  # an earlier try that was cut off
        write(password, cluster.layout.secret["POSTGRES_PASSWORD"], cluster.account)

    encoding = ("-E", "UTF8", "--locale=C.UTF-8", "--data-checksums")
    access = ("-U", USER, "-A", "scram-sha-256", f"--pwfile={password}")
    return Part(
        name="postgres-init",
        command=[str(cluster.programs / "initdb"), "-D", str(home / "primary.new"), *encoding, *access],
        log=cluster.layout.log("postgres-init"),
        env=_PLAIN,
        user=cluster.account,
        once=True,
        skip=(home / "primary").exists,
        prepare=prepare,
    )


def _server(cluster: Cluster, role: str, needs: tuple[str, ...]) -> Part:
    home, port = cluster.home, cluster.layout.port[f"postgres-{role}"]
    settings = {
        "config_file": home / "postgresql.conf",
        "hba_file": home / "pg_hba.conf",
        "listen_addresses": HOST,
        "port": port,
        "unix_socket_directories": "",  # a socket's path has 107 bytes at most: TCP works everywhere
        **cluster.settings,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    ready = (str(cluster.programs / "pg_isready"), "-q", "-h", HOST, "-p", str(port))
    return Part(
        name=f"postgres-{role}",
        command=[str(cluster.programs / "postgres"), "-D", str(home / role), *options],
        log=cluster.layout.log(f"postgres-{role}"),
        env=_PLAIN,
        user=cluster.account,
        port=port,
        url=url(cluster.layout, MIGRATOR, port),
        facts={f"{name}_url": url(cluster.layout, who, port) for name, who in (("api", API), ("worker", WORKER))},
        needs=needs,
        ready=probes.command(*ready, env=_PLAIN),
        stop_signal=signal.SIGINT,
        prepare=_configure(cluster, role),
    )


def _configure(cluster: Cluster, role: str) -> Callable[[], None]:
    def prepare() -> None:
        home = cluster.home
        if (made := home / f"{role}.new").exists():
            made.rename(home / role)
        for name in ("postgresql.conf", "pg_hba.conf"):
            write(home / name, template("postgres", name).read_text(encoding="utf-8"), cluster.account)
        _clear_lock(home / role)

    return prepare


def _clear_lock(data: Path) -> None:
    """Remove the lock file of a server that was killed, once nothing works in its folder any more.

    Its children end a moment later than their parent. The file alone proves nothing: its process id may belong to
    somebody else by now, or to a dead process that nobody has waited for, and PostgreSQL would not start.
    """
    if wait_gone([process for process in everything() if _works_in(process.pid, data)], 10):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _works_in(pid: int, data: Path) -> bool:
    """Whether it is a process of the server on this data folder."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data
    except OSError:
        return False


def _roles(cluster: Cluster) -> Part:
    port, secret = str(cluster.layout.port["postgres-primary"]), cluster.layout.secret
    passwords = {name: secret[name] for name in SECRETS}
    return Part(
        name="postgres-roles",
        command=[
            *(str(cluster.programs / "psql"), "-h", HOST, "-p", port, "-U", USER, "-d", "postgres"),
            *("-X", "-q", "-f", str(template("postgres", "roles.sql"))),
        ],
        log=cluster.layout.log("postgres-roles"),
        env={**_PLAIN, **passwords, "PGPASSWORD": secret["POSTGRES_PASSWORD"]},
        needs=("postgres-primary",),
        once=True,
    )


def _copy(cluster: Cluster) -> Part:
    home, layout = cluster.home, cluster.layout
    source = ("-h", HOST, "-p", str(layout.port["postgres-primary"]), "-U", "replicator")
    how = ("-R", "-X", "stream", "-S", "replica_1", "-c", "fast")
    return Part(
        name="postgres-copy",
        command=[str(cluster.programs / "pg_basebackup"), *source, "-D", str(home / "replica.new"), *how],
        log=layout.log("postgres-copy"),
        env={**_PLAIN, "PGPASSWORD": layout.secret["REPLICATION_PASSWORD"]},
        user=cluster.account,
        needs=("postgres-roles",),
        once=True,
        skip=(home / "replica").exists,
        prepare=lambda: shutil.rmtree(home / "replica.new", ignore_errors=True),
    )
