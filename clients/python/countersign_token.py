"""Keeps a client of Countersign signed in: sends the newest token with every call and keeps the fresh one that every
answer brings. It is this one file, to be copied; it needs no generated code.

    keeper = TokenKeeper(saved, changed=save)
    channel = grpc.intercept_channel(grpc.insecure_channel(address), keeper)
    ...
    keeper.set(login.token)  # after Login, or the Register of a username

Every call that takes a token is unary; streams (WatchRevocations, with its own credential) pass untouched. For grpc.aio
it would have to be written again.

A TokenKeeper is one signed-in user; threads may share it. Calls that overlap may store their tokens in any order: each
is good until it expires, so the last to arrive is kept. What must not happen is that an answer from a session that is
over puts its token in the place of a newer session's, or of none: each call remembers the session that it began in, and
`set` begins another.
"""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc

_LOGOUT = "/countersign.v1.AuthService/Logout"
# What reads no token. It would ignore one, but nothing should be sent it in vain.
_OPEN = ("/countersign.v1.AuthService/Register", "/countersign.v1.AuthService/Login", "/grpc.")


class TokenKeeper(grpc.UnaryUnaryClientInterceptor):
    """Holds the newest token of one session.

    Its place is on channels to services that accept these tokens, and on no other: it would send the token there, too.
    A call that brings a credential of its own is left alone, because two different ones are refused. (grpc's call
    credentials are not seen here: do not combine them.)
    """

    def __init__(self, saved: str = "", changed: Callable[[str], None] = lambda token: None) -> None:
        """Begins with the token saved by an earlier run, or "".

        Whenever the token changes, `changed` is told the new one, to be saved; or "" when there is none any more: the
        user logged out, or the server refused it (UNAUTHENTICATED) and the user must log in again. It is told one
        change at a time, in their order, so it must neither take long nor call the keeper.
        """
        self._token = saved
        self._session = 0
        self._changed = changed
        self._lock = threading.Lock()

    @property
    def token(self) -> str:
        """The newest token, "" when there is none."""
        with self._lock:
            return self._token

    def set(self, token: str) -> None:
        """Begins another session with its first token, or ends the present one with ""."""
        with self._lock:
            self._begin(token)

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        details = client_call_details
        metadata = list(details.metadata or ())
        if details.method.startswith(_OPEN) or any(key in ("token", "authorization") for key, _ in metadata):
            return continuation(details, request)

        with self._lock:
            sent, session = self._token, self._session
        if sent:
            metadata.append(("token", sent))
        call = continuation(_with_metadata(details, metadata), request)
        # At once after a blocking call; `stub.Me.future(…)` must not be waited for here.
        call.add_done_callback(lambda done: self._answered(details.method, sent, session, done))
        return call

    def _answered(self, method: str, sent: str, session: int, call: Any) -> None:
        # A failure is answered by headers alone, which gRPC calls trailers.
        answer = (*(call.initial_metadata() or ()), *(call.trailing_metadata() or ()))
        fresh = next((value for key, value in answer if key == "token"), None)
        with self._lock:
            if session != self._session:
                return
            if fresh:
                self._store(fresh)
            elif method == _LOGOUT and call.code() is grpc.StatusCode.OK:
                self._begin("")
            # Only if nothing fresher came meanwhile: that one may be good when this one had expired.
            elif call.code() is grpc.StatusCode.UNAUTHENTICATED and sent == self._token:
                self._begin("")

    def _begin(self, token: str) -> None:
        self._session += 1
        self._store(token)

    def _store(self, token: str) -> None:
        # With the lock held: changes are told in the order in which they are made.
        if token != self._token:
            self._token = token
            self._changed(token)


class _CallDetails(NamedTuple):
    method: str
    timeout: float | None
    metadata: list[tuple[str, str]]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


def _with_metadata(details: Any, metadata: list[tuple[str, str]]) -> _CallDetails:
    # grpc names what details must have and offers no way to make or change any.
    rest = (details.credentials, details.wait_for_ready, details.compression)
    return _CallDetails(details.method, details.timeout, metadata, *rest)
