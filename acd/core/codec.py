"""Facts, inputs and the state as JSON and back: canonical, so equal states give equal bytes.

Only plain values occur (str, int, bool, tuples, dicts with string keys, StrEnums and dataclasses of them), so one
generic writer and one reader made from the type hints do for all. Fields that are missing in older JSON take the
dataclass's default; an older fact version is lifted by its upcaster first.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import operator
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, TypeVar, cast

from acd.core.facts import Fact
from acd.core.inputs import Input
from acd.core.model import State

CORE_VERSION = "2"
"""Names the shape of the state and the meaning of facts; a snapshot of another version is not used."""

T = TypeVar("T")

FACT_KINDS: Mapping[str, type[Fact]] = {kind.__name__: kind for kind in typing.get_args(Fact)}
INPUT_KINDS: Mapping[str, type[Input]] = {kind.__name__: kind for kind in typing.get_args(Input)}

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


def _menu_out_of_plan(data: dict[str, Any]) -> dict[str, Any]:
    """Until 0.1.0 a plan held its one menu; who was in it at the upgrade goes where silence would have led him."""
    plan = dict(data["plan"])
    menu = plan.pop("menu", None)
    if menu:
        plan["queue"] = plan["queue"] or menu["default"]
    return {**data, "plan": plan}


UPCASTERS: Mapping[tuple[str, int], Upcaster] = {
    ("Entered", 1): _menu_out_of_plan,
    ("FallbackCallServed", 1): _menu_out_of_plan,
}
"""(kind, version) -> a function that lifts that fact's JSON to the next version."""


class UnknownKind(ValueError):
    """The JSON names a kind this core does not know: a newer one wrote it. Start that version instead."""


def plain(value: object) -> Any:
    """The value as JSON types. Defaults are written too: a later default must never rewrite the past."""
    match value:
        case Enum():
            return value.value
        case str() | int() | float() | None:
            return value
        case tuple() | list():
            return [plain(part) for part in value]
        case dict():
            return {key: plain(part) for key, part in value.items()}
        case _:
            return {name: plain(getattr(value, name)) for name in _names(cast(Any, type(value)))}


def dump(value: object) -> str:
    """Compact JSON of a fact, an input or a definition: that of `plain`, without building it first."""
    return _ENCODER.encode(value)


def _parts(value: object) -> Any:
    """What the encoder does not know by itself: an Enum that is no text, or a dataclass."""
    return value.value if isinstance(value, Enum) else _fields(cast(Any, type(value)))(value)


@functools.cache
def _fields(kind: Any) -> Callable[[object], dict[str, Any]]:
    names = _names(kind)
    if len(names) < 2:  # attrgetter gives a tuple from two names on
        return lambda value: {name: getattr(value, name) for name in names}
    values = operator.attrgetter(*names)
    return lambda value: dict(zip(names, values(value), strict=True))


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False, default=_parts)


def storable(value: object) -> bool:
    """Whether every text in it can be kept by every database: valid Unicode (a lone surrogate is not) and no NUL."""
    text = dump(value)
    if text.isascii() and "\\u0000" not in text:
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return not any("\0" in part for part in _texts(plain(value)))


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for part in value:
                yield from _texts(part)
        case dict():
            yield from _texts([*value.keys(), *value.values()])


def state_bytes(state: State) -> bytes:
    """The whole state, canonical: equal states give equal bytes in every process (I6)."""
    return dump(state).encode()


def load_state(raw: bytes) -> State:
    """The state from `state_bytes`."""
    return read(State, json.loads(raw))


def load_fact(kind: str, version: int, body: str) -> Fact:
    """A stored fact, lifted to the present version. Raises UnknownKind for a kind of a newer core."""
    data = json.loads(body)
    known = FACT_KINDS.get(kind)
    if known is None or version > known.V:
        raise UnknownKind(f"fact {kind} v{version} was written by a newer Ringside; start that version")
    for step in range(version, known.V):
        data = UPCASTERS[kind, step](data)
    return read(known, data)


def load_input(kind: str, body: str) -> Input:
    """An input from the bus or an inbox row. Raises UnknownKind, KeyError, TypeError or ValueError on rubbish."""
    known = INPUT_KINDS.get(kind)
    if known is None:
        raise UnknownKind(f"input {kind} is not known")
    return read(known, json.loads(body))


def read(wanted: type[T], data: Any) -> T:
    """A dataclass of type `wanted` from JSON types. Raises ValueError or TypeError where it does not fit."""
    return cast(T, _reader(cast(Any, wanted))(data))


@functools.cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.cache
def _reader(wanted: Any) -> Callable[[Any], Any]:
    if wanted is str or wanted is int or wanted is bool:
        return functools.partial(_scalar, wanted)
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return wanted
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple:
        return _sequence(inner)
    if origin is list:
        each = _reader(inner[0])
        return lambda data: [each(part) for part in data]
    if origin is dict:
        one = _reader(inner[1])
        return lambda data: {key: one(part) for key, part in data.items()}
    if origin in (types.UnionType, typing.Union):
        one = _reader(next(part for part in inner if part is not type(None)))
        return lambda data: None if data is None else one(data)
    return _dataclass_reader(wanted)


def _scalar(wanted: type, data: Any) -> Any:
    if type(data) is not wanted:
        raise TypeError(f"{wanted.__name__} expected, {type(data).__name__} given")
    return data


def _sequence(inner: tuple[Any, ...]) -> Callable[[Any], Any]:
    """Its parts' readers are made at the first use, so a dataclass may hold a tuple of its own kind."""
    if len(inner) == 2 and inner[1] is Ellipsis:
        one = functools.cache(lambda: _reader(inner[0]))
        return lambda data: tuple(map(one(), data))
    each = functools.cache(lambda: tuple(map(_reader, inner)))
    return lambda data: tuple(reader(part) for reader, part in zip(each(), data, strict=True))


def _dataclass_reader(wanted: type) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(wanted)
    own = dataclasses.fields(wanted)
    readers = {field.name: _reader(hints[field.name]) for field in own}
    needed = {
        field.name
        for field in own
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def build(data: Any) -> Any:
        if not isinstance(data, dict):
            raise TypeError(f"{wanted.__name__} expected as an object")
        unknown = data.keys() - readers.keys()
        if unknown:
            raise ValueError(f"{wanted.__name__} has no {sorted(unknown)}")
        if missing := needed - data.keys():
            raise ValueError(f"{wanted.__name__} lacks {', '.join(sorted(missing))}")
        return wanted(**{name: readers[name](part) for name, part in data.items()})

    return build


def kind_of(value: Fact | Input) -> str:
    """The name a fact or an input is stored under."""
    return type(value).__name__


__all__ = [
    "CORE_VERSION",
    "FACT_KINDS",
    "INPUT_KINDS",
    "UnknownKind",
    "dump",
    "kind_of",
    "load_fact",
    "load_input",
    "load_state",
    "plain",
    "read",
    "state_bytes",
    "storable",
]
