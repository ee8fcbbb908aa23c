"""The whole directory as one document: read it, try a change, make it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel

from api.changing import change, directory_refused
from api.routes.common import Use
from directory import document
from directory.definitions import read_revision
from directory.model import DirectoryError

router = APIRouter(prefix="/configuration", tags=["configuration"])


class ChangeOut(BaseModel):
    """One difference: `what` is added, changed, removed or password."""

    section: str
    id: str
    what: str
    fields: list[str]


class Applied(BaseModel):
    """What the document changes. `kept` is False for a dry run; `revision` is the directory's after it."""

    kept: bool
    revision: int
    changes: list[ChangeOut]


@router.get("")
def export(use: Use) -> dict[str, Any]:
    """Everything but passwords. Times are seconds; what has its default is left out."""
    with use.database.read() as session:
        return document.export(session)


@router.post("")
def apply(asked: Annotated[dict[str, Any], Body()], use: Use, dry_run: bool = False) -> Applied:
    """Make the directory what the document says, all or nothing. A section that is given is the whole of it."""
    settings = use.settings
    try:
        found = change(
            use.database,
            settings,
            use.secrets,
            lambda session: document.apply(
                session,
                asked,
                key=use.secrets.sealing_key(),
                region=settings.default_region,
                licences=settings.phone_seats,
                emergency=settings.emergency_numbers,
            ),
            keep=not dry_run,
        )
    except DirectoryError as error:
        raise directory_refused(error) from None
    with use.database.read() as session:
        revision = read_revision(session)
    shown = [ChangeOut(section=one.section, id=one.id, what=one.what, fields=list(one.fields)) for one in found]
    return Applied(kept=not dry_run, revision=revision, changes=shown)
