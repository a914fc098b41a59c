"""The GitOps story on a real model, told with the commands a user would type: `make demo`.

In a throw-away repository made from specs/: plan, apply 1.0.0, ask it; retrain as 1.1.0 by a commit; a bad commit is
stopped by its gate; `git revert` brings 1.0.0 back without training. Every claim is checked; the first that does not
hold ends the story with exit status 1.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
HOME = HERE / "build" / "demo"
SPEC = "specs/support-triage/spec.yaml"
QUESTION = "Hi, the parcel with my two Glow 2 lamps was due last Friday and the tracking has not moved since. Ewa"
GITUNE = [sys.executable, "-m", "runner", "-C", str(HOME)]
STARTED = time.monotonic()


def say(title: str) -> None:
    minutes, seconds = divmod(int(time.monotonic() - STARTED), 60)
    print(f"\n\033[1m── {minutes:02}:{seconds:02}  {title}\033[0m", flush=True)


def check(holds: bool, claim: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        sys.exit(f"demo: this should hold but does not: {claim}")
    print(f"   ✓ {claim}", flush=True)


def git(*arguments: str) -> None:
    print(f"$ git {' '.join(arguments)}", flush=True)
    identity = ["-c", "user.name=Demo", "-c", "user.email=demo@example.invalid"]
    subprocess.run(["git", *identity, *arguments], cwd=HOME, check=True, stdout=subprocess.DEVNULL)


def gitune(*arguments: str) -> int:
    print(f"$ gitune {' '.join(arguments)}", flush=True)
    return subprocess.run([*GITUNE, *arguments], cwd=HERE, check=False).returncode


def gitune_json(*arguments: str) -> dict:
    done = subprocess.run([*GITUNE, *arguments, "--json"], cwd=HERE, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def actions() -> dict[str, str]:
    (spec,) = gitune_json("plan")["specs"]
    return {step["step"]: step["action"] for step in spec["steps"]}


def edit(**values: str) -> None:
    """Set keys of the spec where they stand, as an engineer would in an editor."""
    text = (HOME / SPEC).read_text(encoding="utf-8")
    for key, value in values.items():
        text, found = re.subn(rf"^(\s*{key}:) .*$", rf"\1 {value}", text, count=1, flags=re.MULTILINE)
        assert found == 1, key
    (HOME / SPEC).write_text(text, encoding="utf-8")


def commit(message: str) -> None:
    git("commit", "--quiet", "--all", "--message", message)


class Server:
    """`gitune serve` in the background, asked through the OpenAI client."""

    def __init__(self) -> None:
        print("$ gitune serve --port 0 &", flush=True)
        self.process = subprocess.Popen([*GITUNE, "serve", "--port", "0"], cwd=HERE, stderr=subprocess.PIPE, text=True)
        self.url = self._announced()
        # Somebody must read what the server says, or its pipe fills up.
        threading.Thread(target=self._drain, daemon=True).start()

    def _announced(self) -> str:
        for line in self.process.stderr:
            print(f"   {line.rstrip()}", flush=True)
            if found := re.search(r"http://\S+/v1", line):
                return found[0]
        sys.exit("demo: the server ended before it was ready")

    def _drain(self) -> None:
        for _ in self.process.stderr:
            pass

    def ask(self, expected: str) -> str:
        """Ask until the expected version answers; it must within 2 seconds of the deployment, plus loading."""
        from openai import OpenAI

        client = OpenAI(base_url=self.url, api_key="unused")
        until = time.monotonic() + 20
        while True:
            answer = client.chat.completions.create(
                model="support-triage", messages=[{"role": "user", "content": QUESTION}]
            )
            if answer.model.endswith(f"@{expected}") or time.monotonic() > until:
                break
            time.sleep(0.1)
        print(f'   customer: "{QUESTION}"')
        print(f"   {answer.model}: {answer.choices[0].message.content}", flush=True)
        check(answer.model == f"support-triage@{expected}", f"version {expected} answers over HTTP")
        return answer.choices[0].message.content

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def make_repository() -> None:
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    shutil.copytree(HERE / "specs", HOME / "specs")
    (HOME / "registry").mkdir()
    shutil.copy(HERE / "registry" / "config.yaml", HOME / "registry" / "config.yaml")
    (HOME / ".gitignore").write_text("registry/store/\n", encoding="utf-8")
    git("init", "--quiet", "--initial-branch", "main")
    git("add", ".")
    commit("Add support-triage 1.0.0")


def first_release() -> None:
    say("Plan: nothing exists yet, so everything runs or depends on something that runs")
    gitune("plan")
    first = actions()
    check(first.pop("predict_champion") in ("DEPENDS", "NONE"), "there is no champion yet")
    check(set(first.values()) <= {"RUN", "DEPENDS"}, "every other step is RUN or DEPENDS")
    say("Apply: prepare, train, predict, score, gate, deploy 1.0.0")
    check(gitune("apply", "--yes") == 0, "1.0.0 passed its gates and is deployed")


def second_release(server: Server) -> None:
    say("A commit that changes the training: 2 epochs in place of 1, version 1.1.0")
    edit(version="1.1.0", num_epochs="2")
    commit("support-triage 1.1.0: train for 2 epochs")
    gitune("plan")
    planned = actions()
    check(planned["prepare"] == "REUSE", "the dataset is reused")
    check(planned["predict_base"] == "REUSE", "the base model's answers are reused")
    check(planned["train"] == "RUN", "training runs, and the plan says which line asked for it")
    check(gitune("apply", "--yes") == 0, "1.1.0 passed its gates and is deployed")
    server.ask("1.1.0")


def bad_commit(server: Server) -> None:
    say("A bad commit on a branch: answers of 8 tokens at most, to save time")
    git("switch", "--quiet", "--create", "shorter")
    edit(version="1.2.0", generation="{max_new_tokens: 8, temperature: 0}")
    commit("support-triage 1.2.0: answer in fewer tokens")
    planned = actions()
    check(planned["train"] == "REUSE", "nothing is trained")
    check(planned["predict_tuned"] == "RUN", "but its answers are judged anew")
    code = gitune("apply", "--yes", "--through", "evaluate")
    check(code == 3, "a gate stopped it: exit code 3")
    gitune("report", "support-triage", "--out", str(HOME / "report-1.2.0.md"))
    git("switch", "--quiet", "main")
    server.ask("1.1.0")


def roll_back(server: Server, first_answer: str) -> None:
    say("git revert of 1.1.0: the old model comes back, nothing is trained")
    git("revert", "--no-edit", "HEAD")
    gitune("plan")
    planned = actions()
    check(planned["deploy"] == "RUN", "the pointer moves")
    check(set(planned.values()) <= {"REUSE", "NONE", "RUN"}, "nothing is left open")
    check([step for step, action in planned.items() if action == "RUN"] == ["deploy"], "no other step runs")
    outcome = gitune_json("apply", "--yes")["specs"][0]
    check(outcome["ran"] == ["deploy"], "the apply ran 0 train steps")
    check(server.ask("1.0.0") == first_answer, "and it answers as it did before")


def ending() -> None:
    say("Where things stand")
    gitune("history", "support-triage")
    gitune("explain", "support-triage")
    check(set(actions().values()) <= {"REUSE", "NONE"}, "a plan now lists only REUSE and NONE")
    gitune("report", "support-triage", "--out", str(HOME / "report.html"))
    here = HOME.relative_to(HERE)
    print(f"\nThe report: {here}/report.html  (the rejected 1.2.0, as a comment: {here}/report-1.2.0.md)")
    print("\nTry next:")
    print(f"  .venv/bin/gitune -C {here} plan")
    print(f"  .venv/bin/gitune -C {here} serve            # then ask http://127.0.0.1:8080/v1")
    print(f"  .venv/bin/gitune -C {here} explain support-triage")
    print(f"  .venv/bin/gitune -C {here} report support-triage --compare 1.0.0 1.1.0")


def tell() -> None:
    say(f"A throw-away repository in {HOME.relative_to(HERE)}, made from specs/")
    make_repository()
    first_release()
    say("Serve it and ask a question with the OpenAI client")
    server = Server()
    try:
        first_answer = server.ask("1.0.0")
        second_release(server)
        bad_commit(server)
        roll_back(server, first_answer)
    finally:
        server.stop()
    ending()


if __name__ == "__main__":
    tell()
