"""Queues: who waits, who serves."""

from __future__ import annotations

from fastapi import APIRouter

from api.errors import ApiError
from api.routes.common import Use
from api.schemas import Id, QueueOut, queue_out

router = APIRouter(prefix="/queues", tags=["queues"])


@router.get("")
async def list_queues(use: Use) -> list[QueueOut]:
    """Every queue, in the directory's order."""
    return [queue_out(use.state, queue) for queue in use.state.queues]


@router.get("/{queue}")
async def get_queue(queue: Id, use: Use) -> QueueOut:
    """One queue."""
    if queue not in use.state.queues:
        raise ApiError(404, "unknown_queue", say=f"There is no queue {queue}; GET /api/v1/queues lists them.")
    return queue_out(use.state, queue)
