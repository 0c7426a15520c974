"""Keeps a client of Countersign signed in. It sends the newest token with every call, and keeps the fresh token of
every answer. Copy this file; it needs no generated code.

    keeper = TokenKeeper(saved, changed=save)
    channel = grpc.intercept_channel(grpc.insecure_channel(address), keeper)
    ...
    keeper.set(login.token)  # after Login, or the Register of a username

Only unary calls are given a token. Streams are left alone: WatchRevocations takes a credential of its own, and the
streams of AdminService must be given a token by their caller. grpc.aio is not supported.

A TokenKeeper stands for one signed-in user; threads may share it. Calls that overlap may store their tokens in any
order: each is valid until it expires, so the last one to arrive is kept. But an answer that belongs to an earlier
session must not replace the token of a newer one, or bring a token back after a logout. So each call remembers the
session that it began in, and `set` begins a new session.
"""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc

_LOGOUT = "/countersign.v1.AuthService/Logout"
# The methods that are not sent the token, because they would ignore it.
_OPEN = ("/countersign.v1.AuthService/Register", "/countersign.v1.AuthService/Login", "/grpc.")


class TokenKeeper(grpc.UnaryUnaryClientInterceptor):
    """Holds the newest token of one session.

    Use it only on channels to services that accept these tokens, because it sends the token to every service. A call
    that has a credential of its own is left alone, because a call with two different credentials is refused. The keeper
    does not see grpc's call credentials, so do not combine it with them.
    """

    def __init__(self, saved: str = "", changed: Callable[[str], None] = lambda token: None) -> None:
        """Begins with the token saved by an earlier run, or "".

        Whenever the token changes, `changed` is called with the new token, to save it. It is called with "" when the
        user has logged out, or when the server refused the token (UNAUTHENTICATED) and the user must log in again. It
        is called with one change after another, in order, so it must neither take long nor call the keeper.
        """
        self._token = saved
        self._session = 0
        self._changed = changed
        self._lock = threading.Lock()

    @property
    def token(self) -> str:
        """The newest token, or "" if there is none."""
        with self._lock:
            return self._token

    def set(self, token: str) -> None:
        """Begins a new session with its first token, or ends the present one with ""."""
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
        # Runs at once after a blocking call. A call made by `stub.Me.future(…)` must not be waited for here.
        call.add_done_callback(lambda done: self._answered(details.method, sent, session, done))
        return call

    def _answered(self, method: str, sent: str, session: int, call: Any) -> None:
        # A failed call has its metadata in the trailers: its answer has headers only, and gRPC calls those trailers.
        answer = (*(call.initial_metadata() or ()), *(call.trailing_metadata() or ()))
        fresh = next((value for key, value in answer if key == "token"), None)
        with self._lock:
            if session != self._session:
                return
            if fresh:
                self._store(fresh)
            elif method == _LOGOUT and call.code() is grpc.StatusCode.OK:
                self._begin("")
            # Only if no other call has brought a fresher token meanwhile, which may be valid.
            elif call.code() is grpc.StatusCode.UNAUTHENTICATED and sent == self._token:
                self._begin("")

    def _begin(self, token: str) -> None:
        self._session += 1
        self._store(token)

    def _store(self, token: str) -> None:
        # Must be called with the lock held, so that `changed` is called in the order of the changes.
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
    # grpc documents the attributes that details must have, but has no class to make them with.
    rest = (details.credentials, details.wait_for_ready, details.compression)
    return _CallDetails(details.method, details.timeout, metadata, *rest)
