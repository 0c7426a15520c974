"""Does everything that a client of Countersign does, against a server with tokens that live for a few seconds:

    ALLOW_REGISTRATION=true USERNAME_TOKEN_LIFETIME=3s countersign
    clients/python/run 127.0.0.1:3008

It succeeds only if every step had the expected result.
"""

import os
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from countersign.v1.auth_service_pb2 import LoginRequest, LogoutRequest, MeRequest, RegisterRequest
from countersign.v1.auth_service_pb2_grpc import AuthServiceStub
from countersign.v1.session_service_pb2 import RevokeSessionRequest
from countersign.v1.session_service_pb2_grpc import SessionServiceStub
from countersign_token import TokenKeeper


Detail = TypeVar("Detail", BadRequest, ErrorInfo)


def main() -> None:
    address = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("COUNTERSIGN_ADDR")
    if not address:
        sys.exit("usage: example.py HOST:PORT (or COUNTERSIGN_ADDR)")
    with grpc.insecure_channel(address) as channel:
        run(channel)


def run(channel: grpc.Channel) -> None:
    saved = ""  # a real client uses a file or a keychain

    def save(token: str) -> None:
        nonlocal saved
        saved = token

    keeper = TokenKeeper(saved, changed=save)
    channel = grpc.intercept_channel(channel, keeper)
    auth, sessions = AuthServiceStub(channel), SessionServiceStub(channel)

    # A bad registration is answered with every bad field at once.
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION") as refusal:
        auth.Register(RegisterRequest(username="py", password="1234"), timeout=10)
    violations = detail(refusal[0], BadRequest).field_violations
    for violation in violations:
        print(violation.field, violation.description)
    check([violation.field for violation in violations] == ["username", "password"], "both fields are named")

    # Registering signs a username account in, too; this client logs in anyway.
    username, password = f"py-{secrets.token_hex(5)}", "s3cur3pass"
    auth.Register(RegisterRequest(username=username, password=password), timeout=10)
    with refused(grpc.StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIALS"):
        auth.Login(LoginRequest(username=username, password="wrong-pass"), timeout=10)
    login = auth.Login(LoginRequest(username=username, password=password), timeout=10)
    keeper.set(login.token)
    check(login.expires_in <= 30, "tokens live for seconds: start the server with USERNAME_TOKEN_LIFETIME=3s")
    print(f"{username} is logged in for {login.expires_in} s")

    # The answer to a failed call has a fresh token, too. (Two tokens of the same second are equal.)
    time.sleep(1)
    with refused(grpc.StatusCode.NOT_FOUND, "NOT_FOUND"):
        sessions.RevokeSession(RevokeSessionRequest(session_id="no-such-session"), timeout=10)
    check(saved != login.token, "the failed call brought a fresh token")

    # A client that keeps calling stays signed in, with several calls at once: the first token expires, the session goes
    # on.
    def keep_calling(end: float) -> None:
        while time.monotonic() < end:
            me = auth.Me(MeRequest(), timeout=10)
            check(me.account.username_identity.username == username, "Me says who")
            time.sleep(0.3)

    with ThreadPoolExecutor(max_workers=4) as threads:
        list(threads.map(keep_calling, [time.monotonic() + login.expires_in + 1] * 4))
    # If the call itself gives the first token, that one is sent instead of the kept token.
    with refused(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED"):
        auth.Me(MeRequest(), timeout=10, metadata=[("token", login.token)])
    auth.Me.future(MeRequest(), timeout=10).result()
    print("the first token has expired, the session goes on")

    last = keeper.token
    auth.Logout(LogoutRequest(), timeout=10)
    check(saved == "", "no token is kept after the logout")

    # As if another process had saved this token. It is refused and forgotten, so the user must log in again.
    keeper.set(last)
    with refused(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"):
        auth.Me(MeRequest(), timeout=10)
    check(saved == "", "the refused token is no longer kept")
    print("logged out: the last token is refused")


@contextmanager
def refused(code: grpc.StatusCode, reason: str) -> Iterator[list[grpc.RpcError]]:
    """Shows how to read errors: the code says what to do, and the reason says why."""
    refusal: list[grpc.RpcError] = []
    try:
        yield refusal
    except grpc.RpcError as error:
        got = detail(error, ErrorInfo).reason
        check((error.code(), got) == (code, reason), f"expected {code.name} {reason}, got {got!r}: {error}")
        print(f"{code.name} {reason}: {error.details()}")
        refusal.append(error)
    check(bool(refusal), f"expected {code.name} {reason}, got an answer")


def detail(error: grpc.RpcError, kind: type[Detail]) -> Detail:
    """Finds the detail of a type in an error, or an empty one."""
    found = kind()
    status = rpc_status.from_call(error)
    for packed in status.details if status else ():
        if packed.Unpack(found):
            break
    return found


def check(held: bool, what: str) -> None:
    """Checks a condition. Unlike an assertion, `python -O` does not switch it off."""
    if not held:
        sys.exit(f"FAILED: {what}")


if __name__ == "__main__":
    main()
