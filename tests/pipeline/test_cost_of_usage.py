"""What a conversation used, what that costs, and the figures that are made of times."""

from __future__ import annotations

import json

import pytest

from patter_core.calls.cost import Cost, Prices, Usage
from patter_core.calls.metrics import CallMetrics, ReplyTimes, percentile
from patter_core.pipeline.cascade import Cascade
from patter_core.pipeline.language_model import TextPiece, TokensUsed
from patter_core.pipeline.providers.openai import OpenAILLM
from patter_core.pipeline.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from tests.pipeline.in_process_line import conversation


class PricedModel:
    prices = Prices(usd_per_million_input_tokens=2.0, usd_per_million_output_tokens=8.0)

    async def reply(self, messages, resources, tools=()):
        yield TextPiece("Certainly, sir.")
        yield TokensUsed(input_tokens=1_000, output_tokens=500)


class PricedVoice(ScriptedTTS):
    prices = Prices(usd_per_million_tts_characters=15.0)


class PricedEars(ScriptedSTT):
    prices = Prices(usd_per_stt_minute=0.006)


async def test_a_conversation_costs_what_its_providers_counted():
    engine = Cascade(stt=PricedEars(), llm=PricedModel(), tts=PricedVoice())
    async with conversation(engine, greeting="Good day.") as line:
        await line.until_turns(1)
        line.speak("A table?")
        await line.until_turns(3)
        usage, cost = line.session.usage(), line.session.cost()
    assert usage.input_tokens == 1_000
    assert usage.output_tokens == 500
    assert usage.tts_characters == len("Good day.") + len("Certainly, sir.")
    assert usage.stt_sec > 0
    assert not usage.estimated
    assert cost.llm == pytest.approx(0.006)
    assert cost.tts == pytest.approx(24 * 15 / 1e6)
    assert cost.stt == pytest.approx(usage.stt_sec / 60 * 0.006, abs=1e-6)
    assert (cost.telephony, cost.provisional) == (0.0, False)


async def test_scripted_providers_are_free():
    engine = Cascade(stt=ScriptedSTT(), llm=ScriptedLLM(["Yes."]), tts=ScriptedTTS())
    async with conversation(engine, greeting="Hello.") as line:
        line.speak("Is it you, after all this time?")
        await line.until_turns(3)
        assert line.session.cost() == Cost()


async def test_a_reply_that_was_cut_before_its_count_came_is_estimated():
    class Endless:
        async def reply(self, messages, resources, tools=()):
            while True:
                yield TextPiece("And so on and on. ")

    engine = Cascade(stt=ScriptedSTT(), llm=Endless(), tts=ScriptedTTS())
    async with conversation(engine) as line:
        line.speak("Go on.")
        await line.frames(30)
        line.speak("Stop.")
        await line.until(lambda: line.session.usage().estimated)
        assert line.session.usage().output_tokens > 64 * 4


def test_cached_tokens_have_a_price_of_their_own_or_that_of_all():
    usage = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=0)
    free = Prices()
    dear = Prices(usd_per_million_input_tokens=2.0)
    assert usage.cost(stt=free, llm=dear, tts=free).llm == 2.0
    cached = Prices(usd_per_million_input_tokens=2.0, usd_per_million_cached_tokens=0.5)
    assert usage.cost(stt=free, llm=cached, tts=free).llm == pytest.approx(1.4)


def test_a_chat_model_has_list_prices_where_they_are_known_and_takes_others():
    assert OpenAILLM("gpt-4.1-mini").prices.usd_per_million_output_tokens == 1.6
    assert OpenAILLM("gpt-4.1-mini", base_url="http://127.0.0.1:1/v1").prices == Prices()
    assert OpenAILLM("some-other-model").prices == Prices()
    own = Prices(usd_per_million_input_tokens=1.0)
    assert OpenAILLM("gpt-4.1", prices=own).prices == own


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([7], 95, 7),
        ([1, 2, 3, 4], 50, 2),
        (range(1, 101), 95, 95),
        ([3, 1, 2], 100, 3),
        ([3, 1, 2], 0, 1),
    ],
)
def test_a_percentile_is_one_of_the_values(values, percent, expected):
    assert percentile(values, percent) == expected


def test_metrics_are_safe_for_json_and_leave_out_what_nobody_measured():
    replies = [ReplyTimes(asked_ms=100, latency_ms=0.1234567), ReplyTimes(asked_ms=9, latency_ms=3)]
    figures = json.loads(json.dumps(CallMetrics(replies=replies, turns=4).to_dict()))
    assert (figures["p50_latency_ms"], figures["p95_latency_ms"]) == (0.123, 3)
    assert figures["p95_stt_ms"] is None
    assert figures["replies"][0]["stt_ms"] is None
