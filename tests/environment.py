"""The environment of a test run, set before Django reads its settings (`-p tests.environment`).

Where the real servers run (`make stack-up`, `make test`) the tests have a PostgreSQL and a Redis beside them
(tests.own_servers). Elsewhere only the tests that need no server can run, unless the variables name servers of
one's own.
"""

import atexit
import os
import secrets
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from config.launch import state
from tests import own_servers

STACK = Path(__file__).resolve().parent.parent / ".stack"
NO_SERVER = "127.0.0.1:1"  # a port where nothing listens: a test that needs a server says so at once
SECRETS = ("SECRET_KEY", "OIDC_CLIENT_SECRET", "OIDC_ADMIN_CLIENT_SECRET")


def _own_servers() -> dict[str, str]:
    """Of the first process only; others inherit its environment."""
    found = None if "DATABASE_URL" in os.environ else state.read(STACK)
    return own_servers.start() if found is not None and state.is_running(found) else {}


def _have_own_redis(process: str) -> None:
    """Of several test processes (pytest-xdist) each has its own database; pytest-django gives them one in PostgreSQL.

    They inherit the environment of the first, and so do the programs that they start: each moves on once.
    """
    if os.environ.get("TESTS_PROCESS") != process:
        url = urlsplit(os.environ["CACHE_URL"])
        number = int(url.path[1:] or 0) + int(process.removeprefix("gw"))
        os.environ.update(CACHE_URL=urlunsplit(url._replace(path=f"/{number}")), TESTS_PROCESS=process)


def _static_files() -> str:
    """A folder that is there, because WhiteNoise warns of one that is not, and empty."""
    folder = tempfile.TemporaryDirectory(prefix="taskmill-tests-")
    atexit.register(folder.cleanup)
    return folder.name


def _defaults() -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"postgresql://nobody@{NO_SERVER}/none",
        "CACHE_URL": f"redis://{NO_SERVER}/0",
        "BROKER_URL": f"amqp://nobody@{NO_SERVER}//",
        "OIDC_ISSUER": f"http://{NO_SERVER}/realms/taskmill",
        "DEVELOPMENT": "1",
        "PART": "tests",
        "LOG_LEVEL": "INFO",
        "CACHE_TIMEOUT": "2s",  # a busy machine is no broken Redis
        "STATIC_ROOT": os.environ.get("STATIC_ROOT") or _static_files(),
        **{name: secrets.token_urlsafe(48) for name in SECRETS},
    }


for name, value in {**_defaults(), **_own_servers()}.items():
    os.environ.setdefault(name, value)
if "PYTEST_XDIST_WORKER" in os.environ:
    _have_own_redis(os.environ["PYTEST_XDIST_WORKER"])
