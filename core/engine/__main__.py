"""`python -m core.engine DIRECTORY`: the worker."""

import argparse
import logging
import sys
from pathlib import Path

from core.engine.worker import run
from core.errors import Exit, FieldhandError
from core.paths import StateDirectory


def main(directory: StateDirectory, ends_with: int | None = None) -> Exit:
    """Run the worker in this process; the last line on standard error says why it could not go on."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        run(directory, ends_with)
    except FieldhandError as error:
        sys.stderr.write(f"fieldhand: {error}\n")
        return error.exit_code
    return Exit.DONE


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m core.engine")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--ends-with", type=int, metavar="PID", help="end in order when this process has ended")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    sys.exit(main(StateDirectory(given.directory), given.ends_with))
