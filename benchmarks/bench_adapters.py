"""What each adapter costs: characters that a model reads, lines, import and time of each call.

Aims: name, description and schema <= 1,200 characters; what `phone_call_tool` needs <= 80 lines of
code; `import patter.<x>` <= 20 ms beyond the framework (and beyond `patter.PatterTool`, which every
user of an adapter has); <= 1 ms for each call beyond the framework's own.

A call's time is that of a refused number through the framework's own way to run a tool, less that
through `PatterTool` itself: what a call does after that is the engine's, whoever asked. It has the
framework's own share in it, so it is an upper bound.
"""

from __future__ import annotations

import ast
import asyncio
import json
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patter import Patter, PatterTool, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.simulator import PhoneNetwork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RUNS = 7
CALLS = 200
BAD = {"to": "nobody"}
FOLDER = Path(__file__).parents[1] / "integrations" / "patter"
FRAMEWORKS = {
    "langchain": "from langchain_core.tools import BaseTool\n"
    "from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event",
    "llama_index": "import llama_index.core.tools, llama_index.core.workflow\n"
    "import llama_index.core.tools.tool_spec.base",
    "openai_agents": "import agents, agents.tool_context",
    "pydantic_ai": "import pydantic_ai",
    "anthropic": "import anthropic, anthropic.lib.tools",
    "mcp": "import mcp.server.mcpserver, mcp.server.mcpserver.resolve",
    "hermes": "pass",
}


def rooms(name: str) -> dict[str, int]:
    """Lines of code of each file of an adapter; what `phone_call_tool` itself is, first."""
    whole = FOLDER / f"{name}.py"
    if whole.exists():
        return {"": code_lines(whole)}
    files = [file for file in (FOLDER / name).glob("*.py") if file.stem != "__init__"]
    main = FOLDER / name / ("server.py" if name == "mcp" else "tool.py")
    files.sort(key=lambda file: (file != main, file.name))
    return {file.stem: code_lines(file) for file in files}


def code_lines(file: Path) -> int:
    """Lines of statements; docstrings, comments and blank lines not counted."""
    text = file.read_text()
    quoted: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            quoted.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(
        1
        for number, line in enumerate(text.splitlines(), 1)
        if number not in quoted and line.strip() and not line.strip().startswith("#")
    )


def import_ms(name: str) -> float:
    """Milliseconds that the adapter adds to its framework, in a process of its own."""
    code = (
        "import time, patter, patter_core.calls.arguments\n"
        "patter.PatterTool, patter.Patter\n"
        f"{FRAMEWORKS[name]}\n"
        "began = time.perf_counter()\n"
        f"import patter.{name}\n"
        "print((time.perf_counter() - began) * 1000)"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True)
    return float(ran.stdout)


def asked(tool: PatterTool) -> dict[str, tuple[dict[str, Any], Callable[[], Awaitable[object]]]]:
    """For each adapter what a model sees, and one call through the framework's own way."""
    import warnings

    warnings.simplefilter("ignore")
    from agents.tool_context import ToolContext
    from anthropic.lib.tools import ToolError
    from langchain_core.utils.function_calling import convert_to_openai_tool
    from pydantic_ai import RunContext
    from pydantic_ai.models.test import TestModel
    from pydantic_ai.usage import RunUsage

    from patter import anthropic, hermes, langchain, llama_index, openai_agents, pydantic_ai

    lc, li = langchain.phone_call_tool(tool), llama_index.phone_call_tool(tool)
    oa, pa = openai_agents.phone_call_tool(tool), pydantic_ai.phone_call_tool(tool)
    an, he = anthropic.phone_call_tool(tool), hermes.phone_call_tool(tool)
    call = {"name": tool.name, "args": BAD, "id": "call_1", "type": "tool_call"}
    context: Any = ToolContext(None, tool_name="t", tool_call_id="c", tool_arguments="{}")
    run: Any = RunContext(deps=None, model=TestModel(), usage=RunUsage())
    text = json.dumps(BAD)

    async def refused() -> None:
        with suppress(ToolError):
            await an.call(BAD)

    async def block() -> object:
        return he(BAD)

    return {
        "langchain": (convert_to_openai_tool(lc), lambda: lc.ainvoke(call)),
        "llama_index": (li.metadata.to_openai_tool(), lambda: li.acall(**BAD)),
        "openai_agents": (
            {"function": {"name": oa.name, "description": oa.description,
                          "parameters": oa.params_json_schema}},
            lambda: oa.on_invoke_tool(context, text),
        ),
        "pydantic_ai": (
            {"function": {"name": pa.name, "description": pa.description,
                          "parameters": pa.tool_def.parameters_json_schema}},
            lambda: pa.function_schema.call(BAD, run),
        ),
        "anthropic": (
            {"function": dict(an.to_dict())}, refused),
        "hermes": ({"function": tool.hermes_schema()}, block),
    }  # fmt: skip


async def call_ms(ask: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds of one call, the median of several rounds."""
    rounds: list[float] = []
    await ask()
    for _ in range(RUNS):
        began = time.perf_counter()
        for _ in range(CALLS):
            await ask()
        rounds.append((time.perf_counter() - began) / CALLS * 1_000)
    return statistics.median(rounds)


async def main() -> None:
    """Print the table."""
    async with PhoneNetwork() as network:
        phone = Patter(
            carrier=network.twilio(),
            phone_number="+14155550100",
            ledger=":memory:",
            clock=network.clock,
        )
        voice = {"stt": ScriptedSTT(), "tts": ScriptedTTS(), "llm": ScriptedLLM(["Hello."])}
        tool = PatterTool(phone, voice)
        own_ms = await call_ms(lambda: tool.execute(BAD))
        print(f"a refused call through PatterTool itself: {own_ms:.3f} ms")
        print(f"{'adapter':15} {'characters':>10} {'lines':>6} {'import ms':>10} {'call ms':>8}")
        for name, (shown, ask) in asked(tool).items():
            seen = shown["function"]
            schema = seen.get("parameters") or seen.get("input_schema")
            characters = len(seen["name"] + seen["description"] + json.dumps(schema))
            imports = statistics.median(import_ms(name) for _ in range(3))
            beyond = await call_ms(ask) - own_ms
            print(f"{name:15} {characters:10} {code_lines(name):6} {imports:10.1f} {beyond:8.3f}")
        imports = statistics.median(import_ms("mcp") for _ in range(3))
        print(f"{'mcp':15} {'':10} {code_lines('mcp'):6} {imports:10.1f}")
        await phone.aclose()


if __name__ == "__main__":
    asyncio.run(main())
