"""The phone as an MCP server: `patter mcp`, or `mcp_server(phone, agent={...}).run()`.

Clients of MCP give up on a tool after 5, 60 or 300 seconds, whatever it reports meanwhile. So
`make_phone_call` returns soon, with the call `in_progress` when it still is; `get_phone_call` waits
on, and `end_phone_call` hangs up.
"""

from __future__ import annotations

from patter.extras import needs_extra

with needs_extra("mcp", "mcp"):
    from patter.mcp.server import DEFAULT_WAIT_SEC, mcp_server

__all__ = ["DEFAULT_WAIT_SEC", "mcp_server"]
