"""Every error of the API in one shape: {"error": {"code", "say", "details"}}. Codes are stable, words are not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acd.core.reply import Code, Refused
from api.words import Words, words_for_header

LARGEST_REQUEST = 64 * 1024
"""Bytes; most bodies of this API are under 1 KiB."""
LARGER: Mapping[str, int] = {"/api/v1/configuration": 4 * 1024 * 1024, "/api/v1/prompts": 8 * 1024 * 1024}
"""Paths that take more, from who may use them: a whole directory, a sound of four minutes of CD quality."""


class ErrorBody(BaseModel):
    """`code` is stable and for programs, `say` is for a person and may change, `details` depends on the code."""

    code: str = Field(examples=["unknown_seat"])
    say: str = Field(examples=["There is no seat agent9."])
    details: dict[str, Any] = {}


class ErrorAnswer(BaseModel):
    """What every answer of 4xx and 5xx holds."""

    error: ErrorBody


class ApiError(Exception):
    """An answer that is an error. `values` fill the words of `error.CODE`; `say` replaces them."""

    def __init__(self, status: int, code: str, *, say: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(say or code)
        self.status, self.code, self.say, self.details = status, code, say, dict(details or {})


STATUS_OF: Mapping[Code, HTTPStatus] = {
    Code.UNKNOWN_SEAT: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_QUEUE: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_ITEM: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_STATUS: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.UNKNOWN_MEDIUM: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.SIGNED_OUT: HTTPStatus.CONFLICT,
    Code.SEAT_BUSY: HTTPStatus.CONFLICT,
    Code.SEAT_FULL: HTTPStatus.CONFLICT,
    Code.QUEUE_IN_USE: HTTPStatus.CONFLICT,
    Code.QUEUE_RETIRED: HTTPStatus.CONFLICT,
    Code.CALL_OVER: HTTPStatus.CONFLICT,
    Code.NOT_WAITING: HTTPStatus.CONFLICT,
    Code.NOT_MEMBER: HTTPStatus.FORBIDDEN,
    Code.NOT_IN_WRAP_UP: HTTPStatus.CONFLICT,
    Code.DISPOSITION_REQUIRED: HTTPStatus.CONFLICT,
    Code.OUTBOUND_NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    Code.DIRECT_NOT_ACCEPTED: HTTPStatus.FORBIDDEN,
    Code.TRANSFER_NOT_ACCEPTED: HTTPStatus.CONFLICT,
    Code.NOT_SERVING: HTTPStatus.CONFLICT,
    Code.WRONG_SHAPE: HTTPStatus.CONFLICT,
    Code.NO_ROUTE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.QUEUE_CLOSED: HTTPStatus.CONFLICT,
    Code.LINE_CAP: HTTPStatus.CONFLICT,
    Code.UNKNOWN_TRUNK: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.NOT_RECORDED: HTTPStatus.CONFLICT,
    Code.NOT_WATCHING: HTTPStatus.CONFLICT,
    Code.PHONE_UNREACHABLE: HTTPStatus.CONFLICT,
    Code.BAD_INPUT: HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""The core's refusals as HTTP; a test sees to it that none is missing."""

CODE_OF_STATUS: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "bad_request_body",
    500: "internal",
    503: "unavailable",
}


def refused(reply: Refused) -> ApiError:
    """The core's refusal as an answer."""
    return ApiError(STATUS_OF[reply.code], reply.code.value, say=reply.say)


def answer(words: Words, error: ApiError) -> JSONResponse:
    """The error as an answer. In English the words come from who raised it; other languages have their own."""
    own = words.find(f"error.{error.code}")
    say = error.say if error.say and (words.language == "en" or not own) else own or error.code
    body = ErrorAnswer(error=ErrorBody(code=error.code, say=say, details=error.details))
    headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(body.model_dump(), status_code=error.status, headers=headers)


def _words(request: Request) -> Words:
    return words_for_header(request.headers.get("accept-language", ""))


async def _on_api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return answer(_words(request), error)


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    """404 and 405 of the router, and whatever a library raises."""
    assert isinstance(error, HTTPException)
    code = CODE_OF_STATUS.get(error.status_code, "error")
    response = answer(_words(request), ApiError(error.status_code, code))
    response.headers.update(error.headers or {})
    return response


async def _on_bad_request(request: Request, error: Exception) -> JSONResponse:
    """A body or parameter that does not fit. What was sent is not sent back."""
    assert isinstance(error, RequestValidationError)
    fields = [{"where": ".".join(map(str, part["loc"])), "what": part["msg"]} for part in error.errors()]
    return answer(_words(request), ApiError(422, "bad_request_body", details={"fields": fields}))


async def _on_crash(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001  (starlette's signature)
    return answer(_words(request), ApiError(500, "internal"))


def install(app: FastAPI) -> None:
    """Give every error of the app this shape."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_bad_request)
    app.add_exception_handler(Exception, _on_crash)


Check = Callable[[Request], Awaitable[object]]
"""Raises ApiError (401, 403) where the one who asks may not use this endpoint."""


class SizeLimit:
    """Refuse requests larger than `largest` bytes with 413, by their header or by what really comes. A body larger
    than that is read only where LARGER allows it and `check` knows the one who sends it."""

    def __init__(self, app: ASGIApp, check: Check, largest: int = LARGEST_REQUEST) -> None:
        self.app, self.check, self.largest = app, check, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body ahead, since a handler that is already answering could not be stopped."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        try:
            body = await self._body(request, receive)
        except ApiError as error:
            await answer(_words(request), error)(scope, receive, send)
            return
        if body is None:
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self.app(scope, replay, send)

    async def _body(self, request: Request, receive: Receive) -> bytes | None:
        """The whole body; None when its sender has gone before its end: half a sound must not be kept as a whole one.
        Raises ApiError."""
        declared = self._declared(request)
        largest = await self._more(request, declared, self.largest)
        parts = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                whole = len(parts) == declared and "transfer-encoding" not in request.headers
                return bytes(parts) if whole else None
            parts += message.get("body", b"")
            if len(parts) > largest:
                largest = await self._more(request, len(parts), largest)
            if not message.get("more_body", False):
                return bytes(parts)

    def _declared(self, request: Request) -> int:
        declared = request.headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()):
            raise self._too_large(request)
        return int(declared[:20])

    async def _more(self, request: Request, size: int, largest: int) -> int:
        """The limit for a body of that size. Raises ApiError."""
        allowed = LARGER.get(request.scope["path"], self.largest)
        if size > allowed:
            raise self._too_large(request)
        if size <= largest:
            return largest
        await self.check(request)
        return allowed

    def _too_large(self, request: Request) -> ApiError:
        return ApiError(413, "too_large", details={"largest": LARGER.get(request.scope["path"], self.largest)})
