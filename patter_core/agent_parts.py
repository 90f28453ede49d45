"""An agent's parts, checked and put together: what speaks, what it may use, whom it may call in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from patter_core.agent import Agent
from patter_core.errors import ConfigError
from patter_core.pipeline.cascade import Cascade
from patter_core.pipeline.providers.openai import OpenAILLM
from patter_core.pipeline.realtime.engine import OpenAIRealtime
from patter_core.pipeline.turn_settings import TurnSettings
from patter_core.tools.checked_tool import check_tools
from patter_core.tools.destinations import Destinations
from patter_core.tools.kit import ToolKit
from patter_core.tools.system import CALL_CONTROL
from patter_core.tools.toolset import Toolset

if TYPE_CHECKING:
    from collections.abc import Collection

    from patter_core.pipeline.language_model import LanguageModel
    from patter_core.pipeline.session import VoiceEngine
    from patter_core.pipeline.speech_to_text import SpeechToText
    from patter_core.pipeline.text_to_speech import TextToSpeech
    from patter_core.tools.url_guard import UrlGuard

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DOES = {"stt": "listen", "llm": "reply", "tts": "speak"}


def make_agent(
    *,
    system_prompt: str = "",
    first_message: str = "",
    engine: VoiceEngine | None = None,
    stt: SpeechToText | None = None,
    llm: LanguageModel | None = None,
    tts: TextToSpeech | None = None,
    voice: str = "",
    language: str = "",
    variables: Mapping[str, object] | None = None,
    turns: TurnSettings | None = None,
    tools: object = (),
    toolset: Toolset | None = None,
    tenant: Any = None,  # noqa: ANN401 - it is the developer's
    transfer_to: object = None,
    guard: UrlGuard,
    dependencies: Collection[str] = (),
    openai_key: str = "",
    region: str | None = None,
) -> Agent:
    """An agent from its parts, all of them checked now.

    Args:
        system_prompt: Who the agent is; a call's goal is appended to it.
        first_message: The first thing said on answer, unless a call brings its own.
        engine: What speaks and listens; or
        stt: the ears of a pipeline,
        llm: its model, and
        tts: its voice. With none of these: OpenAI Realtime.
        voice: The voice's name, for OpenAI Realtime.
        language: The callee's language, as in "en", for OpenAI Realtime.
        variables: What `{name}` stands for in `system_prompt` and `first_message`. Without any,
            braces are left as they are.
        turns: When to speak, when to stop, and what to do about silence.
        tools: What the agent may use: `Tool`s, dicts with their fields, or functions with types.
        toolset: Tools that depend on the tenant.
        tenant: The tenant's configuration, for `toolset`. Its `destinations`, numbers by name,
            join `transfer_to`.
        transfer_to: Whom calls may be transferred to: a number, a list of them, or numbers by
            name. Numbers in `system_prompt` are allowed as well, those of `variables` are not.
        guard: Judges the URLs of tools.
        dependencies: The names of what tools can be given.
        openai_key: The key of OpenAI's providers that were made without one.
        region: Where a number without country code in `system_prompt` belongs, as in "US".

    Raises:
        ConfigError: Parts are missing or contradict each other; it names them. So do
            `ToolSchemaError` and `TypeError`, for tools.
    """
    for name, text in (("system_prompt", system_prompt), ("first_message", first_message)):
        if not isinstance(text, str):
            raise ConfigError(f"agent: {name} must be text, not {type(text).__name__}")
    if toolset is not None and not isinstance(toolset, Toolset):
        raise ConfigError(f"agent: toolset= takes a Toolset, not {type(toolset).__name__}")
    names = {*dependencies, CALL_CONTROL}
    checked = check_tools(
        tools,
        guard=guard,
        functions=toolset.functions if toolset is not None else (),
        dependencies=names,
    )
    if toolset is not None:
        toolset.check(names)
        checked = (*checked, *toolset.tools(tenant, guard=guard, dependencies=names))
    _check_names(checked)
    destinations = _with_tenant(Destinations.of(transfer_to), tenant)
    in_prompt = numbers_in(system_prompt, region)
    return Agent(
        engine=_engine(
            engine,
            {"stt": stt, "llm": llm, "tts": tts},
            voice=voice,
            language=language,
            openai_key=openai_key,
        ),
        system_prompt=_filled_in("system_prompt", system_prompt, variables),
        first_message=_filled_in("first_message", first_message, variables),
        turns=turns or TurnSettings(),
        kit=ToolKit(
            tools=checked,
            toolset=toolset,
            tenant_config=tenant,
            destinations=replace(destinations, numbers=destinations.numbers | in_prompt),
        ),
    )


def numbers_in(text: str, region: str | None) -> frozenset[str]:
    """Every phone number in `text`, E.164, as libphonenumber finds them."""
    import phonenumbers

    found = phonenumbers.PhoneNumberMatcher(text, region)
    e164 = phonenumbers.PhoneNumberFormat.E164
    return frozenset(phonenumbers.format_number(match.number, e164) for match in found)


def _filled_in(part: str, text: str, variables: Mapping[str, object] | None) -> str:
    """`text` with every `{name}` replaced, once: what a variable brings is not looked at again."""
    if not variables:
        return text

    def value(placeholder: re.Match[str]) -> str:
        name = placeholder[1]
        if variables.get(name) is None:
            raise ConfigError(f"agent: {part} has {placeholder[0]}, and variables= no {name!r}")
        return str(variables[name])

    return _PLACEHOLDER.sub(value, text)


def _check_names(tools: tuple[Any, ...]) -> None:
    names = [checked.tool.name for checked in tools]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"agent: the tool {name!r} is among tools= and in the toolset")


def _with_tenant(destinations: Destinations, tenant: Any) -> Destinations:  # noqa: ANN401
    named: object = None
    if isinstance(tenant, Mapping):
        named = cast("Mapping[str, object]", tenant).get("destinations")
    elif tenant is not None:
        named = getattr(tenant, "destinations", None)
    if not named:
        return destinations
    theirs = Destinations.of(named)
    return Destinations(
        named={**destinations.named, **theirs.named},
        numbers=destinations.numbers | theirs.numbers,
    )


def _engine(
    engine: VoiceEngine | None,
    parts: dict[str, Any],
    *,
    voice: str,
    language: str,
    openai_key: str,
) -> VoiceEngine:
    given = [name for name, part in parts.items() if part is not None]
    if engine is not None or not given:
        if given:
            raise ConfigError(
                f"agent: pass either engine= or the parts of a pipeline, not both "
                f"(engine and {', '.join(given)} were given)"
            )
        return _whole_engine(engine, voice=voice, language=language, openai_key=openai_key)
    missing = ", ".join(f"{name}=" for name in parts if name not in given)
    if missing:
        raise ConfigError(
            f"agent: {missing} missing. A pipeline needs ears, a model and a voice: pass stt=, "
            "llm= and tts=; or none of them, for OpenAI Realtime"
        )
    if voice or language:
        raise ConfigError("agent: voice= and language= belong to tts= and stt= in a pipeline")
    for name, part in parts.items():
        if not callable(getattr(part, _DOES[name], None)):
            raise ConfigError(
                f"agent: {name}= takes a provider, with {_DOES[name]}(), not {type(part).__name__}"
            )
        _check(with_key := _keyed(part, openai_key))
        parts[name] = with_key
    return Cascade(stt=parts["stt"], llm=parts["llm"], tts=parts["tts"])


def _whole_engine(
    engine: VoiceEngine | None, *, voice: str, language: str, openai_key: str
) -> VoiceEngine:
    if engine is not None and (voice or language):
        raise ConfigError("agent: voice= and language= belong to the engine that was given")
    default = OpenAIRealtime(language=language)
    if voice:
        default = replace(default, voice=voice)
    chosen: VoiceEngine = _keyed(default if engine is None else engine, openai_key)
    if not callable(getattr(chosen, "open", None)):
        raise ConfigError(
            f"agent: engine= takes a voice engine, with open(), not {type(engine).__name__}"
        )
    try:
        _check(chosen)
    except ConfigError as error:
        if engine is not None:
            raise
        raise ConfigError(
            f"agent: without engine=, or stt=, llm= and tts=, it is OpenAI Realtime. {error}"
        ) from error
    return chosen


def _keyed(part: Any, openai_key: str) -> Any:  # noqa: ANN401 - any part of an agent
    if openai_key and isinstance(part, OpenAILLM | OpenAIRealtime) and not part.api_key:
        return replace(part, api_key=openai_key)
    return part


def _check(part: object) -> None:
    check = getattr(part, "check", None)
    if check is not None:
        check()
