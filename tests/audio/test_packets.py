from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.audio.packets import PACKET_RATES, PacketCodec, PacketDecoder
from stream_emo.errors import SourceError


@settings(deadline=None, max_examples=50)
@given(codec=st.sampled_from(["g722", "opus"]), packets=st.lists(st.binary(max_size=200), max_size=6))
def test_any_packets_give_whole_samples_or_an_error(codec: PacketCodec, packets: list[bytes]) -> None:
    decoder = PacketDecoder(codec)
    for packet in packets:
        try:
            audio = decoder.decode(packet)
        except SourceError:
            continue
        assert len(audio) % 2 == 0
        assert len(audio) <= 2 * max(4 * len(packet), PACKET_RATES[codec] * 0.12)


def test_an_empty_packet_does_not_end_the_stream() -> None:
    decoder = PacketDecoder("g722")
    assert decoder.decode(b"") == b""
    assert len(decoder.decode(bytes(160))) == 640


def test_an_error_names_the_codec() -> None:
    with pytest.raises(SourceError, match=r"3 bytes .* opus"):
        PacketDecoder("opus").decode(b"\xff" * 3)
