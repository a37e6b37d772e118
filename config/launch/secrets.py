import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from config.launch.state import write_private


def keep(path: Path, names: Iterable[str], known: dict[str, str] | None = None) -> dict[str, str]:
    """Random secrets, made once per data folder: a second start must find the passwords that its data knows.

    `known` holds values that must be taken over, because other data (a realm) was made with them.
    """
    kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    wanted = {**kept, **(known or {})}
    for name in names:
        wanted.setdefault(name, secrets.token_urlsafe(36))
    if wanted != kept:
        write_private(path, json.dumps(wanted, indent=2) + "\n")
    return wanted
