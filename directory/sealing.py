"""A carrier's password at rest: AES-256-GCM under a key of the installation's secrets, bound to the trunk's id."""

from __future__ import annotations

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12


class CannotOpen(ValueError):
    """Sealed under another installation's secrets, or damaged: give the password again."""


def seal(text: str, key: bytes, about: str) -> str:
    """The sealed text; "" stays "". `key` has 32 bytes."""
    if not text:
        return ""
    nonce = secrets.token_bytes(NONCE)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, text.encode(), about.encode())).decode()


def opened(sealed: str, key: bytes, about: str) -> str:
    """What was sealed about the same thing. Raises CannotOpen."""
    if not sealed:
        return ""
    try:
        whole = base64.b64decode(sealed, validate=True)
        return AESGCM(key).decrypt(whole[:NONCE], whole[NONCE:], about.encode()).decode()
    except (InvalidTag, ValueError, binascii.Error):
        raise CannotOpen(f"the password of {about} cannot be read with these secrets: give it again") from None
