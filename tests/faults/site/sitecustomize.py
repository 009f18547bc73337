"""Python imports this at every start where its folder is on the path: so a fault reaches Ray's workers."""

import sys

if any("default_worker.py" in argument for argument in sys.orig_argv):
    from tests.faults.points import install_from_environment

    install_from_environment()
