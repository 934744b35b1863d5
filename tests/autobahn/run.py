"""Run the Autobahn fuzzing client against Penstock: ``make autobahn``, or ``python run.py [cases ...]``.

Every case has to end with OK in behaviour and in closing; those the suite itself calls informational are counted and
shown. The client needs Python 2.7: ``AUTOBAHN_PYTHON``, ``python2.7`` or one of pyenv's. Its packages are installed once,
under ``target/autobahn``. Where there is no Python 2.7 or they cannot be installed, the run is skipped with a line
that says so. The results are printed, and written to ``target/autobahn/reports`` with a page for each case.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME = ROOT / "target" / "autobahn"
REPORTS = HOME / "reports"
sys.path.insert(0, str(HERE.parent))

from harness import Server  # noqa: E402

#: Verdicts that a server that keeps to the RFC gets.
STRICT = ("OK", "INFORMATIONAL")
SECONDS_FOR_ALL = 3600


class Unavailable(Exception):
    """The fuzzing client cannot be had here."""


def main(cases: list[str]) -> int:
    try:
        client = fuzzing_client()
    except Unavailable as why:
        print(f"Autobahn: skipped, {why}")
        return 0
    shutil.rmtree(REPORTS, ignore_errors=True)
    started = time.monotonic()
    application = HERE.parent / "projects" / "websocket_site"
    with Server("-b", "{tcp}", "sockets:app", cwd=application) as server:
        host, port = server.address
        run(client, f"ws://{host}:{port}/echo", cases or ["*"])
    return report(time.monotonic() - started)


def fuzzing_client() -> Path:
    """``wstest``, installed if need be."""
    given = os.environ.get("WSTEST") or shutil.which("wstest")
    if given:
        return Path(given)
    client = HOME / "python" / "bin" / "wstest"
    if client.exists():
        return client
    python = python27()
    HOME.mkdir(parents=True, exist_ok=True)
    tools = HOME / "tools"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [
        [*pip, "--target", str(tools), "virtualenv<20.22"],
        [python, "-m", "virtualenv", "--quiet", str(HOME / "python")],
        [str(HOME / "python" / "bin" / "pip"), "install", "--quiet", "-r", str(HERE / "requirements.txt")],
    ]
    for step in steps:
        environment = {**os.environ, "PYTHONPATH": str(tools)} if "virtualenv" in step else None
        done = subprocess.run(step, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
            raise Unavailable(f"autobahntestsuite cannot be installed for {python}: {last}")
    return client


def python27() -> str:
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    candidates = [os.environ.get("AUTOBAHN_PYTHON"), shutil.which("python2.7")]
    candidates += map(str, sorted(pyenv.glob("2.7*/bin/python2.7")))
    for candidate in filter(None, candidates):
        return candidate
    raise Unavailable("it needs Python 2.7 (set AUTOBAHN_PYTHON to one), and there is none here")


def run(client: Path, url: str, cases: list[str]) -> None:
    plan = {"outdir": str(REPORTS), "servers": [{"agent": "Penstock", "url": url}], "cases": cases}
    HOME.mkdir(parents=True, exist_ok=True)
    path = HOME / "plan.json"
    path.write_text(json.dumps({**plan, "exclude-cases": [], "exclude-agent-cases": {}}))
    command = [str(client), "--mode", "fuzzingclient", "--spec", str(path)]
    with (HOME / "client.log").open("w") as log:
        subprocess.run(command, cwd=HOME, stdout=log, stderr=log, check=True, timeout=SECONDS_FOR_ALL)


def report(seconds: float) -> int:
    """Print the verdicts of each chapter; the exit code."""
    results: dict[str, dict[str, str]] = json.loads((REPORTS / "index.json").read_text())["Penstock"]
    chapters: dict[int, Counter[str]] = {}
    bad = []
    for case, result in sorted(results.items(), key=lambda item: [int(part) for part in item[0].split(".")]):
        verdicts = (result["behavior"], result["behaviorClose"])
        worst = next((verdict for verdict in verdicts if verdict not in STRICT), result["behavior"])
        chapters.setdefault(int(case.split(".")[0]), Counter())[worst] += 1
        if worst not in STRICT:
            bad.append(f"{case}: behaviour {verdicts[0]}, closing {verdicts[1]}")
    print(f"| chapter | cases | {' | '.join(STRICT)} | others |")
    print("|---|---|---|---|---|")
    for chapter, verdicts in chapters.items():
        counts = [verdicts[verdict] for verdict in STRICT]
        others = verdicts.total() - sum(counts)
        print(f"| {chapter} | {verdicts.total()} | {' | '.join(map(str, counts))} | {others} |")
    print(f"Autobahn: {len(results)} cases in {seconds:.0f} s, {len(results) - len(bad)} passed, {len(bad)} failed")
    for line in bad:
        print(line)
    return 1 if bad or not results else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
