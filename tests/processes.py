"""Which tests stay in one process when several run (`make test`): those that share a server or the running system.

Everything else goes file by file to whichever process is free. Each has its own database and Redis
(tests.environment). pytest-xdist's own groups are no help: 3.8 loses their names under pytest 9.
"""

from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

GROUPS = {
    "stack": (
        "tests/accounts/test_admin_login",
        "tests/accounts/test_api_users",
        "tests/accounts/test_keycloak_watch",
        "tests/accounts/test_revocation_stack",
        "tests/accounts/test_tokens_live",
        "tests/browser/",
        "tests/contract/",
        "tests/faults/",
        "tests/journeys/",
        "tests/launch/issuer/test_same_as_keycloak",
        "tests/launch/test_stack_",
    ),
    "broker": ("tests/events/", "tests/exports/test_exports_broker", "tests/observability/test_jobs"),
    "launch": ("tests/launch/", "tests/load/"),  # they look for rows of free ports
}
_OF_THE_STACK = {"stack", "real_system", "live"}


def group_of(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    return next((name for name, begins in GROUPS.items() if path.startswith(begins)), path)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # the package has no types
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def check(item: Any) -> None:
    """A file whose tests use the running system must stand above, or two processes would disturb each other."""
    if _OF_THE_STACK & set(item.fixturenames) and group_of(item.nodeid) != "stack":
        raise pytest.UsageError(f"{item.nodeid} uses the running system: name its file in tests/processes.py.")
