"""Runs the commands that the documents show, and compares each answer with the answer shown.

`python3 tests/documents/commands.py BINARY TOOLS`: the server, and a folder with grpcurl, grpcui and buf. Each page of
PAGES gets a folder and a server of its own. Every block marked `console` is run: a line that begins with `$ ` is a
command for bash, and the lines up to the next command are its output. A line `…` stands for any number of lines.
`TOKEN=$(…)` sets a variable for the commands that follow. Only the port differs from the page. Pages that need a
missing program are skipped and named.
"""

import http.cookiejar
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ["README.md", "docs/grpc.md", "docs/rest.md", "docs/username-api.md", "docs/email-api.md", "docs/sessions.md",
         "docs/accounts.md", "docs/tls.md"]
# Pages with commands that need another service. The tests of that service start it.
OTHER_PAGES = ["docs/guarding.md"]
SERVER = "ALLOW_REGISTRATION=true countersign"
STARTED = '2026-11-22T14:48:43Z  INFO event="start" version="" url="http://127.0.0.1:3008" registration="open" kernel=avx512\n…'
# Commands that run until they are stopped.
STAYS = re.compile(r"(([A-Z_]+=\S+ )*countersign|grpcui .*)")
ASSIGNMENT = re.compile(r"([A-Z]+)=\$\(.*\)")
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
TIMEOUT = 60  # seconds, for one command

# Values that differ in each run, and a placeholder for each kind.
KINDS = [(re.compile(pattern), kind) for pattern, kind in [
    (r"eyJ[A-Za-z0-9_.…-]+", "TOKEN"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"20\d\d-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d [\d:]{8} GMT", "DATE"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r'version="[^"]*"', "VERSION"),
    (r"kernel=(avx512|avx2|portable)", "KERNEL"),
    (r'"nextPageToken":"[^"]*"', '"nextPageToken":PAGE'),
    (r'"curl/[\d.]+"', "CURL"),
    (r'"grpcurl/[^"]* grpc-go/[\d.]+"', "GRPCURL"),
]]


class Wrong(Exception):
    """A command that did not do what its page shows."""


def shape(text):
    for pattern, kind in KINDS:
        text = pattern.sub(kind, text)
    return "\n".join(line.rstrip("\r") for line in text.strip("\n").split("\n"))


def fits(shown, answer):
    lines = [r"(?:.*\n)*" if line == "…" else re.escape(line) + r"\n" for line in shape(shown).split("\n")]
    return re.fullmatch("".join(lines), shape(answer) + "\n") is not None


def commands_of(page):
    """The commands of a page, each with the output shown."""
    commands = []
    for block in re.findall(r"^```console\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
    return [(command, "\n".join(shown)) for command, shown in commands]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Page:
    """A run of one page: its folder, its variables and the processes that it has started."""

    def __init__(self, folder, programs):
        self.folder, self.port, self.started, self.checks = folder, free_port(), [], 0
        # The caller's environment must not affect what the page promises.
        self.variables = {
            "PATH": f"{programs}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/"), "PASSWORD": "s3cur3pass",
            "LISTEN_ADDR": f"127.0.0.1:{self.port}", "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
        }

    def passed(self, what):
        self.checks += 1
        print(f"   ok: {what}", flush=True)

    def run(self, command, shown):
        local = re.sub(r"\b3008\b", self.port, command)
        if STAYS.fullmatch(command):
            self.start(command, local, shown)
            return
        assignment = ASSIGNMENT.fullmatch(command)
        if assignment:
            local += f'; printf %s "${assignment[1]}"'
        # Standard error is part of an answer only where the page shows an answer.
        errors = subprocess.STDOUT if shown else subprocess.PIPE
        result = subprocess.run(["bash", "-o", "pipefail", "-c", local], cwd=self.folder, env=self.variables, timeout=TIMEOUT,
                                check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True)
        if assignment:
            self.variables[assignment[1]] = result.stdout
            if not TOKEN.fullmatch(result.stdout):
                raise Wrong(f"{command}\nthis is no token: {result.stdout}")
        elif shown and not fits(shown, result.stdout):
            raise Wrong(f"{command}\nthe page shows:\n{shape(shown)}\nthe answer is:\n{shape(result.stdout)}")
        # A refused call makes its command fail, and the page shows it as refused.
        is_refused = shown.startswith("ERROR:") or '"code": "' in shown
        if is_refused != (result.returncode != 0):
            raise Wrong(f"{command}\nended with {result.returncode}:\n{result.stdout}")
        self.passed(command)

    def start(self, command, local, shown):
        log = self.folder / f"log-{len(self.started)}"
        # `exec`, so that the process is the program itself and not a shell.
        with log.open("w") as sink:
            process = subprocess.Popen(["bash", "-c", f"exec env {local}"], cwd=self.folder, env=self.variables,
                                       stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
        self.started.append((command, process))
        deadline = time.monotonic() + TIMEOUT
        while not fits(shown, log.read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Wrong(f"{command}\nthe page shows:\n{shape(shown)}\nit said:\n{log.read_text()}")
            time.sleep(0.05)
        self.passed(command)
        if command.startswith("grpcui"):
            in_the_browser(self, log.read_text().split()[-1])

    def end(self):
        """Ends the processes that the page has started. A server must end with exit code 0."""
        for command, process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=TIMEOUT)
            if "countersign" in shlex.split(command):
                if code != 0:
                    raise Wrong(f"{command}\nended with {code} after SIGTERM")
                self.passed("the server ends with exit code 0")
        self.started = []

    def kill(self):
        for _, process in self.started:
            process.kill()
            process.wait()


def in_the_browser(page, address):
    """Uses grpcui as a person does: its form signs in, and Me accepts the token."""
    cookies = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(cookies))
    html = opener.open(address, timeout=TIMEOUT).read().decode()
    if "<title>gRPC UI<" not in html or "countersign.v1.AuthService" not in html:
        raise Wrong(f"grpcui shows no page of this server:\n{html[:500]}")
    csrf = next(cookie.value for cookie in cookies if cookie.name == "_grpcui_csrf_token")

    def invoke(method, metadata, message):
        body = json.dumps({"timeout_seconds": 20, "metadata": metadata, "data": [message]}).encode()
        headers = {"x-grpcui-csrf-token": csrf, "content-type": "application/json"}
        request = urllib.request.Request(f"{address}invoke/countersign.v1.AuthService.{method}", body, headers)
        answer = json.load(opener.open(request, timeout=TIMEOUT))
        if answer["error"] is not None:
            raise Wrong(f"grpcui: {method}: {answer}")
        return answer

    login = invoke("Login", [], {"username": "alice", "password": "s3cur3pass"})
    token = login["responses"][0]["message"]["token"]
    me = invoke("Me", [{"name": "token", "value": token}], {})
    fresh = [header["value"] for header in me["headers"] if header["name"] == "token"]
    if '"alice"' not in json.dumps(me) or not TOKEN.fullmatch("".join(fresh)):
        raise Wrong(f"grpcui: Me answers without the account or a fresh token: {me}")
    page.passed("the form of grpcui signs in, and shows the account and the fresh token")


def run_page(name, programs):
    commands = commands_of(name)
    if not commands:
        raise Wrong(f"{name} has no commands")
    with tempfile.TemporaryDirectory() as folder:
        page = Page(pathlib.Path(folder), programs)
        try:
            if not any("countersign" in command and STAYS.fullmatch(command) for command, _ in commands):
                page.run(SERVER, STARTED)
            for command, shown in commands:
                page.run(command, shown)
            page.end()
        finally:
            page.kill()
        return page.checks


def main():
    binary, tools = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    checks, skipped = 0, []
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]:
        name = str(page.relative_to(ROOT))
        if name not in PAGES + OTHER_PAGES and commands_of(name):
            sys.exit(f"FAILED: {name} has commands that nothing runs: add it to PAGES, or mark them `text`")
    with tempfile.TemporaryDirectory() as programs:
        (pathlib.Path(programs) / "countersign").symlink_to(binary)
        for tool in tools.iterdir():
            (pathlib.Path(programs) / tool.name).symlink_to(tool.resolve())
        path = f"{programs}:{os.environ['PATH']}"
        wanted_by_any = ("grpcurl", "grpcui", "buf", "curl", "openssl")
        missing = [tool for tool in wanted_by_any if not shutil.which(tool, path=path)]
        for name in PAGES:
            text = " ".join(command for command, _ in commands_of(name))
            wanted = [tool for tool in missing if re.search(rf"\b{tool} ", text)]
            print(f"\n{name}", flush=True)
            if wanted:
                skipped.append(name)
                print(f"!! SKIPPED: not installed: {', '.join(wanted)}", flush=True)
                continue
            try:
                checks += run_page(name, programs)
            except (Wrong, subprocess.TimeoutExpired) as wrong:
                sys.exit(f"FAILED: {name}: {wrong}")
    print(f"\ndocuments: {checks} checks passed" + (f", SKIPPED: {', '.join(skipped)}" if skipped else ""))


main()
