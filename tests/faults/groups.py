"""Consumer groups as Kafka sees them: who is in one, and who is to be taken for gone."""

from collections.abc import Collection, Mapping
from typing import Any, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.protocol.admin import DescribeGroupsRequest_v2
from aiokafka.protocol.api import Request
from aiokafka.protocol.group import LeaveGroupRequest

from tests.system import System

__all__ = ["Groups"]


class _Describe(Request[DescribeGroupsRequest_v2]):  # type: ignore[misc]  # aiokafka has no types
    """Not version 3, whose answer aiokafka 0.14 takes for one of version 2."""

    API_KEY = DescribeGroupsRequest_v2.API_KEY

    def __init__(self, names: Collection[str]) -> None:
        self._names = list(names)

    def build(self, request_struct_class: type[DescribeGroupsRequest_v2]) -> Any:
        return request_struct_class(self._names)


class Groups:
    """Enter it to ask; names of groups are without prefix."""

    def __init__(self, system: System) -> None:
        self._prefix = system.prefix
        self._admin = AIOKafkaAdminClient(bootstrap_servers=system.servers.kafka_bootstrap)

    async def __aenter__(self) -> Self:
        await self._admin.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._admin.close()

    async def members(self, names: Collection[str]) -> Mapping[str, Mapping[str, bool]]:
        """By group its members, and whether each has partitions; none has while they are dealt."""
        found: dict[str, dict[str, bool]] = {}
        for _, name, state, _, _, members in await self._described(names):
            found[name.removeprefix(self._prefix)] = {
                member: state == "Stable" and _has_partitions(assigned)
                for member, _, _, _, assigned in members
            }
        return found

    async def forget_members(self, names: Collection[str]) -> None:
        """Let the time pass after which dead members are missed: they leave now."""
        for name, members in (await self.members(names)).items():
            group = f"{self._prefix}{name}"
            node = await self._admin.find_coordinator(group)
            for member in members:
                await self._admin._client.send(node, LeaveGroupRequest(group, member))

    async def _described(self, names: Collection[str]) -> list[Any]:
        groups = [f"{self._prefix}{name}" for name in names]
        if not groups:
            return []
        node = await self._admin.find_coordinator(groups[0])
        answer = await self._admin._client.send(node, _Describe(groups))
        return list(answer.groups)


def _has_partitions(assigned: bytes) -> bool:
    return bool(assigned) and bool(ConsumerProtocolMemberAssignment.decode(assigned).assignment)
