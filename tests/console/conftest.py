from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.console.forms import Person
from tests.console.house import House
from tests.system import System


@pytest.fixture(scope="module")
async def house(system: System) -> AsyncIterator[House]:
    await system.seeded()
    async with AsyncExitStack() as stack:
        yield House(system, stack)


@pytest.fixture
async def admin(house: House) -> Person:
    return await house.person("admin")
