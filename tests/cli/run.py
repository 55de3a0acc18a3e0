#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Runs one file of tests by pytest, with a junit file where $ANYBIND_JUNIT_DIR names a folder."""

import os
import pathlib
import subprocess
import sys

file = pathlib.Path(sys.argv[1])
command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
folder = os.environ.get("ANYBIND_JUNIT_DIR")
if folder:
    command.append(f"--junitxml={folder}/cli-{file.stem}.xml")
sys.exit(subprocess.call(command, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}))
