"""The realm's keys: one RSA key that signs, one for encryption (never used, but Keycloak lists it too), and the
secret of the refresh tokens, which only the issuer itself reads."""

import base64
import datetime
import hashlib
import secrets
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from config.launch.issuer.store import Store

_YEARS = datetime.timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Key:
    kid: str
    private: rsa.RSAPrivateKey
    public: str  # SubjectPublicKeyInfo in base64
    jwk: dict[str, object]


@dataclass(frozen=True, slots=True)
class Keys:
    signing: Key
    encryption: Key
    refresh_kid: str
    refresh_secret: str

    def jwks(self) -> dict[str, list[dict[str, object]]]:
        return {"keys": [self.encryption.jwk, self.signing.jwk]}


def load(store: Store, realm: str) -> Keys:
    """The keys of the state file, made at the first start: tokens of before a restart stay valid."""
    with store.reading() as data:
        kept = dict(data["keys"])
    if not kept:
        kept = {
            "signing": _new_pem(),
            "encryption": _new_pem(),
            "refresh_kid": secrets.token_hex(16),
            "refresh_secret": secrets.token_urlsafe(64),
            "made": datetime.datetime.now(datetime.UTC).isoformat(),
        }
        with store.changing() as data:
            data["keys"] = kept
    made = datetime.datetime.fromisoformat(kept["made"])
    return Keys(
        signing=_key(kept["signing"], realm, made, "sig", "RS256"),
        encryption=_key(kept["encryption"], realm, made, "enc", "RSA-OAEP"),
        refresh_kid=kept["refresh_kid"],
        refresh_secret=kept["refresh_secret"],
    )


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _new_pem() -> str:
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def _key(pem: str, realm: str, made: datetime.datetime, use: str, algorithm: str) -> Key:
    private = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError("The issuer's keys are RSA keys.")
    public = private.public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    certificate = _certificate(private, realm, made)
    numbers, kid = public.public_numbers(), base64url(hashlib.sha256(der).digest())
    jwk: dict[str, object] = {
        "kid": kid,
        "kty": "RSA",
        "alg": algorithm,
        "use": use,
        "x5c": [base64.b64encode(certificate).decode()],
        "x5t": base64url(hashlib.sha1(certificate, usedforsecurity=False).digest()),
        "x5t#S256": base64url(hashlib.sha256(certificate).digest()),
        "n": base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)),
        "e": base64url(numbers.e.to_bytes(3)),
    }
    return Key(kid, private, base64.b64encode(der).decode(), jwk)


def _certificate(private: rsa.RSAPrivateKey, realm: str, made: datetime.datetime) -> bytes:
    """Self-signed, in DER; the serial number depends on nothing but the key, so that it never changes."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, realm)])
    return (
        x509.CertificateBuilder(name, name, private.public_key(), private.private_numbers().public_numbers.n % 2**64)
        .not_valid_before(made)
        .not_valid_after(made + _YEARS)
        .sign(private, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
