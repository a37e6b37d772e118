"""The rows of a file, one at a time, whatever its size: newline-delimited JSON, or CSV (RFC 4180) with a header.

A row that cannot be read is told with its line, and the next ones go on. Text is kept byte for byte.
"""

import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import IO, Any, NamedTuple

from django.conf import settings
from rest_framework.exceptions import APIException

from config.api import bodies

CSV, NDJSON = "csv", "ndjson"
_BY_SUFFIX = {".csv": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON, ".json": NDJSON}
_WITHOUT_HEADER = "There is no header: the first line names the columns."


class Wrong(Exception):
    """Of a row, with a text for the person who mends it."""


class NotStarted(Exception):
    """The file as a whole is not what it should be."""


class Row(NamedTuple):
    line: int  # where it begins, from 1
    value: Any  # what it holds, as JSON has it; or Wrong


def kind(name: str, file: "io.BufferedReader[Any]") -> str:
    """By the name; where that says nothing by the first character, which in JSON is a brace."""
    first = file.peek().removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    return _BY_SUFFIX.get(PurePath(name).suffix.lower(), NDJSON if first in (b"{", b"") else CSV)


def rows(file: IO[bytes], kind: str, columns: Mapping[str, bool]) -> Iterator[Row]:
    """`columns` says of each known one whether it must be there. Raises NotStarted."""
    return _csv(file, columns) if kind == CSV else _ndjson(file)


def _ndjson(file: IO[bytes]) -> Iterator[Row]:
    for number, line in enumerate(_lines(file), start=1):
        content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if content.strip():
            yield Row(number, _json(content))


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """As they stand, but none longer than a body may be: of such a one only its beginning."""
    most = settings.MAX_BODY_BYTES
    while line := file.readline(most + 1):
        piece = line
        while len(piece) > most and not piece.endswith(b"\n"):
            piece = file.readline(most + 1)
        yield line


def _json(content: bytes) -> Any:
    if len(content) > settings.MAX_BODY_BYTES:
        return Wrong(f"The row has more than {settings.MAX_BODY_BYTES} bytes.")
    try:
        return bodies.loads(content)
    except APIException as error:
        return Wrong(str(error.detail).replace("The body", "The row"))


def _csv(file: IO[bytes], columns: Mapping[str, bool]) -> Iterator[Row]:
    """An empty cell is a field that is not there."""
    # What is no UTF-8 comes through as lone surrogates, so that it spoils its own row only.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        reader = csv.reader(iter(lambda: text.readline(settings.MAX_BODY_BYTES), ""), strict=True)
        header = _header(reader, columns)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, Wrong(f"The row is not CSV: {error}."))
                continue
            if cells:
                yield Row(line, _record(header, cells))
    finally:
        text.detach()  # or it would close the file


def _header(reader: Iterator[list[str]], columns: Mapping[str, bool]) -> list[str]:
    try:
        header = next(reader)
    except (StopIteration, csv.Error) as error:
        raise NotStarted(_WITHOUT_HEADER) from error
    if unknown := [name for name in header if name not in columns]:
        listed = ", ".join(columns)
        raise NotStarted(f"There is no column {', '.join(map(repr, unknown))}. Known: {listed}.")
    if missing := [name for name, needed in columns.items() if needed and name not in header]:
        raise NotStarted(f"The header lacks {', '.join(missing)}.")
    if len(set(header)) < len(header):
        raise NotStarted("The header names a column twice.")
    return header


def _record(header: list[str], cells: list[str]) -> Any:
    if len(cells) != len(header):
        return Wrong(f"The row has {len(cells)} cells, the header {len(header)}.")
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return Wrong("The row is not UTF-8.")
    return {name: _labels(cell) if name == "labels" else cell for name, cell in zip(header, cells, strict=True) if cell}


def _labels(cell: str) -> Any:
    """A JSON array, as exports have it. What is none is refused as a text is that should be an array."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell
