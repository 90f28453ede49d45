"""What each adapter costs: characters that a model reads, lines, import and time of each call.

Aims: name, description and schema <= 1,200 characters; what `phone_call_tool` needs <= 80 lines of
code; `import patter.<x>` <= 20 ms beyond the framework (and beyond `patter.PatterTool`, which every
user of an adapter has); <= 1 ms for each call beyond the framework's own.

A call's time is that of a refused number through the framework's own way to run a tool, less that
of the least tool that the framework lets one write around `PatterTool.execute`, both in turns: what
is left is the adapter's. What a call does after that is the engine's, whoever asked.
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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patter import Patter, PatterTool, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.simulator import PhoneNetwork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RUNS = 7
IMPORTS = 3
CALLS = 100
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
    """Milliseconds of computing that the adapter adds to its framework, in a process of its own."""
    code = (
        "import time, patter, patter_core.calls.arguments\n"
        "patter.PatterTool, patter.Patter\n"
        f"{FRAMEWORKS[name]}\n"
        "began = time.process_time()\n"
        f"import patter.{name}\n"
        "print((time.process_time() - began) * 1000)"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True)
    return float(ran.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """An adapter's tool beside the least tool by hand.

    Attributes:
        shown: Name, description and schema, as they reach a model.
        adapter: One call through the adapter.
        by_hand: The same call through a tool that does nothing but make it.
    """

    shown: dict[str, Any]
    adapter: Callable[[], Awaitable[object]]
    by_hand: Callable[[], Awaitable[object]]


def ways(tool: PatterTool) -> dict[str, Ways]:
    """Each framework's."""
    import warnings

    warnings.simplefilter("ignore")
    from agents import FunctionTool
    from agents.tool_context import ToolContext
    from anthropic import beta_async_tool
    from anthropic.lib.tools import ToolError
    from langchain_core.tools import StructuredTool
    from langchain_core.utils.function_calling import convert_to_openai_tool
    from llama_index.core.tools import FunctionTool as LlamaTool
    from pydantic_ai import RunContext, Tool
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
    schema = tool.schema()

    async def make_call(**arguments: Any) -> str:
        """Ring."""
        return (await tool.execute(arguments)).to_json()

    async def make_run_call(_context: object, **arguments: Any) -> str:
        return await make_call(**arguments)

    async def make_text_call(_context: object, arguments: str) -> str:
        return (await tool.execute(arguments)).to_json()

    async def refused() -> None:
        with suppress(ToolError):
            await an.call(BAD)

    async def block() -> object:
        return he(BAD)

    async def block_by_hand() -> object:
        return tool.execute_blocking(BAD).to_json()

    plain_lc = StructuredTool(
        name="t", description="t", args_schema=schema, coroutine=make_call, func=None
    )
    plain_li = LlamaTool.from_defaults(async_fn=make_call)
    plain_oa = FunctionTool("t", "t", tool.schema(strict=True), make_text_call)
    plain_pa: Any = Tool.from_schema(make_run_call, "t", "t", schema, takes_ctx=True)
    plain_an: Any = beta_async_tool(make_call, name="t", description="t", input_schema=schema)
    oa_shown = {"description": oa.description, "parameters": oa.params_json_schema}
    pa_shown = {"description": pa.description, "parameters": pa.tool_def.parameters_json_schema}
    return {
        "langchain": Ways(
            shown=convert_to_openai_tool(lc)["function"],
            adapter=lambda: lc.ainvoke(call),
            by_hand=lambda: plain_lc.ainvoke(call),
        ),
        "llama_index": Ways(
            shown=li.metadata.to_openai_tool()["function"],
            adapter=lambda: li.acall(**BAD),
            by_hand=lambda: plain_li.acall(**BAD),
        ),
        "openai_agents": Ways(
            shown={"name": oa.name, **oa_shown},
            adapter=lambda: oa.on_invoke_tool(context, text),
            by_hand=lambda: plain_oa.on_invoke_tool(context, text),
        ),
        "pydantic_ai": Ways(
            shown={"name": pa.name, **pa_shown},
            adapter=lambda: pa.function_schema.call(BAD, run),
            by_hand=lambda: plain_pa.function_schema.call(BAD, run),
        ),
        "anthropic": Ways(
            shown=dict(an.to_dict()), adapter=refused, by_hand=lambda: plain_an.call(BAD)
        ),
        "hermes": Ways(shown=tool.hermes_schema(), adapter=block, by_hand=block_by_hand),
    }


def mcp_shown(tool: PatterTool) -> dict[str, Any]:
    """What a model behind an MCP client sees of `make_phone_call`."""
    from patter.mcp.descriptions import described

    first = described(tool)[0]
    return {"name": first.name, "description": first.description, "parameters": first.parameters}


async def spent_ms(ask: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds of one call, the mean of a round."""
    began = time.perf_counter()
    for _ in range(CALLS):
        await ask()
    return (time.perf_counter() - began) / CALLS * 1_000


async def beyond_ms(pair: Ways) -> tuple[float, float]:
    """The median over rounds of the adapter's call, and of what it takes beyond one by hand."""
    rounds = [(await spent_ms(pair.adapter), await spent_ms(pair.by_hand)) for _ in range(RUNS)]
    whole = statistics.median(adapter for adapter, _ in rounds)
    return whole, statistics.median(adapter - by_hand for adapter, by_hand in rounds)


def characters(shown: dict[str, Any]) -> int:
    """How much a model reads."""
    schema = shown.get("parameters") or shown.get("input_schema")
    return len(shown["name"] + shown["description"] + json.dumps(schema))


def lines_of(name: str) -> str:
    """Those of the tool; in brackets those of the adapter's other rooms."""
    (_, main), *others = rooms(name).items()
    return f"{main}" + (f" (+{sum(count for _, count in others)})" if others else "")


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
        print(f"{'adapter':15} {'characters':>10} {'lines':>10} {'import ms':>10} ", end="")
        print(f"{'call ms':>8} {'beyond':>8}")
        for name, pair in ways(tool).items():
            imports = statistics.median(import_ms(name) for _ in range(IMPORTS))
            whole, beyond = await beyond_ms(pair)
            print(
                f"{name:15} {characters(pair.shown):10} {lines_of(name):>10} {imports:10.1f} "
                f"{whole:8.3f} {beyond:8.3f}"
            )
        imports = statistics.median(import_ms("mcp") for _ in range(IMPORTS))
        seen = characters(mcp_shown(tool))
        print(f"{'mcp':15} {seen:10} {lines_of('mcp'):>10} {imports:10.1f}")
        await phone.aclose()


if __name__ == "__main__":
    asyncio.run(main())
