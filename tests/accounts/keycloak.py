"""A stand-in for Keycloak's signing side: real keys, a real HTTP server for its JWKS, tokens of its shapes.

The shapes are those that a real server (26.7) gave; `tests/accounts/test_tokens_live.py` compares.
"""

import base64
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PRIVATE = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ALICE, BOB, VERA, ADA, NOBODY, SERVICE = (f"00000000-0000-4000-8000-{n:012d}" for n in range(1, 7))


@dataclass
class Key:
    """A signing key as Keycloak lists it."""

    private: PRIVATE
    kid: str = field(default_factory=lambda: base64.urlsafe_b64encode(uuid4().bytes * 2).decode().rstrip("="))
    use: str = "sig"
    alg: str | None = None  # as listed, when it is not what the key signs with

    @property
    def algorithm(self) -> str:
        return "RS256" if isinstance(self.private, rsa.RSAPrivateKey) else "ES256"

    def listed(self) -> dict[str, Any]:
        public = self.private.public_key()
        jwk = RSAAlgorithm.to_jwk(public) if isinstance(public, rsa.RSAPublicKey) else ECAlgorithm.to_jwk(public)
        return {**json.loads(jwk), "kid": self.kid, "use": self.use, "alg": self.alg or self.algorithm}


def rsa_key(**more: Any) -> Key:
    return Key(rsa.generate_private_key(public_exponent=65537, key_size=2048), **more)


class Jwks:
    """Serves the keys on 127.0.0.1, counts the fetches, and can hang or fail."""

    def __init__(self, *keys: Key) -> None:
        self.keys, self.fetches, self.status = list(keys), 0, 200
        self.open = threading.Event()  # cleared: every fetch hangs
        self.open.set()
        self.body: bytes | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/realms/taskmill"

    def stop(self) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        jwks = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                jwks.fetches += 1
                jwks.open.wait(10)
                body = jwks.body or json.dumps({"keys": [key.listed() for key in jwks.keys]}).encode()
                try:
                    self.send_response(jwks.status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    return  # the caller has given up

            def log_message(self, *args: Any) -> None:
                return

        return Handler


class In(float):
    """A time claim: so many seconds from when the token is made."""


@dataclass
class Mint:
    """Makes tokens; a claim or header given as `...` is left out."""

    issuer: str
    key: Key

    def access(self, *, key: Key | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        usual = {
            "exp": now + 300,
            "iat": now,
            "auth_time": now,
            "jti": f"onrtac:{uuid4()}",
            "iss": self.issuer,
            "aud": ["taskmill-api", "account"],
            "sub": ALICE,
            "typ": "Bearer",
            "azp": "taskmill-web",
            "sid": "Bzn08O3mBO7JAgLgnry2H-VE",
            "acr": "1",
            "realm_access": {"roles": ["default-roles-taskmill", "offline_access", "user"]},
            "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
            "scope": "openid email profile",
            "preferred_username": "alice",
            "email": "alice@example.com",
        }
        return self.sign({**usual, **claims}, {"typ": "at+jwt", **(header or {})}, key)

    def identity(self, **claims: Any) -> str:
        now = int(time.time())
        usual = {
            "exp": now + 300,
            "iat": now,
            "jti": str(uuid4()),
            "iss": self.issuer,
            "aud": "taskmill-admin",
            "sub": ADA,
            "typ": "ID",
            "azp": "taskmill-admin",
            "nonce": "the-nonce",
            "sid": "Bzn08O3mBO7JAgLgnry2H-VE",
        }
        return self.sign({**usual, **claims}, {"typ": "JWT"})

    def logout(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        usual = {
            "exp": now + 120,
            "iat": now,
            "jti": str(uuid4()),
            "iss": self.issuer,
            "aud": "taskmill-web",
            "sub": ALICE,
            "typ": "Logout",
            "sid": "Bzn08O3mBO7JAgLgnry2H-VE",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        return self.sign({**usual, **claims}, {"typ": "logout+jwt", **(header or {})})

    def sign(self, claims: dict[str, Any], header: dict[str, Any], key: Key | None = None) -> str:
        key = key or self.key
        full = {"kid": key.kid, **header}
        now = int(time.time())
        return raw_sign(
            {
                name: now + int(value) if isinstance(value, In) else value
                for name, value in claims.items()
                if value is not ...
            },
            {name: value for name, value in full.items() if value is not ...},
            key,
        )


def raw_sign(claims: Any, header: dict[str, Any], key: Key, algorithm: str | None = None) -> str:
    """Signs whatever it is given: the library's encoder would refuse what attackers send."""
    algorithm = algorithm or key.algorithm
    signer = jwt.get_algorithm_by_name(algorithm)
    head = segment(json.dumps({"alg": algorithm, **header}).encode())
    signing_input = f"{head}.{segment(json.dumps(claims).encode())}"
    return f"{signing_input}.{segment(signer.sign(signing_input.encode(), key.private))}"


def segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
