#!/usr/bin/env python3
"""Checks Realtime frames against schema bundles.

usage: validate_frames.py REFERENCE_FOLDER FRAMES_FILE

REFERENCE_FOLDER holds schemas.beta.json and schemas.ga.json (draft 2020-12, `$defs` by event name). Each line of
FRAMES_FILE is {"dialect": "beta"|"ga", "payload": {...}}. Prints every distinct violation and exits 1 if there is one; exits 77
if the Python package jsonschema is missing.
"""

import json
import os
import sys

try:
    import jsonschema
except ImportError:
    sys.exit(77)


def main(reference, frames_file):
    bundles = {}
    for dialect in ("beta", "ga"):
        with open(os.path.join(reference, f"schemas.{dialect}.json"), encoding="utf-8") as file:
            bundles[dialect] = json.load(file)
    validators = {}
    problems = {}
    count = 0
    with open(frames_file, encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            dialect, frame = entry["dialect"], entry["payload"]
            name = frame.get("type")
            count += 1
            definitions = bundles[dialect]["$defs"]
            if name not in definitions:
                problems.setdefault(f"{dialect} {name}: no such event", line.strip()[:400])
                continue
            if (dialect, name) not in validators:
                schema = {"$schema": bundles[dialect].get("$schema"), "$ref": f"#/$defs/{name}", "$defs": definitions}
                validators[dialect, name] = jsonschema.Draft202012Validator(schema)
            for error in validators[dialect, name].iter_errors(frame):
                deepest = jsonschema.exceptions.best_match([error])
                where = "/".join(str(step) for step in deepest.absolute_path if not isinstance(step, int))
                problems.setdefault(f"{dialect} {name}: {where}: {deepest.message[:200]}", line.strip()[:400])
    for problem, example in problems.items():
        print(problem)
        print("   ", example)
    print(f"{count} frames, {len(validators)} kinds of event, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
