"""The embedded system: the servers, then Taskmill's own processes on them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from config.launch import secrets, state
from config.launch.application import QUEUES, Application, environment, processes, run_folder
from config.launch.console import Console
from config.launch.embedded import servers, wheels
from config.launch.embedded.ports import ports
from config.launch.errors import LaunchError
from config.launch.parts import Part
from config.launch.stack import postgres
from config.launch.stack.layout import HOST, Layout, cache_folder, data_folder
from config.launch.system import System

_SECRETS = ("SECRET_KEY", *postgres.SECRETS, "REDIS_PASSWORD")
# The secrets of the realm's file, and what the application calls those that it needs too.
_REALM = {
    "TASKMILL_API_SECRET": None,
    "TASKMILL_SERVICE_SECRET": None,
    "TASKMILL_ADMIN_SECRET": "OIDC_CLIENT_SECRET",
    "TASKMILL_DIRECTORY_SECRET": "OIDC_ADMIN_CLIENT_SECRET",
    "TASKMILL_DEMO_PASSWORD": None,
}
_USERS = "alice and bob (user), vera (viewer), ada (admin), nobody (no role)"


class Embedded(System):
    def announce(self) -> None:
        url, inbox = self.parts["api-1"].url, self.parts["mail"].facts["inbox"]
        say = self.console.line
        say(f"\nTaskmill is ready after {self.console.seconds():.0f} s.")
        say(f"  API documentation  {url}/v1/docs")
        say(f"  admin              {url}/admin/   (sign in as ada)")
        say(f"  mail inbox         {inbox}/")
        say(f"  logs               {self.folder / 'log'}")
        say(f"  demo users         {_USERS}")
        say(f"  their password     {self.about['oidc']['demo_password']}")
        say("Try it in another terminal:")
        say(f'  curl -H "Authorization: Bearer $(make -s token USER=alice)" {url}/v1/tasks')
        say("Ctrl-C stops everything; the data stays.")


def build(console: Console) -> System:
    """Write every configuration, and put all parts in the order of their start."""
    folder = run_folder()
    (folder / "log").mkdir(exist_ok=True)
    bare = Layout(folder=folder, data=data_folder(folder), cache=cache_folder(), port=ports())
    given = {"TASKMILL_DEMO_PASSWORD": "demo", **_given()}
    secret = secrets.keep(folder / "secrets.json", (*_SECRETS, *_REALM), given)
    layout = Layout(folder=folder, data=bare.data, cache=bare.cache, port=bare.port, secret=secret)
    return _assemble(layout, console)


def _given() -> dict[str, str]:
    """Secrets that the caller has set, under either name, also as NAME_FILE: issuer and application must agree."""
    found = {}
    for realm, ours in _REALM.items():
        for name in filter(None, (realm, ours)):
            if path := os.environ.get(f"{name}_FILE"):
                found[realm] = _content(name, path)
            elif value := os.environ.get(name):
                found[realm] = value
    return found


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise LaunchError(f"{name}_FILE={path} cannot be read: {error.strerror}.") from error


def _assemble(layout: Layout, console: Console) -> System:
    programs = wheels.programs(layout)
    started = [
        *servers.databases(layout, programs),
        servers.cache(layout, programs),
        servers.broker(layout, programs),
        servers.issuer(layout, _realm(layout)),
        servers.mail(layout),
    ]
    defaults = _defaults(layout, started)
    app = Application(
        folder=layout.folder,
        env=environment(defaults),
        needs=("postgres-primary", "postgres-roles", "redis"),
        api_ports=(layout.port["api-1"],),
        metrics_port=layout.port["metrics"],
        workers={"all": ",".join(QUEUES.values())},  # one process less memory for each queue
        seed_needs=("postgres-replica",),
        job_needs=("broker", "issuer", "mail"),
    )
    env_file = layout.folder / "env"
    state.write_private(env_file, "".join(f"{name}={app.env[name]}\n" for name in defaults if name in app.env))
    hint = "choose others with RUN_PORT (this one and the next 19)"
    return Embedded(layout.folder, [*started, *processes(app)], _about(layout, app, env_file), hint, console)


def _realm(layout: Layout) -> dict[str, str]:
    return {
        "TASKMILL_SITE_URL": _site_url(layout),
        "TASKMILL_BACKCHANNEL_URL": f"http://{HOST}:{layout.port['api-1']}",
        **{name: layout.secret[name] for name in _REALM},
    }


def _site_url(layout: Layout) -> str:
    return os.environ.get("SITE_URL") or f"http://{HOST}:{layout.port['api-1']}"


def _about(layout: Layout, app: Application, env_file: Path) -> Mapping[str, object]:
    return {
        "api": {"url": f"http://{HOST}:{layout.port['api-1']}"},
        "env": str(env_file),
        "oidc": {
            "issuer": app.env["OIDC_ISSUER"],
            "service_secret": layout.secret["TASKMILL_SERVICE_SECRET"],
            "demo_password": layout.secret["TASKMILL_DEMO_PASSWORD"],
        },
        "mail": {"inbox": f"http://{HOST}:{layout.port['mail-inbox']}"},
    }


def _defaults(layout: Layout, started: Sequence[Part]) -> dict[str, str]:
    """The environment of Taskmill's processes; a variable that the caller has set wins over each of these."""
    by_name = {part.name: part for part in started}
    url = {name: str(part.url) for name, part in by_name.items()}
    return {
        "DEVELOPMENT": "1",
        "SITE_URL": _site_url(layout),
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "SECRET_KEY": layout.secret["SECRET_KEY"],
        # No pooler, since one person's machine has few connections; and one role, which may make a month of tables
        # and everything else that is tried here, for all processes.
        "DATABASE_URL": url["postgres-primary"],
        "DATABASE_REPLICA_URLS": url["postgres-replica"],
        "CACHE_URL": by_name["redis"].facts["cache_url"],
        "BROKER_URL": url["broker"],
        "OIDC_ISSUER": by_name["issuer"].facts["issuer"],
        "OIDC_CLIENT_SECRET": layout.secret["TASKMILL_ADMIN_SECRET"],
        "OIDC_ADMIN_CLIENT_SECRET": layout.secret["TASKMILL_DIRECTORY_SECRET"],
        "EMAIL_URL": url["mail"],
        "EXPORT_DIR": str(layout.folder / "exports"),
        "STATIC_ROOT": str(layout.folder / "static"),
        "API_WORKERS": "1",
    }
