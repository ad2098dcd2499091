"""Encrypts the secrets of connections with ARRIVALS_SECRET_KEYS: the first key encrypts, all decrypt."""

import base64
import hashlib

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from arrivals import config
from arrivals.errors import InvalidSetting


def key_id(secret: str) -> str:
    """A name for a key that gives nothing of it away."""
    return hashlib.sha256(b"arrivals key id\0" + secret.encode()).hexdigest()[:8]


def encrypt(fields: dict[str, str]) -> tuple[bytes, str]:
    """Return the encrypted fields and the id of the key that did it."""
    newest = config.current().secret_keys[0]
    return _fernet(newest).encrypt(orjson.dumps(fields)), key_id(newest)


def decrypt(token: bytes) -> dict[str, str]:
    """The fields again.

    Raises:
        InvalidSetting: none of the keys fits.
    """
    keys = MultiFernet([_fernet(secret) for secret in config.current().secret_keys])
    try:
        fields: dict[str, str] = orjson.loads(keys.decrypt(token))
    except InvalidToken as error:
        raise InvalidSetting(
            "A connection cannot be decrypted: its key is no longer in ARRIVALS_SECRET_KEYS."
        ) from error
    return fields


def _fernet(secret: str) -> Fernet:
    digest = hashlib.sha256(b"arrivals connections\0" + secret.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
