"""What a person at a terminal sees, and what stays out of a pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys


def test_on_a_terminal_progress_is_a_bar_and_stdout_is_one_json_line(project):
    made = project(files=3)
    made.config.write_text(made.config.read_text().replace("log_format: json\n", ""))
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "airlock", "--config", str(made.config), "anonymize", str(made.policy())]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env=os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    ) as door:
        os.close(theirs)
        said = b"".join(chunks(ours))
        (line,) = door.stdout.read().splitlines()
    os.close(ours)
    assert door.returncode == 0
    assert json.loads(line)["exit_code"] == 0
    assert b"anonymize people" in said
    assert b"3/3" in said
    assert b"\x1b[" in said
    assert b'"event"' not in said


def chunks(terminal):
    while True:
        try:
            yield os.read(terminal, 65_536)
        except OSError:
            return  # the other end is closed
