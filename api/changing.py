"""A change of the directory as API and command line make it: in one transaction, its lines checked as Asterisk will
have them, the refusal in one shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from api.bootstrap import asterisk_settings, directory_part, sounds_folder
from api.errors import ApiError
from api.sounds import missing_sounds, refuse_missing
from cti.config import BadSettings
from directory.model import DirectoryError
from storage.session import Database
from storage.settings import Secrets, Settings

T = TypeVar("T")
STATUS_OF: dict[str, int] = {
    "unknown_seat": 404,
    "unknown_extension": 404,
    "unknown_prompt": 404,
    "not_listed": 404,
    "no_number": 404,
    "extension_exists": 409,
    "extension_taken": 409,
    "softphone_bound": 409,
    "short_code_taken": 409,
    "number_taken": 409,
    "no_licence": 409,
    "prompt_in_use": 409,
    "no_speaker": 503,
    "too_large": 413,
}
"""What the directory refuses, as HTTP; anything else is 422."""


def directory_refused(error: DirectoryError) -> ApiError:
    """The directory's refusal as an answer."""
    return ApiError(STATUS_OF.get(error.code, 422), error.code, say=error.say)


def change(
    database: Database, settings: Settings, secrets: Secrets, work: Callable[[Session], T], *, keep: bool = True
) -> T:
    """What `work` gives; it is kept unless it or the check raises, or `keep` is False. Blocking.

    Raises DirectoryError, bad_trunk for lines that Asterisk could not have, missing_sound for a sound that was not
    missing before and that nothing can stand in for.
    """
    sounds = sounds_folder(settings)
    with database.write() as session:
        before = missing_sounds(session, sounds)
        done = work(session)
        refuse_missing(tuple(name for name in missing_sounds(session, sounds) if name not in before))
        try:
            asterisk_settings(settings, secrets, directory_part(session, settings, secrets))
        except BadSettings as error:
            raise DirectoryError("bad_trunk", str(error)) from None
        if not keep:
            session.rollback()
        return done
