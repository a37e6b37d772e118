import shutil
import sys
import time
from collections.abc import Iterable

_REDRAW = 0.3  # seconds


class Console:
    """Progress of a start or stop: a line for each part, and on a terminal what is still waited for."""

    def __init__(self) -> None:
        self.restart()
        self.is_terminal = sys.stdout.isatty()
        self._drawn, self._due = False, 0.0

    def restart(self) -> None:
        """Count the seconds from now on."""
        self.begun = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def line(self, text: str = "") -> None:
        self._wipe()
        print(text, flush=True)

    def part(self, name: str, what: str) -> None:
        self.line(f"  {name:<22} {what:<9} {self.seconds():5.1f} s")

    def waiting(self, names: Iterable[str]) -> None:
        """Redraw the line of what is still waited for; nothing where lines cannot be redrawn."""
        if self.is_terminal and (what := ", ".join(names)) and time.monotonic() >= self._due:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps cannot be wiped
            text = f"  {self.seconds():5.1f} s  waiting for {what}"
            print(f"\r\033[K{text[:width]}", end="", flush=True)
            self._drawn, self._due = True, time.monotonic() + _REDRAW

    def _wipe(self) -> None:
        if self._drawn:
            print("\r\033[K", end="")
            self._drawn = False
