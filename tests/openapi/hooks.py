"""Tells schemathesis facts about the API that are not in the document: how a caller signs in, which accounts, sessions
and invitations exist, which tokens were mailed, how much of a stream to read, and the few cases in which the document
is less exact than the server. Only `filter_failure` ignores a failure, for a reason that it checks on the request and
the answer of that failure."""

import atexit
import base64
import collections
import itertools
import json
import os
import re
import secrets
import time
import unicodedata

import requests
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.jsonschema import make_validator
from schemathesis.openapi.checks import AllowHeaderMismatch, RejectedPositiveData, UnsupportedMethodResponse

BASE = os.environ["COUNTERSIGN_URL"]
WATCH_CREDENTIAL = os.environ["COUNTERSIGN_WATCH_CREDENTIAL"]
INTROSPECTION_CREDENTIAL = os.environ["COUNTERSIGN_INTROSPECTION_CREDENTIAL"]
# The server sends no mail here, and writes the links to its log.
LOG = os.environ["COUNTERSIGN_LOG"]
WATCH = "watchRevocations"
ABOUT_TOKENS = ("introspectToken", "revokeToken", "introspect", "revoke")
PASSWORD = "s3cur3pass"
# The first account is a platform administrator, made by the command line. The second administers its firm.
ACCOUNTS = {
    "username": {"username": "schemer", "password": PASSWORD},
    "email": {"email": "schemer@example.com", "password": PASSWORD, "name": "Sam", "firmName": "Schemes"},
}


def operation_id(case):
    return case.operation.definition.raw["operationId"]


# --- callers ---------------------------------------------------------------------------------------------------------


class Account:
    def __init__(self, kind):
        self.login = {key: ACCOUNTS[kind][key] for key in (kind, "password")}
        self.kept = None
        # 409: an earlier run on the same database has registered it.
        assert post("/v1/accounts", ACCOUNTS[kind]).status_code in (200, 409)
        self.id = self.sign_in()["account"]["id"]

    def sign_in(self):
        return post("/v1/sessions:login", self.login).json()

    def token(self):
        """The last token, or a new one if its session has ended."""
        if self.kept is None or get("/v1/me", self.kept).status_code != 200:
            self.kept = self.sign_in()["token"]
        return self.kept

    def session(self):
        """The id of another session of this account."""
        sessions = get("/v1/sessions", self.sign_in()["token"]).json()["sessions"]
        return next(session["id"] for session in sessions if session.get("current"))


def post(path, body, token=None):
    return requests.post(f"{BASE}{path}", json=body, headers={"token": token} if token else {}, timeout=20)


def get(path, token):
    return requests.get(f"{BASE}{path}", headers={"token": token}, timeout=20)


KINDS = {kind: Account(kind) for kind in ACCOUNTS}
CALLS = 0
# The account of each token that was used in a case.
OWNERS = {}


@schemathesis.auth(refresh_interval=None)
class Caller:
    """Signs a call in as the account of its dialect. Calls of `/v1`, which both kinds of account may make, alternate
    between the two accounts. All calls alternate between the two headers."""

    def get(self, case, context):
        global CALLS
        CALLS += 1
        if operation_id(case) == WATCH:
            return "authorization", f"Bearer {WATCH_CREDENTIAL}"
        if operation_id(case) in ABOUT_TOKENS:
            basic = base64.b64encode(f"app:{INTROSPECTION_CREDENTIAL}".encode()).decode()
            return "authorization", f"Basic {basic}" if CALLS % 2 else f"Bearer {INTROSPECTION_CREDENTIAL}"
        dialects = {"auth": "email", "api": "username"}
        kind = dialects.get(case.operation.path.split("/")[1], ("username", "email")[CALLS // 2 % 2])
        token = KINDS[kind].token()
        header = ("token", token) if CALLS % 2 else ("authorization", f"Bearer {token}")
        OWNERS[header[1]] = KINDS[kind]
        return header

    def set(self, case, data, context):
        for header in [header for header in case.headers if header.lower() in ("token", "authorization")]:
            del case.headers[header]
        name, value = data
        case.headers[name] = value
        case._has_explicit_auth = True


# --- existing data --------------------------------------------------------------------------------------------------

NEW = itertools.count()


def new_email():
    return f"{RUN}.{next(NEW)}@example.com"


def member():
    """The id of a new account of the firm, which a case may change or delete."""
    body = {"email": new_email(), "password": PASSWORD, "name": "Max"}
    return post("/v1/admin/accounts", body, KINDS["email"].token()).json()["account"]["account"]["id"]


def invite(email):
    return post("/v1/admin/invitations", {"email": email}, KINDS["email"].token()).json()["invitation"]["id"]


def registered():
    email = new_email()
    post("/v1/accounts", {"email": email, "password": PASSWORD, "name": "Max", "firmName": "Links"})
    return email


def link(kind, email):
    """The token of the link in the mail of this kind to this address."""
    for _ in range(200):
        with open(LOG, encoding="utf-8") as log:
            for line in log:
                if f'"{email}"' in line and f'"kind":"{kind}"' in line:
                    return json.loads(line)["link"].partition("#token=")[2]
        time.sleep(0.02)
    raise AssertionError(f"there is no link of the kind {kind} to {email}")


def link_to_verify():
    return link("verify_email", registered())


def link_to_reset():
    email = registered()
    post("/v1/passwords:requestReset", {"email": email})
    return link("reset_password", email)


def link_to_accept():
    email = new_email()
    invite(email)
    return link("invitation", email)


LINKS = {
    "verifyEmail": ("oneTimeToken", link_to_verify),
    "emailVerify": ("token", link_to_verify),
    "resetPassword": ("oneTimeToken", link_to_reset),
    "emailResetPassword": ("token", link_to_reset),
    "acceptInvitation": ("oneTimeToken", link_to_accept),
    "emailAcceptInvitation": ("token", link_to_accept),
}
# The fields of the current password and of the next one.
CHANGES = {
    "changePassword": ("currentPassword", "newPassword"),
    "changeEmail": ("password", None),
    "emailChangePassword": ("current_password", "new_password"),
    "emailChangeAddress": ("password", None),
    "usernameChangePassword": ("currentPassword", "newPassword"),
    "usernameChangePasswordByPost": ("currentPassword", "newPassword"),
    "beginTotp": ("password", None),
    "deleteTotp": ("password", None),
    "makeRecoveryCodes": ("password", None),
}
GOOD = collections.Counter()
# The prefix of this run's names, which differ from those of other runs on the same database.
RUN = secrets.token_hex(4)


def make_true(case):
    """Puts existing ids, tokens and passwords into a good case. Some cases are left unchanged, to be refused."""
    id = operation_id(case)
    GOOD[id] += 1
    if not isinstance(case.body, dict):
        return
    # Each of these tokens costs a mail.
    if id in LINKS and GOOD[id] <= 20:
        name, made = LINKS[id]
        case.body[name] = made()
    if id in CHANGES and GOOD[id] % 8 and (account := caller(case)):
        case.body[CHANGES[id][0]] = account.login["password"]


def caller(case):
    tokens = [value.rpartition(" ")[2] for name, value in case.headers.items() if name.lower() in ("token", "authorization")]
    return next((account for header, account in OWNERS.items() if header.rpartition(" ")[2] in tokens), None)


@schemathesis.hook
def before_call(context, case, kwargs):
    if operation_id(case) == WATCH:
        kwargs["hooks"] = {"response": first_lines}
    # Most code points are unassigned, so the server would refuse most names. In a good case, assigned ones replace
    # them.
    if is_good(case) and isinstance(case.body, dict):
        for name in NAMES:
            if isinstance(text := case.body.get(name), str) and is_beyond_patterns(text):
                case.body[name] = "".join(map(assigned, text))
        # Most usernames would mix scripts. Letters of one script that may stand beside ASCII replace the others.
        if isinstance(text := case.body.get("username"), str):
            case.body["username"] = "".join(c if c.isascii() else letter(c) for c in text)
    if operation_id(case) in HANDLES and is_good(case) and isinstance(case.body, dict):
        one_handle(case.body, *HANDLES[operation_id(case)])
    if operation_id(case) in REGISTER and isinstance(case.body, dict):
        free_handle(case.body)
    if is_good(case) and isinstance(case.body, dict) and operation_id(case) in CODES:
        one_code(case.body, CODES[operation_id(case)])
    for name in ("token", "authorization"):
        account = OWNERS.get(case.headers.get(name))
        if account is None:
            continue
        # Cases are made long before they are sent, and an earlier case may have ended the session.
        fresh = account.token()
        case.headers[name] = fresh if name == "token" else f"Bearer {fresh}"
        OWNERS[case.headers[name]] = account
        # An invented id does not exist. Every second good case gets an id that exists.
        if is_good(case) and CALLS % 4 < 2:
            if "account_id" in case.path_parameters:
                is_admins = case.operation.path.startswith("/v1/admin/")
                case.path_parameters["account_id"] = member() if is_admins else account.id
            for name in ("invitation_id", "id"):
                if name in case.path_parameters:
                    case.path_parameters[name] = invite(new_email())
            if "session_id" in case.path_parameters:
                case.path_parameters["session_id"] = account.session()
    if is_good(case):
        make_true(case)


# The operations in whose body a username and an email exclude each other, each with the fields that it requires with an
# email, and with those that it allows with an email only. The document says so in a sentence.
HANDLES = {
    "login": ((), ()),
    "register": (("name", "firmName"), ()),
    "createAccount": (("name",), ("firmId", "role", "emailVerified")),
}


def one_handle(body, required, allowed):
    """Leaves one of the two names in a good body, with the fields that go with it."""
    kind = "email" if "email" in body and (CALLS % 2 or "username" not in body) else "username"
    body.setdefault(kind, f"{RUN[:4]}{len(TAKEN)}")
    body.pop({"username": "email", "email": "username"}[kind], None)
    body["password"] = body["password"].ljust(8, "!")
    for name in required + allowed:
        if kind == "username":
            body.pop(name, None)
        elif name in required:
            body.setdefault(name, "Max")


def one_code(body, names):
    """Leaves one of these codes in a good body, or adds one. The document says so in a sentence."""
    given = next((name for name in names if name in body), None)
    for name in names:
        if name != given:
            body.pop(name, None)
    if given is None:
        body[names[0]] = "287082"


# The operations that take one of several codes, each with the fields of the codes.
CODES = {
    "completeLogin": ("totpCode", "recoveryCode", "totp_code", "recovery_code"),
    "usernameSecondFactor": ("totp_code", "recovery_code"),
    "emailSecondFactor": ("totp_code", "recovery_code"),
}
REGISTER = ("register", "createAccount", "usernameRegister", "emailRegister")
TAKEN = set()
CALLS_TO_REGISTER = collections.Counter()


def free_handle(body):
    """Replaces a name that is taken, because the server would refuse the request for it and hide all other errors.
    Every eighth name is left, so that this refusal is tested, too."""
    for name, form in (("username", "{}"), ("email", "{}@example.com")):
        if isinstance(handle := body.get(name), str) and handle in TAKEN and CALLS_TO_REGISTER[name] % 8:
            body[name] = form.format(f"{RUN}{len(TAKEN)}")
        CALLS_TO_REGISTER[name] += 1


@schemathesis.hook
def after_call(context, case, response):
    if operation_id(case) in REGISTER and (response.status_code in (200, 201, 409) or contract(response)):
        TAKEN.update(text for name in ("username", "email") if isinstance(text := case.body.get(name), str))
    _, new = CHANGES.get(operation_id(case), (None, None))
    if new and response.status_code < 300:
        caller(case).login["password"] = case.body[new]


def is_good(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


def assigned(character):
    """The character itself, or a letter in place of an unassigned one."""
    return letter(character) if is_beyond_patterns(character) else character


def letter(character):
    return chr(0x4E00 + ord(character) % 20_000)


ENOUGH = itertools.chain([3] * 5, itertools.repeat(1))


def first_lines(response, *_, **__):
    """Reads the beginning of an endless stream, and then closes it: three lines of each of the first five streams,
    which include a heartbeat, and one line of each later stream."""
    if "ndjson" in response.headers.get("content-type", ""):
        lines, enough = b"", next(ENOUGH)
        while lines.count(b"\n") < enough:
            lines += response.raw.read1(65536)
        response.raw.close()
        response._content, response._content_consumed = lines[: lines.rindex(b"\n") + 1], True


@schemathesis.deserializer("application/x-ndjson")
def last_line(context, response):
    """Reads the last line, because the document describes one line."""
    return json.loads(response.content.splitlines()[-1])


# --- what the document cannot say ------------------------------------------------------------------------------------

FORGIVEN = collections.Counter()
atexit.register(lambda: print("forgiven, by reason:", dict(FORGIVEN)))


@schemathesis.hook
def filter_failure(context, failure, case, response):
    reason = None
    if isinstance(failure, RejectedPositiveData):
        reason = contract(response) or used(response) or without_factor(response) or judged(case, response) or sealed(response) or read_otherwise(case, False)
    elif isinstance(failure, AcceptedNegativeData):
        reason = read_otherwise(case, True)
    elif isinstance(failure, (AllowHeaderMismatch, UnsupportedMethodResponse)):
        reason = overlapping(case)
    if reason is not None:
        FORGIVEN[reason] += 1
    return reason is None


def contract(response):
    """The contract of the email API requires 400 for a wrong password and for an email that is taken."""
    codes = ("invalid_credentials", "email_already_exists")
    if response.status_code == 400 and response.json().get("error_code") in codes:
        return "400 is the contract's answer"


def used(response):
    """Most one-time tokens are invented, and were never sent."""
    if response.status_code != 400:
        return None
    details = response.json().get("details", [])
    reasons = {response.json().get("error_code")} | {detail.get("reason") for detail in details}
    if reasons & {"invalid_one_time_token", "ONE_TIME_TOKEN_INVALID"}:
        return "a one-time token that was never sent"


def without_factor(response):
    """No account of this run has a second factor, because nobody here can compute its codes."""
    if response.status_code != 400:
        return None
    if any(detail.get("reason") == "NO_SECOND_FACTOR" for detail in response.json().get("details", [])):
        return "an account without a second factor"
    if violations(response).get("code", "").startswith("is not of the new secret"):
        return "a code of no authenticator app"


def violations(response):
    """Every bad field of an answer with its message, in any dialect."""
    body = response.json()
    details = body.get("details", [])
    bad = {bad["field"]: bad["description"] for detail in details for bad in detail.get("fieldViolations", [])}
    if isinstance(body.get("detail"), list):
        bad.update({bad["loc"][-1]: bad["msg"] for bad in body["detail"]})
    if response.status_code == 422 and "message" in body:
        name, _, text = body["message"].removeprefix('"').partition('" ')
        bad[name] = text
    return bad


def judged(case, response):
    """The values that a field may have depend on the account: on its password, on the least length of its next
    password, and on its firm."""
    if response.status_code == 429 and operation_id(case) in CHANGES:
        return "too many wrong passwords"
    if response.status_code not in (400, 422) or not (bad := violations(response)):
        return None
    if set(bad.values()) <= {"is not the password of this account", "must have at least 8 characters"}:
        return "a password that is not this account's, or none for its kind"
    if set(bad) == {"firm_id"} and "firm_id" not in (case.query or {}):
        return "a platform administrator has no firm"
    if bad.get("username") == "must not be set: an email account has none":
        return "a username of an account that has none"
    if set(bad.values()) == {"must not be set: only an email account has one"}:
        return "a name or a role of an account that has none"
    own = (caller(case) or KINDS["email"]).id == (case.path_parameters or {}).get("account_id")
    if own and all(text.startswith("is your own") for text in bad.values()):
        return "nobody administers oneself"
    if set(bad) == {"handle"}:
        return "neither a username nor an email"
    if set(bad) == {"handle_prefix"} and any(unicodedata.category(c)[0] in "CZ" for c in case.query["handlePrefix"]):
        return "a prefix that no username or email has"
    if set(bad) == {"action"} and case.query["action"] != "login":
        return "an action that does not exist"


def overlapping(case):
    """A path with a verb is also a path of the resource, with an id that ends in a colon and the verb."""
    if case.operation.path.endswith(("{account_id}:setPassword", "{account_id}:removeSecondFactors")):
        return "a path with a verb, read without it"


def sealed(response):
    """A page token and a cursor are sealed, so no pattern can describe those that the server accepts."""
    if response.status_code not in (400, 422):
        return None
    if (bad := set(violations(response))) and bad <= {"page_token", "cursor"}:
        return "a page token or cursor that the server did not make"


def read_otherwise(case, is_accepted):
    """The document describes names, emails and passwords in the form in which the server stores them, and everything
    else in the form in which it writes answers. The server brings a value into that form, and then checks it. So the
    server is right if the stored form of this body is valid or invalid as the server has found."""
    if is_accepted and any(is_unset_or_number(case, name, text) for name, text in (case.query or {}).items()):
        return "an empty parameter, or an enum by its number"
    known = {parameter.get("name") for parameter in case.operation.definition.raw.get("parameters", [])}
    if is_accepted and case.operation.path.startswith("/auth/") and (case.query or {}).keys() - known:
        return "a parameter that the email API does not know, and ignores"
    if not isinstance(case.body, dict):
        return None
    kept = {name: FORMS[name](text) if name in FORMS and isinstance(text, str) else text for name, text in case.body.items()}
    body = case.operation.get_body_for_media_type(case.media_type)
    if case.operation.path.startswith("/v1/"):
        kept = answered(case, kept)
    validator = make_validator(body.optimized_schema, case.operation.schema.adapter.jsonschema_validator_cls)
    if kept != case.body and validator.is_valid(kept) == is_accepted:
        return "judged in another form than sent"
    if not is_accepted and any(is_beyond_patterns(kept.get(name)) for name in NAMES):
        return "a name with a character that no pattern has"
    for password in map(kept.get, PASSWORDS):
        if not is_accepted and isinstance(password, str) and len(password) <= 1024 < len(password.encode()):
            return "a limit in bytes"


ENUMS = {
    "role": ["ROLE_UNSPECIFIED", "ROLE_ADMIN", "ROLE_USER", "ROLE_VIEWER"],
    "status": ["ACCOUNT_STATUS_UNSPECIFIED", "ACCOUNT_STATUS_ACTIVE", "ACCOUNT_STATUS_INACTIVE"],
}


def answered(case, body):
    """The body as an answer would write it: without fields that are not set, and with the names of enums."""
    required = required_fields(case)
    body = {name: value for name, value in body.items() if value is not None and (value != "" or name in required)}
    for name in body.keys() & ENUMS.keys():
        if body[name] in range(len(ENUMS[name])) and not isinstance(body[name], bool):
            body[name] = ENUMS[name][int(body[name])]
    return body


def required_fields(case):
    content = case.operation.definition.raw["requestBody"]["content"][case.media_type]
    name = content["schema"]["$ref"].rpartition("/")[2]
    return case.operation.schema.raw_schema["components"]["schemas"][name].get("required", [])


def is_unset_or_number(case, name, text):
    return text in ("", None, [""]) or (name in ENUMS and str(text).lstrip("-").isdigit())


def normal(text):
    return unicodedata.normalize("NFC", text.strip())


def canonical(text):
    return normal("".join(character.lower().upper().lower() for character in normal(text)))


def tidy(text):
    """The stored form of the name of a person or a firm: single spaces of one kind, and none at the ends."""
    text = normal(text.strip("\u200c\u200d\u200e\u200f\u061c \t\n"))
    return re.sub(" +", " ", "".join(" " if unicodedata.category(c) == "Zs" else c for c in text))


def composed(text):
    return unicodedata.normalize("NFC", text)


NAMES = ("username", "name", "firmName", "firm_name")
# How the Unicode names of variation selectors end.
SELECTORS = tuple(f"SELECTOR-{n}" for n in range(1, 257)) + tuple(f"SELECTOR {n}" for n in ("ONE", "TWO", "THREE", "FOUR"))
PASSWORDS = ("password", "currentPassword", "newPassword", "current_password", "new_password")
FORMS = {
    "username": canonical,
    "email": canonical,
    "newEmail": canonical,
    "name": tidy,
    "firmName": tidy,
    "firm_name": tidy,
    **dict.fromkeys(PASSWORDS, composed),
}


def is_beyond_patterns(text):
    """Whether a text has a character that the patterns leave out: a code point that one version of Unicode has assigned
    and another has not, one of private use, a mark at the beginning, or one that shapes its neighbours."""
    categories = [unicodedata.category(character) for character in text] if isinstance(text, str) else []
    shapes = isinstance(text, str) and any(unicodedata.category(c) == "Cf" or unicodedata.name(c, "").endswith(SELECTORS) for c in text)
    return shapes or not {"Cn", "Co"}.isdisjoint(categories) or categories[:1] in (["Mn"], ["Mc"], ["Me"])
