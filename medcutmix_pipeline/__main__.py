"""The `medcutmix-pipeline` command; says what to install where only the loader is there."""

from __future__ import annotations

import signal
import sys

from medcutmix_pipeline.standard import show_all_characters

_INTERRUPTED = 130
NEEDED = frozenset(
    [
        "PIL",
        "fsspec",
        "jinja2",
        "jpeg_ls",
        "libjpeg",
        "numpy",
        "openjpeg",
        "packaging",
        "psutil",
        "pyarrow",
        "pydantic",
        "pydicom",
        "pylibjpeg",
        "ray",
        "rich",
        "safetensors",
        "scispacy",
        "spacy",
        "torch",
        "transformers",
        "typer",
        "yaml",
    ]
)
"""The modules that come with the extra `build`."""


def main() -> None:
    """Run the command line."""
    show_all_characters()
    try:
        from medcutmix_pipeline.cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before there is anybody to say more
        sys.exit(_INTERRUPTED)
    except ModuleNotFoundError as missing:  # a trainer's environment may hold what the help needs, and no more
        module = (missing.name or "").partition(".")[0]
        if module == "fcntl":
            sys.exit("medcutmix-pipeline needs a system with Unix's file locks: on Windows, run it in WSL")
        if module not in NEEDED:  # by an encoder of a user's own, for example
            raise
        sys.exit(
            f"medcutmix-pipeline needs {module}, which is not installed: its own dependencies come with "
            "`pip install 'medcutmix-pipeline[build]'` (without it, only medcutmix_pipeline.loader works)"
        )
    if code == _INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who presses twice must not disturb what is being ended
    sys.exit(code)


if __name__ == "__main__":
    main()
