/**
 * The life of a sign-in, over gRPC from Node: `COUNTERSIGN_URL=http://127.0.0.1:3008 node build/example.js`.
 *
 * It shows that a session outlives its tokens, so it waits for two lifetimes of a token. Start the server with
 * `ALLOW_REGISTRATION=true USERNAME_TOKEN_LIFETIME=2s`. Each step prints its result; a step with another result ends
 * the process.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { AuthService } from "./gen/countersign/v1/auth_service_pb.js";
import { SessionService } from "./gen/countersign/v1/session_service_pb.js";
import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { keepSignedIn, MemoryStorage } from "./token.js";

const baseUrl = process.env["COUNTERSIGN_URL"] ?? "http://127.0.0.1:3008";

const storage = new MemoryStorage();
const transport = createGrpcTransport({ baseUrl, interceptors: [keepSignedIn(storage)] });
const auth = createClient(AuthService, transport);
const sessions = createClient(SessionService, transport);

const stored = () => storage.getItem("countersign.token");
/** Makes a call with this token only, and stores nothing. */
const meWith = (token: string) => auth.me({}, { headers: { token } });

const username = `ts-${Date.now().toString(36)}`;
const password = "s3cur3pass";

const refused = await failure(auth.register({ handle: { case: "username", value: "x" }, password: "1" }));
assert.equal(refused.code, Code.InvalidArgument);
const violations = refused.findDetails(BadRequestSchema).flatMap((details) => details.fieldViolations);
assert.deepEqual(violations.map(({ field }) => field).sort(), ["password", "username"]);
held("a bad registration names every bad field at once");

const { account } = await auth.register({ handle: { case: "username", value: username }, password });
assert.equal(account?.identity.case, "usernameIdentity");
assert.ok(stored(), "register signs in: a token is stored");
held(`registered ${username}, and signed in at once`);

const wrong = await failure(auth.login({ handle: { case: "username", value: username }, password: "wr0ng-pass" }));
assert.equal(wrong.code, Code.Unauthenticated);
assert.equal(reason(wrong), "INVALID_CREDENTIALS");
assert.ok(stored(), "a wrong password signs nobody out");
held("a wrong password is told by its reason");

const { token: first, expiresIn } = await auth.login({ handle: { case: "username", value: username }, password });
assert.equal(stored(), first);
assert.ok(expiresIn <= 5, `tokens live for ${expiresIn} s: set USERNAME_TOKEN_LIFETIME=2s on the server for this example`);
held(`logged in, with a token for ${expiresIn} s`);

// Longer than the token's lifetime, but with less than a lifetime between two calls.
const lifetime = expiresIn * 1000;
for (const end = Date.now() + lifetime * 1.2; Date.now() < end; await sleep(lifetime / 8)) {
  assert.equal((await auth.me({})).account?.id, account?.id);
}
const expired = await failure(meWith(first));
assert.equal(expired.code, Code.Unauthenticated);
assert.equal(reason(expired), "TOKEN_EXPIRED");
assert.equal((await auth.me({})).account?.id, account?.id);
held("the first token has expired, and the session goes on by calling");

const second = stored();
for (const end = Date.now() + lifetime * 1.2; Date.now() < end; await sleep(lifetime / 8)) {
  const error = await failure(sessions.listSessions({ pageSize: -1 }));
  assert.equal(error.code, Code.InvalidArgument);
}
assert.notEqual(stored(), second);
assert.equal((await auth.me({})).account?.id, account?.id);
held("... also by calls that fail: their errors bring a fresh token, too");

await Promise.all(Array.from({ length: 8 }, () => auth.me({})));
held("calls may overlap");

const last = stored();
assert.ok(last);
await auth.logout({});
assert.equal(stored(), null);
assert.equal(reason(await failure(meWith(last))), "TOKEN_INVALID");
assert.equal(reason(await failure(auth.me({}))), "TOKEN_MISSING");
held("logged out: the token is forgotten here and refused there");

/** The error of a call that must fail. */
async function failure(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  assert.fail("the call succeeded");
}

/** The reason of an error, a value of `ErrorReason` without its prefix. A defect of the server has no reason. */
function reason(error: ConnectError): string | undefined {
  return error.findDetails(ErrorInfoSchema)[0]?.reason;
}

function held(what: string): void {
  console.log(`ok: ${what}`);
}
