"""The parser of requests is gunicorn's, with one look made quicker"""

from gunicorn.asgi.parser import PythonProtocol

from config.server.parsing import PythonParser


def test_a_headers_value_is_refused_for_the_same_bytes_as_by_gunicorn() -> None:
    ours, theirs = PythonParser(), PythonProtocol()
    for byte in range(256):
        for value in (bytes([byte]), b"Bearer " + bytes([byte]) + b"ey"):
            assert ours._has_invalid_header_chars(value) == theirs._has_invalid_header_chars(value), value
    assert not ours._has_invalid_header_chars(b"")
