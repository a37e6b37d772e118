import os

from config.launch.errors import LaunchError

# Distance from RUN_PORT, which is the API's; the same on every machine.
_OFFSETS = {
    "api-1": 0,
    "postgres-primary": 1,
    "postgres-replica": 2,
    "redis": 3,
    "broker": 4,
    "issuer": 5,
    "mail": 6,
    "mail-inbox": 7,
    "metrics": 10,  # and the next ones, one for each of Taskmill's processes
}
_HIGHEST = 19


def ports() -> dict[str, int]:
    text = os.environ.get("RUN_PORT") or "8000"
    if not text.isdigit() or not 1024 <= int(text) <= 65535 - _HIGHEST:
        raise LaunchError(f"RUN_PORT={text} is wrong: expected a port from 1024 to {65535 - _HIGHEST}.")
    return {name: int(text) + offset for name, offset in _OFFSETS.items()}
