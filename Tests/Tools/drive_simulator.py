#!/usr/bin/env python3
"""Holds a conversation with a running simulator by the official `openai` package's own client.

usage: drive_simulator.py beta|ga HOST:PORT SPEECH.pcm

SPEECH.pcm is speech, 24 kHz mono s16le without a header. Prints every event received, a line {"dialect": ..., "payload": {...}}, for
judge_events.py. At the first thing that is not as the protocol has it, says so on standard error and exits 1. Exits 77 if the package
is missing.
"""

import asyncio
import base64
import json
import sys

try:
    from openai import AsyncOpenAI
except ImportError:
    sys.exit(77)

# Has no place in the order: transcription runs beside the model, rate limits come anywhere, and beta's conversation.created is in its
# documents but in no capture.
ASIDE = ("conversation.item.input_audio_transcription.", "rate_limits.", "conversation.created")

TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather for a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Wrong(Exception):
    """Something is not as the protocol has it."""


class Conversation:
    """A connection of the package's, and what came over it."""

    def __init__(self, connection, dialect):
        self.connection = connection
        self.dialect = dialect
        self.recent = []
        self.ids = set()

    def name(self, event):
        """The dialect's name of an event named as in GA."""
        return event.replace("response.output_", "response.") if self.dialect == "beta" and ".output_item" not in event else event

    async def until(self, last, *, aside=False, further=False):
        """Receives up to an event, named as in GA; what came is `recent`, after what came before if `further`."""
        self.recent = self.recent if further else []
        while True:
            try:
                data = await asyncio.wait_for(self.connection.recv_bytes(), 20)
            except asyncio.TimeoutError:
                raise Wrong(f"no {last} came after {self.order()}") from None
            payload = json.loads(data)
            print(json.dumps({"dialect": self.dialect, "payload": payload}))
            event = self.connection.parse_event(data)
            require(event.type == payload["type"], f"the package took {payload['type']} for {event.type}")
            require(event.event_id not in self.ids, f"{event.type} came twice")
            self.ids.add(event.event_id)
            if event.type == "error" and last != "error":
                raise Wrong(f"an error instead of {last}: {payload}")
            if aside or not event.type.startswith(ASIDE):
                self.recent.append(event)
            if event.type == self.name(last):
                return event

    def order(self):
        """Types of the recent events; deltas that follow each other are one, whatever of."""
        order = []
        for event in self.recent:
            step = "deltas" if event.type.endswith(".delta") else event.type
            if order[-1:] != ["deltas"] or step != "deltas":
                order.append(step)
        return order

    def expect(self, *expected):
        """Compares the order with one in GA's names. Beta has one event for an item where GA has two."""
        wanted = [self.name(event) for event in expected]
        if self.dialect == "beta":
            wanted = [event.replace("item.added", "item.created") if event.startswith("conversation.") else event for event in wanted]
            wanted = [event for event in wanted if event != "conversation.item.done"]
        if self.order() != wanted:
            raise Wrong(f"expected {wanted}, and there came {self.order()}")

    def all(self, event):
        return [each for each in self.recent if each.type == self.name(event)]

    def one(self, event):
        found = self.all(event)
        require(len(found) == 1, f"{len(found)} of {self.name(event)}, not one")
        return found[0]

    async def settings(self, *, modality, turn_detection=None, tools=(), transcription=None):
        if self.dialect == "beta":
            session = {
                "modalities": ["text"] if modality == "text" else ["audio", "text"],
                "turn_detection": turn_detection,
                "input_audio_transcription": transcription,
            }
        else:
            session = {
                "type": "realtime",
                "output_modalities": [modality],
                "audio": {"input": {"turn_detection": turn_detection, "transcription": transcription}},
            }
        await self.connection.session.update(session={**session, "tools": list(tools)})
        updated = await self.until("session.updated")
        self.expect("session.updated")
        heard = updated.session if self.dialect == "beta" else updated.session.audio.input
        require((heard.turn_detection is None) == (turn_detection is None), "the turn detection in force is another")
        require([tool.name for tool in updated.session.tools] == [tool["name"] for tool in tools], "the tools in force are others")

    async def say(self, text):
        content = [{"type": "input_text", "text": text}]
        await self.connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        await self.item_is_in()

    async def item_is_in(self):
        await self.until("conversation.item.done" if self.dialect == "ga" else "conversation.item.created")
        self.expect("conversation.item.added", "conversation.item.done")

    async def append(self, audio):
        # A tenth of a second each, as microphones are read.
        for start in range(0, len(audio), 4800):
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(audio[start : start + 4800]).decode())


def require(fact, otherwise):
    if not fact:
        raise Wrong(otherwise)


def message_order(kind, *, first=()):
    dones = ["response.output_audio.done", "response.output_audio_transcript.done"] if kind == "audio" else ["response.output_text.done"]
    return [
        *(*first, "response.created", "response.output_item.added", "conversation.item.added", "response.content_part.added"),
        *("deltas", *dones, "response.content_part.done", "conversation.item.done", "response.output_item.done", "response.done"),
    ]


async def opening(talk):
    await talk.until("session.created")
    talk.expect("session.created")


async def text_turn(talk):
    await talk.settings(modality="text")
    await talk.say("hello")
    await talk.connection.response.create()
    response = (await talk.until("response.done")).response
    talk.expect(*message_order("text"))
    text = "".join(event.delta for event in talk.all("response.output_text.delta"))
    require(text and text == talk.one("response.output_text.done").text, "the deltas are not the text")
    require(response.status == "completed" and response.output[0].content[0].text == text, "the response does not end with its text")


def audio_of(talk):
    audio = b"".join(base64.b64decode(event.delta) for event in talk.all("response.output_audio.delta"))
    require(len(audio) > 4800 and len(audio) % 2 == 0, f"{len(audio)} bytes of audio")
    transcript = "".join(event.delta for event in talk.all("response.output_audio_transcript.delta"))
    require(transcript and transcript == talk.one("response.output_audio_transcript.done").transcript, "the transcript is not its deltas")
    return len(audio) // 48


async def audio_turn(talk, speech):
    await talk.settings(modality="audio")
    await talk.append(speech)
    await talk.connection.input_audio_buffer.commit()
    committed = await talk.until("input_audio_buffer.committed")
    talk.expect("input_audio_buffer.committed")
    await talk.item_is_in()
    require(talk.recent[0].item.id == committed.item_id, "what was committed is another item")
    await talk.connection.response.create()
    await talk.until("response.done")
    talk.expect(*message_order("audio"))
    milliseconds = audio_of(talk)
    item = talk.one("response.output_item.done").item.id
    await talk.connection.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=milliseconds // 2)
    truncated = await talk.until("conversation.item.truncated")
    require((truncated.item_id, truncated.audio_end_ms) == (item, milliseconds // 2), "something else was truncated")
    await talk.connection.conversation.item.retrieve(item_id=committed.item_id)
    retrieved = (await talk.until("conversation.item.retrieved")).item
    require(base64.b64decode(retrieved.content[0].audio) == speech, "the recording is not what was said")
    await talk.connection.conversation.item.delete(item_id=item)
    require((await talk.until("conversation.item.deleted")).item_id == item, "something else was deleted")


async def function_call(talk):
    await talk.settings(modality="text", tools=[TOOL])
    await talk.say("What is the weather in Oslo?")
    await talk.connection.response.create()
    response = (await talk.until("response.done")).response
    talk.expect(
        *("response.created", "response.output_item.added", "conversation.item.added", "deltas"),
        *("response.function_call_arguments.done", "conversation.item.done", "response.output_item.done", "response.done"),
    )
    arguments = "".join(event.delta for event in talk.all("response.function_call_arguments.delta"))
    call = response.output[0]
    require(call.type == "function_call" and call.name == "get_weather", "no call of the tool")
    require(arguments == call.arguments == talk.one("response.function_call_arguments.done").arguments, "the arguments differ")
    require(json.loads(arguments) == {"city": "Oslo"}, f"the arguments are {arguments}")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": '{"celsius":-4}'}
    await talk.connection.conversation.item.create(item=output)
    await talk.item_is_in()
    await talk.connection.response.create()
    response = (await talk.until("response.done")).response
    talk.expect(*message_order("text"))
    require("-4" in response.output[0].content[0].text, "the answer does not know the tool's output")


async def voice_turn(talk, speech):
    detection = {"type": "server_vad", "silence_duration_ms": 300}
    await talk.settings(modality="audio", turn_detection=detection, transcription={"model": "gpt-4o-mini-transcribe"})
    silence = bytes(48 * 800)
    await talk.append(silence + speech + silence)
    await talk.until("response.done")
    talk.expect(
        *message_order(
            "audio",
            first=[
                *("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed"),
                *("conversation.item.added", "conversation.item.done"),
            ],
        )
    )
    audio_of(talk)
    started, stopped = talk.one("input_audio_buffer.speech_started"), talk.one("input_audio_buffer.speech_stopped")
    committed = talk.one("input_audio_buffer.committed")
    require(started.item_id == stopped.item_id == committed.item_id, "the turn's events are about different items")
    require(stopped.audio_end_ms - started.audio_start_ms >= len(speech) // 48, "the turn is shorter than the speech")


async def transcription(talk, speech):
    """Alone, so that the end of it can be waited for."""
    await talk.settings(modality="text", transcription={"model": "gpt-4o-mini-transcribe"})
    await talk.append(speech)
    await talk.connection.input_audio_buffer.commit()
    item = (await talk.until("input_audio_buffer.committed")).item_id
    completed = await talk.until("conversation.item.input_audio_transcription.completed", aside=True)
    deltas = "".join(event.delta for event in talk.all("conversation.item.input_audio_transcription.delta"))
    require(completed.item_id == item and completed.transcript == deltas != "", "the transcription is not its deltas")


async def cancel(talk):
    await talk.settings(modality="text")
    await talk.say("count to 1000")
    await talk.connection.response.create()
    await talk.until("response.output_text.delta")
    await talk.connection.response.cancel()
    response = (await talk.until("response.done", further=True)).response
    talk.expect(*message_order("text"))
    require((response.status, response.status_details.reason) == ("cancelled", "client_cancelled"), "it was not cancelled")
    require(response.output[0].status == "incomplete", "the item that was cut off is not incomplete")


async def error(talk):
    await talk.connection.conversation.item.delete(item_id="item_nobody_knows", event_id="evt_of_the_client")
    refusal = (await talk.until("error")).error
    talk.expect("error")
    require((refusal.code, refusal.event_id) == ("item_delete_invalid_item_id", "evt_of_the_client"), f"the error is {refusal}")
    await talk.connection.input_audio_buffer.clear()
    await talk.until("input_audio_buffer.cleared")


async def main(dialect, address, speech_file):
    with open(speech_file, "rb") as file:
        speech = file.read()
    client = AsyncOpenAI(api_key="x", websocket_base_url=f"ws://{address}/v1")
    realtime = client.beta.realtime if dialect == "beta" else client.realtime
    async with realtime.connect(model="gpt-realtime") as connection:
        talk = Conversation(connection, dialect)
        for scenario, *arguments in (
            *((opening,), (text_turn,), (audio_turn, speech), (function_call,), (voice_turn, speech), (transcription, speech)),
            *((cancel,), (error,)),
        ):
            try:
                await scenario(talk, *arguments)
            except Wrong as wrong:
                sys.exit(f"{dialect}: {scenario.__name__}: {wrong}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
