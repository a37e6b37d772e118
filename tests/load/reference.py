"""The reference server as a part of the system: on the same PostgreSQL and Redis, with the same tasks."""

import shutil
from collections.abc import Mapping

from config.launch import probes
from config.launch.errors import LaunchError
from config.launch.parts import Part
from config.launch.stack.layout import HOST, Layout
from tests.load.options import Options

DATABASE = "/5"  # of Redis, for what the reference server keeps
_PATH = "/usr/local/bin:/usr/bin:/bin"
_FILL = """
INSERT INTO reference_task
    (id, user_id, title, description, status, priority, due_at, labels, version, created_at, updated_at)
SELECT id, owner, title, description, status, priority, due_at, labels, version, created_at, updated_at
FROM task WHERE deleted_at IS NULL AND NOT EXISTS (SELECT FROM reference_task);
ANALYZE reference_task;
"""


def parts(layout: Layout, by_name: Mapping[str, Part], options: Options) -> list[Part]:
    folder = options.reference
    if folder is None or not (folder / "server.js").exists():
        raise LaunchError(f"REFERENCE={folder} holds no server.js.")
    if not (folder / "node_modules").exists():
        raise LaunchError(f"the reference server's packages are missing: npm install --prefix {folder}")
    issuer, database = by_name["issuer"].facts["issuer"], str(by_name["postgres-primary"].url)
    env = {
        "PATH": _PATH,
        "DATABASE_URL": database,
        "REDIS_URL": str(by_name["redis"].url).removesuffix("/0") + DATABASE,
        "BROKER_URL": str(by_name["rabbitmq"].url),
        "JWKS_URL": f"{issuer}/protocol/openid-connect/certs",
        "ISSUER": issuer,
        "AUDIENCE": "taskmill-api",
    }
    node = shutil.which("node") or "node"
    schema = Part(
        name="reference-schema",
        command=[node, str(folder / "schema.js")],
        log=layout.log("reference-schema"),
        env=env,
        cwd=folder,
        needs=("seed",),
        once=True,
        ready_seconds=600,
    )
    fill = Part(
        name="reference-fill",
        command=["/usr/bin/psql", database, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", _FILL],
        log=layout.log("reference-fill"),
        env={"PATH": _PATH},
        needs=("reference-schema",),
        once=True,
        ready_seconds=3600,
    )
    return [schema, fill, *(_server(layout, env, node, str(folder), kind) for kind in ("full", "bare"))]


def _server(layout: Layout, env: Mapping[str, str], node: str, folder: str, kind: str) -> Part:
    name = f"reference-{kind}"
    port = layout.port[name]
    return Part(
        name=name,
        command=[node, f"{folder}/server.js"],
        log=layout.log(name),
        env={**env, "FEATURES": kind, "PORT": str(port)},
        needs=("reference-fill", "rabbitmq", "issuer", "redis"),
        port=port,
        url=f"http://{HOST}:{port}",
        ready=probes.port(port),
    )
