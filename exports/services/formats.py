"""Tasks as CSV (RFC 4180) and as newline-delimited JSON."""

import csv
import io
import json
from collections.abc import Callable, Sequence

from tasks_app.representation import FIELDS

# A spreadsheet takes a cell that begins so for a formula. The mark is an apostrophe, and a cell that begins with
# an apostrophe gets one too: whoever reads the file takes exactly one leading apostrophe off, and has the text.
_GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "'")

Encode = Callable[[Sequence[str]], bytes]


def csv_header() -> bytes:
    return _csv_lines([list(FIELDS)])


def csv_rows(rows: Sequence[str]) -> bytes:
    """Rows given as JSON. Labels stand in their cell as a JSON array; null is an empty cell."""
    return _csv_lines([[_cell(task[field]) for field in FIELDS] for task in map(json.loads, rows)])


def ndjson_rows(rows: Sequence[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_GUARDED) else text


def _csv_lines(lines: list[list[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(lines)
    return buffer.getvalue().encode()
