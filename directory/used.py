"""What the directory's definitions name."""

from __future__ import annotations

from collections.abc import Iterator

from directory.model import Snapshot
from directory.routes import of_entry, of_menu, of_queue

_SOUND = "sound:"
"""What ARI writes before the name of a sound; in a definition it may be left out."""


def prompts_used(given: Snapshot) -> Iterator[str]:
    """Every prompt that is played somewhere, "" where none is."""
    for entry in given.entries:
        yield from (entry.greeting, entry.closed_prompt, entry.break_prompt, entry.refused_prompt)
        yield from (to.prompt for _, to in of_entry(entry))
    for menu in given.menus:
        yield menu.prompt
        yield from (to.prompt for _, to in of_menu(menu))
    for queue in given.queues:
        yield queue.greeting
        yield from queue.speech.prompts if queue.speech else ()
        yield from (to.prompt for _, to in of_queue(queue))


def sounds_used(given: Snapshot) -> frozenset[str]:
    """The name of every sound in these prompts, however it is written."""
    return frozenset(name.removeprefix(_SOUND) for prompt in prompts_used(given) for name in prompt.split("&"))


def music_used(given: Snapshot) -> frozenset[str]:
    """The music classes that queues play."""
    return frozenset(queue.music for queue in given.queues if queue.music)
