"""How a number outside is reached, as pure rules on the directory: the route of an outbound code, and the destinations
of menus and queues with their routes filled in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from acd.core.model import Destination, Menu, MenuOption, QueueDef, Route, Way
from directory.model import EntryPoint, OutboundCode, Snapshot


def route_of(given: Snapshot, code: OutboundCode, address: str, *, emergency: bool = False) -> Route:
    """The route to an address by an outbound code."""
    queue = given.queue(code.queue)
    return Route(
        address=address,
        trunk=code.trunk,
        shown=code.shown,
        prefix=code.id,
        record=queue.record_calls if queue else True,
        wrap_up=queue.wrap_up if queue else None,
        emergency=emergency,
    )


def settled(given: Snapshot, destination: Destination | None) -> Destination | None:
    """With the route's line and number shown as they are now; kept are only its address and its code."""
    if destination is None or destination.way is not Way.OUTSIDE or destination.route is None:
        return destination
    code = given.code(destination.route.prefix)
    return destination if code is None else replace(destination, route=route_of(given, code, destination.route.address))


def settled_options(given: Snapshot, options: tuple[MenuOption, ...]) -> tuple[MenuOption, ...]:
    """Keys with their destinations settled."""
    return tuple(MenuOption(one.digit, settled(given, one.to) or one.to) for one in options)


def settled_queue(given: Snapshot, queue: QueueDef) -> QueueDef:
    """A queue as the core is to know it."""
    return replace(
        queue,
        overflow=settled(given, queue.overflow),
        closed=settled(given, queue.closed),
        empty=settled(given, queue.empty),
        keys=settled_options(given, queue.keys),
    )


def settled_menu(given: Snapshot, menu: Menu) -> Menu:
    """A menu as the core is to know it."""
    default = settled(given, menu.default) or menu.default
    return replace(menu, options=settled_options(given, menu.options), default=default)


def of_queue(queue: QueueDef) -> Iterator[tuple[str, Destination]]:
    """Where a queue leads, each with the name of the field or the key."""
    for name, destination in (("overflow", queue.overflow), ("closed", queue.closed), ("empty", queue.empty)):
        if destination is not None:
            yield name, destination
    yield from ((f"key {one.digit}", one.to) for one in queue.keys)


def of_menu(menu: Menu) -> Iterator[tuple[str, Destination]]:
    """Where a menu leads."""
    yield from ((f"key {one.digit}", one.to) for one in menu.options)
    yield "no key", menu.default


def of_entry(entry: EntryPoint) -> Iterator[tuple[str, Destination]]:
    """Where an entry point leads besides its queue."""
    for name, destination in (("start", entry.start), ("closed", entry.closed)):
        if destination is not None:
            yield name, destination
