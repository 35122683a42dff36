"""Asks a service with the official SDK of the Model Context Protocol: python client.py URL MODE.

MODE is `auto`, `legacy` or a revision. Lists the tools and calls each of them, some with arguments. Prints one JSON object.
"""

import asyncio
import json
import sys

from mcp import Client, MCPError

CALLS = {
    "status": {"fields": "clusters.cluster,clusters.verdict"},
    "groups": {"limit": 1},
    "heartbeats": {"outcome": "bad", "limit": 1},
    "gate": {"for": "1s"},
    "openapi": {"fields": "components.schemas.Suspect"},
}


def result(answer):
    return {"error": answer.is_error, "text": "".join(part.text for part in answer.content)}


async def main(url, mode):
    async with Client(url, mode=mode) as client:
        tools = (await client.list_tools()).tools
        calls = {tool.name: result(await client.call_tool(tool.name, CALLS.get(tool.name, {}))) for tool in tools}
        wrong = {
            "field": result(await client.call_tool("status", {"fields": "nothing"})),
            "argument": result(await client.call_tool("status", {"nothing": 1})),
        }
        try:
            wrong["tool"] = result(await client.call_tool("nothing", {}))
        except MCPError as error:
            wrong["tool"] = {"code": error.code}
        return {
            "version": client.protocol_version,
            "server": client.server_info.name if client.server_info else None,
            "instructions": client.instructions,
            "tools": [tool.model_dump(by_alias=True, exclude_none=True) for tool in tools],
            "calls": calls,
            "wrong": wrong,
        }


print(json.dumps(asyncio.run(main(*sys.argv[1:3]))))
