"""The exceptions of stream_emo.

    StreamEmoError
    ├── ConfigError       a key, type or range in the configuration         (exit code 2)
    ├── SourceError       audio cannot be read: file, pipe                  (exit code 2)
    │   └── DeviceError   no PortAudio, no such device, unsupported rate    (exit code 2)
    ├── WeightsError      a model is missing, corrupt or does not fit       (exit code 2)
    ├── EventError        a line of JSON that is not an event            (exit code 2)
    ├── ProtocolError     a message of a telephony protocol is malformed (exit code 2)
    ├── StoreError        the mood tracker's database cannot be used  (exit code 2)
    └── PipelineError     a stage failed while running                      (exit code 1)
        ├── ForkError     models used in a process forked after loading  (exit code 1)
        └── StuckError    threads that did not end in time, by name      (exit code 1)

Each message is one line that names the thing and the remedy.
"""

from typing import ClassVar, NoReturn


class StreamEmoError(Exception):
    """Base class; `exit_code` is what the command line returns."""

    exit_code: ClassVar[int] = 2


class ConfigError(StreamEmoError):
    """The configuration is wrong: unknown key, wrong type, value out of range, unreadable file."""


class SourceError(StreamEmoError):
    """Audio cannot be read: missing, empty, broken or not audio."""


class DeviceError(SourceError):
    """The audio device cannot be used: no PortAudio, unknown device, unsupported format."""


class WeightsError(StreamEmoError):
    """A model's weights are missing, corrupt, or made for something else."""


class EventError(StreamEmoError):
    """A line of JSON is not an event of this version's schema."""


class ProtocolError(StreamEmoError):
    """A message is not what the telephony protocol allows at this place; its connection is to be closed."""


class StoreError(StreamEmoError):
    """The mood tracker's database is missing, damaged, in use by another service, or needs its key."""


class PipelineError(StreamEmoError):
    """A stage failed while the monitor was running; `__cause__` holds the first failure."""

    exit_code: ClassVar[int] = 1


class ForkError(PipelineError):
    """The models were loaded before this process was forked, and cannot be used in it."""


class StuckError(PipelineError):
    """Shutdown passed its deadline; the message names the threads that did not end."""


def raise_failure(failure: BaseException) -> NoReturn:
    """Raise what ended a session: an unexpected exception as a `PipelineError`, any other as it is."""
    if isinstance(failure, StreamEmoError) or not isinstance(failure, Exception):
        raise failure
    raise PipelineError(f"{type(failure).__name__}: {failure}") from failure
