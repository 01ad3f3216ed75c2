"""The entry of the command `swarm`: takes the signals over first, then loads the rest."""

from __future__ import annotations

import sys

from swarm.stopping import Stop, leave


def main() -> None:
    """Run the command line.

    A wrong setting is one line on stderr that names it and the cure, and exit code 2; what fails on the way
    is one line and exit code 1; a defect keeps its traceback.
    """
    stop = Stop()
    stop.install()
    try:
        from swarm.commands import app

        app(obj=stop)
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)
    except (Exception, BaseExceptionGroup) as error:
        from swarm.error_lines import error_line

        found = error_line(error)
        if found is None:
            raise
        label = "\x1b[1;31merror\x1b[0m" if sys.stderr.isatty() else "error"
        sys.stderr.write(f"{label} {found.text}\n")
        leave(found.exit_code)
