#!/usr/bin/env python3
"""Checks Realtime frames against schema bundles.

usage: validate_frames.py SCHEMAS FRAMES_FILE

SCHEMAS is a folder that holds schemas.beta.json and schemas.ga.json (draft 2020-12, `$defs` by event name), or an openapi.json file
whose `components.schemas` are named DIALECT.EVENT. Each line of FRAMES_FILE is {"dialect": "beta"|"ga", "payload": {...}}. Prints every
distinct violation and exits 1 if there is one; exits 77 if the Python package jsonschema is missing.
"""

import json
import os
import sys

try:
    import jsonschema
except ImportError:
    sys.exit(77)


class Folder:
    """A bundle a dialect, each with definitions of its own."""

    def __init__(self, path):
        self.bundles = {}
        for dialect in ("beta", "ga"):
            with open(os.path.join(path, f"schemas.{dialect}.json"), encoding="utf-8") as file:
                self.bundles[dialect] = json.load(file)

    def schema(self, dialect, name):
        bundle = self.bundles[dialect]
        if name not in bundle["$defs"]:
            return None
        return {"$schema": bundle.get("$schema"), "$ref": f"#/$defs/{name}", "$defs": bundle["$defs"]}


class Contract:
    """Both dialects in one OpenAPI document."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.components = {"schemas": json.load(file)["components"]["schemas"]}

    def schema(self, dialect, name):
        if f"{dialect}.{name}" not in self.components["schemas"]:
            return None
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": f"#/components/schemas/{dialect}.{name}",
            "components": self.components,
        }


def main(schemas, frames_file):
    source = Folder(schemas) if os.path.isdir(schemas) else Contract(schemas)
    validators = {}
    problems = {}
    count = 0
    with open(frames_file, encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            dialect, frame = entry["dialect"], entry["payload"]
            name = frame.get("type")
            count += 1
            if (dialect, name) not in validators:
                schema = source.schema(dialect, name)
                if schema is None:
                    problems.setdefault(f"{dialect} {name}: no such event", line.strip()[:400])
                    continue
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
