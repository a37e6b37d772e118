"""What is asked of a server, as a script for wrk. A server that has no such call is not asked for it."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_HEADER = """
local seed = os.time()
local n = {offset}
local function key() n = n + 1; return string.format("bench-%d-%d", seed, n) end
local ids = {{{ids}}}
local function id() n = n + 1; return ids[n % #ids + 1] end
local json = {{["Authorization"] = "Bearer {token}", ["Content-Type"] = "application/json"}}
local function write(method, path, body)
  json["Idempotency-Key"] = key()
  return wrk.format(method, path, json, body)
end
local read = {{["Authorization"] = "Bearer {token}"}}
local function get(path) return wrk.format("GET", path, read) end
local function create()
  return write("POST", "/v1/tasks", '{{"title": "Write the report", "description": "By Monday.", "priority": "high"}}')
end
local function patch()
  return write("PATCH", "/v1/tasks/" .. id(), '{{"title": "Changed ' .. n .. '"}}')
end
"""
_DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format('\\nRESULT {"requests": %d, "us": %d, "p50": %d, "p99": %d, "errors": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors))
end
"""
_CALLS = {
    "get-hit": 'return get("/v1/tasks/" .. ids[n % math.min(100, #ids) + 1])',
    "get-miss": 'return get("/v1/tasks/" .. id())',
    "list-first": 'return get("/v1/tasks?page_size=50")',
    "list-page-1000": 'return get("/v1/tasks?page_size=50&cursor={cursor}")',
    "list-filtered": 'return get("/v1/tasks?page_size=50&status=pending&priority=high")',
    "list-search": 'return get("/v1/tasks?page_size=50&q=invoice%20berlin")',
    "create": "return create()",
    "patch": "return patch()",
    "bulk-100": """return write("POST", "/v1/tasks/bulk", bulk)""",
    "mixed": """
  n = n + 1
  local kind = n % 10
  if kind < 6 then return get("/v1/tasks/" .. ids[n % math.min(1000, #ids) + 1]) end
  if kind < 8 then return get("/v1/tasks?page_size=50") end
  if kind == 8 then return create() end
  return patch()""",
}
NAMES = tuple(_CALLS)
_ONLY_TASKMILL = frozenset({"list-filtered", "list-search", "bulk-100"})
_BULK = {"operations": [{"op": "create", "body": {"title": f"One of a hundred: {n}"}} for n in range(100)]}
_NEEDS_COLD_CACHE = frozenset({"get-miss"})


@dataclass(frozen=True)
class Case:
    name: str

    def suits(self, server: str) -> bool:
        return server == "taskmill" or self.name not in _ONLY_TASKMILL

    @property
    def is_cold(self) -> bool:
        """Whether nothing may be kept of what is asked for."""
        return self.name in _NEEDS_COLD_CACHE

    def script(self, token: str, ids: Sequence[str], cursor: str, offset: int) -> str:
        quoted = ", ".join(f'"{one}"' for one in ids)
        bulk = f"local bulk = [==[{json.dumps(_BULK)}]==]\n" if self.name == "bulk-100" else ""
        call = _CALLS[self.name].replace("{cursor}", cursor)
        return f"{_HEADER.format(token=token, ids=quoted, offset=offset)}{bulk}request = function() {call} end\n{_DONE}"


def far_cursor(server: str, ask: Callable[[str], Any], place: tuple[str, str]) -> str:
    """Where page 1,000 begins: by going there, or as the reference server writes it, from the row before it."""
    if server != "taskmill":
        return base64.urlsafe_b64encode(json.dumps(list(place)).encode()).decode().rstrip("=")
    cursor = ""
    for _ in range(500):  # pages of a hundred are two of fifty
        following = ask(f"/v1/tasks?page_size=100{cursor and f'&cursor={cursor}'}")["next_cursor"]
        if following is None:
            break  # so few tasks: the last page is asked for
        cursor = following
    return cursor
