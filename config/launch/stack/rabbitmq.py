"""RabbitMQ as a private node, with a port mapper (epmd) of its own.

Without its own one it would start a daemon that stays behind and serves every Erlang program of the machine.
"""

import base64
from pathlib import Path

from config.launch import probes
from config.launch.parts import Part
from config.launch.stack.layout import HOST, Layout, template
from config.launch.stack.templates import fill, write

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
_USER = "rabbitmq"
# One scheduler that does not busy-wait (it would burn a core), and no distribution port on other interfaces.
_ERLANG = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"


def parts(layout: Layout) -> list[Part]:
    home = layout.home("rabbitmq", _USER)
    env = _environment(layout, home)
    port, password = layout.port["rabbitmq"], layout.secret["RABBITMQ_PASSWORD"]
    management = f"http://{HOST}:{layout.port['rabbitmq-management']}"
    epmd = Part(
        name="epmd",
        command=["epmd", "-port", env["ERL_EPMD_PORT"], "-address", HOST],
        log=layout.log("epmd"),
        env={"PATH": env["PATH"]},
        user=_USER,
        port=layout.port["epmd"],
        ready=probes.port(layout.port["epmd"]),
    )
    server = Part(
        name="rabbitmq",
        command=[str(PROGRAMS / "rabbitmq-server")],
        log=layout.log("rabbitmq"),
        env=env,
        user=_USER,
        port=port,
        more_ports={
            "distribution_port": layout.port["rabbitmq-distribution"],
            "management_port": layout.port["rabbitmq-management"],
            "metrics_port": layout.port["rabbitmq-metrics"],
        },
        url=f"amqp://taskmill:{password}@{HOST}:{port}/taskmill",
        facts={
            "management": management,
            "metrics": f"http://{HOST}:{layout.port['rabbitmq-metrics']}/metrics/per-object",
        },
        needs=("epmd",),
        ready=probes.http(f"{management}/api/health/checks/port-listener/{port}", _login("taskmill", password)),
        ready_seconds=120,
        prepare=lambda: _configure(layout, home),
        stop_seconds=20,
    )
    return [epmd, server]


def _login(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def _environment(layout: Layout, home: Path) -> dict[str, str]:
    """`rabbitmqctl` of the same folder works with these too."""
    return {
        "PATH": f"{PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": str(home),  # holds the cookie
        "RABBITMQ_NODENAME": "taskmill@localhost",
        "RABBITMQ_NODE_PORT": str(layout.port["rabbitmq"]),
        "RABBITMQ_DIST_PORT": str(layout.port["rabbitmq-distribution"]),
        "ERL_EPMD_PORT": str(layout.port["epmd"]),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
    }


def _configure(layout: Layout, home: Path) -> None:
    values = {
        "RABBITMQ_HOST": HOST,
        "RABBITMQ_PORT": layout.port["rabbitmq"],
        "RABBITMQ_MANAGEMENT_PORT": layout.port["rabbitmq-management"],
        "RABBITMQ_METRICS_PORT": layout.port["rabbitmq-metrics"],
        "RABBITMQ_DEFINITIONS": home / "definitions.json",
        "RABBITMQ_PASSWORD": layout.secret["RABBITMQ_PASSWORD"],
    }
    for name in ("rabbitmq.conf", "definitions.json"):
        fill(template("rabbitmq", name), home / name, values, _USER)
    write(home / "enabled_plugins", template("rabbitmq", "enabled_plugins").read_text(encoding="utf-8"), _USER)
