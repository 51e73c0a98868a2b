"""Makes a client from the description of a running API, and fetches the latest values with it."""

import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

question = json.load(sys.stdin)
with tempfile.TemporaryDirectory() as folder:
    made = pathlib.Path(folder) / "made"
    command = [
        pathlib.Path(sys.executable).parent / "openapi-python-client",
        "generate",
        f"--url={question['url']}/api/openapi.json",
        f"--output-path={made}",
        "--meta=none",
    ]
    # It formats what it has made by ruff.
    environment = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=folder, env=environment, timeout=120, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    client = importlib.import_module("made").Client(base_url=question["url"], raise_on_unexpected_status=True)
    latest = importlib.import_module("made.api.values.latest_values").sync(client=client)
    sensors = latest.sensors.additional_properties
    json.dump(
        {
            "speed": latest.speed,
            "sensors": {
                name: [value.device, value.value, value.unit, value.timestamp.isoformat()]
                for name, value in sensors.items()
            },
        },
        sys.stdout,
    )
