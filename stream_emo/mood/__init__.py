"""The mood tracker: a private record of how its owner's voice and words sounded, over weeks."""
