// The answers of the server as real pages see them. Each scene is one client. `world` is `{ api, chromium, pages,
// strangers }`: the server's URL, the browser, and the two origins that serve the pages. Only the first origin is in
// CORS_ALLOWED_ORIGINS.

import { callUntilExpired, claims, sleep, untilExpired } from "./expect.mjs";

const PASSWORD = "s3cur3pass";
let accounts = 0;
const newName = () => `user-${process.pid}-${++accounts}`;

const url = (origin, name, api, option = "") => `${origin}/${name}?api=${encodeURIComponent(api)}${option}`;

/** The page's calls of the server, without the requests for the page itself. */
const calls = (page, api) => page.requests.filter((request) => request.url.startsWith(api));
const preflights = (page, api) => calls(page, api).filter(({ preflight }) => preflight);

/** Expects that the browser hides the server's answer from a page of an origin that is not allowed. */
async function refusedElsewhere({ expect }, { api, chromium, strangers }, name, call, wanted) {
  const page = await chromium.page();
  await page.open(url(strangers.origin, name, api));
  expect("the same page from an origin that is not allowed sees nothing", wanted, await call(page));
  // The page may get the failure before DevTools reports its reason.
  const why = () => [...new Set(calls(page, api).flatMap(({ failure }) => failure ?? []))];
  for (const end = Date.now() + 5_000; Date.now() < end && why().length === 0; ) await sleep(20);
  expect("... because the browser refuses it, for CORS", ["PreflightMissingAllowOriginHeader"], why());
}

// --- the username API, by axios --------------------------------------------------------------------------------------

export const username = (option) => async (scene, world) => {
  const expect = scene.expect.bind(scene);
  const { api, chromium, pages } = world;
  const name = newName();
  const page = await chromium.page();
  const stored = () => page.stored("SESSION_TOKEN");
  await page.open(url(pages.origin, "username", api, option));

  const registered = await page.call("register", name, PASSWORD);
  expect("register is 200", 200, registered.status);
  expect("... with the token in the body, and none in the headers", [registered.data?.token, undefined], [await stored(), registered.header]);
  expect("registering the name again is 409, and the page reads why", [409, 409], await page.call("register", name, PASSWORD).then(({ status, data }) => [status, data?.statusCode]));
  const wrong = await page.call("login", name, "wr0ng-pass");
  expect("a wrong password is 401, and the page reads why", [401, 401, "string"], [wrong.status, wrong.data?.statusCode, typeof wrong.data?.message]);
  const { status, data } = await page.call("login", name.toUpperCase(), PASSWORD);
  expect("login in other letters is 200, and says who", [200, name], [status, data?.user]);
  const first = await stored();
  expect("... and its token is stored", data?.token, first);

  await page.reload();
  expect("after a reload the token is still there", first, await stored());
  const me = await page.call("me");
  expect("me is 204, with a fresh token that page code can read", [204, true], [me.status, Boolean(me.header)]);
  expect("... which is stored", me.header, await stored());
  expect("the call was asked for by a preflight: it is of another origin", true, preflights(page, api).length > 0);

  const good = await callUntilExpired(first, () => page.call("me"), (answer) => answer.status === 204);
  expect("calling on, every call is 204 until the first token has expired", true, good);
  const slid = await stored();
  scene.expectThat("... and the stored token is another one, of the same session", slid !== first && claims(slid).sid === claims(first).sid, [first, slid]);
  expect("the first token is 401 now", 401, (await page.call("meWith", first)).status);
  expect("... while the session goes on", 204, (await page.call("me")).status);

  await untilExpired(await stored());
  const expired = await page.call("me");
  expect("silent for longer than a lifetime, me is 401, and the page reads why", [401, 401, "Unauthorized", "string"], [expired.status, expired.data?.statusCode, expired.data?.error, typeof expired.data?.message]);
  expect("... without a fresh token", undefined, expired.header);

  expect("login is 200 again, though the expired token goes along", 200, (await page.call("login", name, PASSWORD)).status);
  expect("me is 204 again", 204, (await page.call("me")).status);
  expect("logout is 200", 200, (await page.call("logout")).status);
  const after = await page.call("me");
  expect("me after logout is 401, and the page reads why", [401, 401], [after.status, after.data?.statusCode]);
  const items = await page.evaluate("JSON.stringify(localStorage)");
  expect("nothing but that one token was ever stored", ["SESSION_TOKEN"], Object.keys(JSON.parse(items)));

  await refusedElsewhere({ expect }, world, "username", (page) => page.call("login", name, PASSWORD), { error: "ERR_NETWORK" });
};

/** The snippet of docs/browsers.md signs in, keeps its token, replaces it by fresh ones, and signs out. */
export const snippet = async (scene, { api, chromium, pages }) => {
  const expect = scene.expect.bind(scene);
  const name = newName();
  const body = JSON.stringify({ username: name, password: PASSWORD });
  const made = await fetch(`${api}/api/auth/register`, { method: "POST", headers: { "content-type": "application/json" }, body });
  expect("an account is registered", 200, made.status);
  const page = await chromium.page();
  await page.open(url(pages.origin, "snippet", api));
  const stored = () => page.stored("token");
  const status = (call) => page.evaluate(`client.${call}.catch((error) => error.response.status)`);

  expect("without a token, me is 401", 401, await status("me()"));
  expect("a wrong password is 401", 401, await status(`signIn("${name}", "wr0ng-pass")`));
  expect("... and no token is stored", null, await stored());
  await page.call("signIn", name, PASSWORD);
  const first = await stored();
  expect("a sign-in stores a token of the account", name, claims(first).username);
  await page.reload();
  expect("after a reload the token is still there", first, await stored());
  const good = await callUntilExpired(first, () => status("me()"), (answer) => answer === 204);
  expect("calling on, every call is 204 until the first token has expired", true, good);
  expect("... by fresh tokens of the same session", claims(first).sid, claims(await stored()).sid);
  const last = await stored();
  await page.call("signOut");
  expect("a sign-out removes the token", null, await stored());
  const me = await fetch(`${api}/api/auth/me`, { headers: { token: last } });
  expect("... and ends the session", 401, me.status);

  await page.call("signIn", name, PASSWORD);
  await untilExpired(await stored());
  expect("silent for longer than a lifetime, me is 401", 401, await status("me()"));
  expect("... and the expired token is removed", null, await stored());
};

// --- the email API, by fetch -----------------------------------------------------------------------------------------

export const email = (option) => async (scene, world) => {
  const expect = scene.expect.bind(scene);
  const { api, chromium, pages } = world;
  const address = `${newName()}@example.com`;
  const page = await chromium.page();
  const stored = () => page.stored("access_token");
  await page.open(url(pages.origin, "email", api, option));

  const invalid = await page.call("register", { email: "nobody", password: "short" });
  expect("a bad registration is 422, and the page reads a list of what is wrong", [422, "validation_error", true], [invalid.status, invalid.data?.error_code, Array.isArray(invalid.data?.detail)]);
  const registered = await page.call("register", { email: address, password: PASSWORD, name: "Ada", firm_name: "Acme" });
  expect("register is 201, and says who", [201, address], [registered.status, registered.data?.user?.email]);
  const wrong = await page.call("login", address, "wr0ng-pass");
  expect("a wrong password is 400, and the page reads why", [400, "invalid_credentials"], [wrong.status, wrong.data?.error_code]);
  const login = await page.call("login", address, PASSWORD);
  expect("login is 200, and says who", [200, "bearer", "admin"], [login.status, login.data?.token_type, login.data?.user?.role]);
  const first = await stored();
  expect("... and its token is stored", login.data?.access_token, first);

  // Only the page's timer makes calls here.
  await untilExpired(first);
  const refreshes = await page.evaluate("client.refreshes");
  scene.expectThat("the page's timer has refreshed the token before it expired", refreshes > 0, refreshes);
  expect("me is 200", [200, address], await page.call("me").then(({ status, data }) => [status, data?.email]));
  const old = await page.call("meWith", first);
  expect("the first token is 401 now, and the page reads why", [401, "token_expired"], [old.status, old.data?.error_code]);

  const before = await stored();
  await page.reload();
  // The timer may have refreshed the token since.
  expect("after a reload the session is still there", claims(before).sid, claims(await stored()).sid);
  expect("... and me is 200", 200, (await page.call("me")).status);
  await untilExpired(before);
  expect("... and the timer runs again", 200, (await page.call("me")).status);

  await page.call("stopRefreshing");
  await untilExpired(await stored());
  const expired = await page.call("me");
  expect("without refreshing, me is 401 after a lifetime, and the page reads why", [401, "token_expired"], [expired.status, expired.data?.error_code]);
  expect("... and it is too late to refresh", [401, "token_expired"], await page.call("refresh").then(({ status, data }) => [status, data?.error_code]));

  expect("login is 200 again", 200, (await page.call("login", address, PASSWORD)).status);
  expect("logout is 200", 200, (await page.call("logout")).status);
  const after = await page.call("me");
  expect("me after logout is 401, and the page reads why", [401, "invalid_token"], [after.status, after.data?.error_code]);
  expect("the calls were asked for by preflights: they are of another origin", true, preflights(page, api).length > 0);

  await refusedElsewhere({ expect }, world, "email", (page) => page.call("login", address, PASSWORD), { error: "TypeError" });
};

// --- gRPC-Web, by the TypeScript client ------------------------------------------------------------------------------

export const grpcWeb = async (scene, world) => {
  const expect = scene.expect.bind(scene);
  const { api, chromium, pages } = world;
  const name = newName();
  const page = await chromium.page();
  const stored = () => page.stored("countersign.token");
  const ok = ({ answer }) => answer !== undefined;
  await page.open(url(pages.origin, "grpc_web", api));

  expect("a bad registration names every bad field at once", { code: "InvalidArgument", reason: "VALIDATION", fields: ["password", "username"] }, await page.call("register", "x", "1").then(({ fields, ...rest }) => ({ ...rest, fields: fields?.sort() })));
  expect("register succeeds", true, ok(await page.call("register", name, PASSWORD)));
  const registered = await stored();
  scene.expectThat("... and its token is stored", registered, registered);
  expect("registering the name again is told by its reason", { code: "AlreadyExists", reason: "HANDLE_TAKEN", fields: [] }, await page.call("register", name, PASSWORD));
  expect("a wrong password is told by its reason", { code: "Unauthenticated", reason: "INVALID_CREDENTIALS", fields: [] }, await page.call("login", name, "wr0ng-pass"));
  expect("... and signs nobody out", registered, await stored());
  const login = await page.call("login", name, PASSWORD);
  const first = await stored();
  expect("login succeeds, and its token is stored", JSON.parse(login.answer).token, first);

  await page.reload();
  expect("after a reload the token is still there", first, await stored());
  const { answer } = await page.call("me");
  expect("me says who", name, answer && JSON.parse(answer).account.identity.value.username);
  expect("a call with a deadline passes the preflight, too", true, ok(await page.call("meWithin", 5_000)));
  expect("a bearer does, too", true, ok(await page.call("meWithBearer", first)));
  expect("the calls were asked for by preflights: they are of another origin", true, preflights(page, api).length > 0);
  const types = calls(page, api).filter(({ method, preflight }) => method === "POST" && !preflight).map(({ headers }) => headers["content-type"]);
  expect("what the client sends is", ["application/grpc-web+proto"], [...new Set(types)]);

  expect("calling on, every call succeeds until the first token has expired", true, await callUntilExpired(first, () => page.call("me"), ok));
  const slid = await stored();
  scene.expectThat("... and the stored token is another one, of the same session", slid !== first && claims(slid).sid === claims(first).sid, [first, slid]);
  expect("the first token is refused now, for its reason", { code: "Unauthenticated", reason: "TOKEN_EXPIRED", fields: [] }, await page.call("meWith", first));
  expect("calls that fail keep the session alive as well", true, await callUntilExpired(slid, () => page.call("badPage"), ({ code, reason }) => code === "InvalidArgument" && reason === "VALIDATION"));
  expect("... so that me succeeds", true, ok(await page.call("me")));

  await untilExpired(await stored());
  expect("silent for longer than a lifetime, me is refused, for its reason", { code: "Unauthenticated", reason: "TOKEN_EXPIRED", fields: [] }, await page.call("me"));
  expect("... and the token is forgotten", null, await stored());

  expect("login succeeds again", true, ok(await page.call("login", name, PASSWORD)));
  const last = await stored();
  expect("logout succeeds", true, ok(await page.call("logout")));
  expect("... and the token is forgotten", null, await stored());
  expect("the token is refused after logout, for its reason", { code: "Unauthenticated", reason: "TOKEN_INVALID", fields: [] }, await page.call("meWith", last));
  expect("me without a token is refused, for its reason", { code: "Unauthenticated", reason: "TOKEN_MISSING", fields: [] }, await page.call("me"));

  await refusedElsewhere({ expect }, world, "grpc_web", (page) => page.call("login", name, PASSWORD), { code: "Unknown", fields: [] });
  return calls(page, api).find(({ protocol }) => protocol)?.protocol;
};

// --- REST of the same calls, by fetch --------------------------------------------------------------------------------

export const rest = async (scene, world) => {
  const expect = scene.expect.bind(scene);
  const { api, chromium, pages } = world;
  const name = newName();
  const page = await chromium.page();
  const stored = () => page.stored("token");
  await page.open(url(pages.origin, "rest", api));

  const invalid = await page.call("register", "x", "1");
  expect("a bad registration is 400, and the page reads why", [400, true], [invalid.status, JSON.stringify(invalid.data ?? "").includes("username")]);
  const registered = await page.call("register", name, PASSWORD);
  expect("register is 200, and says who", [200, name], [registered.status, registered.data?.account?.usernameIdentity?.username]);
  const first = await stored();
  expect("... with the token in the body, and none in the headers", [registered.data?.token, null], [first, registered.header]);
  const wrong = await page.call("login", name, "wr0ng-pass");
  expect("a wrong password is 401, and the page reads the reason", [401, true], [wrong.status, JSON.stringify(wrong.data ?? "").includes("INVALID_CREDENTIALS")]);

  const me = await page.call("me");
  expect("me is 200, and says who", [200, name], [me.status, me.data?.account?.usernameIdentity?.username]);
  expect("... with a fresh token in the header Token, which page code can read", [true, true], [Boolean(me.header), me.header === (await stored())]);
  expect("calling on, every call is 200 until the first token has expired", true, await callUntilExpired(first, () => page.call("me"), ({ status }) => status === 200));

  expect("a second login is 200", 200, (await page.call("login", name, PASSWORD)).status);
  const { sessions } = (await page.call("sessions")).data;
  expect("sessions lists both", [true, 2], [sessions?.[0]?.current, sessions?.length]);
  const other = sessions.find(({ current }) => !current).id;
  const revoked = await page.call("revoke", other);
  expect("DELETE of the other session is 200, with a fresh token", [200, true], [revoked.status, Boolean(revoked.header)]);
  const asked = calls(page, api).filter((request) => request.url.endsWith(other));
  expect("... which a preflight had asked for", true, asked.some(({ preflight }) => preflight) && asked.some(({ method, failure }) => method === "DELETE" && !failure));
  const again = await page.call("revoke", other);
  expect("DELETE of it again is 404, with a fresh token all the same", [404, true], [again.status, Boolean(again.header)]);
  expect("one session is left", 1, (await page.call("sessions")).data?.sessions?.length);

  expect("logout is 200", 200, (await page.call("logout")).status);
  const after = await page.call("me");
  expect("me after logout is 401, and the page reads the reason", [401, true], [after.status, JSON.stringify(after.data ?? "").includes("TOKEN_INVALID")]);

  await refusedElsewhere({ expect }, world, "rest", (page) => page.call("login", name, PASSWORD), { error: "TypeError" });
};

// --- the API viewer --------------------------------------------------------------------------------------------------

export const docs = async (scene, { api, chromium }) => {
  const page = await chromium.page();
  await page.open(`${api}/docs`);
  const rendered = await page.evaluate(`new Promise((resolve) => {
    const end = Date.now() + 10_000;
    const look = () => {
      const found = document.body.innerText.includes("/v1/me");
      if (found || Date.now() > end) resolve(found);
      else setTimeout(look, 50);
    };
    look();
  })`);
  scene.expect("/docs shows the operation /v1/me within ten seconds", true, rendered);
  const elsewhere = page.requests.map((request) => request.url).filter((url) => /^\w+:\/\//.test(url) && !url.startsWith(`${api}/`));
  // The browser requests an icon by itself.
  const errors = page.errors.filter((error) => !error.endsWith("/favicon.ico"));
  scene.expect("... asks no other origin for anything", [], elsewhere);
  scene.expect("... and has no error in its console, nor a violation of its policy", [], errors);
};
