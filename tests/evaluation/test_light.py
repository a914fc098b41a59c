"""`plan` checks metrics and gates: that must not load numeric libraries."""

import subprocess
import sys


def test_checking_gates_loads_no_numeric_library():
    code = (
        "import sys, runner.evaluation.catalog, runner.evaluation.gates, runner.evaluation.measurable, runner.report.text;"
        "print(sorted({'numpy', 'scipy', 'jsonschema', 'rapidfuzz', 'sacrebleu', 'torch', 'rich'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
