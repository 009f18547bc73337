"""The `medcutmix-pipeline` command; says what to install where only the loader is there."""

from __future__ import annotations

import signal
import sys

from medcutmix_pipeline.standard import show_all_characters

_INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    show_all_characters()
    try:
        from medcutmix_pipeline.cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before there is anybody to say more
        sys.exit(_INTERRUPTED)
    except ModuleNotFoundError as missing:  # a trainer's environment may hold what the help needs, and no more
        if missing.name is None or missing.name.startswith("medcutmix_pipeline"):
            raise
        if missing.name == "fcntl":
            sys.exit("medcutmix-pipeline needs a system with Unix's file locks: on Windows, run it in WSL")
        sys.exit(
            f"medcutmix-pipeline needs {missing.name}, which is not installed: its own dependencies come with "
            "`pip install 'medcutmix-pipeline[build]'` (without it, only medcutmix_pipeline.loader works)"
        )
    if code == _INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who presses twice must not disturb what is being ended
    sys.exit(code)


if __name__ == "__main__":
    main()
