"""The key of an encrypted database, in the system's keyring."""

from __future__ import annotations

import secrets
from pathlib import Path

from stream_emo.errors import StoreError

_SERVICE = "stream-emo mood"
_REMEDY = "unlock the system's keyring, or set mood.encrypt = false for a new database"


def key_of(path: Path) -> str:
    """Return the key of the database at `path`, 64 hexadecimal digits; made where neither is there yet.

    Raises:
        StoreError: the package keyring is missing, there is no keyring (as on a server without a desktop), it
            is locked, or it does not hold the key of an existing database.
    """
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise StoreError(
            "mood.encrypt needs the package keyring: pip install 'stream-emo[encryption]'"
        ) from error
    user = str(path.absolute())
    try:
        key = keyring.get_password(_SERVICE, user)
        if key is None:
            if path.exists():
                raise StoreError(
                    f"{path}: its key is not in the system's keyring; restore the keyring, "
                    "or move the database away to begin a new one"
                )
            key = secrets.token_hex(32)
            keyring.set_password(_SERVICE, user, key)
    except keyring.errors.NoKeyringError as error:
        # Its own text names a package that would keep the key in a plain file.
        raise StoreError(
            f"the key of {path} cannot be read: this session has no keyring, which desktop sessions have; "
            "use one, or set mood.encrypt = false for a new database"
        ) from error
    except keyring.errors.KeyringError as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"the key of {path} cannot be read ({reason}); {_REMEDY}") from error
    return key
