"""A real mail server on loopback for the tests in tests/it/mail: aiosmtpd, with arguments that make it misbehave.

It writes one JSON object a line: first its port, then each event. It ends when its standard input ends."""

import argparse
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def encrypted(server):
    return server.transport.get_extra_info("sslcontext") is not None


def say(**what):
    print(json.dumps(what), flush=True)


class Handler:
    """Takes mail. The first `times` mails are treated as `mode` says."""

    def __init__(self, mode, times):
        self.mode, self.left = mode, times

    def misbehave(self, server):
        if self.mode == "take" or self.left == 0:
            return None
        self.left -= 1
        say(event=self.mode, tls=encrypted(server))
        return self.mode

    async def handle_MAIL(self, server, session, envelope, address, options):
        say(event="mail", tls=encrypted(server))
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.mode in ("refuse", "later"):
            mode = self.misbehave(server)
            if mode == "refuse":
                return f"550 5.1.1 <{address}>: nobody here is called {address.upper()}"
            if mode == "later":
                return f"451 4.7.1 <{address}>: come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mode = self.misbehave(server) if self.mode in ("slow", "close", "quote") else None
        if mode == "slow":
            # Waits until the client has given up.
            while not server.transport.is_closing():
                await asyncio.sleep(0.01)
            return "250 OK, too late"
        if mode == "close":
            server.transport.abort()
            return "250 OK, to nobody"
        if mode == "quote":
            text = envelope.content.decode().replace("=\r\n", "").replace("=3D", "=")
            link = text.split("#token=")[1].split()[0]
            return f"554 5.7.1 the link with {link} for {envelope.rcpt_tos[0]} is listed"
        data = envelope.content.decode("ascii")
        say(event="taken", tls=encrypted(server), to=envelope.rcpt_tos, data=data)
        return "250 OK"


def authenticator(wanted):
    def check(server, session, envelope, mechanism, data):
        assert isinstance(data, LoginPassword)
        given = f"{data.login.decode()}:{data.password.decode()}"
        say(event="auth", tls=encrypted(server), good=given == wanted)
        return AuthResult(success=given == wanted, handled=False, auth_data=data.login.decode())

    return check


class Server(SMTP):
    """A server that also reports the name in each client's greeting."""

    async def smtp_EHLO(self, hostname):
        say(event="ehlo", name=hostname, tls=encrypted(self))
        await super().smtp_EHLO(hostname)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["take", "refuse", "later", "slow", "close", "quote"])
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--tls", choices=["none", "starttls", "wrapped"], default="none")
    parser.add_argument("--login")
    args = parser.parse_args()
    context = None
    if args.tls != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert, args.key)
    handler = Handler(args.mode, args.times)

    def server():
        return Server(
            handler,
            hostname="mail.example.com",
            tls_context=context if args.tls == "starttls" else None,
            require_starttls=args.tls == "starttls",
            auth_required=bool(args.login),
            # Offers passwords without TLS as well, so that a test notices a client that sends one in the clear.
            auth_require_tls=False,
            authenticator=authenticator(args.login) if args.login else None,
        )

    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        server, "127.0.0.1", 0, ssl=context if args.tls == "wrapped" else None
    )
    say(event="listening", port=listening.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
