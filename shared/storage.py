"""Documents, stored under the hash of their content: on a folder or on S3, the same way."""

import asyncio
from contextlib import suppress
from hashlib import sha256

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import ObjectStore, from_url

__all__ = ["DocumentStore"]


class DocumentStore:
    """`url`: `file:///folder`, `s3://bucket/prefix`, or `memory:///` (this process only)."""

    def __init__(self, url: str) -> None:
        local = url.startswith("file:")
        self._store: ObjectStore = from_url(url, mkdir=True) if local else from_url(url)

    async def put(self, content: bytes, suffix: str) -> tuple[str, str]:
        """Store once; returns (key, SHA-256). The same content again is the same key."""
        digest = sha256(content).hexdigest()
        key = f"documents/{digest[:2]}/{digest}.{suffix}"
        with suppress(AlreadyExistsError):
            await obstore.put_async(self._store, key, content, mode="create")
        return key, digest

    async def get(self, key: str) -> bytes:
        """Read a document.

        Raises:
            FileNotFoundError: there is none with this key.
        """
        found = await obstore.get_async(self._store, key)
        return await asyncio.to_thread(bytes, await found.bytes_async())
