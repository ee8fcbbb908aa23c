"""The HTTP API as an ASGI app. `make_app(services)`; api.web runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute

from api import errors
from api.auth.permissions import PREFIX, needed
from api.errors import ErrorAnswer
from api.routes import (
    calls,
    configuration,
    extensions,
    handling,
    health,
    information,
    lines,
    lists,
    prompts,
    queues,
    recordings,
    records,
    seats,
    sip_codes,
)
from api.routes.common import authorize, check_sender
from api.services import Services
from api.version import VERSION

NOUNS = (
    seats,
    handling,
    queues,
    information,
    calls,
    records,
    recordings,
    extensions,
    lines,
    sip_codes,
    configuration,
    prompts,
    lists,
)
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": words}
    for status, words in {
        401: "no token, or one that is not valid",
        403: "the token may not do this",
        404: "no such thing",
        409: "refused in the present state",
        413: "the request is too large",
        422: "the request does not fit",
        503: "the engine or the database is away",
    }.items()
}
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class UnguardedRoute(Exception):
    """An endpoint under /api/v1 that api.auth.permissions.ENDPOINTS does not name."""


@asynccontextmanager
async def _nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


def make_app(services: Services, lifespan: Lifespan = _nothing) -> FastAPI:
    """The app on these services. Raises UnguardedRoute for an endpoint without a permission."""
    app = FastAPI(
        title="Ringside",
        version=VERSION,
        summary="Seats, queues, calls, records, recordings, extensions and lines of a contact center.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.services = services
    guarded = APIRouter(prefix=PREFIX, dependencies=[Depends(authorize)], responses=ERRORS)
    for noun in NOUNS:
        guarded.include_router(noun.router)
    app.include_router(guarded)
    app.include_router(recordings.public)
    app.include_router(health.router)
    app.add_middleware(errors.SizeLimit, check=check_sender)
    errors.install(app)
    refuse_unguarded(guarded)
    return app


def refuse_unguarded(router: APIRouter) -> None:
    """Deny by default, seen at the start already."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            for method in sorted(route.methods or ()):
                if needed(method, route.path) is None:
                    raise UnguardedRoute(f"{method} {route.path} is not in api.auth.permissions.ENDPOINTS")
