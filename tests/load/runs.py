"""The runs: every case on every server by turns, so that a disturbance hits all; medians over the rounds."""

import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import psycopg
import redis

from config.cache import memory
from config.cache.keys import key
from config.launch.console import Console
from config.launch.errors import LaunchError
from config.launch.parts import Running
from tests.cast import PEOPLE
from tests.load import cores, reference
from tests.load.cases import NAMES, Case, far_cursor
from tests.load.options import Options

Result = dict[str, Any]
_OWNER = PEOPLE["alice"].id
_MOST_IDS = 50_000  # more than a run asks for, so that none of a cold cache is asked for twice
_YOUNG = memory.YOUNG / 1000 + 1  # seconds: a Redis that has begun just now is not believed like an older one


@dataclass
class Target:
    name: str
    part: str
    url: str
    token: Callable[[str], str]  # of a user, fresh
    cursor: str = ""
    runs: dict[str, list[Result]] = field(default_factory=dict)

    def ask(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token('alice')}"}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers), timeout=30) as answer:
            return json.load(answer)


def measure(
    targets: Sequence[Target], running: Mapping[str, Running], options: Options, console: Console
) -> list[Result]:
    ids, place = _known(str(running["postgres-primary"].part.url))
    cache = str(running["redis"].part.url)
    wanted = [Case(name) for name in NAMES if not options.cases or name in options.cases]
    for target in targets:
        target.cursor = far_cursor(target.name, target.ask, place)
    console.line(f"  waiting {_YOUNG:.0f} s, until Redis remembers for long enough")
    time.sleep(_YOUNG)
    for number in range(options.rounds):
        for case in wanted:
            for target in targets:
                if case.suits(target.name):
                    console.line(f"  round {number + 1} of {options.rounds}: {case.name}, {target.name}")
                    script = case.script(target.token("alice"), ids, target.cursor, offset=number * 7_919)
                    if case.is_cold:
                        _forget(cache, ids)
                    found = _run(target, script, running, options)
                    target.runs.setdefault(case.name, []).append(found)
    return [
        {"case": name, "server": target.name, "tasks": options.tasks, **_median(runs)}
        for target in targets
        for name, runs in target.runs.items()
    ]


def _known(database: str) -> tuple[list[str], tuple[str, str]]:
    """Ids of the owner's tasks, newest first; the last task of page 999."""
    query = (
        "SELECT id::text, created_at::text FROM task WHERE owner = %s AND deleted_at IS NULL ORDER BY id DESC LIMIT %s"
    )
    with psycopg.connect(database) as connection:
        rows = connection.execute(query, [_OWNER, _MOST_IDS]).fetchall()
    if not rows:
        raise LaunchError("there are no tasks to ask for: BENCH_TASKS is too small.")
    last = rows[min(999 * 50, len(rows)) - 1]
    return [row[0] for row in rows], (last[1], last[0])


def _run(target: Target, script: str, running: Mapping[str, Running], options: Options) -> Result:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        api, postgres = cores.seconds(running[target.part]), cores.seconds(running["postgres-primary"])
        _, others = cores.split()
        done = subprocess.run(
            [
                *("taskset", "-c", ",".join(map(str, others)), "wrk", "-t1", f"-c{options.connections}"),
                *(f"-d{max(1, round(options.seconds))}s", "--latency", "-s", file.name, target.url),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise LaunchError(f"wrk failed: {(done.stderr or done.stdout).strip()[-300:]}")
    told = json.loads(line.removeprefix("RESULT "))
    calls = max(1, told["requests"])
    return {
        "rps": told["requests"] / told["us"] * 1e6,
        "p50_ms": told["p50"] / 1000,
        "p99_ms": told["p99"] / 1000,
        "errors": told["errors"],
        "api_cpu_s_per_1000": (cores.seconds(running[target.part]) - api) / calls * 1000,
        "postgres_cpu_s_per_1000": (cores.seconds(running["postgres-primary"]) - postgres) / calls * 1000,
    }


def _median(runs: Sequence[Result]) -> Result:
    found = {name: round(median(run[name] for run in runs), 3) for name in runs[0]}
    return {**found, "errors": sum(run["errors"] for run in runs)}


def _forget(cache: str, ids: Sequence[str]) -> None:
    """Takes what is kept of the tasks away, by its keys: an emptied Redis would be another case."""
    with redis.Redis.from_url(cache) as client:
        for start in range(0, len(ids), 1_000):
            client.unlink(*(key(one, "kept") for one in ids[start : start + 1_000]))
    with redis.Redis.from_url(f"{cache.removesuffix('/0')}{reference.DATABASE}") as client:
        client.flushdb()
