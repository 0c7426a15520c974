"""Uses the real server at COUNTERSIGN_URL, with the credential in WATCH_CREDENTIALS. `examples/test` starts it."""

import json
import os
import threading
import time
import unittest
from socketserver import ThreadingMixIn
from statistics import median
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import guard

SERVER = os.environ["COUNTERSIGN_URL"]
CREDENTIAL = os.environ["WATCH_CREDENTIALS"]
ROUNDS = 20


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def call(url, body=None, **headers):
    """Makes a request, a POST if it has a body. Returns the status, the headers and the text of the answer."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, {"content-type": "application/json", **headers}), timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except HTTPError as error:
        return error.code, error.headers, error.read().decode()


def register(name):
    """Registers an account and returns its token."""
    status, _, text = call(SERVER + "/v1/accounts", {"username": name, "password": "s3cur3pass"})
    assert status == 200, text
    return json.loads(text)["token"]


def log_out(token):
    status, _, text = call(SERVER + "/v1/sessions:logout", {}, token=token)
    assert status == 200, text


def hello(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [f"hello, {environ['countersign.account']['usernameIdentity']['username']}".encode()]


class GuardTest(unittest.TestCase):
    def guarded(self, server=SERVER, credential=CREDENTIAL):
        """A guard, and the URL of the service behind it."""
        guarded = guard.Guard(hello, server, credential)
        service = make_server("127.0.0.1", 0, guarded, Threads, Quiet)
        threading.Thread(target=service.serve_forever, daemon=True).start()
        self.addCleanup(service.server_close)
        self.addCleanup(service.shutdown)
        return guarded, f"http://127.0.0.1:{service.server_port}"

    def fresh(self, guarded):
        end = time.monotonic() + 10
        while guarded.fresh_until < guard.steady():
            self.assertLess(time.monotonic(), end, "the watch does not become fresh")

    def test_a_caller_is_known_by_name_and_is_asked_about_once_a_minute(self):
        guarded, url = self.guarded()
        self.fresh(guarded)
        token = register("py-alice")
        status, headers, text = call(url, token=token)
        self.assertEqual((status, text, headers["cache-control"]), (200, "hello, py-alice", "no-store"))
        self.assertEqual(call(url, token=headers["token"])[0], 200, "with the fresh token")
        guarded.server = "http://127.0.0.1:1"  # nobody to ask
        status, headers, text = call(url, token=token)
        self.assertEqual((status, text, headers["token"]), (200, "hello, py-alice", None))

    def test_a_logout_is_noticed_within_milliseconds(self):
        guarded, url = self.guarded()
        self.fresh(guarded)
        took = []
        for round_ in range(ROUNDS):
            token = register(f"py-bob-{round_}")
            self.assertEqual(call(url, authorization=f"Bearer {token}")[0], 200)
            log_out(token)
            began = time.monotonic()
            while (answer := call(url, authorization=f"Bearer {token}"))[0] == 200:
                self.assertLess(time.monotonic() - began, 1, "still accepted a second after the logout")
            took.append(time.monotonic() - began)
            self.assertEqual(answer[0], 401)
            self.assertIn("TOKEN_INVALID", answer[2])
        print(f"\n{ROUNDS} logouts, refused after: median {1000 * median(took):.1f} ms, longest {1000 * max(took):.1f} ms")

    def test_a_guard_that_may_not_watch_asks_about_every_request(self):
        guarded, url = self.guarded(credential="no credential of this server, but long enough")
        token = register("py-carol")
        self.assertEqual(call(url, token=token)[0], 200)
        log_out(token)
        self.assertEqual(call(url, token=token)[0], 401)
        self.assertEqual(guarded.good, {})

    def test_a_refusal_of_the_server_is_passed_on(self):
        _, url = self.guarded()
        two = {"token": register("py-dave"), "authorization": f"Bearer {register('py-erin')}"}
        for headers in ({}, {"token": "x"}, two):
            status, answered, text = call(url, **headers)
            self.assertEqual((status, answered["www-authenticate"].split()[0]), (401, "Bearer"), text)

    def test_a_server_out_of_reach_is_not_the_tokens_fault(self):
        _, url = self.guarded(server="http://127.0.0.1:1")
        status, headers, _ = call(url, token=register("py-frank"))
        self.assertEqual((status, headers["retry-after"]), (503, "1"))


if __name__ == "__main__":
    unittest.main()
