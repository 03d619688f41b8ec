"""The replay's way to what the services know: their own REST APIs, in process, with an operator's key."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

import httpx2
import msgspec

from paycue.app import api
from paycue.handwritten import read
from paycue.runtime import Runtime

_PAGE = 500


class Api:
    """Calls the APIs of `runtimes` for one creditor."""

    def __init__(self, runtimes: Sequence[Runtime], creditor: str, key: str) -> None:
        self._path = f"/v1/creditors/{creditor}"
        headers = {"authorization": f"Bearer {key}"}
        self._clients = {
            runtime.service.name: httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=api(runtime.service, runtime)), base_url="http://paycue", headers=headers
            )
            for runtime in runtimes
        }

    async def close(self) -> None:
        """Close every client."""
        for client in self._clients.values():
            await client.aclose()

    async def publish_policy(self, text: str, name: str) -> dict[str, Any]:
        """Put a policy file in force; the policy as JSON. Raises PolicyRefused with the API's reason, HandwrittenError without a name."""
        called = quote(read(text, name).required("policy").text(), safe="")
        response = await self._clients["scheduler"].put(
            f"{self._path}/policies/{called}", content=text.encode(), headers={"content-type": "application/yaml"}
        )
        if response.status_code >= 400:
            raise PolicyRefused(f"{name}: {response.json().get('detail', response.text)}")
        form: dict[str, Any] = response.json()
        return form

    async def every(self, service: str, things: str) -> AsyncIterator[dict[str, Any]]:
        """Each item of a creditor's list, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
            response = await self._clients[service].get(f"{self._path}/{things}", params=query)
            response.raise_for_status()
            page = msgspec.json.decode(response.content)
            for item in page["items"]:
                yield item
            cursor = page.get("next")


class PolicyRefused(Exception):
    """The scheduler does not take the policy file; the text says where and why."""
