"""A real browser on a real stack: Debian's Chromium, never one that is downloaded."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, sync_playwright

from deploy.local.access import Access
from deploy.local.mailbox import Mail, read_mailbox
from tests.system import PROVIDER_SECRET

__all__ = ["Desk", "Stack", "chromium", "open_browser", "running_stack"]

_LIMIT_S = 240


def chromium() -> str | None:
    return shutil.which("chromium")


@contextmanager
def open_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium(), args=options)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Stack:
    """`kontor up --demo`, as a person runs it."""

    state: Path
    url: str
    access: Access

    def api(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.access.token(self.url)}"}
        return httpx.Client(base_url=f"{self.url}/v1", headers=headers, timeout=30)

    def mails(self, containing: str) -> list[Mail]:
        mails = read_mailbox(self.state / "mailbox")
        return [m for m in mails if containing in f"{m.message['Subject']} {m.message['To']}"]


@contextmanager
def running_stack(state: Path) -> Iterator[Stack]:
    """Start everything with the demo data and stop it at the end."""
    kontor = subprocess.Popen(
        [str(Path(sys.executable).with_name("kontor")), "up", "--demo", "--state", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(Path.home()),
            "COLUMNS": "200",
            "KONTOR_BILLING_STANDARD_SECRETS": PROVIDER_SECRET,
        },
    )
    try:
        lines = []
        for line in kontor.stdout or ():
            lines.append(line)
            if "Ctrl-C" in line:
                break
        else:
            raise AssertionError("".join(lines))
        access = Access(**json.loads((state / "access.json").read_text("utf-8")))
        port = (state / "run" / "gateway.port").read_text("utf-8").strip()
        yield Stack(state, f"http://127.0.0.1:{port}", access)
    finally:
        kontor.terminate()
        kontor.communicate(timeout=_LIMIT_S)


@dataclass
class Desk:
    """One person's browser. `complaints`: what the browser objected to, such as the policy."""

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, browser: Browser, stack: Stack, **options: Any) -> "Desk":
        context = browser.new_context(**{"base_url": stack.url, **options})
        desk = cls(context, context.new_page())
        context.on("page", desk._listen)
        desk._listen(desk.page)
        return desk

    def _listen(self, page: Page) -> None:
        page.on(
            "console",
            lambda m: (
                self.complaints.append(f"{m.text} {m.location['url']}")
                if m.type in {"error", "warning"}
                else None
            ),
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def sign_in(self, stack: Stack) -> "Desk":
        self.page.goto("/")
        self.page.get_by_label("E-mail").fill(stack.access.email)
        self.page.get_by_label("Password").fill(stack.access.password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="Customers").wait_for()
        return self
