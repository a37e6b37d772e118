"""Install what the stack needs and is not there: Debian packages, Keycloak, the mail inbox."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from config.launch.console import Console
from config.launch.errors import LaunchError
from config.launch.stack import edge, keycloak, postgres, rabbitmq
from config.launch.stack.layout import template

# Installing a server must not start it: it could take a port, or live on beside a stack that is stopped.
_APT = """
set -e
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
fi
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
if [ -d /run/systemd/system ]; then
    for unit in postgresql pgbouncer redis-server rabbitmq-server nginx prometheus; do
        case " $* " in *" $unit"*) systemctl disable --quiet "$unit" || true ;; esac
    done
fi
"""
_KEYCLOAK_SHA256 = "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47"
_KEYCLOAK_ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{keycloak.VERSION}:tar.gz"
_COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"


def missing_packages(cache: Path, more: Sequence[str] = ()) -> list[str]:
    """Names of Debian packages; what only an installation needs is left out when that is done already. `more` are
    programs that have a package of their name.
    """
    programs = {
        "pgbouncer": "/usr/sbin/pgbouncer",
        "redis-server": "redis-server",
        "nginx-light": "/usr/sbin/nginx",
        "prometheus": "prometheus",
        "default-jre-headless": "java",
        **{name: name for name in more},
    }
    if not keycloak.built(cache).exists() and not _dist(cache).exists():
        programs["maven"] = "mvn"
    if not edge.maildev_folder(cache).exists():
        programs |= {"nodejs": "node", "npm": "npm"}
    missing = [package for package, program in programs.items() if shutil.which(program) is None]
    if postgres.programs() is None:
        missing.append("postgresql")
    if not (rabbitmq.PROGRAMS / "rabbitmq-server").exists():
        missing.append("rabbitmq-server")
    return missing


def install(console: Console, cache: Path, more: Sequence[str] = ()) -> None:
    """Does nothing, at once, when all is there."""
    cache.mkdir(parents=True, exist_ok=True)
    if packages := missing_packages(cache, more):
        _install_packages(console, packages, cache, more)
    if not keycloak.built(cache).exists():
        _install_keycloak(console, cache)
    if not edge.maildev_folder(cache).exists():
        _install_maildev(console, cache)


def _install_packages(console: Console, packages: Sequence[str], cache: Path, more: Sequence[str]) -> None:
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise LaunchError(f"not installed: {', '.join(packages)} (Debian's names). Install them and start again.")
    sudo = [] if os.geteuid() == 0 else _sudo(command)
    _run(console, f"Debian packages: {', '.join(packages)}", [*sudo, "sh", "-c", _APT, "install", *packages], cache)
    if left := missing_packages(cache, more):
        raise LaunchError(f"still not installed: {', '.join(left)}. Try: {command}")


def _sudo(command: str) -> list[str]:
    """Without a terminal, or without the right, say what somebody with the right must do."""
    if shutil.which("sudo"):
        asks = ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]
        if subprocess.run([*asks, "-v"], check=False, capture_output=not sys.stdin.isatty()).returncode == 0:
            return asks
    raise LaunchError(f"packages are missing and only root may install them. Run: sudo {command}")


def _dist(cache: Path) -> Path:
    chosen = os.environ.get("TASKMILL_KEYCLOAK_DIST")
    return Path(chosen) if chosen else cache / "downloads" / f"keycloak-quarkus-dist-{keycloak.VERSION}.tar.gz"


def _install_keycloak(console: Console, cache: Path) -> None:
    archive, target = _dist(cache), keycloak.built(cache)
    if not archive.exists():
        _download_keycloak(console, archive.parent, cache)
    with archive.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != _KEYCLOAK_SHA256:
            raise LaunchError(f"{archive} is not Keycloak {keycloak.VERSION}: remove it and start again.")
    work = target.with_suffix(".new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    _run(
        console,
        f"Keycloak {keycloak.VERSION}: unpack",
        ["tar", "xzf", str(archive), "-C", str(work), "--strip-components=1", "--no-same-owner"],
        cache,
    )
    options = ["--db=dev-file", "--health-enabled=true", "--metrics-enabled=true"]
    java = {"JAVA_OPTS": "-Xms64m -Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"}
    _run(console, "Keycloak: build (about 20 s)", [str(work / "bin" / "kc.sh"), "build", *options], cache, java)
    work.rename(target)


def _download_keycloak(console: Console, folder: Path, cache: Path) -> None:
    """By Maven, into a repository of its own that is removed: it would keep a second copy of 176 MB."""
    repository = cache / "maven"
    copy = [f"-Dartifact={_KEYCLOAK_ARTIFACT}", f"-DoutputDirectory={folder}", f"-Dmaven.repo.local={repository}"]
    _run(console, f"Keycloak {keycloak.VERSION}: download (176 MB)", ["mvn", "-B", "-q", _COPY_GOAL, *copy], cache)
    shutil.rmtree(repository, ignore_errors=True)


def _install_maildev(console: Console, cache: Path) -> None:
    target = edge.maildev_folder(cache)
    work = target.with_name("maildev.new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(template("maildev", name), work)
    options = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
    _run(console, "mail inbox: npm ci", ["npm", "ci", "--prefix", str(work), *options], cache)
    work.rename(target)


def _run(
    console: Console, what: str, command: Sequence[str], cache: Path, env: Mapping[str, str] | None = None
) -> None:
    """One step of the installation, with its time; when it fails, the end of what it said."""
    log, begun = cache / "install.log", time.monotonic()
    console.line(f"Installing {what}")
    with log.open("wb") as out:
        step = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **(env or {})}, cwd="/"
        )
        try:
            while step.poll() is None:
                console.waiting([what])
                time.sleep(0.2)
        finally:
            step.kill()
            step.wait()
    if step.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
        raise LaunchError(f"{what} failed: {lines[-1].strip()} (its log: {log})")
    console.line(f"  done after {time.monotonic() - begun:.0f} s")
