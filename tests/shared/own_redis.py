"""A redis-server of a test's own: started, killed, started again, with or without its data."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

__all__ = ["OwnRedis", "needs_redis"]


def _missing() -> str:
    if shutil.which("redis-server") is None:
        return "no redis-server on the PATH (Debian: apt-get install redis-server)"
    try:
        import redis  # noqa: F401
    except ImportError:
        return 'redis-py is not installed (pip install "networkpype[redis]")'
    return ""


needs_redis = pytest.mark.skipif(bool(_missing()), reason=_missing())


class OwnRedis:
    """One server on a port of its own, or on `port`; `options` are lines of its configuration."""

    def __init__(self, directory: Path, *options: str, port: int = 0) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port: int = port or taken.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory, self._options = directory, options
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Return when it answers."""
        words = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        words += ["--dir", str(self._directory), *self._options]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL)  # noqa: ASYNC220
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                return

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def say(self, *words: Any) -> Any:
        """Send one command and return the answer."""
        from redis.asyncio import Redis

        client: Any = Redis(port=self.port, decode_responses=True)
        async with client:
            return await client.execute_command(*words)
