"""`python -m core.engine DIRECTORY`: the worker."""

import logging
import sys
from pathlib import Path

from core.engine.worker import run
from core.errors import Exit, FieldhandError
from core.paths import StateDirectory


def main(directory: StateDirectory) -> Exit:
    """Run the worker in this process; the last line on standard error says why it could not go on."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        run(directory)
    except FieldhandError as error:
        sys.stderr.write(f"fieldhand: {error}\n")
        return error.exit_code
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main(StateDirectory(Path(sys.argv[1]))))
