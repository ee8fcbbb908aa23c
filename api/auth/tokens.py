"""Bearer tokens: `rs_ID_SECRET`. The secret is 256 random bits and only its keyed SHA-256 is kept.

A fast hash is right here: nobody can guess 256 random bits, whatever the hash costs. ID finds the row, so that the
secret itself is compared in constant time and never by the database.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from acd.core.model import Micros
from api.auth.permissions import Permission

_SHAPE = re.compile(r"rs_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept. `revoked_at` 0: it may be used. `digest` is the hash of its secret, in hex."""

    id: str
    name: str
    digest: str
    permissions: tuple[Permission, ...]
    created_at: Micros
    revoked_at: Micros = 0


class TokenStore(Protocol):
    """Where tokens are kept. Blocking, a few ms."""

    def add(self, token: Token) -> None: ...

    def get(self, token_id: str) -> Token | None: ...

    def all(self) -> Sequence[Token]:
        """Every token, oldest first, revoked ones too."""
        ...

    def revoke(self, token_id: str, at: Micros) -> bool:
        """False when there is no such token."""
        ...


Hash = Callable[[str], str]
"""What is kept of a secret: storage.settings.Secrets.token_hash."""


def create(
    store: TokenStore, hash_of: Hash, name: str, permissions: tuple[Permission, ...], now: Micros
) -> tuple[Token, str]:
    """Keep a new token; it and the text to give to its user, which is not kept. Raises ValueError for a bad name."""
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"a token's name is 1 to {LONGEST_NAME} printable characters")
    secret = secrets.token_urlsafe(32)
    token = Token(secrets.token_hex(6), name, hash_of(secret), permissions, now)
    store.add(token)
    return token, f"rs_{token.id}_{secret}"


def check(store: TokenStore, hash_of: Hash, text: str) -> Token | None:
    """The token that `text` is, or None: unknown, wrong or revoked."""
    shaped = _SHAPE.fullmatch(text)
    if shaped is None:
        return None
    token = store.get(shaped[1])
    right = hmac.compare_digest(hash_of(shaped[2]), token.digest if token else hash_of(""))
    return token if right and token is not None and not token.revoked_at else None
