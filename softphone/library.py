"""Which pjsua2 is used: the one from pip (``pjsua2-python``, no sound device) or our own build, which has sound.

Both are imported as ``pjsua2``, so they must not lie among the packages of one environment. Our own lies in a folder
of its own and is put first on the path by the phone that needs sound, before ``softphone.binding`` is imported.
Robots and tests use the one from pip. Standard library only.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

OWN_BUILD = "share/ringside/pjsua2"
"""Where ``tools/build-pjsua2 --install`` lays it, under the environment's folder (``sys.prefix``)."""
FOLDER_VARIABLE = "RINGSIDE_PJSUA2"
"""Names another folder that holds our own build."""
HOW_TO_BUILD = "tools/build-pjsua2 --install"


def own_build() -> Path | None:
    """The folder of our own build, None where there is none."""
    named = os.environ.get(FOLDER_VARIABLE)
    folder = Path(named) if named else Path(sys.prefix) / OWN_BUILD
    return folder if (folder / "pjsua2.py").is_file() else None


def choose(sound: bool) -> bool:
    """Make ``import pjsua2`` find the right one; whether that is our own build. Ours is taken for sound, and where
    there is no other. Call it before anything imports pjsua2: a process cannot change over."""
    folder = own_build()
    if folder is None or not (sound or importlib.util.find_spec("pjsua2") is None):
        return False
    sys.path.insert(0, str(folder))
    return True


def own_build_loaded() -> bool:
    """Whether the pjsua2 that is imported is our own build."""
    folder, loaded = own_build(), sys.modules.get("pjsua2")
    return folder is not None and loaded is not None and Path(str(loaded.__file__)).parent == folder
