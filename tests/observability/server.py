"""gunicorn as operators start it, on ports of its own; what it prints lies in a file."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.config.servers import eventually, free_port

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]


class Server:
    def __init__(self, folder: Path, application: str = COMMAND[-1], **env: str) -> None:
        self.port, self.metrics_port, self.log = free_port(), free_port(), folder / "gunicorn.log"
        own = {
            "API_BIND": f"127.0.0.1:{self.port}",
            "METRICS_BIND": f"127.0.0.1:{self.metrics_port}",
            "PART": "api-9",
            "TMPDIR": str(folder),
        }
        unset = {"PROMETHEUS_MULTIPROC_DIR"}
        inherited = {name: value for name, value in os.environ.items() if name not in unset}
        with self.log.open("wb") as output:
            command, env = [*COMMAND[:-1], application], {**inherited, **own, **env}
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT)
        eventually(self.answers, "the start of gunicorn", within=60)

    def answers(self) -> bool:
        try:
            return self.get("/livez")[0] == 200
        except OSError:
            return False

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str]]:
        """Status and headers, whatever the status is. Each call is a connection of its own."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, dict(answer.headers)
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, dict(answer.headers)

    def lines(self, **fields: Any) -> list[dict[str, Any]]:
        """The lines with these fields; fails when a line is no JSON object."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if fields.items() <= line.items()]

    def workers(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)
