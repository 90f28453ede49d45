"""Which tools an agent has, when that depends on whose call it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from patter_core.errors import ConfigError
from patter_core.tools.definition import Tool, named

if TYPE_CHECKING:
    from patter_core.tools.checked_tool import CheckedTool
    from patter_core.tools.executor import ToolExecutor
    from patter_core.tools.url_guard import UrlGuard

ToolBuilder = Callable[[Any], Tool | None]
"""Makes a tool for a tenant's configuration, or None for a tenant who has no such tool."""


@dataclass(frozen=True, slots=True)
class ToolFunction:
    """A function that does a tool's work, with what it needs.

    Attributes:
        function: Called with `(arguments, invocation, dependencies)`.
        needs: The names of the dependencies that it is given.
    """

    function: Callable[..., Any]
    needs: tuple[str, ...] = ()


def _no_functions() -> dict[str, Callable[..., Any] | ToolFunction]:
    return {}


@dataclass(frozen=True, slots=True)
class Toolset:
    """Tools that are built for each tenant, and functions that do their work.

    Attributes:
        builders: Each makes one tool of the tenant's configuration, or none.
        functions: By the name of the tool: a function, or a `ToolFunction` that needs something. A
            tool of such a name needs no handler and no URL.
    """

    builders: Sequence[ToolBuilder] = ()
    functions: Mapping[str, Callable[..., Any] | ToolFunction] = field(
        default_factory=_no_functions
    )

    def check(self, dependencies: Collection[str]) -> None:
        """Check what does not depend on a tenant.

        Raises:
            ConfigError: Something is no function, or needs what nobody supplies.
        """
        # Schemas are checked by compiled code, which is not loaded before an agent is made.
        from patter_core.tools.checked_tool import as_names, check_needs

        for builder in self.builders:
            if not callable(builder):
                raise ConfigError("toolset: each builder must be a function")
        for name, entry in self.functions.items():
            function = _tool_function(entry)
            if not callable(function.function):
                raise ConfigError(f"toolset: the function for {name!r} must be callable")
            where = f"toolset: the function for {name!r}"
            check_needs(as_names(function.needs, where), dependencies, where)

    def tools(
        self,
        tenant_config: Any,  # noqa: ANN401 - it is the developer's
        *,
        guard: UrlGuard,
        dependencies: Collection[str] | None = None,
    ) -> tuple[CheckedTool, ...]:
        """The tools of one tenant.

        Raises:
            ConfigError: A builder made something that is no usable tool; it is named.
        """
        from patter_core.tools.checked_tool import check_tools

        built: list[object] = []
        for builder in self.builders:
            made = builder(tenant_config)
            if made is not None and not isinstance(made, Tool | Mapping):
                kind = type(made).__name__
                raise ConfigError(f"The builder {named(builder)!r} made no Tool, but {kind}")
            if made is not None:
                built.append(made)
        return check_tools(built, guard=guard, functions=self.functions, dependencies=dependencies)

    def register(self, executor: ToolExecutor) -> None:
        """Have the functions do their tools' work in one call's executor.

        A function whose tool was not built for the tenant stays out: a model might ask for it.
        """
        waiting = executor.waiting
        for name, entry in self.functions.items():
            if name not in waiting:
                continue
            function = _tool_function(entry)
            executor.register(name, function.function, needs=function.needs)


def _tool_function(entry: Callable[..., Any] | ToolFunction) -> ToolFunction:
    return entry if isinstance(entry, ToolFunction) else ToolFunction(entry)
