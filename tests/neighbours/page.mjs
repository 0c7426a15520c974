// Plays the scene of a page in a real browser: `node page.mjs URL PORT USERNAME PASSWORD`, with the URL of Envoy and the
// port on which this program serves the page. `deep.rs` starts it.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

import { Chromium } from "../browser/chromium.mjs";
import { claims, Scene, sleep } from "../browser/expect.mjs";

const [api, port, username, password] = process.argv.slice(2);
const script = await readFile(fileURLToPath(new URL("page.js", import.meta.url)), "utf8");
const html = `<!doctype html><title>page</title><link rel="icon" href="data:,"><script type="module">${script}</script>`;
const server = createServer((_, response) => response.setHeader("content-type", "text/html").end(html));
await new Promise((resolve) => server.listen(Number(port), "127.0.0.1", resolve));

const UNAUTHENTICATED = "16";

/** The identity headers that the service over HTTP got, and what it must not get. */
function told({ headers }) {
  const sent = Object.fromEntries(headers);
  return { username: sent["x-auth-username"], account: sent["x-auth-account"], token: sent.token };
}

async function play({ expect: check, expectThat: checkThat }, page) {
  const missing = await page.call("http", null);
  check("without a token, the service over HTTP is 401, and the page reads why", [401, "TOKEN_MISSING"], [missing.status, missing.data.details?.[0]?.reason]);
  const nobody = await page.call("grpc", null);
  check("... and the one over gRPC is UNAUTHENTICATED", UNAUTHENTICATED, nobody.status);
  checkThat("... for a reason that the page reads", nobody.reason?.includes("token"), nobody);

  const { status, token: first } = await page.call("signIn", username, password);
  check("the sign-in through Envoy is 200", 200, status);
  const { sub, sid } = claims(first);
  const http = await page.call("http");
  check("the service over HTTP knows who asks, and not the token", { username, account: sub, token: undefined }, told(http.data));
  check("... and the page can read the fresh token", sid, claims(http.fresh).sid);
  const grpc = await page.call("grpc");
  check("the service over gRPC knows it, too", ["0", username, sub, sid], [grpc.status, ...["username", "account", "session"].map((name) => grpc.identity?.[`x-auth-${name}`])]);
  check("... and the page can read the fresh token", sid, claims(grpc.fresh).sid);

  let last = grpc.fresh;
  for (;;) {
    const answers = [await page.call("http"), await page.call("grpc")];
    const kept = answers.every(({ status, fresh }) => [200, "0"].includes(status) && fresh);
    if (!kept) throw new Error(`a call with the newest token failed: ${JSON.stringify(answers)}`);
    last = answers[1].fresh;
    const { status, data } = await page.call("http", first);
    if (status !== 200) {
      check("the first token expires", [401, "TOKEN_EXPIRED"], [status, data.details?.[0]?.reason]);
      break;
    }
    await sleep(200);
  }
  const expired = await page.call("grpc", first);
  check("... for the service over gRPC as well", UNAUTHENTICATED, expired.status);
  check("... while every call with the newest token passed, of the same session", sid, claims(last).sid);
  const after = [await page.call("http"), await page.call("grpc")].map(({ status }) => status);
  check("... and goes on to pass", [200, "0"], after);

  check("the logout is 200", 200, await page.call("signOut"));
  const out = [await page.call("http"), await page.call("grpc")];
  check("the newest token is refused by both", [401, UNAUTHENTICATED], out.map(({ status }) => status));
  check("... and no answer has another", [null, null], out.map(({ fresh }) => fresh));
}

let failure;
const chromium = await Chromium.start(process.env.CHROMIUM);
try {
  const page = await chromium.page();
  await page.open(`http://localhost:${port}/?api=${encodeURIComponent(api)}`);
  const scene = new Scene("a page");
  const bound = { expect: scene.expect.bind(scene), expectThat: scene.expectThat.bind(scene) };
  const result = await scene.run(() => play(bound, page));
  console.log(result.lines.join("\n"));
  if (result.failure) console.log(JSON.stringify(page.requests.slice(-4)), page.errors);
  failure = result.failure;
} finally {
  await chromium.stop();
  server.closeAllConnections();
  server.close();
}
process.exitCode = failure ? 1 : 0;
