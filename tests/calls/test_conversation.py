"""What is said on a call, and what its result says of it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from patter import Limits, Prices, ScriptedSTT, ScriptedTTS
from patter.simulator import Callee
from tests.calls.kit import (
    CALLEE,
    ISO_Z,
    OTHER_CALLEE,
    Events,
    bounded,
    creates,
    hang_ups,
    said,
    scripted,
)


def times(result):
    stamps = [result.started_at, result.answered_at, result.ended_at]
    assert all(stamp is None or ISO_Z.fullmatch(stamp) for stamp in stamps), stamps
    return [None if stamp is None else datetime.fromisoformat(stamp) for stamp in stamps]


async def test_a_call_ends_with_everything_that_was_said(network, new_tool):
    tool = new_tool("For how many people?", "Wonderful. See you then!")
    result = await bounded(
        tool.execute(to=CALLEE, goal="Book a table", first_message="Hello, a table please.")
    )
    assert said(result) == [
        ("agent", "Hello, a table please."),
        ("user", "Hello?"),
        ("agent", "For how many people?"),
        ("user", "Four people at eight."),
        ("agent", "Wonderful. See you then!"),
        ("user", "Bye."),
    ]
    assert (result.status, result.error, result.error_code) == ("completed", None, None)
    assert (result.ended_by, result.may_have_dialed, result.retryable) == ("callee", True, False)
    assert (result.to, result.direction, result.replayed) == (CALLEE, "outbound", False)
    started, answered, ended = times(result)
    assert started < answered < ended
    assert result.duration_seconds == pytest.approx((ended - answered).total_seconds(), abs=0.01)
    assert result.cost_usd == pytest.approx(0.014)
    assert result.cost.provisional
    (leg,) = network.dials
    assert (
        " ".join(leg.heard)
        == "Hello, a table please. For how many people? Wonderful. See you then!"
    )


async def test_events_come_in_order_and_end_with_the_result(network, new_tool):
    events = Events()
    result = await bounded(new_tool("Hm?", "Ah.").execute(to=CALLEE, on_event=events))
    kinds = [kind for kind in events.types if kind != "turn"]
    assert kinds == ["queued", "dialing", "ringing", "answered", "ended"]
    assert [event.turn for event in events.heard if event.type == "turn"] == list(result.transcript)
    assert events.heard[-1].result == result


async def test_two_calls_at_once_keep_their_goals_and_greetings_apart(network, new_tool):
    network.add(OTHER_CALLEE, Callee(says=["Yes?", "I see."]))
    instructions = {}

    def reply(messages):
        prompt = messages[0].content if hasattr(messages[0], "content") else str(messages[0])
        goal = "Alpha" if "Alpha" in prompt else "Beta"
        instructions.setdefault(goal, prompt)
        return f"I call about {goal}."

    tool = new_tool(reply, phone={"max_concurrent_calls": 2})
    events = [Events(), Events()]
    first, second = await bounded(
        asyncio.gather(
            tool.execute(to=CALLEE, goal="Alpha", first_message="This is one.", on_event=events[0]),
            tool.execute(
                to=OTHER_CALLEE, goal="Beta", first_message="This is two.", on_event=events[1]
            ),
        )
    )
    assert said(first)[0] == ("agent", "This is one.")
    assert said(second)[0] == ("agent", "This is two.")
    assert all(text == "I call about Alpha." for role, text in said(first)[1:] if role == "agent")
    assert all(text == "I call about Beta." for role, text in said(second)[1:] if role == "agent")
    assert "Beta" not in instructions["Alpha"]
    assert "Alpha" not in instructions["Beta"]
    by_number = {leg.to: " ".join(leg.heard) for leg in network.dials}
    assert by_number[CALLEE].startswith("This is one.")
    assert by_number[OTHER_CALLEE].startswith("This is two.")
    spans = [(leg.answered_at, leg.ended_at) for leg in network.dials]
    assert max(start for start, _ in spans) < min(end for _, end in spans), "they did not overlap"


async def test_a_goal_joins_the_agents_own_prompt_and_never_replaces_it(network, new_tool):
    prompts = []

    def reply(messages):
        prompts.append(str(messages[0]))
        return "Yes."

    agent = scripted(reply, system_prompt="You are Ann.", first_message="Ann here.")
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE, goal="Ask for the hours"))
    assert said(result)[0] == ("agent", "Ann here.")
    assert prompts
    assert all("You are Ann." in prompt and "Ask for the hours" in prompt for prompt in prompts)


async def test_a_busy_callee(network, new_tool):
    network.add(CALLEE, Callee(behave="busy"))
    result = await bounded(new_tool().execute(to=CALLEE))
    assert (result.status, result.error_code, result.error) == ("busy", "busy", None)
    assert (result.retryable, result.may_have_dialed, result.ended_by) == (True, True, "carrier")
    started, answered, ended = times(result)
    assert answered is None
    assert started < ended
    assert result.duration_seconds == 0


async def test_a_callee_who_does_not_answer(network, new_tool):
    network.add(CALLEE, Callee(behave="no_answer"))
    result = await bounded(new_tool().execute(to=CALLEE))
    assert (result.status, result.error_code, result.error) == ("no-answer", "no-answer", None)
    assert (result.retryable, result.may_have_dialed, result.ended_by) == (True, True, "carrier")
    assert (result.answered_at, result.transcript) == (None, ())


async def test_a_number_that_cannot_be_reached(network, new_tool):
    result = await bounded(new_tool().execute(to="+14155559999"))
    assert (result.status, result.error_code) == ("failed", "carrier_refused")
    assert (result.retryable, result.may_have_dialed, result.ended_by) == (False, True, "carrier")
    assert result.error


async def test_a_voicemail_is_a_completed_call(network, new_tool):
    network.add(CALLEE, Callee(behave="voicemail", listens_sec=20.0))
    tool = new_tool("I shall call again.")
    result = await bounded(tool.execute(to=CALLEE, first_message="Ann here."))
    assert (result.status, result.error, result.answered_by) == ("completed", None, "machine")
    assert ("agent", "Ann here.") in said(result)


async def test_somebody_who_hangs_up_after_the_greeting(network, new_tool):
    network.add(CALLEE, Callee(says=lambda heard: "Hm.", hangs_up_after_turns=1))
    result = await bounded(new_tool("Hello?").execute(to=CALLEE, first_message="Good day."))
    assert (result.status, result.ended_by, result.error_code) == ("completed", "callee", None)
    assert said(result)[0] == ("agent", "Good day.")


async def test_somebody_who_hangs_up_while_the_agent_speaks_has_heard_less(network, new_tool):
    network.add(CALLEE, Callee(behave="silent", hangs_up_after_sec=1.0))
    words = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen."
    result = await bounded(new_tool().execute(to=CALLEE, first_message=words))
    assert result.status == "completed"
    (turn,) = result.transcript
    assert turn.cut
    assert words.startswith(turn.text)
    assert len(turn.text) < len(words)


async def test_a_silent_callee_is_hung_up_at_the_deadline(network, new_tool):
    network.add(CALLEE, Callee(behave="silent"))
    result = await bounded(new_tool().execute(to=CALLEE, max_duration_sec=20, first_message="Hi!"))
    assert (result.status, result.error_code) == ("timeout", "deadline")
    assert said(result) == [("agent", "Hi!")]


@pytest.mark.parametrize("fault", ["lost", "doubled", "reordered"])
async def test_spoilt_callbacks_change_nothing_about_the_call(network, new_tool, fault):
    network.faults.callbacks(fault)
    result = await bounded(new_tool("Hm?", "Ah.").execute(to=CALLEE, first_message="Hi."))
    assert (result.status, result.error_code, result.ended_by) == ("completed", None, "callee")
    assert [text for role, text in said(result) if role == "user"] == [
        "Hello?",
        "Four people at eight.",
        "Bye.",
    ]


async def test_a_call_without_any_audio_is_ended_by_us(network, new_tool):
    network.faults.media("no_start")
    tool = new_tool(phone={"limits": Limits(media_wait_sec=5.0)})
    result = await bounded(tool.execute(to=CALLEE))
    assert (result.status, result.error_code) == ("failed", "no_media")
    assert (result.may_have_dialed, result.retryable) == (True, False)


async def test_a_call_that_the_carrier_ends_without_audio_is_completed(network, new_tool):
    network.faults.media("never_connects")
    result = await bounded(new_tool().execute(to=CALLEE))
    assert (result.status, result.error_code, result.error) == ("completed", "no_media", None)
    assert network.clock.now() < 60, "the carrier's word was enough; nothing was waited for"


async def test_a_media_socket_that_drops_ends_the_call_once(network, new_tool):
    network.add(CALLEE, Callee(behave="silent"))
    network.faults.media("dropped")
    result = await bounded(new_tool().execute(to=CALLEE, first_message="Hi."))
    assert result.status in ("completed", "failed")
    assert result.may_have_dialed
    assert said(result)[0] == ("agent", "Hi.")


@pytest.mark.parametrize(
    ("fetches", "expected"),
    [(None, ("completed", None, "callee")), ("500", ("failed", "no_media", "engine"))],
)
async def test_a_hang_up_that_nobody_told_us_of_is_asked_for(network, new_tool, fetches, expected):
    network.add(CALLEE, Callee(behave="silent"))
    network.faults.media("dropped")
    network.faults.callbacks("lost")
    if fetches is not None:
        network.faults.fetches(fetches, times=None)
    result = await bounded(new_tool().execute(to=CALLEE, first_message="Hi."))
    assert (result.status, result.error_code, result.ended_by) == expected
    assert said(result)[0] == ("agent", "Hi.")
    assert (hang_ups(network) == []) is (fetches is None)


@pytest.mark.parametrize("part", ["llm", "tts"])
async def test_a_provider_that_fails_in_the_call_ends_it(network, new_tool, part):
    class Broken:
        async def reply(self, messages, resources, tools=()):
            raise RuntimeError("secret-token-123")
            yield

        async def speak(self, text, resources):
            raise RuntimeError("secret-token-123")
            yield

    result = await bounded(
        new_tool(agent={**scripted("Hm?"), part: Broken()}).execute(to=CALLEE, first_message="Hi.")
    )
    assert (result.status, result.error_code) == ("failed", "provider_failed")
    assert (result.may_have_dialed, result.ended_by) == (True, "engine")
    assert "secret" not in result.to_json()
    await network.until(lambda: not network.live_legs)


async def test_ears_that_cannot_be_opened_ring_nobody(network, new_tool):
    class Broken:
        def listen(self, report, resources):
            raise RuntimeError("secret-token-123")

    result = await bounded(new_tool(agent={**scripted(), "stt": Broken()}).execute(to=CALLEE))
    assert (result.status, result.error_code) == ("failed", "provider_failed")
    assert not result.may_have_dialed
    assert "secret" not in result.to_json()
    assert creates(network) == []


async def test_ears_that_never_open_ring_nobody_and_give_an_answer(network, new_tool):
    class Stuck:
        @asynccontextmanager
        async def listen(self, report, resources):
            await asyncio.Event().wait()
            yield

    limits = Limits(voice_open_sec=0.3)
    tool = new_tool(agent={**scripted(), "stt": Stuck()}, phone={"limits": limits})
    result = await bounded(tool.execute(to=CALLEE))
    assert (result.status, result.error_code) == ("failed", "provider_failed")
    assert creates(network) == []


async def test_a_model_that_never_answers_cannot_outlast_the_deadline(network, new_tool):
    class Stuck:
        async def reply(self, messages, resources, tools=()):
            await asyncio.Event().wait()
            yield

    agent = {**scripted(), "llm": Stuck()}
    result = await bounded(
        new_tool(agent=agent).execute(to=CALLEE, max_duration_sec=15, first_message="Hi.")
    )
    assert result.status == "timeout"
    assert said(result) == [("agent", "Hi."), ("user", "Hello?")]


async def test_ears_that_never_close_hold_up_neither_the_result_nor_the_next_call(
    network, new_tool
):
    release = threading.Event()

    class Clinging:
        @asynccontextmanager
        async def listen(self, report, resources):
            async with ScriptedSTT().listen(report, resources) as ears:
                try:
                    yield ears
                finally:
                    while not release.is_set():
                        try:
                            await asyncio.sleep(0.05)
                        except asyncio.CancelledError:
                            continue

    tool = new_tool(
        agent={**scripted("Hm?", "Ah."), "stt": Clinging()},
        phone={"limits": Limits(drain_sec=1.0)},
    )
    try:
        for _ in range(2):
            result = await bounded(tool.execute(to=CALLEE, idempotency_key=None))
            assert result.status == "completed"
        await bounded(tool.stop())
    finally:
        release.set()


async def test_words_that_no_encoding_takes_still_give_a_result(network, new_tool):
    tool = new_tool("Broken \ud800 words.", "And more.")
    result = await bounded(tool.execute(to=CALLEE, first_message="Hi."))
    assert result.status in ("completed", "failed")
    assert result.to_json().encode()
    again = await bounded(tool.execute(to=CALLEE))
    assert again.status in ("completed", "failed"), "the phone works on"


async def test_a_call_costs_what_the_users_own_prices_say(network, new_tool):
    class Priced(ScriptedTTS):
        prices = Prices(usd_per_million_tts_characters=1_000_000.0)

    agent = {**scripted("Hm?", "Ah."), "tts": Priced()}
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE, first_message="Hi."))
    assert result.cost.tts == pytest.approx(len("Hi.") + len("Hm?") + len("Ah."))
    assert result.cost_usd == pytest.approx(result.cost.tts + result.cost.telephony)
