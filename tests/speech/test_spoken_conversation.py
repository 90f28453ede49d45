"""A conversation in which both sides really speak and are really understood."""

from __future__ import annotations

import asyncio
import contextlib

from patter_core.audio.frames import whole_frames
from patter_core.pipeline.cascade import Cascade
from patter_core.pipeline.providers.local import LocalSTT, LocalTTS
from patter_core.pipeline.providers.scripted import ScriptedLLM
from patter_core.speech import espeak
from patter_core.speech.espeak import Voice
from patter_core.speech.grammar import of_phrases
from patter_core.speech.sphinx import Ended, Recogniser
from tests.pipeline.in_process_line import conversation
from tests.speech.local_extra import PAUSE, PHRASES, needs_ears


@needs_ears
async def test_a_spoken_conversation():
    engine = Cascade(
        stt=LocalSTT(phrases=PHRASES),
        llm=ScriptedLLM(["Tomorrow at seven is fine."]),
        tts=LocalTTS(),
    )
    async with conversation(engine, greeting="Which day would you like?") as line:
        await line.until_turns(1)
        line._speech += whole_frames(espeak.say("Four people at eight, please.", Voice()) + PAUSE)
        for _ in range(3_000):
            await line.frames(1)
            await asyncio.sleep(0.001)
            if len(line.turns) == 3:
                break
        said = [(turn.role, turn.text) for turn in line.turns]
    assert said == [
        ("agent", "Which day would you like?"),
        ("user", "Four people at eight, please."),
        ("agent", "Tomorrow at seven is fine."),
    ]
    ears = Recogniser(of_phrases(PHRASES))
    with contextlib.closing(ears):
        played = b"".join(line.played) + PAUSE
        heard = [event.text for event in ears.hear(played) if isinstance(event, Ended)]
    assert "which day would you like" in heard
