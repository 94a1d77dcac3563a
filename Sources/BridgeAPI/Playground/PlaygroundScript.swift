/// What the playground page does.
///
/// It reads the event stream by EventSource, which reconnects by itself with the last id it saw; with a bridge key, which no URL may
/// carry, by `fetch` with the same rules. All that it shows comes from the stream, so a reload or a second page shows the same.
enum PlaygroundScript {
    static let text = #"""
        "use strict";
        const byID = (id) => document.getElementById(id);
        const remembered = "realtime-bridge.session";
        const logLimit = 1000, groupLimit = 200;
        let session = null, stream = null, lastID = "", reconnects = 0, eventCount = 0;
        let bridgeKey = "";  // in memory only
        let activeResponse = null;
        const asked = new Set();  // responses of this page, whose speech may be played
        let asking = 0;  // requests for one that are not answered yet; the stream may be ahead of the answer

        // The bridge's API

        async function call(method, path, body) {
          const headers = {};
          if (bridgeKey) headers.authorization = "Bearer " + bridgeKey;
          if (body !== undefined) headers["content-type"] = "application/json";
          let response;
          try {
            response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
          } catch {
            throw Object.assign(new Error("The bridge cannot be reached."), { status: 0 });
          }
          const text = await response.text();
          let json = null;
          try { json = text ? JSON.parse(text) : null; } catch { json = null; }
          if (!response.ok) {
            const why = response.status === 401 && !bridgeKey ? "This bridge asks for a key: fill in Bridge key."
              : json && json.error ? json.error.message : text.slice(0, 200) || response.statusText;
            throw Object.assign(new Error(why), { status: response.status });
          }
          return json;
        }

        const path = (rest = "") => "/v1/sessions/" + encodeURIComponent(session.id) + rest;

        let unreachable = false;  // what is complained of, so that it goes when it is over

        function complain(error) {
          const line = byID("problem");
          unreachable = error?.status === 0;
          line.hidden = !error;
          line.textContent = error ? error.message : "";
        }

        async function attempt(work) {
          complain(null);
          try { await work(); } catch (error) { complain(error); }
        }

        // Streams: both kinds tell the same listener { opened, event, lost, over }

        function eventSourceStream(url, listener) {
          let source = null, stopped = false, timer = 0;
          function open() {
            source = new EventSource(lastID ? url + "&last_event_id=" + encodeURIComponent(lastID) : url);
            source.onopen = () => listener.opened();
            source.onmessage = (event) => listener.event(event.lastEventId, event.data);
            source.onerror = (event) => {
              // An event of upstream's called "error" has data; the connection's own has none.
              if (event.data !== undefined) return listener.event(event.lastEventId, event.data);
              if (source.readyState === EventSource.CONNECTING) return listener.lost();
              source.close();
              listener.lost();
              listener.over(() => { if (!stopped) timer = setTimeout(open, 2000); });
            };
          }
          open();
          return { stop() { stopped = true; clearTimeout(timer); source.close(); } };
        }

        function fetchStream(url, listener) {
          const abort = new AbortController();
          let retry = 1000;
          (async () => {
            while (!abort.signal.aborted) {
              try {
                const headers = { accept: "text/event-stream", authorization: "Bearer " + bridgeKey };
                if (lastID) headers["last-event-id"] = lastID;
                const response = await fetch(url, { headers, signal: abort.signal, cache: "no-store" });
                if (response.status === 429 || response.status === 503) throw new Error("later");
                if (response.status !== 200) {
                  listener.lost();
                  return listener.over(null, response.status);
                }
                listener.opened();
                await readEvents(response.body, (fields) => {
                  if (fields.retry) retry = fields.retry;
                  if (fields.id !== undefined) lastID = fields.id;
                  if (fields.data !== null) listener.event(lastID, fields.data);
                });
              } catch {
                if (abort.signal.aborted) return;
              }
              listener.lost();
              await new Promise((done) => setTimeout(done, retry));
            }
          })();
          return { stop() { abort.abort(); } };
        }

        async function readEvents(body, take) {
          const reader = body.pipeThrough(new TextDecoderStream()).getReader();
          let rest = "", fields = { data: null };
          while (true) {
            const { value, done } = await reader.read();
            if (done) return;
            const lines = (rest + value).split("\n");
            rest = lines.pop();
            for (const line of lines) {
              if (line === "") { take(fields); fields = { data: null }; continue; }
              const colon = line.indexOf(":");
              const name = colon < 0 ? line : line.slice(0, colon);
              const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
              if (name === "data") fields.data = fields.data === null ? text : fields.data + "\n" + text;
              else if (name === "id") fields.id = text;
              else if (name === "retry") fields.retry = Number(text) || undefined;
            }
          }
        }

        // The connection

        function showState(state, text) {
          byID("dot").dataset.state = state;
          byID("state").textContent = text;
        }

        function showFacts() {
          byID("session").textContent = session ? session.id : "–";
          byID("last").textContent = lastID || "–";
          byID("reconnects").textContent = String(reconnects);
          const live = session !== null && !session.ended;
          for (const id of ["text", "send", "close"]) byID(id).disabled = !live;
          byID("stop").disabled = !live || activeResponse === null;
        }

        function connect() {
          if (stream) stream.stop();
          showState("wait", "Connecting");
          let wasOpen = false;
          const opened = session;
          const listener = {
            opened() {
              if (wasOpen) reconnects += 1;
              wasOpen = true;
              if (unreachable) complain(null);
              showState("open", "Connected");
              showFacts();
            },
            event(id, data) {
              if (id) lastID = id;
              take(id, data);
              byID("last").textContent = lastID || "–";
            },
            lost() { if (!session.ended) showState("wait", "Connection lost, reconnecting after " + (lastID || "the beginning")); },
            // The stream was refused or has ended for good: the session says which.
            async over(again) {
              if (session !== opened) return;
              try {
                const now = await call("GET", path());
                if (session !== opened) return;
                if (now.status === "closed" || now.status === "failed") return ended("Session " + now.status);
                if (again) again(); else showState("bad", "The stream was refused");
              } catch (error) {
                if (session !== opened) return;
                if (error.status === 404) return ended("The session is gone");
                if (error.status === 401 || error.status === 403) {
                  showState("bad", "Not allowed");
                  return complain(error);
                }
                if (again) again(); else showState("bad", error.message);
              }
            },
          };
          // Without event names every event reaches onmessage, those that the page does not know too.
          const url = path("/events?envelope=message");
          stream = bridgeKey ? fetchStream(url, listener) : eventSourceStream(url, listener);
          showFacts();
        }

        function ended(text) {
          if (stream) stream.stop();
          stream = null;
          session.ended = true;
          activeResponse = null;
          sessionStorage.removeItem(remembered);
          showState("idle", text);
          showFacts();
        }

        function enter(id) {
          if (stream) stream.stop();
          session = { id, dialect: null, ended: false };
          lastID = "";
          reconnects = 0;
          activeResponse = null;
          asked.clear();
          items.clear();
          byID("talk").replaceChildren();
          clearLog();
          sessionStorage.setItem(remembered, id);
          connect();
        }

        // Commands

        // How the session's payloads are spelt; after a reload it has to be asked for.
        async function dialect() {
          const asking = session;
          if (!asking.dialect) asking.dialect = (await call("GET", path())).dialect;
          return asking.dialect;
        }

        byID("settings").addEventListener("submit", (event) => {
          event.preventDefault();
          attempt(async () => {
            const model = byID("model").value.trim();
            showState("wait", "Creating a session");
            let made;
            try {
              made = await call("POST", "/v1/sessions", model ? { model } : {});
            } catch (error) {
              showState(session && !session.ended ? "open" : "bad", session && !session.ended ? "Connected" : "No session");
              throw error;
            }
            enter(made.id);
            session.dialect = made.dialect;
            // Which spelling the session takes is known once it is made.
            if (byID("turns").value === "off") {
              const off = session.dialect === "ga"
                ? { type: "realtime", audio: { input: { turn_detection: null } } } : { turn_detection: null };
              await call("PATCH", path(), { session: off });
            }
            byID("text").focus();
          });
        });

        byID("close").addEventListener("click", () => attempt(() => call("DELETE", path("?keep=true"))));

        byID("key").addEventListener("change", () => {
          bridgeKey = byID("key").value;
          if (session && !session.ended) { complain(null); connect(); }
        });

        byID("composer").addEventListener("submit", (event) => {
          event.preventDefault();
          const text = byID("text").value.trim();
          if (!text || !session || session.ended) return;
          byID("text").value = "";
          prepareSpeech();
          attempt(async () => {
            try {
              await call("POST", path("/items"), { text });
            } catch (error) {
              if (!byID("text").value) byID("text").value = text;
              throw error;
            }
            const only = await dialect() === "ga" ? { output_modalities: ["text"] } : { modalities: ["text"] };
            asking += 1;
            try {
              const made = await call("POST", path("/responses"), byID("answers").value === "text" ? { ...only, background: true }
                : { background: true });
              if (made && made.id) asked.add(made.id);
            } finally { asking -= 1; }
          });
        });

        byID("text").addEventListener("keydown", (event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          byID("composer").requestSubmit();
        });

        byID("stop").addEventListener("click", () => {
          const id = activeResponse;
          if (id) attempt(() => call("POST", path("/responses/" + encodeURIComponent(id) + "/cancel")));
        });

        // Events: to the log, then to the conversation

        function take(id, data) {
          let event = null;
          try { event = JSON.parse(data); } catch { event = { type: "(not JSON)" }; }
          eventCount += 1;
          log(id, event, data);
          converse(event);
        }

        const items = new Map();  // item id: { line, parts by content index }

        // A list stays at its end until its reader scrolls up, also when the room for it changes.
        function keepAtEnd(list) {
          let following = true, top = 0;
          const toEnd = () => { if (following) list.scrollTop = list.scrollHeight; };
          list.addEventListener("scroll", () => {
            if (list.scrollHeight - list.scrollTop - list.clientHeight < 40) following = true;
            else if (list.scrollTop < top) following = false;
            top = list.scrollTop;
          });
          new ResizeObserver(toEnd).observe(list);
          return toEnd;
        }

        const follow = { talk: keepAtEnd(byID("talk")), log: keepAtEnd(byID("log")) };

        function addLine(role, text, after) {
          const list = byID("talk");
          const line = document.createElement("li");
          line.dataset.role = role;
          line.textContent = text;
          if (after) after.after(line); else list.append(line);
          follow.talk();
          return line;
        }

        function itemOf(id, role, previous) {
          let item = items.get(id);
          if (!item) {
            const after = previous ? items.get(previous) : null;
            item = { line: addLine(role, "", after ? after.line : null), parts: new Map(), name: "" };
            items.set(id, item);
          }
          return item;
        }

        function write(item, index, text, isWhole) {
          item.parts.set(index, isWhole ? text : (item.parts.get(index) || "") + text);
          const words = [...item.parts.entries()].sort((a, b) => a[0] - b[0]).map((part) => part[1]).join("\n");
          item.line.textContent = item.name ? item.name + "(" + words + ")" : words;
          follow.talk();
        }

        function showItem(given, previous) {
          if (!given || !given.id) return;
          const isCall = given.type === "function_call" || given.type === "function_call_output";
          const item = itemOf(given.id, isCall ? "call" : given.role || "assistant", previous);
          if (given.type === "function_call") {
            item.name = given.name || "function";
            write(item, 0, given.arguments || item.parts.get(0) || "", true);
          } else if (given.type === "function_call_output") {
            write(item, 0, "→ " + (given.output || ""), true);
          }
          (given.content || []).forEach((part, index) => {
            const words = part.text ?? part.transcript;
            if (words) write(item, index, words, true);
            else if (part.type === "input_audio" && !item.parts.get(index)) write(item, index, "(audio)", true);
          });
        }

        function converse(event) {
          const index = event.content_index || 0;
          switch (event.type) {
            case "conversation.item.created":
            case "conversation.item.added":
            case "conversation.item.done":
              return showItem(event.item, event.previous_item_id);
            case "response.output_item.added":
            case "response.output_item.done":
              showItem(event.item, null);
              if (items.has(event.item?.id)) {
                const line = items.get(event.item.id).line;
                line.dataset.open = String(event.type.endsWith("added"));
                line.dataset.response = event.response_id;
              }
              return;
            case "response.text.delta":
            case "response.output_text.delta":
            case "response.audio_transcript.delta":
            case "response.output_audio_transcript.delta":
              return write(itemOf(event.item_id, "assistant"), index, event.delta, false);
            case "response.text.done":
            case "response.output_text.done":
              return write(itemOf(event.item_id, "assistant"), index, event.text, true);
            case "response.audio_transcript.done":
            case "response.output_audio_transcript.done":
              return write(itemOf(event.item_id, "assistant"), index, event.transcript, true);
            case "response.function_call_arguments.delta":
              return write(itemOf(event.item_id, "call"), 0, event.delta, false);
            case "conversation.item.input_audio_transcription.completed":
              return write(itemOf(event.item_id, "user"), index, event.transcript, true);
            case "conversation.item.deleted":
              items.get(event.item_id)?.line.remove();
              return items.delete(event.item_id);
            case "response.audio.delta":
            case "response.output_audio.delta":
              return play(event);
            case "response.created":
              activeResponse = event.response?.id ?? null;
              if (asking > 0 && activeResponse !== null) asked.add(activeResponse);
              return showFacts();
            case "response.done": {
              if (activeResponse === event.response?.id) activeResponse = null;
              // Not by its output: that of a response which the bridge had to end names none.
              for (const { line } of items.values()) {
                if (line.dataset.response === event.response?.id) line.dataset.open = "false";
              }
              const status = event.response?.status;
              const why = event.response?.status_details?.error?.message || event.response?.status_details?.reason || "";
              if (status && status !== "completed") {
                addLine(status === "failed" ? "bad" : "note", "Response " + status + (why ? ": " + why : ""));
              }
              return showFacts();
            }
            case "error":
              return addLine("bad", "Upstream says: " + (event.error?.message || "error"));
            case "bridge.session.closed":
              addLine("note", "Session closed" + (event.reason ? ": " + event.reason : ""));
              return ended("Session closed");
            case "bridge.gap":
              return addLine("note", "Some events are missing here: " + event.why);
            default:
              if (event.type?.startsWith("bridge.")) {
                addLine("note", event.type.slice(7).replaceAll(/[._]/g, " ") + (event.reason ? ": " + event.reason : ""));
              }
          }
        }

        let group = null;  // the newest row, if it can take another delta

        function clearLog() {
          eventCount = 0;
          group = null;
          byID("log").replaceChildren();
          byID("count").textContent = "0";
        }

        function matchesFilter(type) {
          const only = byID("only").value.trim().toLowerCase();
          return !only || type.toLowerCase().includes(only);
        }

        function log(id, event, data) {
          byID("count").textContent = String(eventCount);
          const type = String(event.type);
          const list = byID("log");
          if (group && group.type === type && type.endsWith(".delta") && group.texts.length < groupLimit) {
            group.texts.push(data);
            group.times.textContent = "×" + group.texts.length;
            group.id.textContent = group.firstID + " – " + id;
            if (group.row.firstChild.open) group.show();
          } else {
            group = row(id, type, data);
            group.row.hidden = !matchesFilter(type);
            list.append(group.row);
            while (list.childElementCount > logLimit) list.firstElementChild.remove();
          }
          follow.log();
        }

        function row(id, type, data) {
          const span = (name, text) => {
            const span = document.createElement("span");
            span.className = name;
            span.textContent = text;
            return span;
          };
          const made = {
            type, texts: [data], firstID: id, id: span("id", id || "–"), times: span("times", ""), row: document.createElement("li"),
          };
          made.row.dataset.type = type;
          made.row.dataset.kind = type === "error" ? "error" : type.startsWith("bridge.") ? "bridge" : "event";
          const details = document.createElement("details"), summary = document.createElement("summary");
          summary.append(made.id, span("type", type), made.times);
          details.append(summary);
          // Large frames are laid out only when somebody looks.
          made.show = () => {
            const text = document.createElement("pre");
            text.textContent = made.texts.map(pretty).join("\n");
            details.querySelector("pre")?.remove();
            details.append(text);
          };
          details.addEventListener("toggle", () => { if (details.open) made.show(); else details.querySelector("pre")?.remove(); });
          made.row.append(details);
          return made;
        }

        function pretty(data) {
          try {
            return JSON.stringify(JSON.parse(data), (_, value) =>
              typeof value === "string" && value.length > 2000 ? value.slice(0, 80) + "… (" + value.length + " characters)" : value, 2);
          } catch { return data; }
        }

        byID("only").addEventListener("input", () => {
          for (const row of byID("log").children) row.hidden = !matchesFilter(row.dataset.type);
        });
        byID("clear").addEventListener("click", clearLog);

        // Speech: 16-bit PCM at 24 kHz, the protocol's default, one piece after the other

        let audio = null, playUntil = 0;

        function prepareSpeech() {
          // Browsers let a page make sound only after something was pressed on it.
          if (byID("speech").checked && !audio) audio = new AudioContext({ sampleRate: 24000 });
        }

        function play(event) {
          if (!audio || !byID("speech").checked || !asked.has(event.response_id)) return;
          const bytes = Uint8Array.from(atob(event.delta), (character) => character.charCodeAt(0));
          const samples = new Int16Array(bytes.buffer, 0, bytes.length >> 1);
          if (samples.length === 0) return;
          const buffer = audio.createBuffer(1, samples.length, 24000), channel = buffer.getChannelData(0);
          for (let i = 0; i < samples.length; i++) channel[i] = samples[i] / 32768;
          const piece = audio.createBufferSource();
          piece.buffer = buffer;
          piece.connect(audio.destination);
          playUntil = Math.max(playUntil, audio.currentTime + 0.05);
          piece.start(playUntil);
          playUntil += buffer.duration;
        }

        // A reload goes on with the session it had

        const earlier = sessionStorage.getItem(remembered);
        if (earlier) enter(earlier); else showFacts();
        """#
}
