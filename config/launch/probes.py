"""Checks of readiness: one quick question each, False for every kind of no."""

import subprocess
import urllib.request
from collections.abc import Callable, Mapping

from config.launch import ports


def http(url: str, headers: Mapping[str, str] | None = None) -> Callable[[], bool]:
    def ask() -> bool:
        request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - our own loopback URL
        try:
            with urllib.request.urlopen(request, timeout=0.9) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    return ask


def port(number: int) -> Callable[[], bool]:
    return lambda: ports.answers(number)


def command(*arguments: str, env: Mapping[str, str] | None = None) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            done = subprocess.run(
                arguments,
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=0.9,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    return ask
