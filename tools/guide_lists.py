"""`python -m tools.guide_lists`: the lists of docs/guide that the code has already: endpoints with their permissions,
error codes, commands. Each stands between `<!-- list: NAME -->` and `<!-- end -->` and is written anew."""

from __future__ import annotations

import argparse
import pkgutil
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

from fastapi import APIRouter
from fastapi.routing import APIRoute

import api.routes
from api import changing, errors
from api.auth.permissions import ENDPOINTS, Permission
from api.cli import parser
from api.words import words
from tools.say import ROOT, say
from tools.shapes_guide import table

GUIDE = ROOT / "docs/guide"
_LIST = re.compile(r"(<!-- list: ([a-z]+) -->\n).*?(\n<!-- end -->)", re.DOTALL)
_RAISED = re.compile(r"ApiError\(\s*(\d{3}),\s*\"([a-z_]+)\"")


def endpoints() -> str:
    """Every endpoint with what it needs and what it does."""
    does = dict(_documented())
    rows = []
    for permission in Permission:
        of_it = [key for key, needed in ENDPOINTS.items() if needed is permission]
        rows += [(f"`{permission}`", f"`{method} {path}`", does[method, path]) for method, path in of_it]
    return table(("permission", "endpoint", "does"), rows)


def _documented() -> Iterator[tuple[tuple[str, str], str]]:
    """((method, path), the first sentence of its docstring) of every route."""
    for module in pkgutil.iter_modules(api.routes.__path__):
        router = getattr(import_module(f"api.routes.{module.name}"), "router", None)
        for route in router.routes if isinstance(router, APIRouter) else ():
            if isinstance(route, APIRoute):
                text = " ".join((route.endpoint.__doc__ or "").split())
                yield from (
                    ((method, route.path), text.partition(". ")[0].rstrip(".")) for method in route.methods or ()
                )


def codes() -> str:
    """Every error code by its status."""
    found: dict[int, dict[str, None]] = defaultdict(dict)
    for status, code in errors.CODE_OF_STATUS.items():
        found[status][code] = None
    for refusal, refused_as in errors.STATUS_OF.items():
        found[refused_as.value][refusal.value] = None
    for code, status in changing.STATUS_OF.items():
        found[status][code] = None
    for path in sorted((ROOT / "api").rglob("*.py")):
        for status_text, code in _RAISED.findall(path.read_text(encoding="utf-8")):
            found[int(status_text)][code] = None
    rows = [(str(status), ", ".join(f"`{code}`" for code in sorted(found[status]))) for status in sorted(found)]
    return table(("status", "codes"), rows)


def commands() -> str:
    """Every command with its arguments."""
    return table(("command", "does"), _leaves(parser(words("en"))))


def _leaves(place: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    below = [action for action in place._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield f"`{' '.join(_usage(place))}`".replace("|", "\\|"), (place.description or "")
    for action in below:
        for one in action.choices.values():
            yield from _leaves(one)


def _usage(command: argparse.ArgumentParser) -> Iterator[str]:
    """The command's name and its own arguments; what every command has is left out."""
    yield command.prog.removeprefix("ringside ")
    shared = {"help", "data_dir", "lang", "json"}
    for action in command._actions:
        if action.dest in shared:
            continue
        name = str(action.metavar or (action.dest.upper() if action.nargs != 0 else ""))
        if action.choices is not None and action.metavar is None:
            name = "|".join(map(str, action.choices))
        if not action.option_strings:
            yield f"[{name}]" if action.nargs == "?" else name
        else:
            told = " ".join(part for part in (action.option_strings[-1], name) if part)
            yield told if action.required else f"[{told}]"


LISTS: Mapping[str, Callable[[], str]] = {"endpoints": endpoints, "codes": codes, "commands": commands}


def written(text: str) -> str:
    """A page with its lists as the code has them. Raises KeyError for a list nobody knows."""
    return _LIST.sub(lambda found: f"{found[1]}{LISTS[found[2]]()}{found[3]}", text)


def pages() -> Mapping[Path, str]:
    """Every page that has such a list, as it should be."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(GUIDE.glob("*.md"))}
    return {path: written(text) for path, text in texts.items() if _LIST.search(text)}


def main() -> int:
    """Write the pages."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        say(f"{path.relative_to(ROOT)}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
