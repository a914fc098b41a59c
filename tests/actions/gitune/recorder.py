"""Stands in for gitune where a test asks what a workflow calls: notes each call, answers as the test says.

ACT_CALLS: file that gets one JSON line for each call. ACT_ANSWERS: JSON, first words of a call -> what it prints and
outputs, or null where the real gitune shall answer. A call that is not among them does nothing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

arguments = sys.argv[1:]
at, words = (arguments[1], arguments[2:]) if arguments[0] == "-C" else (".", arguments)
head = subprocess.run(
    ["git", "-C", at, "rev-parse", "HEAD"], capture_output=True, text=True, check=False
).stdout.strip()
call = {"at": at, "words": words, "head": head, "environment": dict(os.environ)}
with Path(os.environ["ACT_CALLS"]).open("a", encoding="utf-8") as calls:
    calls.write(json.dumps(call) + "\n")
answers = json.loads(os.environ["ACT_ANSWERS"])
said = next((prefix for prefix in answers if " ".join(words).startswith(prefix)), None)
if said is None:
    sys.exit(0)
if (answer := answers[said]) is None:
    sys.exit(subprocess.run([sys.executable, "-m", "runner", *arguments], check=False).returncode)
print(answer.get("prints", ""))
with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as outputs:
    outputs.writelines(f"{name}={value}\n" for name, value in answer.get("outputs", {}).items())
sys.exit(answer.get("code", 0))
