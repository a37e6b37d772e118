"""What has served its time and is removed: each app says what, `manage.py purge` and an hourly job do it."""

from collections.abc import Callable, Iterator

_purges: dict[str, Callable[[], int]] = {}


def register(what: str, purge: Callable[[], int]) -> None:
    """`purge` removes what is due, in short transactions, and returns how many."""
    _purges[what] = purge


def run() -> Iterator[tuple[str, int]]:
    for what, purge in _purges.items():
        yield what, purge()
