"""A report that follows its study: served to this machine only, made again when another cell is done."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

PAUSE = 3.0  # times as long as a page took to make passes before the next one is made


def progress(folder: Path) -> str:
    """A text that is another one once a cell of the study in `folder` is done."""
    files = sorted((folder / "cells").glob("*/*.json")) + sorted(folder.glob("*.json"))
    parts = [f"{path.relative_to(folder)} {path.stat().st_mtime_ns}" for path in files if path.exists()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


class LiveReport:
    """Serves a study's page on 127.0.0.1 while it is used as a context, or until `run` is interrupted.

    `build(folder, version)`: the page as HTML, such as `render(read(folder), live=version)`. A page that cannot be made
    leaves the last one in place, which says so. `port`: 0 takes a free one. Raises OSError where it is taken.
    """

    def __init__(self, folder: str | Path, build: Callable[[Path, str], str], port: int = 0) -> None:
        self.folder, self._build = Path(folder), build
        self._lock = threading.Lock()
        self._page, self._version, self._trouble, self._next = b"", "", "", 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"report": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="live report", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """What a browser opens."""
        return f"http://127.0.0.1:{self.port}/"

    def run(self) -> None:
        """Serves until Ctrl-C."""
        with self:
            try:
                while self._thread.is_alive():
                    self._thread.join(0.5)  # a bare join would not hear Ctrl-C on every platform
            except KeyboardInterrupt:
                return

    def __enter__(self) -> LiveReport:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def state(self) -> tuple[bytes, dict[str, str]]:
        """The page, made again if the study went on, and what `/version` says of it."""
        with self._lock:
            now = progress(self.folder)
            if now != self._version and (not self._page or time.monotonic() >= self._next):
                start = time.monotonic()
                try:
                    self._page, self._version, self._trouble = self._build(self.folder, now).encode(), now, ""
                except Exception as error:  # a half-written study; the next cell may mend it
                    self._trouble = f"{type(error).__name__}: {error}"
                self._next = time.monotonic() + PAUSE * (time.monotonic() - start)
            return self._page, {"version": self._version, "trouble": self._trouble}


class _Handler(BaseHTTPRequestHandler):
    """Two addresses, GET only, for pages of this very server: a name of somebody else's that leads here is refused."""

    report: LiveReport
    server_version = "moopt"
    sys_version = ""

    def do_GET(self) -> None:
        hosts = {f"{name}:{self.report.port}" for name in ("127.0.0.1", "localhost")}
        if self.headers.get("Host") not in hosts:
            self._answer(HTTPStatus.FORBIDDEN, b"expected this machine's own address\n", "text/plain")
        elif self.path == "/version":
            self._answer(HTTPStatus.OK, json.dumps(self.report.state()[1]).encode(), "application/json")
        elif self.path == "/":
            page, state = self.report.state()
            if page:
                self._answer(HTTPStatus.OK, page, "text/html; charset=utf-8")
            else:
                text = f"no report yet: {state['trouble']}\n".encode()
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, text, "text/plain; charset=utf-8")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"expected / or /version\n", "text/plain")

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind), ("Content-Length", str(len(content))), ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the progress line has the terminal."""


def serve(
    folder: str | Path, port: int = 0, *, build: Callable[[Path, str], str],
    announce: Callable[[str], None] | None = None,
) -> None:  # fmt: skip
    """Serves the report of a study that goes on until Ctrl-C. `announce` is told its address. Raises OSError."""
    report = LiveReport(folder, build, port)
    if announce is not None:
        announce(report.url)
    report.run()
