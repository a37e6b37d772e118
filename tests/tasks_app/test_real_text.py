"""Texts that people wrote, the change logs of this machine's packages, pass unchanged through every call."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from config.events.models import Event
from tests.cast import Caller

pytestmark = pytest.mark.django_db
ENTRIES = 400


def texts() -> Iterator[str]:
    """Entries of Debian's change logs: names in many scripts, tabs, quotes, odd line ends."""
    for path in sorted(Path("/usr/share/doc").glob("*/changelog*.gz")):
        try:
            raw = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, zlib.error):
            continue
        for entry in raw.decode("utf-8", errors="ignore").split("\n\n")[:3]:
            if entry.strip() and "\0" not in entry:
                yield entry


def test_real_texts_come_back_byte_for_byte(alice: Caller, limits: Callable[..., None]) -> None:
    limits(user=(100_000, 60))
    wanted = {}
    for entry in islice(texts(), ENTRIES):
        title, description = entry.lstrip("\n")[:200], entry[:10_000]
        made = alice.post("/v1/tasks", {"title": title, "description": description, "labels": [entry.strip()[:50]]})
        assert made.status_code == 201, made.content
        wanted[made.json()["id"]] = (title, description)
        assert alice.get(made.headers["Location"]).content == made.content
    listed = {row["id"]: (row["title"], row["description"]) for row in alice.pages("/v1/tasks", page_size=100)}
    assert listed == wanted
    if not wanted:
        pytest.fail("this machine has no change logs: run it where packages are documented")
    for event in Event.objects.all():
        assert event.changes
        assert (event.changes["title"]["to"], event.changes["description"]["to"]) == wanted[str(event.subject)]
