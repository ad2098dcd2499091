"""Signatures of deliveries to the addresses of workflows: HMAC SHA-256 of the body with a secret that both sides have. Blocks."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from arrivals import config
from arrivals.apps import vault
from arrivals.errors import Invalid, InvalidSetting
from arrivals.workflows import deliveries
from arrivals.workflows.models import Address

SHORTEST, LONGEST = 16, 512


def set_secret(workflow_id: str, secret: str = "") -> str:
    """Give the address of a workflow a secret, one of ours when none is given, in place of the one before; return it.

    Raises:
        Invalid: it has not 16 to 512 characters. As ``deliveries.address``.
    """
    if secret and not SHORTEST <= len(secret) <= LONGEST:
        raise Invalid(f"It must have {SHORTEST} to {LONGEST} characters.", path="secret")
    found, made = deliveries.address(workflow_id), secret or secrets.token_hex(32)
    found.secret, found.secret_key_id = vault.encrypt({"secret": made})
    found.save(update_fields=["secret", "secret_key_id"])
    return made


def fits(address: Address, given: str, bodies: Sequence[bytes]) -> bool:
    """Whether a header is the signature of one of ``bodies``, in hexadecimal or base64, also after ``sha256=``. An address
    without a secret has no signatures that fit."""
    if address.secret is None:
        return False
    secret = vault.decrypt(bytes(address.secret))["secret"].encode()
    signature = given.strip().removeprefix("sha256=").removeprefix("v1=")
    digests = [hmac.new(secret, body, hashlib.sha256).digest() for body in bodies]
    allowed = [digest.hex() for digest in digests] + [base64.b64encode(digest).decode() for digest in digests]
    tried = signature.lower() if len(signature) == 64 else signature
    return any(hmac.compare_digest(one.encode(), tried.encode()) for one in allowed)


def check_keys() -> None:
    """Refuse to start when a secret was encrypted with a key that is no longer set. Raises InvalidSetting."""
    known = {vault.key_id(secret) for secret in config.current().secret_keys}
    for found in Address.objects.exclude(secret=None).exclude(secret_key_id__in=known).select_related("workflow")[:1]:
        raise InvalidSetting(
            f"The secret of the address of {found.workflow.name!r} was encrypted with a key that is not in "
            f"ARRIVALS_SECRET_KEYS (key id {found.secret_key_id}); add that key again, after the newest."
        )
