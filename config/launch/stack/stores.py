"""PgBouncer in front of PostgreSQL, and Redis as the cache."""

import signal

from config.launch import probes
from config.launch.parts import Part
from config.launch.stack import postgres
from config.launch.stack.layout import HOST, Layout, template
from config.launch.stack.templates import fill, write

_PLAIN = {"PATH": "/usr/sbin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def pgbouncer(layout: Layout) -> Part:
    home = layout.home("pgbouncer", postgres.USER)
    port = layout.port["pgbouncer"]
    users = "".join(f'"{role}" "{layout.secret[name]}"\n' for role, name in postgres.PASSWORDS.items())
    values = {
        "PRIMARY_HOST": HOST,
        "PRIMARY_PORT": layout.port["postgres-primary"],
        "REPLICA_HOST": HOST,
        "REPLICA_PORT": layout.port["postgres-replica"],
        "PGBOUNCER_HOST": HOST,
        "PGBOUNCER_PORT": port,
        "PGBOUNCER_USERLIST": home / "userlist.txt",
    }

    def prepare() -> None:
        write(home / "userlist.txt", users, postgres.USER)
        fill(template("pgbouncer", "pgbouncer.ini"), home / "pgbouncer.ini", values, postgres.USER)

    return Part(
        name="pgbouncer",
        command=["/usr/sbin/pgbouncer", str(home / "pgbouncer.ini")],
        log=layout.log("pgbouncer"),
        env=_PLAIN,
        user=postgres.USER,
        port=port,
        url=postgres.url(layout, postgres.API, port),
        facts={
            "worker_url": postgres.url(layout, postgres.WORKER, port),
            "replica_url": postgres.url(layout, postgres.READER, port, "taskmill_replica"),
        },
        needs=("postgres-roles",),
        ready=probes.port(port),
        stop_signal=signal.SIGINT,
        prepare=prepare,
    )


def redis(layout: Layout) -> Part:
    home, port, password = layout.home("redis", "redis"), layout.port["redis"], layout.secret["REDIS_PASSWORD"]
    values = {"REDIS_HOST": HOST, "REDIS_PORT": port, "REDIS_PASSWORD": password, "REDIS_DIR": home}
    return Part(
        name="redis",
        command=["redis-server", str(home / "redis.conf")],
        log=layout.log("redis"),
        env=_PLAIN,
        user="redis",
        port=port,
        url=f"redis://:{password}@{HOST}:{port}/0",
        facts={"cache_url": f"redis://taskmill:{password}@{HOST}:{port}/0"},
        ready=probes.port(port),
        prepare=lambda: fill(template("redis", "redis.conf"), home / "redis.conf", values, "redis"),
    )
