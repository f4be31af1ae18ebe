"""`python -m tests.bench`: run the benches, print their tables, write them as JSON."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backends.llamacpp.options import LlamaCppOptions
from backends.models import starter
from tests.bench import BENCHES, Setup, harness
from tests.bench.machine import machine, versions


def main(argv: Sequence[str]) -> int:
    """Run what is asked for; the exit code tells whether everything ran, not whether the targets were met."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure; print tables, write them as JSON.")
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(BENCHES), default=[])
    parser.add_argument("--output", metavar="FILE", type=Path)
    parser.add_argument("--markdown", metavar="REPORT", type=Path, help="only print an earlier --output as Markdown")
    asked = parser.parse_args(argv)
    if asked.markdown:
        _say(harness.markdown(json.loads(asked.markdown.read_text(encoding="utf-8"))))
        return 0
    setup = Setup(_model(), LlamaCppOptions().cores())
    report: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "model": setup.model.name,
        "threads": setup.threads,
        "benches": [],
        "failed": {},
    }
    _say(f"{report['machine']['processor']}, {setup.threads} threads, {setup.model.name}")
    for name in asked.only or BENCHES:
        try:
            result = harness.run(name, setup)
        except Exception as error:
            # What one of them lacks, a browser for instance, is no reason to measure nothing.
            traceback.print_exc()
            report["failed"][name] = f"{type(error).__name__}: {error}"
        else:
            report["benches"].append(result)
            _say("\n" + harness.table(result))
        if asked.output:
            asked.output.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return 1 if report["failed"] else 0


def _model() -> Path:
    if named := os.environ.get("SAMOVAR_STARTER_MODEL"):
        return Path(named)
    return starter.ensure(Path(os.environ.get("SAMOVAR_TEST_MODELS") or Path.home() / ".cache" / "samovar"))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
