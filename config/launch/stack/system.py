"""The whole stack: real servers, two instances of the API behind nginx, a worker per queue, relay and beat."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from config.launch import secrets, state
from config.launch.application import ROOT, Application, environment, processes
from config.launch.console import Console
from config.launch.parts import Part
from config.launch.stack import edge, install, keycloak, postgres, rabbitmq, stores
from config.launch.stack.layout import HOST, OTHER_PORTS, Layout, cache_folder, data_folder, ports
from config.launch.system import System

_SECRETS = ("SECRET_KEY", *postgres.SECRETS, "REDIS_PASSWORD")
# What the caller may choose, and its name in the realm's file.
_GIVEN = {
    "OIDC_CLIENT_SECRET": "TASKMILL_ADMIN_SECRET",
    "OIDC_ADMIN_CLIENT_SECRET": "TASKMILL_DIRECTORY_SECRET",
    "TASKMILL_SERVICE_SECRET": "TASKMILL_SERVICE_SECRET",
    "TASKMILL_DEMO_PASSWORD": "TASKMILL_DEMO_PASSWORD",
}


class Stack(System):
    def announce(self) -> None:
        api, inbox = self.about["api"], self.parts["mail"].facts["inbox"]
        self.console.line(f"The stack is ready after {self.console.seconds():.0f} s.")
        for name, url in (
            ("API", f"{api['url']}/v1/docs"),
            ("admin", f"{api['url']}/admin/   (sign in as ada, password {self.about['oidc']['demo_password']})"),
            ("Keycloak", self.parts["keycloak"].url),
            ("mail", inbox),
            ("metrics", self.parts["prometheus"].url),
            ("RabbitMQ", self.parts["rabbitmq"].facts["management"]),
            ("logs", self.folder / "log"),
        ):
            self.console.line(f"  {name:<9} {url}")
        self.console.line("Try it:")
        self.console.line(f'  curl -H "Authorization: Bearer $(make -s token USER=alice)" {api["url"]}/v1/tasks')


def build(console: Console) -> System:
    """Install what is missing, write every configuration, and put all parts in the order of their start."""
    folder = ROOT / ".stack"
    for name in ("log", "static"):
        (folder / name).mkdir(exist_ok=True)
    bare = Layout(folder=folder, data=data_folder(folder), cache=cache_folder(), port=ports())
    install.install(console, bare.cache)
    given = {realm: os.environ[name] for name, realm in _GIVEN.items() if os.environ.get(name)}
    given.setdefault("TASKMILL_DEMO_PASSWORD", "demo")
    known = keycloak.ensure_database(bare, keycloak.realm(bare, given), console)
    secret = secrets.keep(folder / "secrets.json", (*_SECRETS, "RABBITMQ_PASSWORD"), known)
    layout = Layout(folder=folder, data=bare.data, cache=bare.cache, port=bare.port, secret=secret)
    return _assemble(layout, console)


def _assemble(layout: Layout, console: Console) -> System:
    # Slow starters first: they have the longest to wait.
    servers = [
        keycloak.part(layout),
        *rabbitmq.parts(layout),
        *postgres.parts(layout),
        stores.pgbouncer(layout),
        stores.redis(layout),
        edge.mail(layout),
    ]
    app = _application(layout, servers)
    ours = processes(app)
    instances = [part for part in ours if part.name.startswith("api-")]
    front = [edge.nginx(layout, instances), edge.prometheus(layout, [*ours, *servers])]
    env_file = layout.folder / "env"
    shown = "".join(f"{name}={app.env[name]}\n" for name in _defaults(layout, servers) if name in app.env)
    state.write_private(env_file, shown)
    return Stack(
        layout.folder,
        [*servers, *ours, *front],
        _about(layout, env_file),
        OTHER_PORTS,
        console,
    )


def _about(layout: Layout, env_file: Path) -> dict[str, object]:
    return {
        "api": {"url": layout.site_url},
        "env": str(env_file),
        "oidc": {
            "issuer": f"http://{HOST}:{layout.port['keycloak']}/realms/taskmill",
            "admin_user": "admin",
            "admin_password": layout.secret["KC_BOOTSTRAP_ADMIN_PASSWORD"],
            "service_secret": layout.secret["TASKMILL_SERVICE_SECRET"],
            "demo_password": layout.secret["TASKMILL_DEMO_PASSWORD"],
        },
        "mail": {"inbox": f"http://{HOST}:{layout.port['mail-inbox']}"},
    }


def _application(layout: Layout, servers: Sequence[Part]) -> Application:
    by_name = {part.name: part for part in servers}
    primary, pooler = by_name["postgres-primary"], by_name["pgbouncer"]
    return Application(
        folder=layout.folder,
        env=environment(_defaults(layout, servers)),
        api_env=_least({"DATABASE_URL": pooler.url, "DATABASE_DIRECT_URL": primary.facts["api_url"]}),
        worker_env=_least({"DATABASE_DIRECT_URL": primary.facts["worker_url"]}),
        needs=("pgbouncer", "redis"),
        api_ports=(layout.port["api-1"], layout.port["api-2"]),
        metrics_port=layout.port["metrics"],
        seed_needs=("postgres-replica",),
        job_needs=("rabbitmq",),
    )


def _least(own: Mapping[str, str | None]) -> dict[str, str]:
    """Of these what the caller has not chosen himself."""
    chosen = {name.removesuffix("_FILE") for name in os.environ}
    return {name: str(value) for name, value in own.items() if name not in chosen}


def _defaults(layout: Layout, servers: Sequence[Part]) -> dict[str, str]:
    """The environment of Taskmill's processes; a variable that the caller has set wins over each of these."""
    by_name = {part.name: part for part in servers}
    url = {name: str(part.url) for name, part in by_name.items()}
    return {
        "DEVELOPMENT": "1",
        "SITE_URL": layout.site_url,
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "TRUSTED_PROXIES": f"{HOST}/32",
        "SECRET_KEY": layout.secret["SECRET_KEY"],
        # Of `migrate` and of who calls manage.py: the processes have less (`_application`).
        "DATABASE_URL": by_name["pgbouncer"].facts["worker_url"],
        "DATABASE_DIRECT_URL": url["postgres-primary"],
        "DATABASE_REPLICA_URLS": by_name["pgbouncer"].facts["replica_url"],
        "CACHE_URL": by_name["redis"].facts["cache_url"],
        "BROKER_URL": url["rabbitmq"],
        "OIDC_ISSUER": by_name["keycloak"].facts["issuer"],
        "OIDC_CLIENT_SECRET": layout.secret["TASKMILL_ADMIN_SECRET"],
        "OIDC_ADMIN_CLIENT_SECRET": layout.secret["TASKMILL_DIRECTORY_SECRET"],
        "EMAIL_URL": url["mail"],
        "EXPORT_DIR": str(layout.folder / "exports"),
        "STATIC_ROOT": str(layout.folder / "static"),
        "API_WORKERS": "1",  # two instances share the machine
        "API_PROCESSES": "2",
    }
