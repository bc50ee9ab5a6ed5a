"""MiniLM: words as vectors in which near means alike.

Wang et al. (2020), "MiniLM"; Reimers and Gurevych (2019), "Sentence-BERT": all-MiniLM-L6-v2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.errors import WeightsError
from stream_emo.types import TextTokens, Word

TEXT_FEATURES = 384
"""Width of all-MiniLM-L6-v2."""
_LONGEST = 256  # Word pieces; the model was trained on no longer texts.


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The word pieces of one text: `features` float32 [m, width]; `words` int64 [m], the word each is of."""

    features: NDArray[np.float32]
    words: NDArray[np.int64]


class TextEncoder:
    """all-MiniLM-L6-v2 through transformers."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        """Raises:
        WeightsError: the folder does not hold a model that transformers can load.
        """
        import torch
        from safetensors import SafetensorError
        from transformers import AutoTokenizer, BertModel

        self._device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = BertModel.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise WeightsError(
                f"{folder}: not a usable MiniLM model ({reason}); remove or replace it"
            ) from error
        self._model = model.eval().to(self._device)
        self.width = int(model.config.hidden_size)

    def encode(self, words: Sequence[Word]) -> TextTokens:
        """One token per word piece, placed at the middle of its word."""
        (pieces,) = self.encode_batch([[word.text for word in words]])
        middles = np.array([(word.start + word.end) // 2 for word in words], np.int64)
        return TextTokens(pieces.features, middles[pieces.words])

    def encode_batch(self, texts: Sequence[Sequence[str]]) -> list[Pieces]:
        """Each text is a list of words; no text may be empty."""
        import torch

        batch = self._tokenizer(
            [list(words) for words in texts],
            is_split_into_words=True,
            padding=True,
            truncation=True,
            max_length=_LONGEST,
            return_tensors="pt",
        )
        with torch.inference_mode():
            hidden = self._model(**batch.to(self._device)).last_hidden_state.float().cpu().numpy()
        results = []
        for row in range(len(texts)):
            belongs = batch.word_ids(row)
            kept = [index for index, word in enumerate(belongs) if word is not None]
            words = np.array([belongs[index] for index in kept], np.int64)
            results.append(Pieces(np.ascontiguousarray(hidden[row, kept]), words))
        return results
