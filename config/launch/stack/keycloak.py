"""Keycloak with the realm of docker/keycloak, on a database file of its own.

Importing a realm into an empty database takes three times as long as a start. So it is done once per machine
and realm; a fresh data folder gets a copy of that database, and the client secrets that it was made with.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.launch import ports, probes, secrets
from config.launch.console import Console
from config.launch.errors import LaunchError
from config.launch.parts import Part, Running, own
from config.launch.processes import mark
from config.launch.stack.layout import HOST, OTHER_PORTS, Layout, is_open_to_others, template

VERSION = "26.7.3"
_DATABASE = "keycloakdb.mv.db"
_SECRETS = (
    "TASKMILL_API_SECRET",
    "TASKMILL_ADMIN_SECRET",
    "TASKMILL_SERVICE_SECRET",
    "TASKMILL_DIRECTORY_SECRET",
    "KC_BOOTSTRAP_ADMIN_PASSWORD",
)
# Half the memory and half the processor time of the defaults, for a server that a few people use.
_JAVA = (
    *("-Xms64m", "-Xmx384m", "-XX:MaxMetaspaceSize=256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    *("-XX:+ExitOnOutOfMemoryError", "-Dfile.encoding=UTF-8", "-Djava.security.egd=file:/dev/urandom"),
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.security=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "-Dkc.config.built=true",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory="
    "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
)


def built(cache: Path) -> Path:
    """The unpacked and built server, made by the installation."""
    return cache / f"keycloak-{VERSION}"


def user(layout: Layout) -> str | None:
    """An account without rights, where it can read the server's files."""
    return "nobody" if is_open_to_others(layout.cache) else None


@dataclass(frozen=True)
class Realm:
    """What the realm is made with; another value of any of it is another realm."""

    placeholders: Mapping[str, str]

    @property
    def key(self) -> str:
        realm = template("keycloak", "taskmill-realm.json").read_bytes()
        values = json.dumps([VERSION, dict(self.placeholders)], sort_keys=True).encode()
        return hashlib.sha256(realm + values).hexdigest()[:16]


def realm(layout: Layout, given: Mapping[str, str]) -> Realm:
    """`given` are secrets and the demo password that somebody chose; all others are made at random."""
    urls = {"TASKMILL_SITE_URL": layout.site_url, "TASKMILL_BACKCHANNEL_URL": layout.site_url}
    return Realm({**urls, **given})


def ensure_database(layout: Layout, wanted: Realm, console: Console) -> dict[str, str]:
    """Put the realm's database in place when it is not there; the secrets that belong to it, if it was new."""
    home = layout.home("keycloak", user(layout))
    made_with = home / "realm.key"
    if made_with.exists() and made_with.read_text(encoding="utf-8") == wanted.key:
        return {}
    source = layout.cache / "realms" / wanted.key
    if not (source / _DATABASE).exists():
        _import(layout, wanted, source, console)
    if made_with.exists():
        console.line("  The realm's file or its addresses have changed: Keycloak starts with a fresh realm.")
    shutil.copy(source / _DATABASE, home / _DATABASE)
    own(home / _DATABASE, user(layout))
    made_with.write_text(wanted.key, encoding="utf-8")
    return secrets.keep(source / "secrets.json", _SECRETS)


def _import(layout: Layout, wanted: Realm, target: Path, console: Console) -> None:
    """Start the server once on an empty database with the realm's file, and keep that database."""
    console.line("  Making Keycloak's database with the realm: once per machine, about 20 s.")
    work = target.with_suffix(".new")
    shutil.rmtree(work, ignore_errors=True)
    (work / "data" / "import").mkdir(parents=True)
    target.parent.chmod(0o711)
    made = secrets.keep(work / "secrets.json", _SECRETS, dict(wanted.placeholders))
    shutil.copy(template("keycloak", "taskmill-realm.json"), work / "data" / "import")
    for folder in (work, work / "data"):
        own(folder, user(layout))
    _link_programs(layout, work)
    env = {**made, "KC_BOOTSTRAP_ADMIN_USERNAME": "admin"}
    importing = _server(layout, work, env, ("--import-realm",))
    ports.check_free([importing], OTHER_PORTS)  # who has the port would be taken for Keycloak
    server = Running(importing, mark(layout.folder, "keycloak-import"))
    try:
        _wait(server, console)
        server.ask_to_stop()
        server.process.wait(30)
    finally:
        server.kill()
    work.chmod(0o700)
    os.chown(work, os.geteuid(), os.getegid())
    shutil.rmtree(target, ignore_errors=True)
    work.rename(target)


def _wait(server: Running, console: Console) -> None:
    deadline = time.monotonic() + server.part.ready_seconds
    while not (server.part.ready and server.part.ready()):
        if server.exit_code() is not None or time.monotonic() > deadline:
            raise LaunchError(f"Keycloak's realm was not made: {server.last_line()} (its log: {server.part.log})")
        console.waiting(["Keycloak's realm"])
        time.sleep(0.2)


def part(layout: Layout) -> Part:
    return _server(layout, layout.home("keycloak", user(layout)), {}, ())


def _server(layout: Layout, home: Path, env: Mapping[str, str], more: tuple[str, ...]) -> Part:
    port, management = layout.port["keycloak"], layout.port["keycloak-management"]
    url = f"http://{HOST}:{port}"
    database = f"jdbc:h2:file:{home}/keycloakdb;NON_KEYWORDS=VALUE;AUTO_SERVER=FALSE"
    program = (f"-Dkc.home.dir={home}", "-cp", str(built(layout.cache) / "lib" / "quarkus-run.jar"))
    return Part(
        name="keycloak",
        command=[
            *(shutil.which("java") or "java", *_JAVA, *program, "io.quarkus.bootstrap.runner.QuarkusEntryPoint"),
            *("start", "--optimized", "--cache=local", f"--db-url={database}", *more),
            *("--http-enabled=true", f"--http-host={HOST}", f"--http-port={port}", f"--hostname={url}"),
            *(f"--http-management-host={HOST}", f"--http-management-port={management}"),
            "--log-level=info,io.smallrye.health:error",
        ],
        log=layout.log("keycloak"),
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(home), **env},
        user=user(layout),
        port=port,
        more_ports={"management_port": management},
        url=url,
        facts={
            "issuer": f"{url}/realms/taskmill",
            "metrics": f"http://{HOST}:{management}/metrics",
        },
        ready=probes.http(f"http://{HOST}:{management}/health/ready"),
        ready_seconds=180,
        prepare=lambda: _link_programs(layout, home),
    )


def _link_programs(layout: Layout, home: Path) -> None:
    """A home of its own for each data folder, so that the built server itself is never written to."""
    for name in ("lib", "conf", "providers", "themes"):
        (home / name).unlink(missing_ok=True)
        (home / name).symlink_to(built(layout.cache) / name)
