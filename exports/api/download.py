"""The bytes of a file from local storage, whole or one range of them (RFC 9110 §14)."""

import io
import re
from typing import IO

from django.http import FileResponse, HttpRequest

from config.api.problems import Problem
from exports.models import Export, Format
from exports.services import files

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")  # more digits than any file has bytes are malformed
_TYPES = {Format.CSV: "text/csv; charset=utf-8", Format.NDJSON: "application/x-ndjson"}


class _Slice(io.RawIOBase):
    """`length` bytes of a file from `start` on."""

    def __init__(self, file: IO[bytes], start: int, length: int) -> None:
        self._file, self._left = file, length
        file.seek(start)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        self._file.close()
        super().close()


def file_response(request: HttpRequest, export: Export) -> FileResponse:
    path, etag = files.path(export.id, export.attempt), f'"{export.id}"'
    # A part of another file would be of no use to who asks for it (RFC 9110 §13.1.5).
    same = request.headers.get("If-Range", etag) == etag
    try:
        size = path.stat().st_size
        part = _range(request.headers.get("Range") if same else None, size)
        file = path.open("rb")
    except FileNotFoundError as error:
        raise Problem("gone", "The file is no longer there: make a new export.") from error
    start, end = part or (0, size - 1)
    response = FileResponse(
        _Slice(file, start, end - start + 1),
        status=206 if part else 200,
        as_attachment=True,
        filename=f"tasks-{export.created_at:%Y-%m-%d}.{export.format}",
        content_type=_TYPES[Format(export.format)],
    )
    response.headers["Content-Length"] = str(end - start + 1)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["ETag"] = etag
    if part:
        response.headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return response


def _range(raw: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range; None for none, for several, and for a malformed one (all of it)."""
    match = _RANGE.fullmatch(raw.strip()) if raw else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
    if start >= size or (not first and int(last) == 0):
        raise Problem(
            "range-not-satisfiable", f"The file has {size} bytes.", headers={"Content-Range": f"bytes */{size}"}
        )
    return (start, end) if start <= end else None
