"""Runs schemathesis against a running API, and gives back what it found."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

# In seconds. The examples are as many as take less than 90 s; on a busy machine, they take longer.
DEADLINE = 240

here = pathlib.Path(__file__).parent
question = json.load(sys.stdin)
command = [
    pathlib.Path(sys.executable).parent / "st",
    "run",
    f"{question['url']}/api/openapi.json",
    "--phases=examples,coverage,fuzzing",
    f"--seed={question['seed']}",
    f"--max-examples={question['examples']}",
    "--workers=2",
    "--generation-database=none",
    # The check of `refusals` is stricter: it allows a refusal of well-formed parameters only for some reasons.
    "--exclude-checks=positive_data_acceptance",
    "--exclude-operation-id=live",
    "--suppress-health-check=all",
    "--continue-on-failure",
    "--warnings=off",
    "--no-color",
]
environment = {
    **os.environ,
    "SCHEMATHESIS_HOOKS": "refusals",
    "PYTHONPATH": str(here),
    "PYTHONDONTWRITEBYTECODE": "1",
}
with tempfile.TemporaryDirectory() as folder:
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, timeout=DEADLINE, capture_output=True, text=True, check=False
        )
        answer = {"code": done.returncode, "said": done.stdout + done.stderr}
    except subprocess.TimeoutExpired as expired:
        answer = {"code": None, "said": f"not done within {DEADLINE} s: {expired.stdout}"}
json.dump(answer, sys.stdout)
