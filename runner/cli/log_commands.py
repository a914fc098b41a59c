"""What GitHub's runner would take for a command in the log of a step, such as `::set-output`, is switched off.

Specs, file names, data and answers are printed, and they are written by whoever proposes a change. Not printing line
breaks keeps `::name::` from the beginning of a line, but the runner also knows the old form `##[name]`, anywhere in it.
"""

from __future__ import annotations

import os
import sys


def switch_off_log_commands() -> None:
    """Tell the runner, if there is one, to take the rest of this step's log for text.

    Nobody learns the word that would end it: two streams reach the runner in no certain order, and no later line of
    this step has to be a command. Outputs are written to files.
    """
    if os.environ.get("GITHUB_ACTIONS") == "true":
        sys.stderr.write(f"::stop-commands::{os.urandom(16).hex()}\n")
        sys.stderr.flush()
