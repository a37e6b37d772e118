"""The system under load: PostgreSQL, PgBouncer, Redis, an issuer and one API, as in the stack, on ports of its own.

Without workers, relay and broker: a request needs none of them (the reference server publishes, and has a broker).
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.launch import secrets
from config.launch.application import Application, environment, processes
from config.launch.console import Console
from config.launch.embedded import servers
from config.launch.errors import LaunchError
from config.launch.oidc import Issuer
from config.launch.parts import Part
from config.launch.stack import postgres, rabbitmq, stores
from config.launch.stack.layout import HOST, Layout, cache_folder, data_folder
from config.launch.system import System
from tests.load import reference
from tests.load.cores import share
from tests.load.options import Options
from tests.load.runs import Result, Target, measure

_PARTS = (
    *("api-1", "postgres-primary", "postgres-replica", "pgbouncer", "redis", "issuer", "rabbitmq"),
    *("rabbitmq-distribution", "epmd", "rabbitmq-management", "rabbitmq-metrics", "metrics"),
    *("reference-full", "reference-full-metrics", "reference-bare"),
)
_SECRETS = (
    *("SECRET_KEY", "REDIS_PASSWORD", *postgres.SECRETS),
    *("RABBITMQ_PASSWORD", "TASKMILL_API_SECRET", "TASKMILL_SERVICE_SECRET", "TASKMILL_ADMIN_SECRET"),
    *("TASKMILL_DIRECTORY_SECRET", "TASKMILL_DEMO_PASSWORD"),
)
_UNLIMITED = "1000000000/m"
_OURS = ("migrate", "seed", "api-1")


class Bench(System):
    """Measures as soon as everything is ready, and ends then."""

    def __init__(self, layout: Layout, parts: list[Part], options: Options, console: Console) -> None:
        super().__init__(layout.folder, parts, {}, "choose others with BENCH_PORT", console)
        self.layout, self.options = layout, options
        self.results: list[Result] = []

    def announce(self) -> None:
        share(self.running, [name for name in self.running if name.startswith(("api", "reference"))])
        self.results = measure(self._targets(), self.running, self.options, self.console)
        self.stops = 1

    def _targets(self) -> list[Target]:
        def token(user: str) -> str:
            issuer = Issuer(self.parts["issuer"].facts["issuer"])
            return str(issuer.by_password(user, self.layout.secret["TASKMILL_DEMO_PASSWORD"])["access_token"])

        targets = [Target("taskmill", "api-1", str(self.parts["api-1"].url), token)]
        for name in ("reference-full", "reference-bare"):
            if name in self.parts:
                targets.append(Target(name, name, str(self.parts[name].url), token))
        return targets


def build(folder: Path, options: Options, console: Console) -> Bench:
    if shutil.which("wrk") is None:
        raise LaunchError("wrk is not installed. Try: apt-get install wrk")
    port = {name: options.port + number for number, name in enumerate(_PARTS)}
    secret = secrets.keep(folder / "secrets.json", _SECRETS)
    layout = Layout(folder=folder, data=data_folder(folder), cache=cache_folder(), port=port, secret=secret)
    started = [
        *(part for part in postgres.parts(layout) if part.name not in {"postgres-copy", "postgres-replica"}),
        stores.pgbouncer(layout),
        stores.redis(layout),
        servers.issuer(layout, _realm(layout)),
        *(rabbitmq.parts(layout) if options.reference else ()),
    ]
    by_name = {part.name: part for part in started}
    ours = _application(layout, by_name, options)
    beside = reference.parts(layout, by_name, options) if options.reference else []
    return Bench(layout, [*started, *ours, *beside], options, console)


def _realm(layout: Layout) -> dict[str, str]:
    url = f"http://{HOST}:{layout.port['api-1']}"
    given = {name: value for name, value in layout.secret.items() if name.startswith("TASKMILL_")}
    return {**given, "TASKMILL_SITE_URL": url, "TASKMILL_BACKCHANNEL_URL": url}


def _application(layout: Layout, by_name: Mapping[str, Part], options: Options) -> list[Part]:
    app = Application(
        folder=layout.folder,
        env=environment(_environment(layout, by_name, options), {"PATH": os.environ["PATH"]}),
        needs=("pgbouncer", "redis", "issuer"),
        api_ports=(layout.port["api-1"],),
        metrics_port=layout.port["metrics"],
    )
    parts = {part.name: part for part in processes(app)}
    seed = _replace(
        parts["seed-demo"],
        name="seed",
        command=[*parts["seed-demo"].command[:2], "seed", f"--tasks={options.tasks}", f"--users={options.users}"],
        ready_seconds=7200,
    )
    return [parts["migrate"], seed, _replace(parts["api-1"], needs=("seed",))]


def _replace(part: Part, **changes: Any) -> Part:
    return Part(**{**_fields(part), **changes})


def _fields(part: Part) -> dict[str, Any]:
    return {name: getattr(part, name) for name in part.__dataclass_fields__}


def _environment(layout: Layout, by_name: Mapping[str, Part], options: Options) -> dict[str, str]:
    return {
        "DEVELOPMENT": "1",
        "SITE_URL": f"http://{HOST}:{layout.port['api-1']}",
        "ALLOWED_HOSTS": HOST,
        "SECRET_KEY": layout.secret["SECRET_KEY"],
        "DATABASE_URL": str(by_name["pgbouncer"].url),
        "DATABASE_DIRECT_URL": str(by_name["postgres-primary"].url),
        "CACHE_URL": str(by_name["redis"].url),
        "BROKER_URL": f"amqp://{HOST}:1/none",  # nothing of it is used
        "OIDC_ISSUER": by_name["issuer"].facts["issuer"],
        "OIDC_CLIENT_SECRET": layout.secret["TASKMILL_ADMIN_SECRET"],
        "OIDC_ADMIN_CLIENT_SECRET": layout.secret["TASKMILL_DIRECTORY_SECRET"],
        "RATE_LIMIT_USER": _UNLIMITED,
        "RATE_LIMIT_IP": _UNLIMITED,
        "RATE_LIMIT_TASK": _UNLIMITED,
        "API_WORKERS": str(options.workers),
    }
