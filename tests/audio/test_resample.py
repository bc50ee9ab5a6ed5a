from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.audio.base import Lost
from stream_emo.audio.frame_queue import FrameBlock, FrameGap, FrameQueue, Frames, samples_after
from stream_emo.audio.resample import Resampler
from stream_emo.errors import SourceError
from stream_emo.types import SAMPLE_RATE, Chunk, Gap, Notice, Samples

RATES = (8000, 16_000, 44_100, 48_000, 192_000)
NOT_AUDIO = (np.nan, np.inf, -np.inf, 1e30)

Item = Chunk | Gap


def noise(count: int, channels: int = 1, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (count, channels)).astype(np.float32)


def tone(first: int, last: int, rate: int, hertz: float = 1000.0) -> Samples:
    """Amplitude 0.5; the same wave at any rate."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(first, last) / rate)).astype(np.float32)


def blocks(frames: Frames, sizes: Iterable[int]) -> Iterator[Frames]:
    first = 0
    for size in sizes:
        if first >= len(frames):
            return
        yield frames[first : first + size]
        first += size


def fed(resampler: Resampler, parts: Iterable[Frames]) -> list[Item]:
    return [*(item for part in parts for item in resampler.feed(part)), *resampler.flush()]


def taken(resampler: Resampler, items: Iterable[FrameBlock | FrameGap]) -> list[Item]:
    return [*(out for item in items for out in resampler.feed_item(item)), *resampler.flush()]


def merged(items: Iterable[Item]) -> list[Gap | tuple[int, bytes]]:
    """Consecutive chunks as one; bytes, so that equality is exact."""
    whole: list[Gap | tuple[int, bytes]] = []
    for item in items:
        if isinstance(item, Gap):
            whole.append(item)
        elif whole and isinstance(last := whole[-1], tuple):
            whole[-1] = (last[0], last[1] + item.samples.tobytes())
        else:
            whole.append((item.start, item.samples.tobytes()))
    return whole


def joined(items: Iterable[Item]) -> Samples:
    return np.concatenate([item.samples for item in items if isinstance(item, Chunk)])


def gaps(items: Iterable[Item]) -> list[Gap]:
    return [item for item in items if isinstance(item, Gap)]


def check_tiling(items: list[Item], start: int, end: int) -> None:
    assert all(item.end > item.start for item in items)
    assert [start, *(item.end for item in items)] == [*(item.start for item in items), end]


def check_tone(chunk: Chunk, lead: int = 300) -> None:
    """The wave is where it belongs, at its loudness; next to a gap a filter cannot know what was in it."""
    ideal = tone(chunk.start, chunk.end, SAMPLE_RATE)
    assert np.abs(chunk.samples - ideal)[lead:-lead].max() < 1e-3


def one(items: Iterable[Item]) -> list[Item]:
    """The same with consecutive chunks joined."""
    return [
        item if isinstance(item, Gap) else Chunk(item[0], np.frombuffer(item[1], np.float32))
        for item in merged(items)
    ]


@pytest.mark.parametrize("rate", RATES)
def test_the_size_of_blocks_makes_no_difference_and_no_sample_is_lost(rate: int) -> None:
    frames = noise(max(rate // 12, 3000) + 7)
    outputs = []
    for size in (1, 160, 512, 4096, len(frames)):
        items = fed(Resampler(rate, 0, "test"), blocks(frames, cycle([size])))
        check_tiling(items, 0, len(frames) * SAMPLE_RATE // rate)
        outputs.append(joined(items))
        assert outputs[-1].dtype == np.float32
        np.testing.assert_array_equal(outputs[-1], outputs[0])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3000), st.integers(8000, 192_000))
def test_n_frames_become_floor_of_n_times_the_ratio(count: int, rate: int) -> None:
    resampler = Resampler(rate, 0, "test", start=1000)
    check_tiling(fed(resampler, [noise(count)]), 1000, 1000 + count * SAMPLE_RATE // rate)
    assert resampler.position == resampler.end
    assert list(resampler.flush()) == []


def test_audio_that_is_right_already_passes_untouched() -> None:
    frames = noise(1000)
    items = fed(Resampler(SAMPLE_RATE, 0, "test"), blocks(frames, cycle([333])))
    np.testing.assert_array_equal(joined(items), frames[:, 0])


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_keeps_its_time_frequency_and_amplitude(rate: int) -> None:
    items = one(fed(Resampler(rate, -1, "test"), [tone(0, rate, rate)[:, None]]))
    (chunk,) = items
    assert isinstance(chunk, Chunk)
    check_tone(chunk)


@pytest.mark.parametrize("hertz", [9000.0, 15_000.0, 23_000.0])
def test_what_16_khz_cannot_hold_is_removed_not_folded_back(hertz: float) -> None:
    items = fed(Resampler(48_000, 0, "test"), [tone(0, 48_000, 48_000, hertz)[:, None]])
    assert np.abs(joined(items))[300:-300].max() < 1e-3


@pytest.mark.parametrize("rate", [SAMPLE_RATE, 48_000])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_chosen_channel_is_heard_alone(rate: int, channel: int) -> None:
    frames = noise(3000, channels=3)
    chosen = np.ascontiguousarray(frames[:, channel : channel + 1])
    alone = fed(Resampler(rate, 0, "test"), [chosen])
    assert merged(fed(Resampler(rate, channel, "test"), [frames])) == merged(alone)


@pytest.mark.parametrize("channels", [1, 2, 6, 9, 64])
def test_all_channels_mixed_are_their_mean_whatever_the_blocks(channels: int) -> None:
    frames = noise(500, channels)
    items = fed(Resampler(SAMPLE_RATE, -1, "test"), [frames])
    np.testing.assert_allclose(joined(items), frames.mean(1, np.float64), atol=1e-6)
    for size in (1, 160):
        assert merged(fed(Resampler(SAMPLE_RATE, -1, "test"), blocks(frames, cycle([size])))) == merged(items)


def test_a_channel_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match=r"^call\.wav: audio\.channel = 2, but there are 2 channels"):
        list(Resampler(48_000, 2, "call.wav").feed(noise(10, channels=2)))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("bad", NOT_AUDIO)
@pytest.mark.filterwarnings("error")
def test_a_run_of_what_is_not_audio_is_one_gap_and_what_follows_is_unharmed(rate: int, bad: float) -> None:
    tenth = rate // 10
    frames = tone(0, 5 * tenth, rate)[:, None]
    frames[2 * tenth : 3 * tenth] = bad
    outputs = []
    for size in (rate // 77, 4096, len(frames)):
        items = one(fed(Resampler(rate, 0, "test"), blocks(frames, cycle([size]))))
        before, gap, after = items
        assert gap == Gap(3200, 4800, "invalid")
        check_tiling(items, 0, 8000)
        for chunk in (before, after):
            assert isinstance(chunk, Chunk)
            check_tone(chunk)
        outputs.append(merged(items))
    assert outputs[0] == outputs[1] == outputs[2]


def test_loud_is_not_invalid() -> None:
    frames = np.array([[1.5], [-8.0], [8.1], [0.0]], np.float32)
    first, gap, last = one(fed(Resampler(SAMPLE_RATE, 0, "test"), [frames]))
    assert isinstance(first, Chunk)
    assert isinstance(last, Chunk)
    assert (first.samples.tolist(), gap, last.start) == ([1.5, -8.0], Gap(2, 3, "invalid"), 3)


@pytest.mark.parametrize("pair", [(np.inf, -np.inf), (3e38, 3e38), (1e30, -1e30), (np.nan, 0.1)])
def test_mixing_hides_no_broken_channel_and_choosing_ignores_it(pair: tuple[float, float]) -> None:
    frames = noise(30, channels=3)
    frames[10:20, 1:] = pair
    assert gaps(fed(Resampler(SAMPLE_RATE, -1, "test"), [frames])) == [Gap(10, 20, "invalid")]
    np.testing.assert_array_equal(joined(fed(Resampler(SAMPLE_RATE, 0, "test"), [frames])), frames[:, 0])


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=8, max_size=800))
def test_any_bytes_read_as_floats_give_numbers_and_gaps_only(data: bytes) -> None:
    frames = np.frombuffer(data[: len(data) // 8 * 8], np.float32).reshape(-1, 2)
    items = fed(Resampler(SAMPLE_RATE, -1, "test"), [frames])
    check_tiling(items, 0, len(frames))
    assert all(np.abs(item.samples).max() <= 8.0 for item in items if isinstance(item, Chunk))


def test_clipped_samples_of_the_channels_in_use_are_counted_before_conversion() -> None:
    frames = noise(480, channels=2)
    frames[10:13, 0] = [32767 / 32768, -1.0, 1.7]
    frames[13, 0] = 32766 / 32768
    frames[20:25, 1] = 1.0
    for channel, expected in ((0, 3), (1, 5), (-1, 8)):
        resampler = Resampler(48_000, channel, "test")
        fed(resampler, blocks(frames, cycle([7])))
        assert resampler.clipped == expected


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_a_full_live_queue_leaves_a_gap_exactly_where_the_audio_is_missing(rate: int) -> None:
    size = rate // 100
    live = FrameQueue(rate, capacity=30 * 160, clock=lambda: 0.0)
    whole = tone(0, 100 * size, rate)[:, None]
    parts = list(blocks(whole, cycle([size])))
    items: list[FrameBlock | FrameGap] = []
    for part in parts[:50]:  # 20 of them do not fit.
        live.push(part)
    items += [live.get(0) for _ in range(31)]
    for part in parts[50:70]:
        live.push(part)
    live.skip(10 * size, "device")
    items += [live.get(0) for _ in range(21)]
    for part in parts[80:]:
        live.push(part)
    live.close()
    out = one(taken(Resampler(rate, 0, "test", start=160), [*items, *live]))
    assert gaps(out) == [Gap(160 * 31, 160 * 51, "overflow"), Gap(160 * 71, 160 * 81, "device")]
    check_tiling(out, 160, 160 * 101)
    for chunk in out:
        if isinstance(chunk, Chunk):
            check_tone(Chunk(chunk.start - 160, chunk.samples))
    assert live.counts.dropped == 20 * 160


def test_neighbouring_losses_are_one_gap_per_reason() -> None:
    resampler = Resampler(48_000, 0, "test")
    holes = [FrameGap(0, 50, "overflow"), FrameGap(50, 100, "overflow"), FrameGap(100, 200, "device")]
    bad = FrameBlock(200, np.full((101, 1), np.nan, np.float32), 0.0)
    assert taken(resampler, [*holes, bad]) == [
        Gap(0, 33, "overflow"),
        Gap(33, 66, "device"),
        Gap(66, 100, "invalid"),
    ]


def test_a_loss_shorter_than_a_sample_is_no_gap() -> None:
    resampler = Resampler(48_000, 0, "test")
    items = taken(
        resampler,
        [FrameBlock(0, noise(300), 0.0), FrameGap(300, 301, "overflow"), FrameBlock(301, noise(299), 0.0)],
    )
    assert gaps(items) == []
    check_tiling(items, 0, 200)


kinds = st.sampled_from(["audio", "audio", "nan", "overflow", "device"])
pieces = st.lists(st.tuples(kinds, st.integers(1, 2500)), max_size=25)


def scripted(script: list[tuple[str, int]], clock: Callable[[int], float]) -> Iterator[FrameBlock | FrameGap]:
    first = 0
    for kind, count in script:
        last = first + count
        if kind == "audio":
            yield FrameBlock(first, noise(count, seed=first), clock(last))
        elif kind == "nan":
            yield FrameBlock(first, np.full((count, 1), np.nan, np.float32), clock(last))
        elif kind == "overflow":
            yield FrameGap(first, last, "overflow")
        else:
            yield FrameGap(first, last, "device")
        first = last


@settings(max_examples=60, deadline=None)
@given(pieces, st.sampled_from(RATES), st.integers(0, 10**9))
def test_chunks_and_gaps_tile_the_clock(script: list[tuple[str, int]], rate: int, start: int) -> None:
    out = taken(Resampler(rate, 0, "test", start), scripted(script, lambda last: 0.0))
    total = sum(count for _, count in script)
    check_tiling(out, start, start + samples_after(total, rate))
    expected, first = [], 0
    for kind, group in groupby(script, key=lambda piece: piece[0]):
        last = first + sum(count for _, count in group)
        gap = (start + samples_after(first, rate), start + samples_after(last, rate))
        if kind != "audio" and gap[1] > gap[0]:
            expected.append((*gap, "invalid" if kind == "nan" else kind))
        first = last
    assert [(gap.start, gap.end, gap.reason) for gap in gaps(out)] == expected


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 1500)), min_size=1, max_size=8),
    st.lists(st.integers(1, 2000), min_size=1, max_size=8),
    st.sampled_from(RATES),
)
def test_neither_samples_nor_gaps_depend_on_the_cuts(
    runs: list[tuple[bool, int]], sizes: list[int], rate: int
) -> None:
    frames = noise(sum(count for _, count in runs), channels=2)
    first = 0
    for valid, count in runs:
        if not valid:
            frames[first : first + count, first % 2] = NOT_AUDIO[first % 4]
        first += count
    whole = fed(Resampler(rate, -1, "test"), [frames])
    assert merged(fed(Resampler(rate, -1, "test"), blocks(frames, cycle(sizes)))) == merged(whole)


@settings(max_examples=60, deadline=None)
@given(pieces, st.sampled_from(RATES), st.lists(st.integers(0, 479), max_size=4))
def test_chunks_are_stamped_with_the_arrival_of_their_last_sample(
    script: list[tuple[str, int]], rate: int, spoilt: list[int]
) -> None:
    """When blocks arrive steadily: neither the resampler's lag nor broken frames within a block matter."""

    def spoil(item: FrameBlock | FrameGap) -> FrameBlock | FrameGap:
        if isinstance(item, FrameBlock):
            item.frames[[index for index in spoilt if index < len(item.frames)]] = np.nan
        return item

    items = (spoil(item) for item in scripted(script, lambda last: 100.0 + last / rate))
    chunks = [item for item in taken(Resampler(rate, 0, "test"), items) if isinstance(item, Chunk)]
    stamps = [chunk.arrived for chunk in chunks if chunk.arrived is not None]
    assert len(stamps) == len(chunks)
    due = [100.0 + chunk.end / SAMPLE_RATE for chunk in chunks]
    assert stamps == pytest.approx(due, abs=1.01 / SAMPLE_RATE)
    assert all(earlier <= later for earlier, later in pairwise(stamps))


def test_audio_that_is_not_live_has_no_arrival() -> None:
    items = fed(Resampler(48_000, 0, "test"), [noise(4800)])
    assert [item.arrived for item in items if isinstance(item, Chunk)] == [None] * len(items)


def voice(seconds: float = 1.0, rate: int = SAMPLE_RATE) -> Samples:
    """Noise in syllables, peak 0.9."""
    t = np.arange(round(seconds * rate)) / rate
    wave = np.random.default_rng(7).normal(size=len(t)) * np.sin(np.pi * 3 * t) ** 2
    return (0.9 * wave / np.abs(wave).max()).astype(np.float32)


@pytest.mark.parametrize("gain", [20.0, 100.0, 32_768.0, 8_388_608.0, 2_147_483_648.0])
@pytest.mark.parametrize("rate", [SAMPLE_RATE, 44_100])
def test_a_wrong_scale_is_said_once_and_mended_whatever_the_blocks(gain: float, rate: int) -> None:
    right = voice(2.0, rate)[:, None]
    frames = right * np.float32(gain)
    if gain > 1000:
        frames = np.rint(frames)
    outputs = []
    for size in (160, 4096, len(frames)):
        resampler = Resampler(rate, 0, "loud.wav")
        out = [*(item for part in blocks(frames, cycle([size])) for item in resampler.feed(part))]
        out += resampler.flush()
        (notice,) = (item for item in out if isinstance(item, Notice))
        assert "samples are far beyond" in notice.message
        items = [item for item in out if not isinstance(item, Notice)]
        assert gaps(items) == []
        check_tiling(items, 0, 2 * SAMPLE_RATE)
        outputs.append(joined(items))
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])
    assert 0.3 < np.abs(outputs[0]).max() <= 2.0


def test_what_is_lost_comes_after_what_the_scale_guard_holds() -> None:
    frames = voice(0.1)[:, None]
    frames[800] = 3.0  # Suspicious: the rest is held.
    resampler = Resampler(SAMPLE_RATE, 0, "test")
    out = [*resampler.feed_read(frames), *resampler.feed_read(Lost(160, "overflow"))]
    out += [*resampler.feed_read(frames[:320]), *resampler.flush()]
    items = [item for item in out if not isinstance(item, Notice)]
    check_tiling(items, 0, 1600 + 160 + 320)
    assert gaps(items) == [Gap(1600, 1760, "overflow")]
    np.testing.assert_array_equal(joined(items), np.concatenate([frames, frames[:320]])[:, 0])


def test_single_wild_values_do_not_change_the_scale() -> None:
    frames = voice()[:, None]
    frames[::1600] = 30_000.0
    items = fed(Resampler(SAMPLE_RATE, 0, "test"), [frames])
    assert [gap.length for gap in gaps(items)] == [1] * 10
    np.testing.assert_array_equal(joined(items), np.delete(frames[:, 0], np.s_[::1600]))


@pytest.mark.parametrize("channels", [2, 4])
def test_channels_that_cancel_are_said_once_and_one_is_heard(channels: int) -> None:
    signs = np.resize([1.0, -1.0], channels).astype(np.float32)
    frames = voice()[:, None] * signs
    outputs = []
    for size in (7, 160, len(frames)):
        resampler = Resampler(SAMPLE_RATE, -1, "call.wav")
        out = [*(item for part in blocks(frames, cycle([size])) for item in resampler.feed(part))]
        (notice,) = (item for item in out if isinstance(item, Notice))
        assert "the channels cancel each other" in notice.message
        outputs.append(joined(item for item in out if not isinstance(item, Notice)))
    assert np.array_equal(outputs[0], outputs[1])
    assert np.array_equal(outputs[0], outputs[2])
    late = slice(SAMPLE_RATE // 2, None)
    np.testing.assert_array_equal(np.abs(outputs[0][late]), np.abs(frames[late, 0]))


@pytest.mark.parametrize("other", [0.0, 0.5])
def test_a_silent_or_a_similar_channel_cancels_nothing(other: float) -> None:
    frames = np.stack([voice(), other * voice()], 1)
    items = fed(Resampler(SAMPLE_RATE, -1, "test"), [frames])
    np.testing.assert_array_equal(joined(items), frames.mean(1))
