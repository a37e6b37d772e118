"""What the caller may choose, by environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.launch.errors import LaunchError


@dataclass(frozen=True, kw_only=True)
class Options:
    tasks: int
    users: int
    seconds: float  # of each run
    rounds: int  # of each case; medians are told
    connections: int
    workers: int  # of the API, which all share one core
    port: int  # this one and the next 19
    cases: frozenset[str]  # all when empty
    reference: Path | None

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Options":
        def number(name: str, default: float) -> float:
            try:
                return float(env.get(name) or default)
            except ValueError:
                raise LaunchError(f"{name}={env[name]} is wrong: expected a number.") from None

        tasks = int(number("BENCH_TASKS", 100_000))
        return cls(
            tasks=tasks,
            users=int(number("BENCH_USERS", max(10, min(10_000, tasks // 100)))),
            seconds=number("BENCH_SECONDS", 5),
            rounds=int(number("BENCH_ROUNDS", 3)),
            connections=int(number("BENCH_CONNECTIONS", 32)),
            workers=int(number("BENCH_WORKERS", 1)),
            port=int(number("BENCH_PORT", 17000)),
            cases=frozenset(filter(None, env.get("BENCH_CASES", "").split(","))),
            reference=Path(env["REFERENCE"]).resolve() if env.get("REFERENCE") else None,
        )
