"""Show a built site on this machine."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mdlp_bench.errors import SubmissionError


def serve(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a built site on 127.0.0.1; the caller runs `serve_forever`.

    Args:
        folder: A folder that `build_site` wrote.
        port: Port; 0 for any free one (`server_port` tells which).

    Raises:
        SubmissionError: There is no site, or the port is taken.
    """
    if not (folder / "index.html").is_file():
        raise SubmissionError(f"{folder}: no site in it; run `mdlp-bench leaderboard build -o {folder}`")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise SubmissionError(f"port {port}: {error.strerror}; choose another with --port") from error
