"""A running local system as tests and drills see it: addresses, tokens, and its parts to stop and start."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.launch import control, state
from config.launch.application import ROOT, run_folder
from config.launch.errors import LaunchError
from config.launch.oidc import Issuer

FOLDERS = (ROOT / ".stack", run_folder())


@dataclass(frozen=True)
class RealPart:
    """One server process, for drills. Each call returns when it is done; `start` waits until it is ready."""

    folder: Path
    name: str

    def stop(self) -> None:
        control.ask(self.folder, "stop", self.name)

    def start(self) -> None:
        control.ask(self.folder, "start", self.name)

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL to all its processes."""
        control.ask(self.folder, "kill", self.name)

    def freeze(self) -> None:
        """SIGSTOP to all its processes: the port stays open, nobody answers."""
        control.ask(self.folder, "freeze", self.name)

    def thaw(self) -> None:
        control.ask(self.folder, "thaw", self.name)

    @property
    def entry(self) -> dict[str, Any]:
        """What the state file says now: a restart changes the process id."""
        return LocalSystem(self.folder).parts()[self.name]

    @property
    def url(self) -> str:
        return str(self.entry["url"])

    @property
    def pid(self) -> int:
        return int(self.entry["pid"])


@dataclass(frozen=True)
class LocalSystem:
    folder: Path

    def state(self) -> dict[str, Any]:
        found = state.read(self.folder)
        if found is None or not state.is_running(found):
            raise LaunchError(f"no system is running in {self.folder}: start one with `make stack-up`.")
        return found

    @property
    def api_url(self) -> str:
        return str(self.state()["api"]["url"])

    @property
    def env(self) -> dict[str, str]:
        """The environment of Taskmill's own processes."""
        lines = Path(self.state()["env"]).read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def parts(self) -> dict[str, dict[str, Any]]:
        return dict(self.state()["parts"])

    def part(self, name: str) -> RealPart:
        return RealPart(self.folder, name)

    @property
    def issuer(self) -> Issuer:
        return Issuer(str(self.state()["oidc"]["issuer"]))

    def token(self, user: str) -> str:
        """An access token of a demo user, or of the service account `service`."""
        return str(self.tokens(user)["access_token"])

    def tokens(self, user: str) -> dict[str, Any]:
        """The whole token answer: with refresh and ID token for people."""
        oidc = self.state()["oidc"]
        if user == "service":
            return self.issuer.by_secret("taskmill-service", oidc["service_secret"])
        return self.issuer.by_password(user, oidc["demo_password"])

    def login(self, user: str, client: str = "taskmill-web") -> dict[str, Any]:
        """The token answer of a login through the issuer's page, as the web application gets it."""
        found = self.state()
        callback = f"{found['api']['url']}/callback"
        return self.issuer.by_login_form(user, found["oidc"]["demo_password"], callback, client)


def find(folders: Iterable[Path] = FOLDERS) -> LocalSystem:
    """The system that runs; of two the one that was started last, since that is the one somebody looks at."""
    found = [(folder, state.read(folder)) for folder in folders]
    running = [
        (int(known["launcher"]["started"]), folder) for folder, known in found if known and state.is_running(known)
    ]
    if not running:
        raise LaunchError("no system is running: start one with `make stack-up` or `make run`.")
    return LocalSystem(max(running)[1])
