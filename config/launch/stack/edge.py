"""What stands around the API: nginx in front, the mail server with an inbox, Prometheus."""

import hashlib
import json
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from config.launch import probes
from config.launch.parts import Part, own
from config.launch.stack.layout import HOST, Layout, is_open_to_others, template
from config.launch.stack.templates import fill, write

_PLAIN = {"PATH": "/usr/sbin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def nginx(layout: Layout, instances: Sequence[Part]) -> Part:
    home, port = layout.home("nginx", "www-data"), layout.port["nginx"]
    servers = [f"server {HOST}:{api.port} max_fails=2 fail_timeout=2s;" for api in instances]
    values = {
        "NGINX_DIR": home,
        "NGINX_LISTEN": f"{HOST}:{port}",
        "NGINX_UPSTREAMS": "\n        ".join(servers),
    }

    def prepare() -> None:
        fill(template("nginx", "nginx.conf"), home / "nginx.conf", values, "www-data")

    return Part(
        name="nginx",
        command=["/usr/sbin/nginx", "-p", str(home), "-c", str(home / "nginx.conf"), "-e", "stderr"],
        log=layout.log("nginx"),
        env=_PLAIN,
        user="www-data",
        port=port,
        url=layout.site_url,
        facts={"access_log": str(home / "access.log")},
        needs=tuple(api.name for api in instances),
        ready=probes.http(f"{layout.site_url}/livez"),
        stop_signal=signal.SIGQUIT,  # drains: answers what it has taken
        prepare=prepare,
    )


def maildev_folder(cache: Path) -> Path:
    """Named by what is locked, so that another version is installed beside it."""
    lock = template("maildev", "package-lock.json").read_bytes()
    return cache / f"maildev-{hashlib.sha256(lock).hexdigest()[:12]}"


def mail(layout: Layout) -> Part:
    """Run by the Node that it brings, else the machine's; not by npx: killing that would leave the server behind."""
    user = "nobody" if is_open_to_others(layout.cache) else None
    home, smtp, inbox = layout.home("mail", user), layout.port["mail"], layout.port["mail-inbox"]
    modules = maildev_folder(layout.cache) / "node_modules"
    own_node = next(iter(modules.glob("node-linux-*/bin/node")), None)
    program = modules / "maildev" / "dist" / "bin" / "maildev.js"
    where = ("--ip", HOST, "--smtp", str(smtp), "--web-ip", HOST, "--web", str(inbox))
    return Part(
        name="mail",
        command=[str(own_node or "node"), str(program), *where, "--mail-directory", str(home), "--silent"],
        log=layout.log("mail"),
        env={**_PLAIN, "HOME": str(home)},
        user=user,
        port=smtp,
        more_ports={"inbox_port": inbox},
        url=f"smtp://{HOST}:{smtp}",
        facts={"inbox": f"http://{HOST}:{inbox}"},
        ready=probes.http(f"http://{HOST}:{inbox}/api/healthz"),
    )


def prometheus(layout: Layout, scraped: Sequence[Part]) -> Part:
    home, port = layout.home("prometheus", "prometheus"), layout.port["prometheus"]
    where = (f"--storage.tsdb.path={home / 'data'}", f"--web.listen-address={HOST}:{port}")
    return Part(
        name="prometheus",
        command=["prometheus", f"--config.file={home / 'prometheus.yml'}", *where, "--web.enable-lifecycle"],
        log=layout.log("prometheus"),
        env=_PLAIN,
        user="prometheus",
        port=port,
        url=f"http://{HOST}:{port}",
        ready=probes.http(f"http://{HOST}:{port}/-/ready"),
        prepare=lambda: _configure_prometheus(home, scraped),
    )


def _configure_prometheus(home: Path, scraped: Sequence[Part]) -> None:
    fill(template("prometheus", "prometheus.yml"), home / "prometheus.yml", {}, "prometheus")
    for name in ("rules", "targets"):
        shutil.rmtree(home / name, ignore_errors=True)
        (home / name).mkdir()
        own(home / name, "prometheus")
    for rules in template("prometheus", "rules").glob("*.yml"):
        write(home / "rules" / rules.name, rules.read_text(encoding="utf-8"), "prometheus")
    ours = {part.name: part for part in scraped if "PART" in part.env}
    others = {part.name: part for part in scraped if part.name not in ours}
    for name, group in (("taskmill", ours), ("servers", others)):
        write(home / "targets" / f"{name}.json", json.dumps(_targets(group)), "prometheus")


def _targets(parts: Mapping[str, Part]) -> list[dict[str, object]]:
    """Prometheus's file_sd format; the label `part` is the name in the state file and in the logs."""
    urls = {name: urlsplit(part.facts["metrics"]) for name, part in parts.items() if "metrics" in part.facts}
    return [
        {"targets": [url.netloc], "labels": {"part": name, "__metrics_path__": url.path}} for name, url in urls.items()
    ]
