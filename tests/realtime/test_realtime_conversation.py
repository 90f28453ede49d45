"""What is said, heard and cut in a conversation with OpenAI Realtime."""

from __future__ import annotations

import base64

import pytest

from patter_core.audio.dtmf import tones
from patter_core.pipeline.realtime.engine import SemanticVad, ServerVad
from patter_core.pipeline.realtime.usage import RealtimePrices
from patter_core.pipeline.session import ClearAudio, ConversationOver, PlayAudio, TurnFinished
from patter_core.pipeline.turn_settings import TurnSettings
from patter_core.speech import markers
from tests.realtime.realtime_kit import asks, conversation, kinds, of_type

LONG = "This is a rather long sentence, which nobody will ever want to hear to its very end."


async def test_five_turns_in_the_order_in_which_they_were_said(new_server):
    server = await new_server([f"Answer {n}, and so on." for n in range(5)])
    async with conversation(server, greeting="Good morning!") as line:
        await line.until_quiet()
        for n in range(5):
            await line.says(f"Question {n}?")
            await line.until_quiet()
        expected = [("agent", "Good morning!")]
        for n in range(5):
            expected += [("user", f"Question {n}?"), ("agent", f"Answer {n}, and so on.")]
        assert line.said == expected
        assert [(turn.role, turn.text) for turn in line.turns] == expected
        assert not any(turn.cut for turn in line.turns)
        starts = [turn.started_ms for turn in line.turns]
        assert starts == sorted(starts)
        assert server.refusals == []
        assert len(asks(server)) == 1, "only the greeting was asked for"


async def test_audio_is_the_telephones_own_both_ways(new_server):
    server = await new_server(["Every byte of this."])
    async with conversation(server) as line:
        await line.says("Every byte of that.")
        await line.until_quiet()
        sent = b"".join(
            base64.b64decode(event["audio"])
            for event in of_type(server.received, "input_audio_buffer.append")
        )
        assert b"".join(line.heard_by_us)[: len(sent)] == sent
        given = b"".join(
            base64.b64decode(event["delta"])
            for event in of_type(server.sent, "response.output_audio.delta")
        )
        assert b"".join(line.played) == given
        assert server.sent[0]["session"]["audio"]["input"]["format"]["type"] == "audio/pcm"
        update = of_type(server.received, "session.update")[0]["session"]["audio"]
        assert update["input"]["format"] == update["output"]["format"] == {"type": "audio/pcmu"}


async def test_the_greeting_is_asked_for_at_once_and_once(new_server):
    server = await new_server()
    async with conversation(server, greeting="Hello there.") as line:
        await line.calm()
        assert kinds(server.received) == ["session.update", "response.create"]
        assert any(isinstance(event, PlayAudio) for event in line.events), "before any audio came"
        await line.until_quiet()
        await line.frames(100)
        assert line.heard() == ["Hello", "there."]
        assert len(asks(server)) == 1


async def test_the_session_is_configured_before_it_is_ours(new_server):
    server = await new_server()
    async with conversation(
        server,
        instructions="Be brief.",
        voice="cedar",
        language="de",
        turn_detection=SemanticVad(eagerness="high"),
        max_output_tokens=500,
    ):
        assert kinds(server.sent) == ["session.created", "session.updated"]
        session = server.sent[1]["session"]
    assert session["instructions"] == "Be brief."
    assert session["audio"]["output"]["voice"] == "cedar"
    assert session["audio"]["input"]["transcription"]["language"] == "de"
    assert session["audio"]["input"]["turn_detection"]["eagerness"] == "high"
    assert session["max_output_tokens"] == 500


@pytest.mark.parametrize("still_generating", [True, False])
async def test_whoever_interrupts_is_not_talked_over(new_server, still_generating):
    first = {"content": LONG, "stops_after": 5} if still_generating else LONG
    server = await new_server([first, "Of course."])
    async with conversation(server) as line:
        await line.says("Tell me.")
        await line.until(lambda: len(line.played) > 30)
        before = len(line.events)
        await line.says("Stop it!")
        cleared = [type(event) for event in line.events[before:]].index(ClearAudio)
        after = line.events[before + cleared + 1 :]
        assert isinstance(after[0], TurnFinished), "first of all the line was cleared"
        await line.until_quiet()
        (cut,) = [turn for turn in line.turns if turn.cut]
        assert LONG.startswith(cut.text)
        assert 5 < len(cut.text) < 60
        assert line.said == [
            ("user", "Tell me."),
            ("agent", cut.text),
            ("user", "Stop it!"),
            ("agent", "Of course."),
        ]
        (truncated,) = of_type(server.received, "conversation.item.truncate")
        # Until all of it is there, its words are reckoned by the pace of real voices.
        slowest = 70 if still_generating else 20
        heard_ms = len(cut.text) * 20
        assert heard_ms <= truncated["audio_end_ms"] <= len(cut.text) * slowest + 8 * 20
        assert 500 <= truncated["audio_end_ms"] <= 800
        assert server.refusals == []
        assert not of_type(server.received, "response.cancel"), "the service had stopped already"
        assert line.session.metrics()["interruptions"] == 1
        if still_generating:
            reasons = [
                event["response"]["status_details"]["reason"]
                for event in of_type(server.sent, "response.done")
                if event["response"]["status"] == "cancelled"
            ]
            assert reasons == ["turn_detected"]


async def test_a_service_that_does_not_stop_by_itself_is_told_to(new_server):
    server = await new_server([{"content": LONG, "stops_after": 5}, "Of course."])
    async with conversation(server, turn_detection=ServerVad(interrupts=False)) as line:
        await line.says("Tell me.")
        await line.until(lambda: len(line.played) > 30)
        await line.says("Stop it!")
        await line.until_quiet()
        assert [text for role, text in line.said if role == "user"] == ["Tell me.", "Stop it!"]
        assert line.said[-1] == ("agent", "Of course.")
        events = kinds(server.received)
        assert events.index("response.cancel") < events.index("conversation.item.truncate")
        assert server.refusals == []


async def test_what_comes_late_of_a_response_that_was_broken_off_is_not_played(new_server):
    server = await new_server([{"content": LONG, "stops_after": 5, "late": 3}, "Of course."])
    async with conversation(server) as line:
        await line.says("Tell me.")
        await line.until(lambda: len(line.played) > 30)
        await line.says("Stop it!")
        started = of_type(server.sent, "input_audio_buffer.speech_started")[1]
        late = server.sent[server.sent.index(started) :]
        assert len(of_type(late, "response.output_audio.delta")) >= 3
        await line.until_quiet()
        cleared = line.events.index(ClearAudio())
        played = [event for event in line.events[cleared:] if isinstance(event, PlayAudio)]
        told = markers.MarkerDetector().feed(b"".join(event.audio for event in played))
        assert told == [markers.Began(), markers.Ended("Of course.")], "nothing of the one before"
        assert server.refusals == []


async def test_turns_noticed_by_what_is_said(new_server):
    server = await new_server([{"content": LONG, "stops_after": 5}, "Of course."])
    async with conversation(server, turn_detection=SemanticVad(), greeting="Hi.") as line:
        await line.until_quiet()
        await line.says("Tell me.")
        await line.until(lambda: len(line.played) > 40)
        await line.says("Stop it!")
        await line.until_quiet()
        assert [(turn.role, turn.cut) for turn in line.session.transcript()] == [
            ("agent", False),
            ("user", False),
            ("agent", True),
            ("user", False),
            ("agent", False),
        ]
        kinds_asked = [
            event["session"]["audio"]["input"]["turn_detection"]["type"]
            for event in of_type(server.received, "session.update")
        ]
        assert kinds_asked == ["semantic_vad", "semantic_vad"]
        assert server.refusals == []


async def test_speech_into_nothing_clears_nothing(new_server):
    server = await new_server(["Yes."])
    async with conversation(server) as line:
        await line.says("Are you there?")
        await line.until_quiet()
        assert ClearAudio() not in line.events
        assert line.session.metrics()["interruptions"] == 0


async def test_whoever_picks_up_into_the_greeting_does_not_swallow_it(new_server):
    server = await new_server(["Fine, thanks."])
    async with conversation(server, greeting="Hello, this is Ann of the bakery.") as line:
        await line.says("Hello?")
        await line.until_quiet()
        assert line.heard() == ["Hello,", "this", "is", "Ann", "of", "the", "bakery."]
        assert [turn.cut for turn in line.turns] == [False, False]
        await line.says("How are you?")
        await line.until_quiet()
        assert sorted(line.said[:2]) == [
            ("agent", "Hello, this is Ann of the bakery."),
            ("user", "Hello?"),
        ]
        assert line.said[2:] == [("user", "How are you?"), ("agent", "Fine, thanks.")]
        assert server.refusals == []


async def test_a_question_into_the_first_words_is_answered_after_the_greeting(new_server):
    server = await new_server(["We open at nine."])
    async with conversation(server, greeting="Hello, this is Ann of the bakery, hi.") as line:
        await line.says("When do you open today?")
        await line.until_quiet()
        assert line.said[-1] == ("agent", "We open at nine.")
        assert ("agent", "Hello, this is Ann of the bakery, hi.") in line.said


async def test_the_greeting_can_be_interrupted_once_it_is_under_way(new_server):
    server = await new_server(["Go ahead."])
    async with conversation(server, greeting=LONG) as line:
        await line.until(lambda: len(line.played) > 45)
        await line.says("I know!")
        await line.until_quiet()
        (cut, said, reply) = line.session.transcript()
        assert cut.cut
        assert LONG.startswith(cut.text)
        assert (said.text, reply.text) == ("I know!", "Go ahead.")
        assert len(of_type(server.received, "conversation.item.truncate")) == 1
        assert server.refusals == []
        await line.says("And then?")
        await line.until_quiet()
        assert line.said[-1] == ("user", "And then?")
        assert len(of_type(server.sent, "response.created")) == 3, "the service answers by itself"


async def test_a_greeting_that_must_not_be_interrupted_is_not(new_server):
    server = await new_server(["Sure."])
    turns = TurnSettings(interruptible_greeting=False, silence_prompt_sec=0)
    async with conversation(server, greeting=LONG, turns=turns) as line:
        await line.until(lambda: len(line.played) > 45)
        await line.says("I know!")
        await line.until_quiet()
        assert ClearAudio() not in line.events
        assert line.said[0] == ("agent", LONG)


async def test_a_greeting_can_wait_for_the_callee(new_server):
    server = await new_server()
    turns = TurnSettings(greet_after_ms=2_000, silence_prompt_sec=0)
    async with conversation(server, greeting="Ann here.", turns=turns) as line:
        await line.frames(50)
        assert asks(server) == []
        await line.frames(60)
        assert len(asks(server)) == 1
    async with conversation(server, greeting="Ann here.", turns=turns) as line:
        await line.says("Hello?")
        await line.until_quiet()
        assert line.heard() == ["Ann", "here."]


async def test_say_waits_for_the_answer_under_way(new_server):
    server = await new_server([{"content": "I shall look.", "delay_sec": 0.05}])
    async with conversation(server) as line:
        await line.says("Please look.")
        line.session.say("One moment.")
        line.session.say("Two moments.")
        await line.until(lambda: len(line.turns) == 4)
        assert line.said == [
            ("user", "Please look."),
            ("agent", "I shall look."),
            ("agent", "One moment."),
            ("agent", "Two moments."),
        ]
        assert server.refusals == []


async def test_late_words_take_their_place_before_the_answer(new_server):
    server = await new_server(["A long enough answer to be late for."])
    server.spoil("omit", "conversation.item.input_audio_transcription.delta")
    async with conversation(server) as line:
        await line.says("A question.")
        await line.until_quiet()
        order = kinds(server.sent)
        done = "conversation.item.input_audio_transcription.completed"
        assert order.index("response.output_audio.delta") < order.index(done)
        assert [turn.role for turn in line.turns] == ["user", "agent"]
        assert line.said == [
            ("user", "A question."),
            ("agent", "A long enough answer to be late for."),
        ]


async def test_words_that_never_come_hold_up_no_other_turn_for_long(new_server):
    server = await new_server(["Pardon?", "Ah."])
    server.spoil("omit", "conversation.item.input_audio_transcription.delta")
    server.spoil("omit", "conversation.item.input_audio_transcription.completed")
    async with conversation(server) as line:
        await line.says("Mumble.")
        await line.until_quiet()
        assert line.turns == []
        await line.frames(260)
        await line.says("Clearly.")
        await line.until_quiet()
        assert line.said == [("agent", "Pardon?"), ("user", "Clearly."), ("agent", "Ah.")]


async def test_a_turn_under_way_is_in_the_transcript_as_far_as_it_was_heard(new_server):
    server = await new_server([LONG])
    async with conversation(server) as line:
        await line.says("Go on.")
        await line.until(lambda: len(line.played) > 20)
        turn = line.session.transcript()[-1]
        assert turn.cut
        assert LONG.startswith(turn.text)
        assert 5 < len(turn.text) < 30


async def test_silence_is_asked_into_and_then_given_up(new_server):
    server = await new_server()
    turns = TurnSettings(silence_prompt_sec=2, silence_prompts=2, goodbye="Bye then.")
    async with conversation(server, greeting="Hi.", turns=turns) as line:
        await line.until(lambda: any(isinstance(e, ConversationOver) for e in line.events))
        asked = ["Are", "you", "there?"]
        assert line.heard() == ["Hi.", *asked, *asked, "Bye", "then."]
        assert isinstance(line.events[-1], ConversationOver)
        await line.frames(200)
        assert isinstance(line.events[-1], ConversationOver)


async def test_whoever_answers_the_goodbye_is_not_left(new_server):
    server = await new_server(["Good."])
    goodbye = "I cannot hear you, so I shall hang up in a moment. Goodbye, and take care."
    turns = TurnSettings(silence_prompt_sec=2, silence_prompts=0, goodbye=goodbye)
    async with conversation(server, turns=turns) as line:
        await line.until(lambda: len(line.played) > 10)
        await line.says("I am here.")
        await line.until(lambda: line.said[-1:] == [("agent", "Good.")])
        assert not any(isinstance(event, ConversationOver) for event in line.events)


@pytest.mark.parametrize("told", ["transcription left out", "transcription failed"])
async def test_whoever_speaks_is_not_taken_for_silent_though_nobody_writes_it_down(
    new_server, told
):
    server = await new_server(["I see.", "I see."])
    model = "no-such-model" if told == "transcription failed" else None
    turns = TurnSettings(silence_prompt_sec=2, silence_prompts=1, goodbye="Bye then.")
    async with conversation(server, turns=turns, transcription_model=model) as line:
        await line.until(lambda: line.said == [("agent", "Are you there?")])
        await line.says("Yes.")
        await line.until_quiet()
        await line.until(lambda: len(line.said) == 3)
        await line.until_quiet()
        assert [text for _, text in line.said] == ["Are you there?", "I see.", "Are you there?"]
        assert over(line) == []


async def test_no_secret_is_given_to_the_service_to_say(new_server):
    server = await new_server()
    async with conversation(server, greeting="It is 4711.", secrets=["4711"]) as line:
        await line.until_quiet()
        line.session.say("As I said: 47-11.")
        await line.until_quiet()
        assert [text for _, text in line.said] == ["It is [redacted].", "As I said: [redacted]."]
        assert not any("4711" in str(ask) or "47-11" in str(ask) for ask in asks(server))


def over(line):
    return [event for event in line.events if isinstance(event, ConversationOver)]


async def test_a_conversation_that_is_finished_says_its_last_words_and_no_more(new_server):
    server = await new_server(["Goodbye, and thank you.", "Never said."])
    async with conversation(server) as line:
        await line.says("That is all.")
        await line.until(lambda: line.played)
        line.session.finish("Said goodbye")
        line.session.say("Never said either.")
        assert over(line) == []
        await line.until(lambda: over(line))
        assert over(line) == [ConversationOver("Said goodbye")]
        assert line.events[-2] == TurnFinished(line.turns[-1])
        await line.says("One more thing!")
        await line.frames(30)
        assert line.heard() == ["Goodbye,", "and", "thank", "you."]
        assert len(over(line)) == 1
        assert server.refusals == []


async def test_a_reply_that_is_being_thought_of_is_still_said(new_server):
    server = await new_server([{"content": "Goodbye then.", "delay_sec": 0.05}])
    async with conversation(server) as line:
        await line.says("Goodbye.")
        line.session.finish("Said goodbye")
        await line.until(lambda: over(line))
        assert line.heard() == ["Goodbye", "then."]


async def test_with_nothing_to_say_it_is_over_at_once(new_server):
    server = await new_server()
    async with conversation(server) as line:
        line.session.finish("Nothing to say")
        assert over(line) == [ConversationOver("Nothing to say")]


async def test_keys_are_pressed_after_what_is_being_said(new_server):
    server = await new_server(["Pressing one."])
    async with conversation(server) as line:
        await line.says("Press one.")
        await line.until(lambda: line.played)
        line.session.send_digits("1#")
        await line.until_quiet()
        tone = b"".join(line.played)[-len(tones("1#")) :]
        assert tone == tones("1#")
        assert line.said == [("user", "Press one."), ("agent", "Pressing one.")]


async def test_tokens_are_counted_and_priced(new_server):
    server = await new_server(["Yes."])
    async with conversation(server) as line:
        await line.says("Well?")
        await line.until_quiet()
        usage = of_type(server.sent, "response.done")[0]["response"]["usage"]
        assert line.session.usage().input_tokens == usage["input_tokens"]
        assert line.session.usage().output_tokens == usage["output_tokens"]
        into, out = usage["input_token_details"], usage["output_token_details"]
        cached = into["cached_tokens_details"]
        assert line.session.usage().cached_tokens == cached["text_tokens"] + cached["audio_tokens"]
        dollars = (
            (into["text_tokens"] - cached["text_tokens"]) * 4
            + cached["text_tokens"] * 0.4
            + (into["audio_tokens"] - cached["audio_tokens"]) * 32
            + cached["audio_tokens"] * 0.4
            + out["text_tokens"] * 16
            + out["audio_tokens"] * 64
        ) / 1e6
        assert cached["audio_tokens"] > 0
        assert line.session.cost().llm == pytest.approx(dollars, abs=1e-6)
        assert line.session.cost().stt > 0
        metrics = line.session.metrics()
        assert metrics["tokens"]["responses"] == 1
        assert len(metrics["replies"]) == 1
        assert metrics["p95_latency_ms"] > 0
        assert metrics["rate_limit_left"] < 1


async def test_transcription_that_is_billed_by_time_is_priced_by_time(new_server):
    server = await new_server(["Yes."])
    async with conversation(
        server, transcription_model="whisper-1", prices=RealtimePrices(transcription_minute=60)
    ) as line:
        await line.says("What is the time?")
        await line.until_quiet()
        kind = "conversation.item.input_audio_transcription.completed"
        (told,) = of_type(server.sent, kind)
        assert line.session.cost().stt == pytest.approx(told["usage"]["seconds"])


async def test_prices_are_the_developers_to_replace(new_server):
    server = await new_server(["Yes."])
    async with conversation(server, prices=RealtimePrices(audio_out=1e6)) as line:
        await line.says("Well?")
        await line.until_quiet()
        usage = of_type(server.sent, "response.done")[0]["response"]["usage"]
        spoken = usage["output_token_details"]["audio_tokens"]
        assert line.session.cost().llm == pytest.approx(spoken, abs=0.01)
