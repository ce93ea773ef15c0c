"""One table of routes: path template -> service. It is read off the services themselves.

The embedded gateway dispatches by it, and a reverse proxy's configuration is generated from it.
"""

from collections.abc import Iterable, Mapping

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

__all__ = ["RouteTaken", "api_routes", "route_table"]


class RouteTaken(Exception):
    """Two services serve the same path."""


def api_routes(app: FastAPI) -> Iterable[APIRoute]:
    found = (context.original_route for context in iter_route_contexts(app.routes))
    return (route for route in found if isinstance(route, APIRoute))


def route_table(apps: Mapping[str, FastAPI]) -> dict[str, str]:
    """Map each path template to the service that serves it.

    Raises:
        RouteTaken: two services claim one path.
    """
    table: dict[str, str] = {}
    for name, app in apps.items():
        for path in [
            *(route.path for route in api_routes(app)),
            app.openapi_url or "",
            app.docs_url or "",
        ]:
            if table.setdefault(path, name) != name:
                raise RouteTaken(f"{path} is served by {table[path]} and {name}")
    return table
