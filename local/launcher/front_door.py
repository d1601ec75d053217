"""One address for all functions with an open URL: `/_local/urls/<stack name>/<function name>/`.

A function URL is a host name of its own, which resolves on AWS only. Who calls back from inside the
local stack needs an address that resolves here: the `PublicBaseUrl` of the template, which on AWS
may be a domain that routes in the same way.
"""

from collections.abc import Awaitable, Callable

from ministack.services import lambda_svc

Receive = Callable[[], Awaitable[dict]]
Send = Callable[[dict], Awaitable[None]]
App = Callable[[dict, Receive, Send], Awaitable[None]]

_PREFIX = "/_local/urls/"


class FrontDoor:
    """An ASGI application around another: forwards to the emulator's own path of the function URL."""

    def __init__(self, emulator: App) -> None:
        self._emulator = emulator

    async def __call__(self, scope: dict, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(_PREFIX):
            stack, _, rest = scope["path"].removeprefix(_PREFIX).partition("/")
            function, _, path = rest.partition("/")
            url_id = function_url_id(stack, function)
            if url_id is not None:
                path = f"/_aws/lambda-url/{url_id}/{path}"
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._emulator(scope, receive, send)


def function_url_id(stack: str, function: str) -> str | None:
    """The id of the URL of `valuation-callback` in a stack, deployed as `ValuationCallbackFunction`."""
    logical_id = "".join(word.capitalize() for word in function.split("-")) + "Function"
    prefix = f"{stack}-{logical_id}-"
    for (*_scope, name), config in lambda_svc._function_urls._data.items():
        if name.startswith(prefix):
            return config["FunctionUrl"].removeprefix("https://").partition(".")[0]
    return None
