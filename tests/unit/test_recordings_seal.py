"""Sealed files: read from any place, and no changed bit, swapped chunk or cut end goes unseen. Play links likewise."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from acd.core.model import SECOND
from recordings import links, seal
from recordings.seal import CHUNK, HEADER, TAG, Damaged, KeyGone, Keyring, Unsealed, new_key, sealed_size

KEY = new_key()
NAME = "x-i1-r"


def sealed(folder: Path, content: bytes, name: str = NAME, key: bytes = KEY) -> Path:
    path = folder / "file"
    with path.open("wb") as target:
        seal.seal(io.BytesIO(content), len(content), target, key, name)
    return path


def content_of(path: Path, name: str = NAME, key: bytes = KEY) -> bytes:
    with Unsealed(os.open(path, os.O_RDONLY), key, name) as opened:
        return opened.read()


@pytest.mark.parametrize("size", [0, 1, 15, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
def test_what_was_sealed_is_read_back(tmp_path: Path, size: int) -> None:
    content = random.Random(size).randbytes(size)
    path = sealed(tmp_path, content)
    assert path.stat().st_size == sealed_size(size)
    assert content_of(path) == content
    if size >= 15:  # a single byte is found in any 40 bytes now and then
        assert content[:64] not in path.read_bytes()


def test_any_place_is_read_without_what_is_before_it(tmp_path: Path) -> None:
    content = random.Random(5).randbytes(4 * CHUNK + 77)
    path = sealed(tmp_path, content)
    chance = random.Random(6)
    with Unsealed(os.open(path, os.O_RDONLY), KEY, NAME) as opened:
        for _ in range(300):
            at, length = chance.randrange(len(content) + 10), chance.randrange(1, 3 * CHUNK)
            assert opened.seek(at) == at
            found = b""
            while len(found) < length and (part := opened.read(length - len(found))):
                found += part
            assert found == content[at : at + length]
        assert opened.seek(-7, os.SEEK_END) == len(content) - 7
        assert opened.read() == content[-7:]


def test_one_changed_bit_anywhere_is_found(tmp_path: Path) -> None:
    """1,000 bits: every one of the head, the others drawn over content and tags."""
    content = random.Random(1).randbytes(3 * CHUNK + 1000)
    whole = sealed(tmp_path, content).read_bytes()
    chance = random.Random(2)
    places = [*range(HEADER.size * 8), *(chance.randrange(len(whole) * 8) for _ in range(1000 - HEADER.size * 8))]
    changed = tmp_path / "changed"
    found = 0
    for place in places:
        raw = bytearray(whole)
        raw[place // 8] ^= 1 << place % 8
        changed.write_bytes(raw)
        with pytest.raises(Damaged):
            content_of(changed)
        found += 1
    assert found == len(places) == 1000


def test_cut_swapped_and_lengthened_files_are_found(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(3 * CHUNK + 1000)
    whole = sealed(tmp_path, content).read_bytes()
    first, second = whole[HEADER.size :][: CHUNK + TAG], whole[HEADER.size + CHUNK + TAG :][: CHUNK + TAG]
    rest = whole[HEADER.size + 2 * (CHUNK + TAG) :]
    wrong = {
        "cut": whole[:-1],
        "cut at a chunk": whole[: HEADER.size + 2 * (CHUNK + TAG)],
        "empty": b"",
        "head only": whole[: HEADER.size - 1],
        "longer": whole + b"\0",
        "swapped": whole[: HEADER.size] + second + first + rest,
        "doubled": whole[: HEADER.size] + first + first + rest,
        "fewer, and the head says so": HEADER.pack(seal.MAGIC, CHUNK, CHUNK) + first,
    }
    for raw in wrong.values():
        (tmp_path / "changed").write_bytes(raw)
        with pytest.raises(Damaged):
            content_of(tmp_path / "changed")


def test_another_recordings_file_or_key_does_not_open(tmp_path: Path) -> None:
    path = sealed(tmp_path, b"sound")
    with pytest.raises(Damaged):
        content_of(path, name="x-i2-r")
    with pytest.raises(Damaged):
        content_of(path, key=new_key())


def test_no_descriptor_is_left_open_by_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "changed").write_bytes(b"rubbish")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(Damaged):
            content_of(tmp_path / "changed")
    assert len(os.listdir("/proc/self/fd")) == before


def ring(*names: str) -> Keyring:
    return Keyring.read(" ".join(f"{name}:{name.encode().hex() * 16}" for name in names))


def test_a_files_key_is_wrapped_by_the_newest_master_key_and_opened_by_its_own() -> None:
    old = ring("k1", "k2")
    key_id, wrapped = old.wrap(KEY, NAME)
    assert key_id == "k2"
    assert KEY.hex() not in wrapped
    assert ring("k2", "k3").unwrap(key_id, wrapped, NAME) == KEY
    with pytest.raises(KeyGone):
        ring("k1").unwrap(key_id, wrapped, NAME)
    with pytest.raises(KeyGone):
        old.unwrap("", "", NAME)
    with pytest.raises(Damaged):
        old.unwrap(key_id, wrapped, "x-i2-r")
    for place in range(0, len(wrapped), 7):
        changed = wrapped[:place] + ("A" if wrapped[place] != "A" else "B") + wrapped[place + 1 :]
        with pytest.raises(Damaged):
            old.unwrap(key_id, changed, NAME)


@pytest.mark.parametrize("text", ["", "k1", "k1:zz", "k1:00ff", "a:b:c"])
def test_damaged_master_keys_say_so_and_tell_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"secrets\.json are damaged") as refused:
        Keyring.read(text)
    assert "00ff" not in str(refused.value)


def test_a_keyring_shows_no_key() -> None:
    assert repr(ring("k1")) == "Keyring(…)"


# --- play links --------------------------------------------------------------------------------------------------

NOW = 1_795_000_000 * SECOND


def test_a_link_is_good_until_it_expires_and_not_a_second_longer() -> None:
    link, query = links.make("secret", NAME, "token:1", "flac", NOW, 300)
    sign = parse_qs(query)["sign"][0]
    links.check("secret", link, sign, NOW)
    links.check("secret", link, sign, NOW + 299 * SECOND)
    with pytest.raises(links.BadLink) as late:
        links.check("secret", link, sign, NOW + 300 * SECOND)
    assert late.value.code == "link_expired"


def test_nothing_of_a_link_can_be_changed() -> None:
    link, query = links.make("secret", NAME, "token:1", "flac", NOW, 300)
    sign = parse_qs(query)["sign"][0]
    others = [
        links.Link("x-i2-r", link.who, link.kind, link.until),
        links.Link(link.recording, "token:2", link.kind, link.until),
        links.Link(link.recording, link.who, "wav", link.until),
        links.Link(link.recording, link.who, link.kind, link.until + 1),
    ]
    wrong = [sign[:-1] + ("0" if sign[-1] != "0" else "1"), sign.upper(), "", "é" * 64, sign + "0"]
    for other, signed, secret in [
        *((other, sign, "secret") for other in others),
        *((link, one, "secret") for one in wrong),
        (link, sign, "another"),
    ]:
        with pytest.raises(links.BadLink) as refused:
            links.check(secret, other, signed, NOW + 400 * SECOND)
        assert refused.value.code == "link_wrong"


def test_no_link_is_good_for_more_than_an_hour() -> None:
    link, _ = links.make("secret", NAME, "cli", "flac", NOW, 10**9)
    assert link.until == NOW // SECOND + links.LONGEST_S
