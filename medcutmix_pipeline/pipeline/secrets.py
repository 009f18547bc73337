"""The secret key of the pseudonyms: the user's own, or one made for this user and kept out of every dataset."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.home import at_home

KEY_VARIABLE = "MEDCUTMIX_KEY_FILE"
_LEAST_BYTES = 32


def load_key(key_file: str | None) -> bytes:
    """The key from the configured file, else from the file named by MEDCUTMIX_KEY_FILE, else this user's own.

    The user's own key stands in the user's configuration folder, readable by nobody else, and is made at the first
    build. The same key gives the same pseudonyms, so it has to go along where a dataset is to be built again elsewhere.

    Raises:
        UsageError: the file is missing, unreadable or too short.
    """
    path = key_place(key_file)
    if path == own_key_place():
        _make_own_key(path)
    try:
        key = path.read_bytes()
    except OSError as why:
        raise UsageError(f"cannot read the pseudonym key {path}: {why.strerror}; see privacy.key_file") from None
    if len(key) < _LEAST_BYTES:
        raise UsageError(f"the pseudonym key {path} has {len(key)} bytes, at least {_LEAST_BYTES} are needed")
    return key


def check_key(key_file: str | None) -> bool:
    """Whether there is a key to be used; False where the user's own is still to be made.

    Raises:
        UsageError: as `load_key`.
    """
    path = key_place(key_file)
    if path == own_key_place() and not path.exists():
        return False
    load_key(key_file)
    return True


def key_place(key_file: str | None) -> Path:
    """Where the key stands, or will stand once it is made."""
    named = key_file or os.environ.get(KEY_VARIABLE)
    return Path(at_home(named)) if named else own_key_place()


def own_key_place() -> Path:
    """Where this user's own key stands."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "medcutmix-pipeline" / "pseudonym.key"


def _make_own_key(path: Path) -> None:
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Made whole under another name and linked, so that two first builds at a time agree on one key. The name
            # is nobody else's: a build that was killed right here has left its own, and numbers of processes return.
            fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.write(secrets.token_bytes(_LEAST_BYTES))
                out.flush()
                os.fsync(out.fileno())
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        except OSError as why:
            raise not_made(path, why) from None


def not_made(path: Path, why: OSError) -> UsageError:
    """What to raise where the user's own key cannot be made."""
    return UsageError(
        f"cannot make a pseudonym key at {path} ({why.strerror}): name one with privacy.key_file or {KEY_VARIABLE}"
    )
