"""Runs the commands that the documents show, and compares each answer with the answer shown.

`python3 tests/documents/commands.py BINARY TOOLS [PAGE…]`: the server, and a folder with grpcurl, grpcui and buf. Each
page of PAGES gets a folder and a server of its own. Every block marked `console` is run: a line that begins with `$ `
is a command for bash, and the lines up to the next command are its output. A line `…` stands for any number of lines.
Every line of a block marked `sh` is a command whose output is not shown. It must succeed. A command that another step
of `.ci/run` runs is not run again. `TOKEN=$(…)` sets a variable for the commands that follow. Only the port differs
from the page. Pages that need a missing program are skipped and named. The test of `tests/it/documents/snippets.rs`
checks that no page is forgotten.
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
PAGES = ["README.md", "docs/start.md", "docs/grpc.md", "docs/rest.md", "docs/username-api.md", "docs/email-api.md",
         "docs/sessions.md", "docs/accounts.md", "docs/importing.md", "docs/tls.md", "docs/guarding.md",
         "docs/install.md", "docs/introspection.md", "docs/clients.md", "docs/performance.md", "crates/http-rule/README.md", "examples/react-sign-in/README.md",
         "CONTRIBUTING.md"]
# What a page takes for granted: files, variables, and commands that another page has shown.
BCRYPT = "$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A."
USERS = f'{{"_id":{{"$oid":"65e5a1b2c3d4e5f601234567"}},"username":"alice","password":"{BCRYPT}"}}\n'
FILES = {"docs/importing.md": {"users.json": USERS}}
VARIABLES = {
    "docs/guarding.md": {"JWT_SECRET": "a secret of at least 32 characters", "WATCH_CREDENTIALS": 48 * "w"},
    "docs/introspection.md": {"INTROSPECTION_CREDENTIALS": 48 * "i"},
}
REGISTERED = ("TOKEN=$(curl -s localhost:3008/v1/accounts -H 'content-type: application/json' "
              """-d '{"username":"alice","password":"s3cur3pass"}' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')""")
BEFORE = {
    "docs/guarding.md": [REGISTERED, 'curl -s -X POST localhost:3008/v1/sessions:logout -H "token: $TOKEN"'],
    "docs/introspection.md": [REGISTERED],
}
SERVER = "ALLOW_REGISTRATION=true countersign"
STARTED = '2026-11-22T14:48:43Z  INFO event="start" version="" url="http://127.0.0.1:3008" registration="open" kernel=avx512\n…'
# Commands that run until they are stopped. Of the servers, only one runs at a time.
IS_SERVER = re.compile(r"([A-Z_]+=\S+ )*((target/release/)?countersign|cargo run( --release)?)")
STAYS = re.compile(rf"{IS_SERVER.pattern}|grpcui .*|curl -sN .*|cargo run --example library|npm ci && npm start")
# Tools of development run in the project, and keep their variables.
IN_THE_PROJECT = re.compile(r"([A-Z_]+=\S+ )*(cargo|clients/\S+) .*|clients/\S+")
OF_TOOLS = re.compile(r"(CARGO|RUSTUP|RUSTFLAGS|GO|NPM|XDG|HTTPS?_PROXY|JAVA)", re.IGNORECASE)
ASSIGNMENT = re.compile(r"([A-Z]+)=\$\(.*\)")
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
SIGN_IN_PAGE = "http://localhost:5173"  # of examples/react-sign-in
TIMEOUT = 60  # seconds, for one command
TIMEOUT_TO_BUILD = 1200

# Values that differ in each run, and a placeholder for each kind.
KINDS = [(re.compile(pattern), kind) for pattern, kind in [
    (r"eyJ[A-Za-z0-9_.…-]+", "TOKEN"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"20\d\d-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r'"(iat|exp)":\d+', "SECONDS"),
    (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d [\d:]{8} GMT", "DATE"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r'version="[^"]*"', "VERSION"),
    (r"kernel=(avx512|avx2|portable)", "KERNEL"),
    (r'"nextPageToken":"[^"]*"', '"nextPageToken":PAGE'),
    (r'"cursor":"[^"]*"', '"cursor":CURSOR'),
    (r'"completeUntil":"[^"]*"', '"completeUntil":SECONDS'),
    (r"\b[\d.]+[mµ]s\b", "DURATION"),
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
    text = (ROOT / page).read_text()
    for language, block in re.findall(r"^```(console|sh)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if language == "sh" or line.startswith("$ "):
                command = re.sub(r"\s+# .*", "", line.removeprefix("$ "))
                commands.append((command, []))
            else:
                commands[-1][1].append(line)
    return [(command, "\n".join(shown)) for command, shown in commands]


def is_of_another_step(command):
    """Whether a step runs this command, if need be with `--locked` and with arguments that make a benchmark short."""
    scripts = [ROOT / ".ci/steps", *ROOT.glob("clients/*/run")]
    locked = re.escape(re.sub(r"^cargo \w+", r"\g<0> --locked", command))
    line = re.compile(rf"^ *([A-Z]+=\S+ )?{locked}( -- .*| 2>&1 .*)?$", re.MULTILINE)
    return any(line.search(script.read_text()) for script in scripts)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Page:
    """A run of one page: its folder, its variables and the processes that it has started."""

    def __init__(self, name, folder, programs):
        self.name, self.folder, self.port, self.started, self.checks = name, folder, free_port(), [], 0
        # The caller's environment must not affect what the page promises.
        self.variables = {name: value for name, value in os.environ.items() if OF_TOOLS.match(name)} | {
            "PATH": f"{programs}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/"), "PASSWORD": "s3cur3pass",
            "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
            "CARGO_TERM_QUIET": "true", "COUNTERSIGN_URL": f"http://127.0.0.1:{self.port}",
        } | VARIABLES.get(name, {})
        for file, content in FILES.get(name, {}).items():
            (folder / file).write_text(content)
        # What a build makes; `.ci/run` with steps that do nothing; and the folder of somebody's program, beside a copy
        # of the project.
        for target in ("target/release", ".ci", "program"):
            (folder / target).mkdir(parents=True)
        (folder / "target/release/countersign").symlink_to(f"{programs}/countersign")
        for script in ("run", "lib", "versions"):
            shutil.copy(ROOT / ".ci" / script, folder / ".ci")
        (folder / ".ci/steps").write_text("exit 0\n")
        (folder / "countersign").symlink_to(ROOT)
        shutil.copy(ROOT / "clients/typescript/buf.gen.yaml", folder / "program")

    def place(self, command):
        """The folder of a command, and the seconds that it may take."""
        if IN_THE_PROJECT.fullmatch(command):
            return ROOT, TIMEOUT_TO_BUILD
        if re.match(r"np[mx] ", command):
            is_example = self.name.startswith("examples/")
            return (ROOT / self.name).parent if is_example else self.folder / "program", TIMEOUT_TO_BUILD
        return self.folder, TIMEOUT

    def passed(self, what):
        self.checks += 1
        print(f"   ok: {what}", flush=True)

    def run(self, command, shown):
        local = re.sub(r"\b(3008|8080)\b", self.port, command)
        if STAYS.fullmatch(command):
            self.start(command, local, shown)
            return
        assignment = ASSIGNMENT.fullmatch(command)
        if assignment:
            local += f'; printf %s "${assignment[1]}"'
        # Standard error is part of an answer only where the page shows an answer.
        errors = subprocess.STDOUT if shown else subprocess.PIPE
        folder, timeout = self.place(command)
        # A command that asks for a password reads it.
        result = subprocess.run(["bash", "-o", "pipefail", "-c", local], cwd=folder, env=self.variables, check=False,
                                timeout=timeout, input="s3cur3pass\n", stdout=subprocess.PIPE, stderr=errors, text=True)
        if assignment:
            self.variables[assignment[1]] = result.stdout
            if not TOKEN.fullmatch(result.stdout):
                raise Wrong(f"{command}\nthis is no token: {result.stdout}")
        elif shown and not fits(shown, result.stdout):
            raise Wrong(f"{command}\nthe page shows:\n{shape(shown)}\nthe answer is:\n{shape(result.stdout)}")
        # A refused call makes its command fail, and the page shows it as refused.
        is_refused = shown.startswith("ERROR:") or '"code": "' in shown
        if is_refused != (result.returncode != 0):
            raise Wrong(f"{command}\nended with {result.returncode}:\n{result.stdout}{result.stderr or ''}")
        self.passed(command)

    def start(self, command, local, shown):
        log = self.folder / f"log-{self.checks}"
        folder, timeout = self.place(command)
        variables = self.variables | {"LISTEN_ADDR": f"127.0.0.1:{self.port}"}
        if folder == ROOT:  # where the files of a server must not be
            variables["DATABASE_URL"] = f"sqlite:{self.folder}/countersign.db"
        if IS_SERVER.fullmatch(command):
            self.end()
            shown = shown or STARTED
        # `exec`, so that the process is the program itself and not a shell.
        run = local if "&&" in local else f"exec env {local}"
        with log.open("w") as sink:
            process = subprocess.Popen(["bash", "-c", run], cwd=folder, env=variables, stdin=subprocess.PIPE,
                                       stdout=sink, stderr=subprocess.STDOUT, start_new_session=True)
        self.started.append((command, process))
        deadline = time.monotonic() + timeout
        while not (fits(shown, log.read_text()) if shown else is_served(SIGN_IN_PAGE)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Wrong(f"{command}\nthe page shows:\n{shape(shown)}\nit said:\n{log.read_text()}")
            time.sleep(0.05)
        self.passed(command)
        if command.startswith("grpcui"):
            in_the_browser(self, log.read_text().split()[-1])

    def end(self):
        """Ends the processes that the page has started. A server must end with exit code 0."""
        for command, process in reversed(self.started):
            os.killpg(process.pid, signal.SIGTERM)
            code = process.wait(timeout=TIMEOUT)
            if IS_SERVER.fullmatch(command):
                if code != 0:
                    raise Wrong(f"{command}\nended with {code} after SIGTERM")
                self.passed("the server ends with exit code 0")
        self.started = []

    def kill(self):
        for _, process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def is_served(address):
    try:
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=TIMEOUT).status == 200
    except OSError:
        return False


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
    commands = [(command, "") for command in BEFORE.get(name, [])]
    for command, shown in commands_of(name):
        if is_of_another_step(command):
            print(f"   in another step: {command}", flush=True)
        else:
            commands.append((command, shown))
    with tempfile.TemporaryDirectory() as folder:
        page = Page(name, pathlib.Path(folder), programs)
        try:
            if commands and not STAYS.fullmatch(commands[0][0]):
                page.run(SERVER, STARTED)
            for command, shown in commands:
                page.run(command, shown)
            page.end()
        finally:
            page.kill()
        return page.checks


def main():
    binary, tools = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    checks, skipped = 0, []
    with tempfile.TemporaryDirectory() as programs:
        (pathlib.Path(programs) / "countersign").symlink_to(binary)
        for tool in tools.iterdir():
            (pathlib.Path(programs) / tool.name).symlink_to(tool.resolve())
        path = f"{programs}:{os.environ['PATH']}"
        known = ("grpcurl", "grpcui", "buf", "curl", "openssl", "cargo", "npm")
        wanted_by_any = {tool: rf"\b{tool} " for tool in known} | {"go": "clients/go/run"}
        missing = {tool: use for tool, use in wanted_by_any.items() if not shutil.which(tool, path=path)}
        for name in sys.argv[3:] or PAGES:
            text = " ".join(command for command, _ in commands_of(name))
            wanted = [tool for tool, use in missing.items() if re.search(use, text)]
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
