"""Bearer tokens: made once, found by id, compared by hash, revoked for good."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import pytest

from acd.core.model import Micros
from api.auth import tokens
from api.auth.permissions import ENDPOINTS, Permission, needed, parse
from api.auth.tokens import Token


class Kept:
    """A TokenStore in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, Token] = {}

    def add(self, token: Token) -> None:
        self.rows[token.id] = token

    def get(self, token_id: str) -> Token | None:
        return self.rows.get(token_id)

    def all(self) -> Sequence[Token]:
        return list(self.rows.values())

    def revoke(self, token_id: str, at: Micros) -> bool:
        old = self.rows.get(token_id)
        if old is None:
            return False
        self.rows[token_id] = Token(old.id, old.name, old.digest, old.permissions, old.created_at, at)
        return True


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make(store: Kept) -> tuple[Token, str]:
    return tokens.create(store, hash_of, "wall board", (Permission.SEATS_READ,), 1)


def test_a_token_is_known_by_its_text_and_only_its_hash_is_kept() -> None:
    store = Kept()
    token, text = make(store)
    assert re.fullmatch(r"rs_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", text)
    assert tokens.check(store, hash_of, text) == token
    assert text.split("_", 2)[2] not in repr(store.rows)


def test_two_tokens_share_nothing() -> None:
    store = Kept()
    (_, first), (_, second) = make(store), make(store)
    assert first.split("_")[1] != second.split("_")[1]
    assert first.split("_", 2)[2] != second.split("_", 2)[2]


def test_another_secret_another_id_and_nonsense_are_nobody() -> None:
    store = Kept()
    token, text = make(store)
    _, other = make(store)
    secret = other.split("_", 2)[2]
    for wrong in (
        f"rs_{token.id}_{secret}",
        f"rs_{'0' * 12}_{text[-43:]}",
        text[:-1],
        text + "x",
        "",
        "rs__",
        text.upper(),
    ):
        assert tokens.check(store, hash_of, wrong) is None


def test_a_revoked_token_is_nobody() -> None:
    store = Kept()
    token, text = make(store)
    assert store.revoke(token.id, 5)
    assert tokens.check(store, hash_of, text) is None


@pytest.mark.parametrize("name", ["", "x" * 81, "a\nb", "\x1b[2J"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        tokens.create(Kept(), hash_of, name, (), 1)


def test_permissions_by_name() -> None:
    assert parse(["all"]) == tuple(Permission)
    assert parse(["calls:read", "seats:read"]) == (Permission.SEATS_READ, Permission.CALLS_READ)
    with pytest.raises(ValueError, match="seats:dance"):
        parse(["seats:dance"])


def test_what_nobody_declared_has_no_permission() -> None:
    assert needed("GET", "/api/v1/seats") is Permission.SEATS_READ
    assert needed("DELETE", "/api/v1/seats") is None
    assert needed("GET", "/api/v1/secrets") is None
    assert set(ENDPOINTS.values()) == set(Permission)
