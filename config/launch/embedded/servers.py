"""The servers of `make run`: PostgreSQL with a replica, Valkey twice, the issuer, the inbox."""

import sys
from collections.abc import Mapping

from config.launch import probes
from config.launch.application import ROOT
from config.launch.embedded import wheels
from config.launch.embedded.wheels import Programs
from config.launch.parts import Part
from config.launch.stack import postgres
from config.launch.stack.layout import HOST, Layout, is_open_to_others, template
from config.launch.stack.templates import fill

_ACCOUNT = "nobody"  # whom root starts the servers as
_PLAIN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
# For one person's machine; what the file says is for many.
_SMALL = {"shared_buffers": "64MB", "max_connections": "60"}


def databases(layout: Layout, programs: Programs) -> list[Part]:
    cluster = postgres.Cluster(layout, programs.postgres, wheels.postgres_version(), _ACCOUNT, _SMALL)
    return postgres.cluster_parts(cluster)


def cache(layout: Layout, programs: Programs) -> Part:
    return _valkey(layout, programs, "redis", "redis.conf")


def broker(layout: Layout, programs: Programs) -> Part:
    """An instance of its own: it must neither evict messages nor forget them over a restart."""
    return _valkey(layout, programs, "broker", "broker.conf")


def _valkey(layout: Layout, programs: Programs, name: str, config: str) -> Part:
    account = _ACCOUNT if is_open_to_others(programs.valkey.parent) else None
    home, port, password = layout.home(name, account), layout.port[name], layout.secret["REDIS_PASSWORD"]
    values = {"REDIS_HOST": HOST, "REDIS_PORT": port, "REDIS_PASSWORD": password, "REDIS_DIR": home}
    return Part(
        name=name,
        command=[str(programs.valkey), str(home / config)],
        log=layout.log(name),
        env=_PLAIN,
        user=account,
        port=port,
        url=f"redis://:{password}@{HOST}:{port}/0",
        facts={"cache_url": f"redis://taskmill:{password}@{HOST}:{port}/0"} if name == "redis" else {},
        ready=probes.port(port),
        prepare=lambda: fill(template("redis", config), home / config, values, account) and None,
    )


def issuer(layout: Layout, realm: Mapping[str, str]) -> Part:
    """`realm` are the values of the realm file's placeholders."""
    port = layout.port["issuer"]
    url = f"http://{HOST}:{port}"
    state = layout.folder / "issuer.json"
    return Part(
        name="issuer",
        command=[sys.executable, "-m", "config.launch.issuer", "--port", str(port), "--state", str(state)],
        log=layout.log("issuer"),
        env={**_PLAIN, **realm},
        cwd=ROOT,
        port=port,
        url=url,
        facts={"issuer": f"{url}/realms/taskmill"},
        ready=probes.http(f"{url}/realms/taskmill"),
    )


def mail(layout: Layout) -> Part:
    smtp, inbox = layout.port["mail"], layout.port["mail-inbox"]
    return Part(
        name="mail",
        command=[sys.executable, "-m", "config.launch.inbox", "--smtp", str(smtp), "--web", str(inbox)],
        log=layout.log("mail"),
        env=_PLAIN,
        cwd=ROOT,
        port=smtp,
        more_ports={"inbox_port": inbox},
        url=f"smtp://{HOST}:{smtp}",
        facts={"inbox": f"http://{HOST}:{inbox}"},
        ready=probes.http(f"http://{HOST}:{inbox}/api/healthz"),
    )
