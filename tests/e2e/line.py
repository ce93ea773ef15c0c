"""The line between a console and one service, which can be cut or fall silent."""

import os
import select
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

import httpx

from deploy.local.process import wait_until
from tests.e2e.browser import Stack

__all__ = ["Line", "console_beside", "open_line"]

_HOST = "127.0.0.1"
_MANY_BYTES = 65536


class Line(socketserver.ThreadingTCPServer):
    """Passes everything on, both ways, as long as it works.

    Attributes:
        trouble: `silent` takes requests and never answers, `cut` hangs up.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, url: str) -> None:
        super().__init__((_HOST, 0), _Call)
        parts = urlsplit(url)
        self.target = (parts.hostname or _HOST, parts.port or 80)
        self.url = f"http://{_HOST}:{self.server_address[1]}"
        self.trouble: Literal["", "silent", "cut"] = ""


class _Call(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        line = self.server
        assert isinstance(line, Line)
        with socket.create_connection(line.target) as service:
            other = {self.request: service, service: self.request}
            while line.trouble != "cut":
                for end in select.select(list(other), [], [], 0.1)[0]:
                    said = end.recv(_MANY_BYTES)
                    if not said:
                        return
                    if not (line.trouble and end is service):
                        other[end].sendall(said)


@contextmanager
def open_line(url: str) -> Iterator[Line]:
    with Line(url) as line:
        threading.Thread(target=line.serve_forever, daemon=True).start()
        yield line
        line.shutdown()


@contextmanager
def console_beside(stack: Stack, patience_s: float, **lines: Line) -> Iterator[str]:
    """One more console in a process of its own; the services named are reached by their lines."""
    with socket.create_server((_HOST, 0)) as found:
        port = found.getsockname()[1]
    url = f"http://{_HOST}:{port}"
    settings = {
        "SERVICES_URL": stack.url,
        "API_PORT": str(port),
        "PATIENCE_S": str(patience_s),
        **{f"{name.upper()}_URL": line.url for name, line in lines.items()},
    }
    console = subprocess.Popen(
        [sys.executable, "-m", "services.console"],
        env={**os.environ, **{f"KONTOR_CONSOLE_{name}": text for name, text in settings.items()}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_until(lambda: _answers(f"{url}/console/health"), 60)
        yield url
    finally:
        console.terminate()
        console.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False
