"""The `medcutmix-pipeline` command; says what to install where only the loader is there."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from medcutmix_pipeline.cli import run
    except KeyboardInterrupt:  # before there is anybody to say more
        sys.exit(130)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("medcutmix_pipeline"):
            raise
        sys.exit(
            f"medcutmix-pipeline needs {missing.name}, which is not installed: its own dependencies come with "
            "`pip install 'medcutmix-pipeline[build]'` (without it, only medcutmix_pipeline.loader works)"
        )
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
