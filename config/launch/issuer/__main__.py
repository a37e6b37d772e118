"""`python -m config.launch.issuer --port 18080 --state .run/issuer.json`: the development issuer as a process."""

import argparse
import os
import signal
import sys
from pathlib import Path

from config.launch.issuer import core, realm, server
from config.launch.issuer.realm import RealmError
from config.launch.issuer.server import PortTaken, Server
from config.launch.issuer.store import StoreError

_ROOT = Path(__file__).resolve().parents[3]


def main() -> int:
    """Serve until TERM or INT; 1 with one line when it cannot start."""
    arguments = _arguments()
    try:
        issuer = core.build(
            f"http://{server.HOST}:{arguments.port}", realm.read(arguments.realm, os.environ), arguments.state
        )
        serving = Server(arguments.port, issuer)
    except (RealmError, StoreError, PortTaken, OSError) as error:
        print(f"issuer: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    print(f"development issuer (never for production) at {issuer.url}", flush=True)
    with serving:
        try:
            serving.serve_forever()
        except SystemExit:
            return 0
    return 0


def _stop(number: int, frame: object) -> None:
    raise SystemExit(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m config.launch.issuer", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, default=_ROOT / ".run" / "issuer.json")
    parser.add_argument("--realm", type=Path, default=_ROOT / "docker" / "keycloak" / "taskmill-realm.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
