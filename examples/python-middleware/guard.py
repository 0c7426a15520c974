"""WSGI middleware that asks Countersign about each token once a minute, and watches revocations. Copy this file.

A logout counts within milliseconds, no secret that signs tokens is shared, and clients get the fresh tokens that keep
them signed in. While the watch is not up to date, the middleware asks about every request.
"""

import json
import threading
import time
from base64 import urlsafe_b64decode
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

ASK_AGAIN = 60  # seconds for which an answer about a token counts; asking again brings the client a fresh token
CREDENTIALS = {"token": "HTTP_TOKEN", "authorization": "HTTP_AUTHORIZATION"}
STALE = 5  # seconds for which the watch is believed after its last heartbeat


def steady():
    """A clock that cannot be set, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Guard:
    def __init__(self, app, server, credential):
        """`server` is a URL (http://127.0.0.1:3008), `credential` one of the server's WATCH_CREDENTIALS."""
        self.app, self.server, self.credential = app, server, credential
        self.good, self.heard, self.fresh_until, self.lock = {}, 0, 0.0, threading.Lock()
        threading.Thread(target=self.watch, daemon=True).start()

    def __call__(self, environ, start_response):
        sent = {name: environ[key] for name, key in CREDENTIALS.items() if key in environ}
        key, heard, now, fresh = tuple(sent.items()), self.heard, steady(), []
        until, _, account = self.good.get(key, (0, None, None))
        if now >= min(until, self.fresh_until):
            try:
                with urlopen(Request(self.server + "/v1/me", headers=sent), timeout=5) as answer:
                    account = json.load(answer)["account"]  # {"id":…,"usernameIdentity":{…}} or {…"emailIdentity":{…}}
                    fresh = [("token", answer.headers["token"]), ("cache-control", "no-store")]
            except HTTPError as error:
                return self.refuse(start_response, error)
            except (OSError, HTTPException):
                return self.refuse(start_response, None)
            claims = json.loads(urlsafe_b64decode(key[0][1].split(".")[1] + "=="))
            until = now + min(ASK_AGAIN, claims["exp"] - time.time())
            with self.lock:
                if heard == self.heard and now < self.fresh_until and len(self.good) < 10_000:
                    self.good[key] = (until, (claims["sid"], claims["sub"]), account)
        environ["countersign.account"] = account
        return self.app(environ, lambda status, headers, *exc: start_response(status, headers + fresh, *exc))

    def refuse(self, start_response, error):
        if error is not None and error.code == 401:
            names = ("www-authenticate", "content-type", "cache-control")
            start_response("401 Unauthorized", [(name, error.headers[name]) for name in names])
            return [error.read()]
        # The token cannot be checked now: the client must keep it, and try again.
        start_response("503 Service Unavailable", [("retry-after", "1")])
        return [b"authentication is out of reach"]

    def watch(self):
        while True:
            with self.lock:  # what was missed meanwhile is unknown
                self.good, self.fresh_until = {}, 0.0
            headers, began = {"authorization": f"Bearer {self.credential}"}, steady()
            try:  # a heartbeat comes every second, so three without one are a lost connection
                with urlopen(Request(self.server + "/v1/revocations:watch", headers=headers), timeout=3) as lines:
                    for news in (json.loads(line)["result"] for line in lines):
                        self.hear(news, began)
            except (OSError, HTTPException, ValueError, KeyError):  # KeyError: a stream's last line may be an error
                time.sleep(0.25)

    def hear(self, news, began):
        with self.lock:
            for end in news.get("revocations", []):
                ended = end.get("sessionId") or end["account"]["accountId"]
                self.heard += 1
                self.good = {key: known for key, known in self.good.items() if ended not in known[1]}
            now = steady()
            self.good = {key: known for key, known in self.good.items() if now < known[0]}
            if "completeUntil" in news:  # seconds since the call began, as the server counts them
                self.fresh_until = min(began + float(news["completeUntil"].rstrip("s")), now) + STALE
