"""Is it alive, can it serve, and how is it: for load balancers and Prometheus. No token, no names, no numbers."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from api import metrics
from api.routes.common import Use
from api.services import Check
from storage.bus import CallFailed, EngineAway

router = APIRouter(tags=["health"])
CHECK_LIMIT_S = 2.0
ENGINE_LIMIT_S = 1.0


class Health(BaseModel):
    """`checks` says of each part "ok" or what is wrong."""

    ok: bool
    checks: dict[str, str] = {}


@router.get("/healthz")
async def healthz() -> Health:
    """This process lives."""
    return Health(ok=True)


@router.get("/readyz", responses={503: {"model": Health, "description": "a part is away"}})
async def readyz(use: Use, response: Response) -> Health:
    """The engine answers, the database answers, Asterisk is connected. 503 when one does not."""
    found = await asyncio.gather(*(_ask(check) for check in use.checks.values()))
    checks = {name: problem or "ok" for name, problem in zip(use.checks, found, strict=True)}
    ok = not any(found)
    response.status_code = 200 if ok else 503
    return Health(ok=ok, checks=checks)


async def _ask(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_LIMIT_S):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_LIMIT_S:g} s"
    except Exception as error:
        return type(error).__name__


@router.get("/metrics", response_class=Response)
async def get_metrics(use: Use) -> Response:
    """Prometheus' text format."""
    try:
        engine = await use.engine.call("stats", {}, ENGINE_LIMIT_S)
    except (EngineAway, CallFailed):
        engine = None  # its own figures are left out
    lags = await run_in_threadpool(use.lags)
    kept = await run_in_threadpool(use.recordings)
    seen = metrics.Seen(use.state, use.live.seq, use.now(), use.counted, lags, engine, kept)
    return Response(metrics.page(seen), media_type=metrics.CONTENT_TYPE)
