"""The reverse proxy's configuration, from the same table of routes as the embedded gateway."""

import re
from collections import defaultdict
from collections.abc import Mapping

__all__ = ["caddyfile"]

_PARAMETER = re.compile(r"\{[^}]+\}")

_HEAD = """\
# Written by `make contracts` from the services' routes; do not edit.
{
	admin off
	auto_https off
}

:8080 {
	request_body {
		max_size 2MB
	}
"""

_TAIL = """\
	handle /health {
		respond `{"status":"ok"}` 200
	}
	@programs path /v1/* /oauth/* /.well-known/* /docs /docs/* /metrics
	handle @programs {
		header Content-Type application/problem+json
		respond `{"type":"urn:kontor:problem:not_found","title":"Not found","status":404,"detail":"There is nothing here."}` 404
	}
	handle {
		reverse_proxy console-api:8000
	}
}
"""  # noqa: E501 - one line in the proxy's configuration


def caddyfile(routes: Mapping[str, str]) -> str:
    """A Caddyfile that sends each path (template -> service) to `<service>-api:8000`.

    Whatever is not for programs goes to the console.
    """
    by_service: dict[str, list[str]] = defaultdict(list)
    for path, service in routes.items():
        by_service[service].append("[^/]+".join(map(re.escape, _PARAMETER.split(path))))
    blocks = [
        f"\t@{service} path_regexp ^(?:{'|'.join(sorted(paths))})$\n"
        f"\thandle @{service} {{\n\t\treverse_proxy {service}-api:8000\n\t}}\n"
        for service, paths in sorted(by_service.items())
    ]
    return "".join([_HEAD, *blocks, _TAIL])
