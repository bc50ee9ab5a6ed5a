"""A clip that shows what the monitor does, on any machine: five synthetic sentences.

espeak-ng 1.51 spoke them, voices en-us+f3 (neutral: pitch 55, 150 words a minute; happy: 75, 170; fearful:
80, 190), en-us+m3 (angry: 35, 175) and en-us+f2 (sad: 30, 115), with 0.9 s between them; Opus at 16 kHz.
A synthetic voice means little to a network that was trained on human ones: here the text decides.
"""

from __future__ import annotations

from pathlib import Path

CLIP = Path(__file__).parent / "clip.opus"

EXPLANATION = """\
What you have seen, one `score` event per estimate (`stream-emo demo --json` prints them):

  utterance, revision  a stretch of speech; a higher revision replaces a lower, `final` marks the last
  start, end           seconds since the session began
  label, confidence    emotion with enough evidence, neutral without any, null: unclear; its probability
  probabilities        over the seven emotions, sum 1; valence (unpleasant to pleasant) and arousal: -1 to 1
  rolling              the same for the whole conversation: a mean that decays over time
  text, words          the transcript, null where it cannot be trusted; language: of the text
  audio_weight, text_weight   the share of each modality in the score
  latency_ms           from the arrival of the last sample needed to publication
  dropped_ms           audio lost so far

It estimates expressed emotion; it does not read minds. Next: stream-emo run (microphone), stream-emo run FILE
"""
