"""Whole calls, from the dial to the last callback, against a small engine."""

from __future__ import annotations

import asyncio

import pytest

from patter_core.simulator import Callee, PhoneNetwork
from tests.simulator.small_engine import SmallEngine

NUMBER = "+14155552671"


async def over(network: PhoneNetwork, calls: int = 1) -> None:
    """Wait until so many calls have ended and everybody was told."""
    await network.until(
        lambda: sum(told.kind == "completed" for told in network.callbacks) >= calls,
        what="the end of every call",
    )


async def test_a_conversation_goes_to_and_fro_until_the_callee_hangs_up():
    async with (
        PhoneNetwork() as network,
        SmallEngine(
            network, ["A table for four?", "Done."], greeting="Hi, this is an agent."
        ) as engine,
    ):
        network.add(NUMBER, Callee(says=["Hello?", "Yes please.", "Bye."]))
        assert (await engine.dial(NUMBER))["status"] == "queued"
        await over(network)
        [leg] = network.dials
        assert leg.heard == ["Hi, this is an agent.", "A table for four?", "Done."]
        assert leg.said == engine.heard == ["Hello?", "Yes please.", "Bye."]
        assert (leg.status, leg.ended_by) == ("completed", "callee")
        assert leg.stream_parameters == {"ref": "a&b"}
        assert engine.kinds() == ["status", "status", "answer", "status", "status"]
        assert network.violations == []
        assert network.live_legs == []


async def test_every_webhook_and_the_upgrade_are_signed_and_progress_is_told_in_order():
    async with PhoneNetwork() as network, SmallEngine(network, ["Fine."]) as engine:
        network.add(NUMBER, Callee(says=["Hello?", "Bye."], verdict_sec=1))
        more = {"MachineDetection": "Enable", "AsyncAmd": "true"}
        more["AsyncAmdStatusCallback"] = f"{engine.url}/machine"
        await engine.dial(NUMBER, **more)
        await over(network)
        assert engine.signatures == [True] * 7
        told = [form for kind, form in engine.forms if kind == "status"]
        assert [form["SequenceNumber"] for form in told] == ["0", "1", "2", "3"]
        assert [form["CallStatus"] for form in told] == [
            "initiated",
            "ringing",
            "in-progress",
            "completed",
        ]
        seconds = network.dials[0].duration_sec
        assert told[-1]["CallDuration"] == str(seconds)
        [verdict] = [form for kind, form in engine.forms if kind == "machine"]
        assert verdict["AnsweredBy"] == "human"


async def test_only_the_callbacks_that_were_asked_for_are_sent():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.add(NUMBER, Callee(says=["Hello?"]))
        await engine.dial(NUMBER, StatusCallbackEvent=None)
        await over(network)
        assert engine.kinds() == ["answer", "status"]


@pytest.mark.parametrize(
    ("callee", "status"),
    [
        (Callee(behave="busy"), "busy"),
        (Callee(behave="no_answer"), "no-answer"),
        (Callee(rings_sec=40), "no-answer"),
        (Callee(behave="unreachable"), "failed"),
        (None, "failed"),
    ],
)
async def test_a_call_that_nobody_answers_ends_as_it_should(callee, status):
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        if callee is not None:
            network.add(NUMBER, callee)
        await engine.dial(NUMBER, Timeout=25)
        await over(network)
        [leg] = network.dials
        assert (leg.status, leg.answered, leg.duration_sec) == (status, False, 0)
        assert engine.forms[-1][1]["CallStatus"] == status
        assert "answer" not in engine.kinds()
        if status == "no-answer":
            assert leg.ended_at - leg.created_at == pytest.approx(25.5)


async def test_a_silent_callee_stays_until_the_carriers_own_limit():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.add(NUMBER, Callee(behave="silent"))
        await engine.dial(NUMBER, TimeLimit=120)
        await over(network)
        [leg] = network.dials
        assert (leg.status, leg.ended_by, leg.duration_sec) == ("completed", "time_limit", 120)
        assert sum(frame["event"] == "media" for frame in engine.frames) == 6_000
        assert engine.frames[-1]["event"] == "stop"


async def test_a_voicemail_greets_beeps_and_records_what_is_said():
    async with PhoneNetwork() as network, SmallEngine(network, ["Please call back."]) as engine:
        network.add(NUMBER, Callee(behave="voicemail", says=["Not here."], listens_sec=20))
        more = {"MachineDetection": "DetectMessageEnd", "AsyncAmd": "true"}
        more["AsyncAmdStatusCallback"] = f"{engine.url}/machine"
        await engine.dial(NUMBER, **more)
        await over(network)
        [leg] = network.dials
        assert (leg.said, leg.heard) == (["Not here."], ["Please call back."])
        assert leg.answered_by == "machine_end_beep"
        assert (leg.ended_by, leg.duration_sec) == ("callee", 20)


async def test_machine_detection_that_blocks_tells_with_the_answer():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.add(NUMBER, Callee(behave="voicemail", listens_sec=1))
        await engine.dial(NUMBER, MachineDetection="Enable")
        await over(network)
        [form] = [form for kind, form in engine.forms if kind == "answer"]
        assert form["AnsweredBy"] == "machine_start"


async def test_a_callee_may_decide_what_to_say_by_what_was_heard():
    def says(heard: list[str]) -> str | None:
        return f"You said {heard[-1]}" if len(heard) < 3 else None

    async with PhoneNetwork() as network, SmallEngine(network, ["b", "c"], greeting="a") as engine:
        network.add(NUMBER, Callee(says=says))
        await engine.dial(NUMBER)
        await over(network)
        assert engine.heard == ["You said a", "You said b"]
        assert network.dials[0].ended_by == "callee"


async def test_a_callee_whose_words_fail_ends_only_its_own_call():
    def says(heard: list[str]) -> str | None:
        raise ValueError("speechless")

    async with PhoneNetwork() as network, SmallEngine(network, ["b"]) as engine:
        network.add(NUMBER, Callee(says=says))
        network.add("+14155552672", Callee(says=["Hello?", "Bye."]))
        await engine.dial(NUMBER)
        await engine.dial("+14155552672")
        await over(network, calls=2)
        assert [leg.ended_by for leg in network.dials] == ["callee", "callee"]
        assert network.dials[1].heard == ["b"]
        assert len(network.violations) == 1


async def test_several_sentences_in_a_row_are_one_turn():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:

        async def talk(media):
            async for event in media.events():
                if event["event"] == "start":
                    for sentence in ("One.", "Two.", "Three."):
                        await media.say(sentence)

        engine.on_media = talk
        network.add(NUMBER, Callee(says=["I see.", "never said"], hangs_up_after_turns=2))
        await engine.dial(NUMBER, TimeLimit=30)
        await over(network)
        assert network.dials[0].heard == ["One.", "Two.", "Three."]
        assert network.dials[0].said == ["I see."]


async def test_a_callee_hangs_up_after_so_many_turns():
    async with PhoneNetwork() as network, SmallEngine(network, ["b", "c", "d"], "a") as engine:
        network.add(NUMBER, Callee(says=["1", "2", "3", "4"], hangs_up_after_turns=2))
        await engine.dial(NUMBER)
        await over(network)
        assert network.dials[0].heard == ["a", "b"]
        assert network.dials[0].said == ["1"]


async def test_a_rude_callee_speaks_while_the_agent_does_and_hears_only_what_was_played():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:

        async def talk(media):
            async for event in media.events():
                if event["event"] == "start":
                    await media.say("A very long sentence that nobody would like to hear whole.")
                for text in media.heard_in(event):
                    engine.heard.append(text)
                    await media.send("clear")
                    await media.say("Sorry.")

        engine.on_media = talk
        network.add(NUMBER, Callee(says=["Stop", "Bye"], interrupts_after_sec=0.2))
        await engine.dial(NUMBER)
        await over(network)
        [leg] = network.dials
        assert engine.heard == leg.said == ["Stop", "Bye"]
        cut, sorry = leg.heard
        assert "A very long sentence".startswith(cut[:10])
        assert 10 < len(cut) < 30
        assert sorry == "Sorry."


async def test_when_our_side_closes_the_socket_the_instructions_go_on():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:

        async def talk(media):
            async for event in media.events():
                if event["event"] == "media":
                    break
            await media.socket.close()

        engine.on_media = talk
        network.add(NUMBER, Callee(behave="silent"))
        await engine.dial(NUMBER)
        await over(network)
        [leg] = network.dials
        assert (leg.status, leg.ended_by) == ("completed", "instructions")
        assert "stop" not in [frame["event"] for frame in engine.frames]


async def test_hanging_up_by_rest_ends_the_media_with_a_stop():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.add(NUMBER, Callee(behave="silent"))
        created = await engine.dial(NUMBER)
        await network.until(lambda: any(f["event"] == "media" for f in engine.frames))
        status, body = await engine.post(engine.calls_url(created["sid"]), {"Status": "completed"})
        assert (status, body["status"]) == (200, "completed")
        await over(network)
        assert engine.frames[-1]["event"] == "stop"
        assert network.dials[0].ended_by == "caller"


async def test_a_redirect_stops_the_media_and_not_the_call():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.add(NUMBER, Callee(behave="silent"))
        network.add("+14155552672", Callee())
        created = await engine.dial(NUMBER)
        await network.until(lambda: any(f["event"] == "media" for f in engine.frames))
        twiml = "<Response><Dial>+14155552672</Dial></Response>"
        status, _ = await engine.post(engine.calls_url(created["sid"]), {"Twiml": twiml})
        assert status == 200
        await over(network)
        [leg] = network.dials
        assert engine.frames[-1]["event"] == "stop"
        assert (leg.transferred_to, leg.ended_by) == (["+14155552672"], "instructions")


@pytest.mark.parametrize(
    ("twiml", "violation"),
    [
        ("<Response><Say>Hi</Say></Response>", "<Say> is not known"),
        ("<Response><Connect><Stream url='ws://{host}/media?a=1'/></Connect></Response>", "query"),
        ("<Response><Connect><Stream url='ws://example.com/m'/></Connect></Response>", "wss://"),
        ("<Response><Connect/></Response>", "exactly one <Stream>"),
        ("<Answer/>", "root"),
        ("Hello", "cannot be parsed"),
    ],
)
async def test_an_answer_that_twilio_would_not_carry_out_hangs_up(twiml, violation):
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        engine.twiml = twiml.replace("{host}", engine.host)
        network.add(NUMBER, Callee(behave="silent"))
        await engine.dial(NUMBER)
        await over(network)
        assert network.dials[0].ended_by == "instructions"
        assert violation in network.violations[0]
        assert engine.sockets == 0


async def test_calls_that_go_on_at_once_do_not_mix():
    async with PhoneNetwork() as network, SmallEngine(network, ["x", "y"], "hi") as engine:
        numbers = [f"+1415555267{digit}" for digit in range(4)]
        for number in numbers:
            network.add(number, Callee(says=[f"I am {number}", "Bye."]))
        await asyncio.gather(*(engine.dial(number) for number in numbers))
        await over(network, calls=4)
        for leg in network.dials:
            assert leg.said == [f"I am {leg.to}", "Bye."]
            assert leg.heard == ["hi", "x"]
        assert network.violations == []


async def test_an_engine_that_never_reads_spoils_only_its_own_call():
    async with PhoneNetwork() as network, SmallEngine(network, ["Fine."]) as engine:
        talk, gate = engine.talk, asyncio.Event()

        async def stall(media):
            engine.on_media = talk
            await gate.wait()

        engine.on_media = stall
        network.add(NUMBER, Callee(behave="silent"))
        network.add("+14155552672", Callee(says=["Hello?", "Bye."], pause_sec=0.1, rings_sec=0.1))
        await engine.dial(NUMBER, TimeLimit=8)
        await network.until(lambda: engine.sockets == 1)
        await engine.dial("+14155552672")
        await network.until(lambda: network.dials[1].ended_by == "callee")
        assert network.dials[1].heard == ["Fine."]
        gate.set()


async def test_an_engine_that_drops_the_socket_ends_only_that_call():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:

        async def drop(media):
            async for event in media.events():
                if event["event"] == "media":
                    engine_request_transport(media).abort()
                    return

        engine.on_media = drop
        network.add(NUMBER, Callee(behave="silent"))
        await engine.dial(NUMBER)
        await over(network)
        assert network.dials[0].status == "completed"


def engine_request_transport(media):
    return media.socket._req.transport


async def test_closing_the_network_in_the_middle_of_a_call_leaves_nothing_of_it():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.add(NUMBER, Callee(behave="silent"))
        await engine.dial(NUMBER)
        await network.until(lambda: engine.sockets == 1)
        await network.__aexit__(None, None, None)
        assert network._loop._down.done(), "it is not given up on, which it would be after a while"
