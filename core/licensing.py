"""Capacity licenses: signed files that say how many devices a site may have.

A license is JSON, readable by eye: the terms, the id of the key, and an Ed25519 signature over the
terms in canonical form. Whose signature counts is decided by the keys the site trusts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from core.errors import FieldhandError, Kind


class Terms(BaseModel):
    """What is licensed. Times are ISO 8601 in UTC; `expires` None: never; `site` None: any site."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")
    devices: int = Field(ge=1, le=1_000_000)
    site: str | None = None
    issued: AwareDatetime
    expires: AwareDatetime | None = None

    def canonical(self) -> bytes:
        """The bytes that are signed."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode()


class LicenseFile(BaseModel):
    """A license as it lies on a disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    license: Terms
    key: str
    signature: str


def generate_key() -> tuple[str, str]:
    """A new key pair: private and public, PEM."""
    private = Ed25519PrivateKey.generate()
    return (
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    )


def issue(private_pem: str, devices: int, site: str | None = None, expires: datetime | None = None) -> str:
    """The text of a new license file, signed; raises LICENSE for a key that is none."""
    try:
        private = serialization.load_pem_private_key(private_pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FieldhandError(Kind.LICENSE, reason="the key file holds no private key in PEM") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise FieldhandError(Kind.LICENSE, reason="the key is no Ed25519 key: 'fieldhand license keygen' makes one")
    issued = datetime.fromtimestamp(int(time.time()), UTC)
    try:
        terms = Terms(id=secrets.token_hex(6), devices=devices, site=site, issued=issued, expires=expires)
    except ValidationError as error:
        raise FieldhandError(Kind.LICENSE, reason=_why(error)) from error
    signature = base64.b64encode(private.sign(terms.canonical())).decode()
    signed = LicenseFile(license=terms, key=key_id(private.public_key()), signature=signature)
    return signed.model_dump_json(indent=2) + "\n"


def load_public_key(pem: str) -> Ed25519PublicKey:
    """The public key in the text; raises LICENSE for anything else, a private key above all."""
    if "PRIVATE KEY" in pem:
        raise FieldhandError(Kind.LICENSE, reason="this is a private key: trust the file that ends in .pub")
    try:
        public = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FieldhandError(Kind.LICENSE, reason="the file holds no public key in PEM") from error
    if not isinstance(public, Ed25519PublicKey):
        raise FieldhandError(Kind.LICENSE, reason="the key is no Ed25519 key")
    return public


def key_id(public: Ed25519PublicKey) -> str:
    """A short name of the key: the start of its SHA-256."""
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def named_key(text: str) -> str:
    """The id of the key a license claims to be signed with; raises LICENSE for a file that is no license."""
    return _parse(text).key


def verify(text: str, public: Ed25519PublicKey, site: str, now: datetime) -> Terms:
    """The terms of a license that is genuine, for this site and in force; raises LICENSE with the reason."""
    signed = _parse(text)
    try:
        public.verify(base64.b64decode(signed.signature, validate=True), signed.license.canonical())
    except (InvalidSignature, ValueError) as error:  # ValueError: not even base64
        raise FieldhandError(
            Kind.LICENSE, reason="its signature does not match: it was altered, or signed with another key"
        ) from error
    terms = signed.license
    if terms.site is not None and terms.site != site:
        raise FieldhandError(Kind.LICENSE, reason=f"it is for site {terms.site!r}, this is {site!r}")
    if terms.expires is not None and terms.expires <= now:
        raise FieldhandError(Kind.LICENSE, reason=f"it expired on {terms.expires:%Y-%m-%d}: ask for a new one")
    return terms


def _parse(text: str) -> LicenseFile:
    try:
        return LicenseFile.model_validate_json(text)
    except ValidationError as error:
        raise FieldhandError(Kind.LICENSE, reason=f"the file is no license ({_why(error)})") from error


def _why(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
