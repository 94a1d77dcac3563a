"""A receiver of webhooks that does right and wrong, by the path that it is called on.

Prints `ready PORT`, then one line of JSON for each request, before it is answered. Checks the signature with Python's own hmac, as the
Standard Webhooks specification says. The secret is that of REALTIME_BRIDGE_WEBHOOK_SECRET. Needs nothing but Python.
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import sys
import threading
import time

KEY = base64.b64decode(os.environ["REALTIME_BRIDGE_WEBHOOK_SECRET"].removeprefix("whsec_"))
SEEN = {}
LOCK = threading.Lock()


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        call = self.headers["webhook-id"]
        with LOCK:
            count = SEEN[call] = SEEN.get(call, 0) + 1
            print(json.dumps({
                "path": self.path, "id": call, "count": count, "signed": self.is_signed(call, body), "host": self.headers["host"],
                "body": json.loads(body),
            }), flush=True)
        self.answer(self.path.split("?")[0].strip("/").split("/")[-1], count)

    def is_signed(self, call, body):
        signed = f"{call}.{self.headers['webhook-timestamp']}.".encode() + body
        good = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        fresh = abs(time.time() - int(self.headers["webhook-timestamp"])) < 60
        return fresh and any(hmac.compare_digest(good, one) for one in self.headers["webhook-signature"].split())

    def answer(self, what, count):
        if what == "flaky" and count < 3:
            self.say(500, b"not yet, SECRET")
        elif what == "redirect":
            self.say(307, b"", location="/local/good")
        elif what == "big":
            self.say(200, b"x" * (1024 * 1024 + 1))
        elif what == "hang":
            time.sleep(30)
        elif what == "killed" and count == 1:
            time.sleep(30)
        elif what == "slow":
            time.sleep(1)
            self.say(200, b"slowly")
        else:
            self.say(200, b'{"celsius":4}')

    def say(self, status, body, **headers):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.daemon_threads = True
print("ready", server.server_address[1], flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    sys.exit(0)
