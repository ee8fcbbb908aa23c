"""Recordings: found, held, erased, and heard through signed links that need no token."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, StringConstraints

from acd.core.model import SECOND
from api.auth.tokens import Token
from api.errors import ApiError
from api.routes.common import Use, Who
from api.schemas import Asked, Filter, micros, moment
from api.services import Services
from api.words import words_for_header
from recordings import index, links, playback, retention, search
from recordings.model import Problem, State, StoredFile, say
from recordings.playback import NoSuchForm, OutOfRange, Part, Playable
from recordings.seal import Damaged, KeyGone, Keyring
from recordings.search import BadCursor, Detail, View, Wanted
from storage.settings import load_secrets

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/recordings", tags=["recordings"])
public = APIRouter(tags=["recordings"])
"""Outside the guarded ones: a player sends no token, the link itself is the key."""

Name = Annotated[str, Path(min_length=1, max_length=151, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]
Form = Literal["flac", "wav"]
LISTENERS = 8
"""Reads at once; each takes about a millisecond."""
REFUSALS = {"unknown": 404, "held": 409, "live": 409, "erased": 410}


class PauseOut(BaseModel):
    """A stretch of silence on purpose; `by` and `via` say who paused. `ended_at` null: still paused."""

    began_at: datetime | None
    ended_at: datetime | None
    by: str
    via: str
    how: str


class ProblemOut(BaseModel):
    """`code` is stable, `say` is for a person."""

    code: str
    say: str


class RecordingOut(BaseModel):
    """A recording as listed. `state`: raw (not kept yet), waiting (keeping it failed and is tried again), stored,
    missing or erased. `seconds` is the length of its sound."""

    id: str
    call: str
    kind: str
    direction: str
    queue: str
    seats: list[str]
    number: str
    entry: str
    task: str
    started_at: datetime | None
    ended_at: datetime | None
    seconds: float
    outcome: str
    state: str
    reason: str
    problems: list[ProblemOut]
    legal_hold: bool
    expires_at: datetime | None


class RecordingList(BaseModel):
    """`next` is the cursor of the page after this one; empty at the end."""

    recordings: list[RecordingOut]
    next: str


class NoteOut(BaseModel):
    """What was done to a recording: link, played, exported, held, released, erased. The `detail` of played: the form,
    the link's name (part of a hash of it: it cannot be used) and the address of who heard it."""

    at: datetime | None
    what: str
    by: str
    via: str
    detail: str


class RecordingDetail(RecordingOut):
    """`checks` are the numbers of its sound, `peaks` its waveform: the loudest sample (0 to 127) of 800 stretches, for
    the customer's side and for the other."""

    codec: str
    size: int
    sha256: str
    pauses: list[PauseOut]
    checks: dict[str, Any]
    peaks: list[list[int]]
    log: list[NoteOut]


class LinkAsked(Asked):
    """`form`: flac, or wav for players that know nothing else. `seconds`: at most an hour, default by the setting."""

    form: Form = "flac"
    seconds: Annotated[int, Field(ge=10, le=links.LONGEST_S)] | None = None


class LinkOut(BaseModel):
    """Relative to this server's address; whoever has it may hear this recording until it expires."""

    url: str
    expires_at: datetime | None


class HoldAsked(Asked):
    """Under legal hold nothing erases a recording."""

    on: bool = True
    why: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


def recording_out(view: View, language: str = "en") -> dict[str, Any]:
    """The fields of RecordingOut."""
    row, kept = view.row, view.kept
    return {
        "id": row.recording,
        "call": row.item,
        "kind": row.kind.value,
        "direction": row.direction,
        "queue": row.queue,
        "seats": list(row.seats),
        "number": view.number,
        "entry": row.entry,
        "task": row.task,
        "started_at": moment(row.started_at),
        "ended_at": moment(row.ended_at),
        "seconds": round(kept.length / SECOND, 2),
        "outcome": row.outcome,
        "state": kept.state.value,
        "reason": kept.reason,
        "problems": [ProblemOut(code=one.value, say=say(one, language)) for one in kept.problems],
        "legal_hold": kept.legal_hold,
        "expires_at": moment(kept.expires_at),
    }


def peaks_of(file: StoredFile | None) -> list[list[int]]:
    """The waveform's two sides; empty where there is none."""
    raw = base64.b64decode(file.peaks) if file is not None and file.peaks else b""
    return [list(raw[: len(raw) // 2]), list(raw[len(raw) // 2 :])] if raw else []


@router.get("")
def list_recordings(
    use: Use,
    request: Request,
    number: Filter = "",
    seat: Filter = "",
    queue: Filter = "",
    call: Filter = "",
    outcome: Filter = "",
    problem: Problem | None = None,
    state: State | None = None,
    kind: Literal["call", "voicemail"] | None = None,
    held: bool | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    shortest: Annotated[float, Query(ge=0, le=1e6)] = 0,
    longest: Annotated[float, Query(ge=0, le=1e6)] = 0,
    after: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=search.MOST)] = search.PAGE,
) -> RecordingList:
    """Recordings, newest first. `number` as dialled or in E.164; `shortest` and `longest` in seconds."""
    wanted = Wanted(
        number=number,
        seat=seat,
        queue=queue,
        since=micros(since),
        until=micros(until),
        shortest=round(shortest * SECOND),
        longest=round(longest * SECOND),
        outcome=outcome,
        problem=problem.value if problem else "",
        state=state.value if state else "",
        kind=kind or "",
        item=call,
        held=held,
    )
    try:
        with use.database.read() as session:
            page = search.find(session, wanted, after=after, limit=limit)
    except BadCursor as error:
        raise ApiError(422, "bad_cursor", say=str(error)) from None
    language = _language(request)
    found = [RecordingOut(**recording_out(view, language)) for view in page.views]
    return RecordingList(recordings=found, next=page.next)


@router.get("/{recording}")
def get_recording(recording: Name, use: Use, request: Request) -> RecordingDetail:
    """One recording: its checks, pauses, waveform, and who heard it."""
    found = _detail(use, recording)
    file = found.file
    return RecordingDetail(
        **recording_out(found.view, _language(request)),
        codec=file.codec if file else "",
        size=file.size if file else 0,
        sha256=file.sha256 if file else "",
        pauses=[
            PauseOut(began_at=moment(one.began_at), ended_at=moment(one.ended_at), by=one.by, via=one.via, how=one.how)
            for one in found.view.row.pauses
        ],
        checks=json.loads(file.checks) if file and file.checks else {},
        peaks=peaks_of(file),
        log=[
            NoteOut(at=moment(note.at), what=note.what, by=note.by, via=note.via, detail=note.detail)
            for note in found.notes
        ],
    )


@router.post("/{recording}/link")
def make_link(recording: Name, asked: LinkAsked, use: Use, token: Who) -> LinkOut:
    """A link to hear it. Who asked is written down now, and each hearing later."""
    _stored(_detail(use, recording), asked.form)
    seconds, now = asked.seconds or use.settings.recordings_link_s, use.now()
    link, query = links.make(use.secrets.link_key, recording, f"token:{token.id}", asked.form, now, seconds)
    with use.database.write() as session:
        index.note(session, recording, "link", now, by=link.who, via="api", detail=f"{asked.form} {seconds} s")
    return LinkOut(url=f"/play/{recording}?{query}", expires_at=moment(link.until * SECOND))


@router.post("/{recording}/hold")
def hold(recording: Name, asked: HoldAsked, use: Use, token: Who) -> RecordingOut:
    """Put it under legal hold, or release it."""
    try:
        retention.hold(
            use.database, recording, asked.on, now=use.now(), by=f"token:{token.id}", via="api", why=asked.why
        )
    except retention.Refused as error:
        raise _refused(error) from None
    return RecordingOut(**recording_out(_detail(use, recording).view))


@router.post("/{recording}/erase")
def erase(recording: Name, use: Use, token: Who) -> RecordingOut:
    """Erase its sound for good; its row stays and says so."""
    try:
        retention.erase(
            use.database,
            use.settings,
            use.secrets.link_key,
            recording,
            now=use.now(),
            by=f"token:{token.id}",
            via="api",
        )
    except retention.Refused as error:
        raise _refused(error) from None
    return RecordingOut(**recording_out(_detail(use, recording).view))


@public.get("/play/{recording}", response_class=Response)
@public.head("/play/{recording}", response_class=Response, include_in_schema=False)
async def play(
    recording: Name,
    use: Use,
    request: Request,
    who: Annotated[str, Query(max_length=80)] = "",
    form: Annotated[str, Query(alias="as", max_length=8)] = "flac",
    until: Annotated[int, Query(ge=0, le=10**11)] = 0,
    sign: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """The sound, whole or the part that Range asks for."""
    link = links.Link(recording, who, form, until)
    return await to_thread.run_sync(_play, use, request, link, sign, limiter=_listeners(request))


def _play(use: Services, request: Request, link: links.Link, sign: str) -> Response:
    try:
        links.check(use.secrets.link_key, link, sign, use.now())
    except links.BadLink as error:
        raise ApiError(403, error.code) from None
    _still_allowed(use, link)
    file = _stored(_detail(use, link.recording), link.kind)
    playable = _open(use, file, link.kind)
    try:
        part = playback.part_of(request.headers.get("range", ""), playable.size)
        if request.method == "GET":
            client = request.client.host if request.client else ""
            _note_played(use, link, f"{link.kind} {links.name(sign)} {client}", part)
    except OutOfRange:
        playable.close()
        raise ApiError(416, "out_of_range", details={"size": playable.size}) from None
    except BaseException:
        playable.close()
        raise
    status, headers = 200 if part.whole else 206, _headers(link, playable, part)
    if request.method == "HEAD":
        playable.close()
        return Response(status_code=status, headers=headers, media_type=playable.media)
    pieces = _in_own_threads(_pieces(use, link.recording, playable, part), _listeners(request))
    return StreamingResponse(pieces, status, headers, playable.media)


def _note_played(use: Services, link: links.Link, detail: str, part: Part) -> None:
    """Every hearing from the beginning, and whoever begins elsewhere: once for a link and a client."""
    with use.database.read() as session:
        if part.start and index.noted(session, link.recording, "played", link.who, detail):
            return
    with use.database.write() as session:
        index.note(session, link.recording, "played", use.now(), by=link.who, via="link", detail=detail)


def _listeners(request: Request) -> CapacityLimiter:
    """Threads that read from the storage: when it hangs they are stuck, and nobody else's."""
    state = request.app.state
    if not hasattr(state, "listeners"):
        state.listeners = CapacityLimiter(LISTENERS)
    found: CapacityLimiter = state.listeners
    return found


async def _in_own_threads(pieces: Iterator[bytes], limiter: CapacityLimiter) -> AsyncIterator[bytes]:
    while True:
        piece = await to_thread.run_sync(next, pieces, b"", limiter=limiter)
        if not piece:
            return
        yield piece


def _headers(link: links.Link, playable: Playable, part: Part) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(part.size),
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f'inline; filename="{link.recording}.{link.kind}"',
    }
    if not part.whole:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{playable.size}"
    return headers


def _still_allowed(use: Services, link: links.Link) -> None:
    """A link ends with the token that made it."""
    kind, _, token_id = link.who.partition(":")
    token: Token | None = use.tokens.get(token_id) if kind == "token" else None
    if kind == "token" and (token is None or token.revoked_at):
        raise ApiError(403, "link_expired")


def _pieces(use: Services, recording: str, playable: Playable, part: Part) -> Iterator[bytes]:
    """A changed file breaks the answer off: what was sent until then was right."""
    try:
        yield from playable.read(part)
    except Damaged as error:
        _damaged(use, recording, str(error))
        raise


def _open(use: Services, file: StoredFile, kind: str) -> Playable:
    try:
        # Read anew: the master key may have been replaced since this process began.
        keys = Keyring.read(load_secrets(use.settings).recording_keys)
        return Playable(use.settings.store_dir, file, keys, kind)
    except NoSuchForm:
        raise ApiError(422, "bad_form", details={"form": file.codec}) from None
    except (Damaged, KeyGone) as error:
        _damaged(use, file.recording, str(error))
        raise ApiError(500, "recording_damaged") from error
    except OSError as error:
        if isinstance(error, FileNotFoundError) and (use.settings.store_dir / file.file).parent.is_dir():
            _damaged(use, file.recording, "the file is gone")
            raise ApiError(500, "recording_damaged") from error
        raise ApiError(503, "storage_away") from error  # a disk that is not mounted has not even the folder


def _damaged(use: Services, recording: str, why: str) -> None:
    log.error("recording_damaged", recording=recording, why=why)
    with use.database.write() as session:
        index.mark_damaged(session, recording)


def _detail(use: Services, recording: str) -> Detail:
    with use.database.read() as session:
        found = search.get(session, recording)
    if found is None:
        raise ApiError(404, "unknown_recording")
    return found


def _stored(found: Detail, form: str) -> StoredFile:
    if found.view.kept.state is State.ERASED:
        raise ApiError(410, "recording_erased")
    if found.file is None or found.view.kept.state is not State.STORED:
        raise ApiError(409, "recording_not_stored", details={"state": found.view.kept.state.value})
    if form not in {found.file.codec, "wav"}:
        raise ApiError(422, "bad_form", details={"form": found.file.codec})
    return found.file


def _refused(error: retention.Refused) -> ApiError:
    return ApiError(REFUSALS[error.code], f"recording_{error.code}" if error.code != "unknown" else "unknown_recording")


def _language(request: Request) -> str:
    return words_for_header(request.headers.get("accept-language", "")).language
