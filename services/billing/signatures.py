"""Who sends a message of a payment provider, told by its signature before anything is looked up."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request

from services.billing.providers import Provider, SignatureRefused
from services.billing.providers.contract import refuse_unstorable
from shared.auth import Caller
from shared.errors import InputInvalid, NotFound, Unauthenticated

__all__ = ["MESSAGE_MAX_BYTES", "signature_check"]

MESSAGE_MAX_BYTES = 256 * 1024


def signature_check(
    providers: Mapping[str, Provider],
) -> Callable[[Request], Awaitable[Caller]]:
    """What the API asks about each signed message; what it says is left in `request.state`."""

    async def check(request: Request) -> Caller:
        name = request.path_params["provider"]
        provider = providers.get(name)
        if provider is None:
            raise NotFound("provider", name)
        body = await request.body()
        if len(body) > MESSAGE_MAX_BYTES:
            raise InputInvalid("body", f"must have at most {MESSAGE_MAX_BYTES} bytes")
        try:
            message = provider.parse(body, request.headers)
        except SignatureRefused as error:
            raise Unauthenticated(
                "signature_invalid", "The message is not signed by the provider, or too long ago."
            ) from error
        if message:
            refuse_unstorable(message)
        request.state.message = message
        return Caller(f"provider:{name}", frozenset())

    return check
