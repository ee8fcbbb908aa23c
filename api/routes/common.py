"""Who asks, and what the routes may use."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.auth import tokens
from api.auth.permissions import needed
from api.auth.tokens import Token
from api.errors import ApiError
from api.services import Services

_bearer = HTTPBearer(auto_error=False, description="A token of `ringside token create`.")


def services_of(request: Request) -> Services:
    """The services of this app."""
    found: Services = request.app.state.services
    return found


Use = Annotated[Services, Depends(services_of)]


async def authorize(
    request: Request, use: Use, given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Token:
    """The token of this request, when it may do this. 401 without a token, 403 where the table does not allow it."""
    return await check_token(use, given.credentials if given else "", request.method, request.scope["route"].path)


async def check_token(use: Services, text: str, method: str, path: str) -> Token:
    """The token that `text` is, when it may use this endpoint. Raises ApiError 401, 403."""
    token = await run_in_threadpool(tokens.check, use.tokens, use.secrets.token_hash, text) if text else None
    if token is None:
        raise ApiError(401, "unauthorized")
    permission = needed(method, path)
    if permission is None or permission not in token.permissions:
        raise ApiError(403, "forbidden", details={"permission": permission.value if permission else ""})
    return token


async def check_sender(request: Request) -> Token:
    """The same before the endpoint is looked for, by the path itself. Raises ApiError 401, 403."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    bearer = text.strip() if scheme.lower() == "bearer" else ""
    return await check_token(services_of(request), bearer, request.method, request.scope["path"])


Who = Annotated[Token, Depends(authorize)]
