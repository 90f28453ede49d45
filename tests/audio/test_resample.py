"""Resampling, seen by its spectra."""

from __future__ import annotations

import subprocess
import sys

import pytest

from patter_core.audio.resample import Resampler

np = pytest.importorskip("numpy", reason="the extra `local` is not installed")

# (from, to, taps, the first tone that must not come through)
DOWN = [(22_050, 8_000, 64, 4_100), (16_000, 8_000, 32, 4_600), (24_000, 8_000, 32, 4_600)]
UP = [(8_000, 16_000), (8_000, 24_000)]
AMPLITUDE = 10_000


def tone(hertz, rate_hz, seconds=1.0):
    times = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.round(AMPLITUDE * np.sin(2 * np.pi * hertz * times)).astype("<i2").tobytes()


def resampled(samples, from_hz, to_hz, *, taps=32, piece_bytes=None):
    resampler = Resampler(from_hz, to_hz, taps=taps)
    step = piece_bytes or len(samples)
    pieces = [resampler.feed(samples[at : at + step]) for at in range(0, len(samples), step)]
    return np.frombuffer(b"".join(pieces) + resampler.flush(), "<i2").astype(float)


def level_db(audio):
    """How loud the middle of `audio` is, against the tone that went in."""
    middle = audio[len(audio) // 4 : len(audio) * 3 // 4]
    return 20 * np.log10(np.sqrt(np.mean(middle**2)) * np.sqrt(2) / AMPLITUDE + 1e-9)


def strongest_hz(audio, rate_hz):
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float(np.argmax(spectrum)) * rate_hz / len(audio)


@pytest.mark.parametrize("hertz", [300, 1_000, 2_600, 3_200])
@pytest.mark.parametrize(
    ("from_hz", "to_hz", "taps"), [*(down[:3] for down in DOWN), *((*up, 32) for up in UP)]
)
def test_the_telephone_s_band_passes_unchanged(from_hz, to_hz, taps, hertz):
    audio = resampled(tone(hertz, from_hz), from_hz, to_hz, taps=taps)
    assert level_db(audio) == pytest.approx(0, abs=0.3)
    assert strongest_hz(audio, to_hz) == pytest.approx(hertz, abs=3)


@pytest.mark.parametrize(("from_hz", "to_hz", "taps", "first_hz"), DOWN)
def test_what_the_lower_rate_cannot_hold_does_not_fold_back(from_hz, to_hz, taps, first_hz):
    for hertz in range(first_hz, 8_000, 350):
        assert level_db(resampled(tone(hertz, from_hz), from_hz, to_hz, taps=taps)) < -70


@pytest.mark.parametrize(("from_hz", "to_hz"), UP)
def test_a_higher_rate_shows_no_image_of_the_tone(from_hz, to_hz):
    audio = resampled(tone(2_000, from_hz), from_hz, to_hz)
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    hertz = np.arange(len(spectrum)) * to_hz / len(audio)
    images = spectrum[hertz > 4_600].max() / spectrum.max()
    assert 20 * np.log10(images) < -70


@pytest.mark.parametrize("piece_bytes", [1, 7, 320, 882, 5_000])
@pytest.mark.parametrize(("from_hz", "to_hz"), [down[:2] for down in DOWN] + UP)
def test_pieces_of_any_length_sound_like_the_whole(from_hz, to_hz, piece_bytes):
    samples = tone(440, from_hz, 0.3)
    whole = resampled(samples, from_hz, to_hz)
    pieces = resampled(samples, from_hz, to_hz, piece_bytes=piece_bytes)
    assert len(pieces) == len(whole)
    assert np.abs(pieces - whole).max() <= 1  # Sums in another order are rounded otherwise.


@pytest.mark.parametrize(("from_hz", "to_hz", "taps", "_"), DOWN)
def test_a_sound_comes_out_at_its_time_but_for_the_delay_that_is_stated(from_hz, to_hz, taps, _):
    click = np.zeros(from_hz // 2, "<i2")
    click[from_hz // 4] = 30_000
    audio = resampled(click.tobytes(), from_hz, to_hz, taps=taps)
    came_ms = 1_000 * np.argmax(audio) / to_hz
    assert came_ms == pytest.approx(
        250 + Resampler(from_hz, to_hz, taps=taps).delay_ms, abs=1_000 / to_hz
    )


def test_the_loudest_sound_is_clipped_and_does_not_wrap_around():
    square = np.where(np.arange(8_000) % 40 < 20, 32_767, -32_768).astype("<i2").tobytes()
    audio = resampled(square, 8_000, 16_000)
    plateau = audio[2_010:2_030]
    assert np.all(plateau > 20_000) or np.all(plateau < -20_000)


def test_after_a_flush_another_stream_begins_in_silence():
    resampler = Resampler(16_000, 8_000)
    resampler.feed(tone(1_000, 16_000, 0.1))
    resampler.flush()
    assert not np.frombuffer(resampler.feed(bytes(6_400)), "<i2").any()


def test_numpy_is_loaded_on_first_use_only_and_asked_for_when_missing():
    script = (
        "import sys; sys.modules['numpy'] = None\n"
        "from patter_core.audio.resample import Resampler\n"
        "import patter_core.pipeline.providers.local\n"
        "from patter_core.errors import MissingExtra\n"
        "try: Resampler(16_000, 8_000)\n"
        "except MissingExtra as error: print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "pip install 'patter[local]'" in said.stdout
