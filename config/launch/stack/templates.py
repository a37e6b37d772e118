import os
import re
from collections.abc import Mapping
from pathlib import Path

from config.launch.errors import LaunchError
from config.launch.parts import own

_PLACEHOLDER = re.compile(r"\$\{([A-Z_]+)\}")


def fill(template: Path, target: Path, values: Mapping[str, object], user: str | None = None) -> Path:
    """Write a server's configuration, readable by its account only: most hold a password.

    Only ${CAPITALS} are filled, as the containers' own entry points do it: nginx has $variables of its own.
    """
    text = template.read_text(encoding="utf-8")
    missing = {name for name in _PLACEHOLDER.findall(text) if name not in values}
    if missing:
        raise LaunchError(f"{template}: no value for {', '.join(sorted(missing))}.")
    write(target, _PLACEHOLDER.sub(lambda found: str(values[found[1]]), text), user)
    return target


def write(target: Path, text: str, user: str | None = None) -> None:
    target.unlink(missing_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    own(target, user)
