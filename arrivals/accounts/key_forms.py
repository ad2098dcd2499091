"""How an integration key looks: ours, or like one of Pendo's, for clients that look at the shape of a key."""

import secrets
import string
import uuid

from arrivals.errors import Invalid

PREFIX = "arr_"
ALPHABET = string.ascii_letters + string.digits
LENGTH = 40
OURS = "arrivals"
REGIONS = ("us", "us1", "eu", "jpn", "au")
FORMS = (OURS, "pendo", *(f"pendo.{region}" for region in REGIONS))


def make(form: str) -> tuple[str, str]:
    """A new secret of this form, and its hint: ``arr_…`` and 4 characters, or 4 characters at both ends of a UUID.

    ``pendo`` is a bare UUID, ``pendo.eu`` one that ends in ``.eu``. A UUID has 122 random bits and our own form 238:
    neither can be guessed.

    Raises:
        Invalid: there is no such form (path "form").
    """
    if form not in FORMS:
        raise Invalid(f"It must be one of {', '.join(FORMS)}.", path="form")
    if form == OURS:
        secret = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        return secret, f"{PREFIX}…{secret[-4:]}"
    body = str(uuid.uuid4())
    region = form.removeprefix("pendo")
    return body + region, f"{body[:4]}…{body[-4:]}{region}"
