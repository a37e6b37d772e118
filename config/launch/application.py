"""Taskmill's own processes, the same in every local system: only ports, servers and environment differ."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.launch import probes
from config.launch.parts import Part

ROOT = Path(__file__).resolve().parents[2]


def run_folder() -> Path:
    """Where the embedded system keeps everything: `.run`, or RUN_DIR (tests keep theirs apart)."""
    return Path(os.environ.get("RUN_DIR") or ROOT / ".run").resolve()


_PYTHON = (sys.executable, "-m")
_CELERY = (*_PYTHON, "celery", "-A", "config")

QUEUES = {
    "notifications": "task.notifications",
    "analytics": "task.analytics",
    "export": "task.export",
    "default": "task.default",
}


@dataclass(frozen=True, kw_only=True)
class Application:
    """`needs` are the servers that must be ready before the first step; `env` is shared by all processes."""

    folder: Path
    env: Mapping[str, str]
    api_env: Mapping[str, str] = field(default_factory=dict)  # where the API's differs
    worker_env: Mapping[str, str] = field(default_factory=dict)  # where that of all others but `migrate` does
    needs: tuple[str, ...]
    api_ports: tuple[int, ...]
    metrics_port: int  # the first of the ports on which each process serves its /metrics
    workers: Mapping[str, str] = field(default_factory=lambda: QUEUES)  # name -> its queues, comma list
    follows_keycloak: bool = True
    seed_needs: tuple[str, ...] = ()  # what demo data needs further
    job_needs: tuple[str, ...] = ()  # what workers, relay and beat need further


def environment(defaults: Mapping[str, str], caller: Mapping[str, str] | None = None) -> dict[str, str]:
    """What is set when the target starts wins over the target's own defaults, also as NAME_FILE."""
    given = dict(os.environ if caller is None else caller)
    ours = {name: value for name, value in defaults.items() if name not in given and f"{name}_FILE" not in given}
    return {**given, **ours}


def processes(app: Application) -> list[Part]:
    """Migrate, fill in demo data, then everything that stays, each with a port for its metrics."""
    steps = [
        _step(app, "migrate", ("migrate", "--noinput"), app.needs, {}),
        _step(app, "seed-demo", ("seed_demo",), ("migrate", *app.seed_needs), app.worker_env),
    ]
    servers = [f"api-{number}" for number, _ in enumerate(app.api_ports, start=1)]
    gunicorn: tuple[str, ...] = (*_PYTHON, "gunicorn", "-c", "config/gunicorn.py", "config.wsgi")
    commands = dict.fromkeys(servers, gunicorn)
    commands |= {f"worker-{name}": _worker(app, name, queues) for name, queues in app.workers.items()}
    commands["relay"] = _manage("relay")
    commands["beat"] = (*_CELERY, "beat", "--pidfile=")
    if app.follows_keycloak:
        commands["keycloak-watch"] = _manage("keycloak_watch")
    binds = dict(zip(servers, app.api_ports, strict=True))
    return steps + [
        _process(app, name, command, binds.get(name), app.metrics_port + index)
        for index, (name, command) in enumerate(commands.items())
    ]


def _manage(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "manage.py", *arguments)


def _worker(app: Application, name: str, queues: str) -> tuple[str, ...]:
    """No gossip, no mingle: the workers need nothing from each other, and both slow the start."""
    size = app.env.get("WORKER_CONCURRENCY", "2")
    names = ("-Q", queues, "-n", f"{name}@%h", "--concurrency", size)
    return (*_CELERY, "worker", *names, "--without-gossip", "--without-mingle")


def _step(
    app: Application, name: str, arguments: tuple[str, ...], needs: tuple[str, ...], own: Mapping[str, str]
) -> Part:
    return Part(
        name=name,
        command=_manage(*arguments),
        env={**app.env, **own, "PART": name},
        log=app.folder / "log" / f"{name}.log",
        cwd=ROOT,
        needs=needs,
        once=True,
        ready_seconds=300,
    )


def _process(app: Application, name: str, command: tuple[str, ...], bind: int | None, metrics: int) -> Part:
    """Its own names (part, ports) win over the caller's environment: all processes share that one."""
    samples = app.folder / "metrics" / name
    own = {
        **(app.api_env if bind else app.worker_env),
        "PART": name,
        "METRICS_BIND": f"127.0.0.1:{metrics}",
        "PROMETHEUS_MULTIPROC_DIR": str(samples),
        **({"API_BIND": f"127.0.0.1:{bind}"} if bind else {}),
    }
    url = f"http://127.0.0.1:{bind}" if bind else None
    return Part(
        name=name,
        command=command,
        env={**app.env, **own},
        log=app.folder / "log" / f"{name}.log",
        cwd=ROOT,
        needs=("seed-demo",) if bind else ("seed-demo", *app.job_needs),
        port=bind,
        more_ports={"metrics_port": metrics},
        url=url,
        facts={"metrics": f"http://127.0.0.1:{metrics}/metrics"},
        ready=probes.http(f"{url}/livez") if bind else probes.port(metrics),
        ready_seconds=120,
        prepare=lambda: _empty(samples),
        stop_seconds=15,
    )


def _empty(folder: Path) -> None:
    """Samples of the processes of an earlier start would be counted again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
