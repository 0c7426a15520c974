"""Tests events before an answer arrives, which the example cannot arrange with a real server."""

import unittest
from collections.abc import Callable
from types import SimpleNamespace

from grpc import StatusCode

from countersign_token import TokenKeeper

ME = "/countersign.v1.AuthService/Me"
LOGIN = "/countersign.v1.AuthService/Login"
LOGOUT = "/countersign.v1.AuthService/Logout"


class KeeperTest(unittest.TestCase):
    def setUp(self) -> None:
        self.told = ["1"]
        self.keeper = TokenKeeper("1", changed=self.told.append)

    def call(
        self, method: str, code: StatusCode, fresh: str = "", own: tuple = (), meanwhile: Callable = lambda: None
    ) -> list[str]:
        """Makes one call and returns the tokens that it sent. `meanwhile` happens before the answer arrives."""
        sent = []

        def continuation(details, request):
            sent.extend(value for key, value in details.metadata or () if key == "token")
            meanwhile()
            metadata = (("token", fresh),) if fresh else ()
            # As in grpc, all metadata of a failed call are trailing.
            initial, trailing = (metadata, ()) if code is StatusCode.OK else (None, metadata)
            call = SimpleNamespace(
                code=lambda: code, initial_metadata=lambda: initial, trailing_metadata=lambda: trailing
            )
            call.add_done_callback = lambda done: done(call)
            return call

        details = SimpleNamespace(method=method, timeout=None, metadata=own or None, credentials=None)
        details.wait_for_ready = details.compression = None
        self.keeper.intercept_unary_unary(continuation, details, None)
        return sent

    def test_the_fresh_token_of_every_answer_is_kept(self) -> None:
        for code, fresh in ((StatusCode.OK, "2"), (StatusCode.NOT_FOUND, "3"), (StatusCode.UNAVAILABLE, "")):
            with self.subTest(code.name):
                self.call(ME, code, fresh)
                self.kept(fresh or "3")
        self.assertEqual(self.told, ["1", "2", "3"])

    def test_a_refused_token_is_forgotten(self) -> None:
        self.assertEqual(self.call(ME, StatusCode.UNAUTHENTICATED), ["1"])
        self.kept("")

    def test_only_a_logout_that_succeeds_forgets(self) -> None:
        self.call(LOGOUT, StatusCode.UNAVAILABLE, "2")
        self.kept("2")
        self.call(LOGOUT, StatusCode.OK)
        self.kept("")

    def test_a_login_is_sent_none(self) -> None:
        self.assertEqual(self.call(LOGIN, StatusCode.UNAUTHENTICATED), [])
        self.kept("1")

    def test_a_credential_of_the_calls_own_goes_alone(self) -> None:
        self.assertEqual(self.call(ME, StatusCode.OK, "2", own=(("token", "own"),)), ["own"])
        self.assertEqual(self.call(ME, StatusCode.OK, "2", own=(("authorization", "own"),)), [])
        self.kept("1")

    def test_an_answer_of_a_session_that_is_over_is_dropped(self) -> None:
        answers = ((ME, StatusCode.OK, "2"), (ME, StatusCode.UNAUTHENTICATED, ""), (LOGOUT, StatusCode.OK, ""))
        for method, code, fresh in answers:
            for now in ("", "new"):
                with self.subTest(f"{method} {code.name}, now {now!r}"):
                    self.keeper.set("1")
                    self.call(method, code, fresh, meanwhile=lambda now=now: self.keeper.set(now))
                    self.kept(now)

    def test_the_refusal_of_an_older_token_ends_nothing(self) -> None:
        self.call(ME, StatusCode.UNAUTHENTICATED, meanwhile=lambda: self.call(ME, StatusCode.OK, "2"))
        self.kept("2")

    def kept(self, token: str) -> None:
        self.assertEqual((self.keeper.token, self.told[-1]), (token, token))


if __name__ == "__main__":
    unittest.main()
