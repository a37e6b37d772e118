"""The parser of requests: gunicorn's in C where it is installed, else its parser in Python."""

from gunicorn.asgi.parser import PythonProtocol

__all__ = ["Parser"]
_REFUSED = bytes(set(range(0x20)) - {0x09}) + b"\x7f"  # of a header's value (RFC 9110 §5.5)


class PythonParser(PythonProtocol):  # type: ignore[misc] # gunicorn has no types
    def _has_invalid_header_chars(self, value: bytes) -> bool:
        """The same as gunicorn's, which looks at each byte in Python: which is most of what a token costs it."""
        return len(value.translate(None, _REFUSED)) != len(value)


try:
    from gunicorn_h1c import H1CProtocol as Parser
except ImportError:
    Parser = PythonParser
