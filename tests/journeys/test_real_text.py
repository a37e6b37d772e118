"""Texts that people wrote (the machine's own package changelogs) come back byte for byte, whichever way they go."""

import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.journeys import steps
from tests.journeys.system import System

LEAST, MOST = 2_000, 3_000
BATCH_LABEL = "changelog"


def entries() -> Iterator[tuple[str, str]]:
    """(title, description) of changelog entries; those that no task could hold (blank, NUL, not UTF-8) are left out."""
    for path in sorted(Path("/usr/share/doc").glob("*/changelog*.gz")):
        try:
            text = gzip.decompress(path.read_bytes()).decode("utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        for block in islice(text.split("\n\n"), 12):
            title, description = block.lstrip("\n")[:200], block[:10_000]
            if title.strip() and "\0" not in block:
                yield title, description


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_changelog_entries_come_back_byte_for_byte(real_system: System) -> None:
    service = real_system.caller("service")
    wanted: dict[str, tuple[str, str]] = {}
    for title, description in islice(entries(), MOST):
        created = service.patiently("/v1/tasks", {"title": title, "description": description, "labels": [BATCH_LABEL]})
        assert created.status_code == 201, created.text
        wanted[created.json()["id"]] = (title, description)
    assert len(wanted) >= LEAST

    one = next(iter(wanted))
    got = service.get(f"/v1/tasks/{one}").json()
    assert (got["title"], got["description"]) == wanted[one]

    listed = {
        row["id"]: (row["title"], row["description"])
        for row in service.pages("/v1/tasks", label=BATCH_LABEL, page_size=100)
    }
    assert {id_: listed.get(id_) for id_ in wanted} == wanted

    export = steps.downloaded(service, steps.finished_export(service, "csv", label=BATCH_LABEL))
    in_csv = {row["id"]: (steps.plain(row["title"]), steps.plain(row["description"])) for row in steps.rows_of(export)}
    assert {id_: in_csv.get(id_) for id_ in wanted} == wanted

    lines = steps.downloaded(service, steps.finished_export(service, "ndjson", label=BATCH_LABEL)).splitlines()
    in_ndjson = {row["id"]: (row["title"], row["description"]) for row in map(json.loads, lines)}
    assert {id_: in_ndjson.get(id_) for id_ in wanted} == wanted
