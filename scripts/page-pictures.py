"""Takes the pictures of the page that README and docs/page.md show, and shrinks them to few colours.

Needs a running `odograph up --demo` whose thirty days have come, Chromium with its driver
(scripts/install-chromium.sh), and Pillow (`python3 -m pip install pillow`). No test runs this.

Usage: page-pictures.py [http://127.0.0.1:5000]
"""

import base64
import io
import json
import re
import subprocess
import sys
import time
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

from PIL import Image

PAGE = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:5000"
FOLDER = Path(__file__).parent.parent / "docs/pictures"
LAPTOP, PHONE = (1200, 750), (390, 844)

# Seconds until roads, charts and names have come.
SETTLED = 15
# Bytes of a picture at the most.
MOST = 60_000


def ask(url: str, body: dict | None = None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": "application/json"})) as answer:
        return json.load(answer)


def last_drive() -> tuple[str, str, str]:
    """The day, the beginning and the end of the last drive that is over, the ends with two minutes more."""
    since = (datetime.now(timezone.utc) - timedelta(days=4)).date()
    trips = [trip for trip in ask(f"{PAGE}/api/trips?device=demo&from={since}")["trips"] if not trip["open"]]
    longest = max(trips, key=lambda trip: trip["duration"])
    begin, end = (datetime.fromisoformat(longest[name].replace("Z", "+00:00")) for name in ("from", "to"))
    span = [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (begin - timedelta(minutes=2), end + timedelta(minutes=2))]
    return longest["date"], span[0], span[1]


def shrunk(png: bytes) -> bytes:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        small = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        written = io.BytesIO()
        small.save(written, "PNG", optimize=True)
        if written.tell() <= MOST:
            break
    return written.getvalue()


def take(session: str, name: str, path: str, size: tuple[int, int], theme: str) -> None:
    def command(cmd: str, params: dict):
        return ask(f"{session}/goog/cdp/execute", {"cmd": cmd, "params": params})["value"]

    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    command("Emulation.setDeviceMetricsOverride", metrics)
    command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
    command("Emulation.setTimezoneOverride", {"timezoneId": "Europe/Zagreb"})
    command("Emulation.setLocaleOverride", {"locale": "en-GB"})
    ask(f"{session}/url", {"url": PAGE + path})
    time.sleep(SETTLED)
    shot = command("Page.captureScreenshot", {"format": "png"})["data"]
    png = shrunk(base64.b64decode(shot))
    (FOLDER / f"{name}.png").write_bytes(png)
    print(f"{name}.png: {len(png)} bytes")


def main() -> None:
    day, begin, end = last_drive()
    FOLDER.mkdir(exist_ok=True)
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        lines = iter(driver.stdout.readline, "")
        port = next(found[1] for line in lines if (found := re.search(r"started successfully on port (\d+)", line)))
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en-GB"]
        options = {"args": arguments, "prefs": {"intl.accept_languages": "en-GB,en"}}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        base = f"http://127.0.0.1:{port}/session"
        session = f"{base}/{ask(base, wanted)['value']['sessionId']}"
        take(session, "live", "/", LAPTOP, "light")
        take(session, "drives", f"/drives?day={day}", LAPTOP, "light")
        take(session, "charts", f"/charts?from={begin}&to={end}", LAPTOP, "light")
        take(session, "phone", "/", PHONE, "dark")
        urllib.request.urlopen(urllib.request.Request(session, method="DELETE")).close()
    finally:
        driver.terminate()
        driver.wait()


main()
