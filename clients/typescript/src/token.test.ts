/** Tests the interceptor with late answers and refusals, which no real server gives on demand. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Code, ConnectError, createClient, createRouterTransport, type Interceptor } from "@connectrpc/connect";

import { AuthService } from "./gen/countersign/v1/auth_service_pb.js";
import { keepSignedIn, MemoryStorage } from "./token.js";

const key = "countersign.token";

const token = (sid: string, exp: number) =>
  ["e30", Buffer.from(JSON.stringify({ sid, exp, username: "zoë🦊" })).toString("base64url"), "c2ln"].join(".");

/** A client with calls that the test answers, in any order. */
function client() {
  const storage = new MemoryStorage();
  const sent: (string | null)[] = [];
  const transport = createRouterTransport(
    ({ service }) => {
      service(AuthService, { login: (request) => ({ token: request.password }), me: () => ({}), logout: () => ({}) });
    },
    { transport: { interceptors: [keepSignedIn(storage), answerWhenTold] } },
  );
  const waiting: ((answer: { fresh?: string; error?: Code }) => void)[] = [];
  function answerWhenTold(next: Parameters<Interceptor>[0]): ReturnType<Interceptor> {
    return async (request) => {
      sent.push(request.header.get("token"));
      const { fresh, error } = await new Promise<{ fresh?: string; error?: Code }>((resolve) => waiting.push(resolve));
      const headers = new Headers(fresh ? { token: fresh } : {});
      if (error) throw new ConnectError("no", error, headers);
      const response = await next(request);
      for (const [name, value] of headers) response.header.set(name, value);
      return response;
    };
  }
  const auth = createClient(AuthService, transport);
  /** Begins a call, and returns the function that answers it. */
  const begin = (call: Promise<unknown>) => {
    const done = call.then(() => undefined, (error: ConnectError) => error.code);
    const index = begun++;
    return async (answer: { fresh?: string; error?: Code } = {}) => {
      while (!waiting[index]) await new Promise((resolve) => setImmediate(resolve));
      waiting[index](answer);
      return done;
    };
  };
  let begun = 0;
  const login = (token: string) => begin(auth.login({ handle: { case: "username", value: "zoe" }, password: token }));
  return { storage, sent, login, me: () => begin(auth.me({})), logout: () => begin(auth.logout({})) };
}

test("a fresh token is stored and sent, also that of an error", async () => {
  const { storage, sent, login, me } = client();
  await login(token("a", 1))();
  await me()({ fresh: token("a", 2) });
  assert.equal(await me()({ fresh: token("a", 3), error: Code.NotFound }), Code.NotFound);
  assert.equal(storage.getItem(key), token("a", 3));
  assert.deepEqual(sent, [null, token("a", 1), token("a", 2)]);
});

test("a late answer does not bring back an older token", async () => {
  const { storage, login, me } = client();
  await login(token("a", 1))();
  const [one, two] = [me(), me()];
  await two({ fresh: token("a", 3) });
  await one({ fresh: token("a", 2) });
  assert.equal(storage.getItem(key), token("a", 3));
});

test("a call that began before a logout stores nothing after it", async () => {
  const { storage, login, me, logout } = client();
  await login(token("a", 1))();
  const late = me();
  const later = me();
  await logout()();
  await late({ fresh: token("a", 2) });
  await later({ fresh: token("a", 3), error: Code.NotFound });
  assert.equal(storage.getItem(key), null);
});

test("a call that began as someone else stores nothing after another login, nor does it sign out", async () => {
  const { storage, login, me, logout } = client();
  await login(token("a", 1))();
  const [answered, refused, ended] = [me(), me(), logout()];
  await login(token("b", 2))();
  await answered({ fresh: token("a", 9) });
  assert.equal(await refused({ error: Code.Unauthenticated }), Code.Unauthenticated);
  await ended();
  assert.equal(storage.getItem(key), token("b", 2));
});

test("of two overlapping logins the later one counts, and a logout begun after one", async () => {
  const { storage, login, logout } = client();
  const [one, two] = [login(token("a", 1)), login(token("b", 1))];
  await two();
  await one();
  assert.equal(storage.getItem(key), token("b", 1));
  const three = login(token("c", 1));
  await logout()();
  await three();
  assert.equal(storage.getItem(key), null);
});

test("a refused token is forgotten, and nothing is sent twice", async () => {
  const { storage, sent, login, me } = client();
  await login(token("a", 1))();
  assert.equal(await me()({ error: Code.Unauthenticated }), Code.Unauthenticated);
  assert.equal(storage.getItem(key), null);
  assert.equal(sent.length, 2);
});

test("a token that slid meanwhile is not forgotten for the refusal of an older one", async () => {
  const { storage, login, me } = client();
  await login(token("a", 1))();
  const late = me();
  await me()({ fresh: token("a", 2) });
  await late({ error: Code.Unauthenticated });
  assert.equal(storage.getItem(key), token("a", 2));
});

test("an outage says nothing against the token", async () => {
  const { storage, login, me, logout } = client();
  await login(token("a", 1))();
  await me()({ error: Code.Unavailable });
  await logout()({ error: Code.Unavailable });
  assert.equal(storage.getItem(key), token("a", 1));
});

test("what lies in the storage and is no token is sent once and forgotten", async () => {
  const { storage, sent, me } = client();
  storage.setItem(key, "undefined");
  await me()({ error: Code.Unauthenticated });
  assert.deepEqual([sent, storage.getItem(key)], [["undefined"], null]);
});
