"""The local ears and voice: how fast, how soon, and how clean.

    python benchmarks/bench_local_voice.py

Needs the extra `local`. Figures are of one process on one core; real-time factors are seconds of
computing for each second of audio.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from patter_core.audio import mulaw
from patter_core.audio.frames import FRAME_BYTES, SAMPLE_RATE_HZ, SILENCE, duration_ms
from patter_core.audio.resample import Resampler, numpy
from patter_core.speech import espeak
from patter_core.speech.espeak import VOICE_RATE_HZ, Voice
from patter_core.speech.grammar import Grammar, of_jsgf, of_phrases
from patter_core.speech.sphinx import Began, Ended, Recogniser

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy import int16
    from numpy.typing import NDArray

PHRASES = (
    "hello",
    "hello this is the garden kitchen how can i help you",
    "four people at eight please",
    "what name is it for",
    "under the name of anna",
    "good bye",
    "that works for me",
    "tomorrow at seven is fine",
    "no thank you",
    "yes please",
    "can you call back later",
    "we are fully booked tonight",
    "which day would you like",
    "the doctor is not in",
    "please hold the line",
    "i did not understand that",
    "could you repeat that please",
    "that will be forty dollars",
    "see you on friday",
    "thank you for calling have a nice day",
)
SLOTS = """
<digit> = one | two | three | four | five | six | seven | eight | nine | zero;
<day> = monday | tuesday | wednesday | thursday | friday | saturday | sunday | tomorrow | tonight;
<hour> = (<digit> | ten | eleven | twelve) [thirty | fifteen | o'clock];
<name> = anna | john | mary | peter | susan | david | linda | robert | james | smith | jones
    | brown | miller | davis | wilson | taylor | clark | lewis | young | king | scott | green;
public <line> = [yes | no | okay] (
      a table [for <digit> people] [<day>] [at <hour>] | my name is <name> [<name>]
    | my number is <digit>+ | can we make it <day> [at <hour>] | we are closed <day>
    | good (morning | evening) | thank you [very much] [goodbye]);
"""
SLOT_LINES = (
    "a table for four people tomorrow at eight",
    "my name is linda smith",
    "can we make it friday at seven thirty",
    "we are closed monday",
    "good morning",
    "thank you very much goodbye",
    "yes my name is john",
    "my number is four one five two six seven",
)
VOICES = ("en-us", "en", "en-us+m3", "en-us+f2")
PAUSE = SILENCE * SAMPLE_RATE_HZ


def main() -> None:
    """Run every part and print its figures."""
    voice()
    ears("phrases", of_phrases(PHRASES), PHRASES)
    ears("slots", of_jsgf(SLOTS), SLOT_LINES)
    opening()
    asyncio.run(stalls())
    resampling()


def voice() -> None:
    """How fast the voice speaks, and how soon."""
    started = time.perf_counter()
    espeak.say("hello", Voice())
    print(f"voice    first use of the process {_ms(started):.0f} ms")
    firsts: list[float] = []
    spent = spoken_ms = 0.0
    for phrase in PHRASES * 3:
        started = time.perf_counter()
        with espeak.speaking(phrase, Voice()) as samples:
            audio = espeak.telephone(samples)
            first = next(audio)
            firsts.append(_ms(started))
            spoken_ms += duration_ms(len(first) + sum(map(len, audio)))
        spent += _ms(started)
    print(
        f"         real-time factor {spent / spoken_ms:.4f} (telephone audio), first piece "
        f"{statistics.median(firsts):.2f} ms median, {max(firsts):.2f} ms worst"
    )


def ears(name: str, grammar: Grammar, lines: tuple[str, ...]) -> None:
    """How fast and how soon the ears understand, and how much of it."""
    spent = heard_ms = 0.0
    exact = spoken = 0
    onsets: list[float] = []
    ends: list[float] = []
    frames: list[float] = []
    for speaker in VOICES:
        with closing(Recogniser(grammar)) as recogniser:
            for line in lines:
                call = espeak.say(line, Voice(name=speaker)) + PAUSE
                began_ms, ended_ms = _edges(call)
                before_ms = heard_ms
                for start in range(0, len(call), FRAME_BYTES):
                    frame = call[start : start + FRAME_BYTES].ljust(FRAME_BYTES, SILENCE)
                    started = time.perf_counter()
                    events = recogniser.hear(frame)
                    frames.append(_ms(started))
                    spent += frames[-1]
                    heard_ms += 20
                    for event in events:
                        match event:
                            case Began():
                                onsets.append(heard_ms - before_ms - began_ms)
                            case Ended(text=text):
                                ends.append(heard_ms - before_ms - ended_ms)
                                exact += text == line
                spoken += 1
    print(
        f"{name:8} real-time factor {spent / heard_ms:.4f}, {exact} of {spoken} lines exact in "
        f"{len(VOICES)} voices; a frame takes {max(frames):.1f} ms at most\n"
        f"         speech noticed after {statistics.median(onsets):.0f} ms, final text "
        f"{statistics.median(ends):.0f} ms after it ended (medians; 500 ms of it is quiet_ms)"
    )


def opening() -> None:
    """How long ears take to open, the first time and with a decoder that was used before."""
    grammar = of_phrases(PHRASES)
    held = [Recogniser(grammar) for _ in range(6)]
    started = time.perf_counter()
    fresh = Recogniser(grammar)
    fresh_ms = _ms(started)
    for recogniser in (*held, fresh):
        recogniser.close()
    started = time.perf_counter()
    Recogniser(grammar).close()
    print(f"open     {fresh_ms:.0f} ms with a new decoder, {_ms(started):.1f} ms with a used one")


async def stalls() -> None:
    """How long an event loop stands still while both work on their threads."""
    done = threading.Event()

    def work() -> None:
        with closing(Recogniser(of_jsgf(SLOTS))) as recogniser:
            for line in SLOT_LINES * 2:
                audio = espeak.say(line, Voice()) + PAUSE
                for start in range(0, len(audio), FRAME_BYTES):
                    recogniser.hear(audio[start : start + FRAME_BYTES])
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    gaps: list[float] = []
    last = time.perf_counter()
    while not done.is_set():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        gaps.append(1_000 * (now - last))
        last = now
    thread.join()
    print(
        f"loop     stands still {statistics.quantiles(gaps, n=100)[98]:.1f} ms (p99), "
        f"{max(gaps):.1f} ms (worst), ears and voice unthrottled beside it"
    )


def resampling() -> None:
    """What 20 ms cost, and what of a tone above the band is left, beside audioop."""
    import audioop

    for from_hz, to_hz, taps in (
        (VOICE_RATE_HZ, 8_000, 64),
        (16_000, 8_000, 32),
        (24_000, 8_000, 32),
        (8_000, 16_000, 32),
        (8_000, 24_000, 32),
    ):
        frame = _tone(440, from_hz, 0.02)
        ours = Resampler(from_hz, to_hz, taps=taps)
        state: object = None

        def by_audioop(samples: bytes, from_hz: int = from_hz, to_hz: int = to_hz) -> bytes:
            nonlocal state
            made, state = audioop.ratecv(samples, 2, 1, from_hz, to_hz, state)
            return made

        print(
            f"resample {from_hz:6} -> {to_hz:6}: {_us(ours.feed, frame):5.1f} us for 20 ms, "
            f"{ours.delay_ms:.1f} ms later, {_alias_db(ours.feed, from_hz, to_hz):6.1f} dB; "
            f"audioop.ratecv {_us(by_audioop, frame):5.1f} us, "
            f"{_alias_db(by_audioop, from_hz, to_hz):6.1f} dB"
        )


def _alias_db(resample: Callable[[bytes], bytes], from_hz: int, to_hz: int) -> float:
    """The strongest wrong tone, of tones beyond the band (down) or of images (up)."""
    np = numpy()
    if from_hz > to_hz:
        return max(
            _db(np.frombuffer(resample(_tone(hertz, from_hz, 0.5)), "<i2")[400:])
            for hertz in (4_700, 5_300, 6_100, 7_000)
        )
    made = np.frombuffer(resample(_tone(2_000, from_hz, 0.5)), "<i2")[400:].astype(float)
    spectrum = np.abs(np.fft.rfft(made * np.hanning(len(made))))
    hertz = np.arange(len(spectrum)) * to_hz / len(made)
    return float(20 * np.log10(spectrum[hertz > 4_500].max() / spectrum.max() + 1e-9))


def _db(samples: NDArray[int16]) -> float:
    np = numpy()
    return float(20 * np.log10(np.sqrt(np.mean(samples.astype(float) ** 2)) / 7_071 + 1e-6))


def _tone(hertz: int, rate_hz: int, seconds: float) -> bytes:
    np = numpy()
    times = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.round(10_000 * np.sin(2 * np.pi * hertz * times)).astype("<i2").tobytes()


def _edges(audio: bytes) -> tuple[float, float]:
    """When speech begins and ends in `audio`, by its level, in milliseconds."""
    np = numpy()
    loud = np.flatnonzero(np.abs(np.frombuffer(mulaw.decode(audio), "<i2").astype(int)) > 300)
    return loud[0] / 8, loud[-1] / 8


def _us(function: Callable[[bytes], bytes], frame: bytes) -> float:
    """The best of some rounds: the machine may be busy with something else."""
    best = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(100):
            function(frame)
        best = min(best, _ms(started) * 10)
    return best


def _ms(started: float) -> float:
    return 1_000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
