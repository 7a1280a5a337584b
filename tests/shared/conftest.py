"""One redis-server for all tests that only need an empty one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.shared.own_redis import OwnRedis
from tests.shared.scripted import Scripted


@pytest.fixture(scope="session")
def common_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """Start a server that keeps nothing and whose clients may come and go."""
    redis = OwnRedis(tmp_path_factory.mktemp("redis"), "--appendonly", "no")
    asyncio.run(redis.start())
    yield redis
    redis.kill()


@pytest.fixture
async def scripted(common_redis: OwnRedis) -> AsyncIterator[Scripted]:
    async with Scripted(common_redis) as scripted:
        yield scripted


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[OwnRedis]:
    """Start a server that a test may kill."""
    redis = OwnRedis(tmp_path, "--appendonly", "no")
    await redis.start()
    yield redis
    redis.kill()
