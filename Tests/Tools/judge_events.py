#!/usr/bin/env python3
"""Judges Realtime events by the types of the official `openai` package.

usage: judge_events.py [--client] [--at-least KINDS] FILE...

Each line of a FILE is {"dialect": "beta"|"ga", "payload": {...}}; lines with a "direction" other than the one judged are passed
over, as are events named `bridge.*`, which are the bridge's own. Every payload is validated strictly by the model of its `type`, and
members that no model declares are disagreements too, `bridge` excepted. Prints each distinct disagreement with an example, and exits
1 if there is one that is not in KNOWN, or if fewer kinds of event than KINDS were judged. Exits 77 if the package is missing.
"""

import argparse
import collections
import fnmatch
import json
import sys
import typing

try:
    import pydantic
    from openai.types import realtime as ga
    from openai.types.beta import realtime as beta
except ImportError:
    sys.exit(77)

UNIONS = {
    "server": {"beta": beta.RealtimeServerEvent, "ga": ga.RealtimeServerEvent, "translation": ga.RealtimeTranslationServerEvent},
    "client": {"beta": beta.RealtimeClientEvent, "ga": ga.RealtimeClientEvent, "translation": ga.RealtimeTranslationClientEvent},
}


class Known(typing.NamedTuple):
    """Where the package is wrong about real servers, or a view of the bridge's shows more than its dialect has, and why."""

    dialect: str
    # One pattern of event names, several places without list positions, and one of: pydantic's names of errors, `extra`, `unknown`.
    event: str
    places: str
    problem: str
    reason: str

    def covers(self, dialect, name, place, problem):
        same = (dialect, problem) == (self.dialect, self.problem)
        return same and fnmatch.fnmatchcase(name, self.event) and place in self.places.split()


KNOWN = [
    Known(
        *("beta", "session.?*ated", "session/object session/expires_at session/client_secret session/include", "extra"),
        "All beta captures of session.created and session.updated (May and Dec 2025) have them; client_secret and include are null.",
    ),
    Known(
        *("beta", "session.?*ated", "session/prompt session/truncation session/turn_detection/idle_timeout_ms", "extra"),
        "The beta capture of Dec 2025 has them: GA's settings under the beta header.",
    ),
    Known(
        *("beta", "session.?*ated", "session/model", "literal_error"),
        "A server names the model it was asked for; the package lists those that OpenAI had, and beta lives on at other servers.",
    ),
    Known(
        *("beta", "response.done", "response/usage/input_token_details/cached_tokens_details", "extra"),
        "Every captured beta response that used tokens has it; the package knows it in GA only.",
    ),
    Known(
        *("beta", "response.function_call_arguments.done", "name", "extra"),
        "Captured (May 2025, message then function call); the package knows it in GA only.",
    ),
    Known(
        *("beta", "conversation.item.input_audio_transcription.completed", "usage", "missing"),
        "No beta capture has it (whisper-1, Oct 2024 and May 2025); the types came from a later specification.",
    ),
    Known(
        *("beta", "conversation.item.input_audio_transcription.segment", "type", "unknown"),
        "In the last published beta specification; the package's beta types stopped before it.",
    ),
    Known(
        *("beta", "*mcp_*", "type", "unknown"),
        "The beta shape learned MCP late (its last published specification has these events); the package's beta types stopped before.",
    ),
    Known(
        *("beta", "transcription_session.created", "type", "unknown"),
        "The first event of a beta transcription session in the published specification; the package has only the updated event.",
    ),
    Known(
        *("beta", "transcription_session.updated", "session/client_secret", "model_type"),
        "Null over a socket, as in the captured beta sessions; the package reuses the model of the REST answer, which makes secrets.",
    ),
    Known(
        *("beta", "transcription_session.?*ated", "session/id session/object session/expires_at", "extra"),
        "As in all captured sessions, GA's transcription session among them; the package reuses the model of the REST answer.",
    ),
    Known(
        *("beta", "transcription_session.?*ated", "session/input_audio_noise_reduction session/include", "extra"),
        "Settings of the update, null in the captured beta sessions; the package reuses the model of the REST answer.",
    ),
    Known(
        *("beta", "*.delta", "obfuscation", "extra"),
        "Not of beta servers: the bridge's view of a GA session passes on what has no counterpart; this is padding against eavesdroppers.",
    ),
    Known(
        *("beta", "response.done", "response/usage/input_token_details/image_tokens", "extra"),
        "Not of beta servers: the bridge's view of a GA session passes on what has no counterpart.",
    ),
    Known(
        *("ga", "session.?*ated", "session/id session/object session/expires_at", "extra"),
        "Every GA capture has them; the package reads the session of an event by the model of the request that makes one.",
    ),
    Known(
        *("ga", "*.delta", "obfuscation", "extra"),
        "Captured on GA deltas (padding against guessing by length); the package leaves it undeclared.",
    ),
    Known(
        *("ga", "response.create", "response/input", "tag"),
        "The guide's way to name items of the conversation, item_reference, is in the package's TypedDict for requests only.",
    ),
]


def models(union):
    """The models of a union by the `type` they are for."""
    found = {}
    for model in typing.get_args(typing.get_args(union)[0]):
        for name in typing.get_args(model.model_fields["type"].annotation):
            found[name] = model
    return found


def judge(payload, models):
    """(place, problem, message) of each disagreement with one payload."""
    model = models.get(payload.get("type"))
    if model is None:
        return [("type", "unknown", "the package does not know this event")]
    faults = []
    try:
        event = pydantic.TypeAdapter(model).validate_json(json.dumps(payload), strict=True)
    except pydantic.ValidationError as error:
        faults = heard([located(payload, detail) for detail in error.errors(include_url=False)])
        # As the package reads it, without a check.
        event = model.construct(**payload)
    wrong = [("/".join(step for step in fault.steps if isinstance(step, str)), fault.problem, fault.message) for fault in faults]
    return wrong + list(extras(event))


class Fault(typing.NamedTuple):
    """An error of pydantic's."""

    # As the payload spells it.
    steps: tuple
    # What pydantic tried where a union stands on the way: (where, member).
    tried: tuple
    problem: str
    message: str


def located(payload, detail):
    """pydantic's place mixes the payload's steps with the names of union members; the payload tells them apart."""
    steps, tried, value = [], [], payload
    for number, step in enumerate(detail["loc"], start=1):
        if isinstance(value, list) and isinstance(step, int) or isinstance(value, dict) and step in value:
            value = value[step]
            steps.append(step)
        elif detail["type"] == "missing" and number == len(detail["loc"]):
            steps.append(step)
        else:
            tried.append((tuple(steps), step))
    return Fault(tuple(steps), tuple(tried), detail["type"], detail["msg"])


def heard(faults):
    """Of the members of a union only the one that is meant has a say: whose `type` and `role` fit, and which finds least wrong."""
    while unions := [fault.tried[0][0] for fault in faults if fault.tried]:
        place = max(unions, key=len)
        members = collections.defaultdict(list)
        for fault in faults:
            if fault.tried and fault.tried[0][0] == place:
                members[fault.tried[0][1]].append(fault._replace(tried=fault.tried[1:]))
        faults = [fault for fault in faults if not fault.tried or fault.tried[0][0] != place]
        tags = {place + ("type",), place + ("role",)}
        meant = [found for found in members.values() if not any(fault.steps in tags for fault in found)]
        tagged = Fault(place, (), "tag", f"none of {', '.join(members)} has this type and role")
        faults += min(meant, key=len) if meant else [tagged]
    return faults


def extras(value, place=""):
    """Members that no model declares."""
    if isinstance(value, list):
        for element in value:
            yield from extras(element, place)
    elif isinstance(value, pydantic.BaseModel):
        undeclared = set(value.model_extra or {})
        for name in undeclared - {"bridge"}:
            yield place + name, "extra", "the package does not know this member"
        for name in value.model_fields_set - undeclared:
            yield from extras(getattr(value, name), f"{place}{name}/")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--client", action="store_true", help="judge client events, not server events")
    parser.add_argument("--at-least", type=int, default=1, metavar="KINDS", help="fail if fewer kinds of event were judged")
    parser.add_argument("files", nargs="+", metavar="FILE")
    options = parser.parse_args()
    direction = "client" if options.client else "server"
    types = {dialect: models(union) for dialect, union in UNIONS[direction].items()}
    counts = {dialect: collections.Counter() for dialect in types}
    passed_over = dict.fromkeys(KNOWN, 0)
    problems = {}
    for file in options.files:
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                dialect, payload = entry["dialect"], entry["payload"]
                name = str(payload.get("type"))
                if entry.get("direction", direction) != direction or name.startswith("bridge."):
                    continue
                counts[dialect][name] += 1
                for place, problem, message in judge(payload, types[dialect]):
                    known = next((known for known in KNOWN if known.covers(dialect, name, place, problem)), None)
                    if known:
                        passed_over[known] += 1
                    else:
                        problems.setdefault(f"{dialect} {name}: {place}: {problem}: {message}", line.strip()[:600])
    for problem, example in problems.items():
        print(problem)
        print("   ", example)
    for known in (known for known, count in passed_over.items() if not count):
        print(f"note: did not happen: {known.dialect} {known.event}: {known.places}: {known.problem}")
    for dialect, seen in counts.items():
        if seen:
            print(f"{dialect}: {sum(seen.values())} {direction} events of {len(seen)} kinds")
    print(f"{len(problems)} disagreements; known ones passed over {sum(passed_over.values())} times")
    kinds = sum(len(seen) for seen in counts.values())
    if kinds < options.at_least:
        print(f"{kinds} kinds of event are too few: at least {options.at_least} were to be judged")
    return 1 if problems or kinds < options.at_least else 0


if __name__ == "__main__":
    sys.exit(main())
