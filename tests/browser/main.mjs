// Plays all scenes concurrently, because a scene mostly waits for tokens to expire. The scenes over TLS follow. `run`
// starts this program.

import { spawnSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { Chromium } from "./chromium.mjs";
import { Scene } from "./expect.mjs";
import * as links from "./links.mjs";
import { MUTATIONS, REST_MUTATIONS, startMutant } from "./mutations.mjs";
import * as react from "./react.mjs";
import * as scenes from "./scenes.mjs";
import { Countersign, servePages } from "./servers.mjs";

const { COUNTERSIGN_BIN, CHROMIUM, COUNTERSIGN_CERTIFICATE, COUNTERSIGN_TLS } = process.env;

const skipped = [];
const stops = [];
/** Registers something to be stopped at the end. The last one is stopped first. */
function started(it) {
  stops.push(() => it.stop());
  return it;
}

let stopping;
const stopAll = () =>
  (stopping ??= (async () => {
    while (stops.length > 0) await stops.pop()();
  })());
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void stopAll().then(() => process.exit(1)));

let failures = 0;
let checks = 0;

async function runAll(world, played) {
  const results = await Promise.all(played.map(([name, play]) => new Scene(name).run((scene) => play(scene, world))));
  for (const { name, lines, failure } of results) {
    console.log(`${name}\n${lines.join("\n")}`);
    if (failure) failures += 1;
  }
  checks += results.reduce((sum, { checks }) => sum + checks, 0);
}

function failed(error) {
  console.error(error);
  failures += 1;
}

async function status(url) {
  const answer = await fetch(url);
  await answer.arrayBuffer();
  return answer.status;
}

try {
  const pages = started(await servePages());
  const strangers = started(await servePages());
  const settings = {
    ALLOW_REGISTRATION: "true",
    // Short, because scenes wait until a token has expired. Longer than the time between two calls of a page on a
    // loaded machine.
    USERNAME_TOKEN_LIFETIME: "8s",
    EMAIL_TOKEN_LIFETIME: "8s",
    CORS_ALLOWED_ORIGINS: pages.origin,
    // All pages call from one address.
    LOGIN_FAILURES_PER_ADDRESS: "0",
    REGISTRATIONS_PER_ADDRESS: "0",
    MAIL_REQUESTS_PER_ADDRESS: "0",
  };
  const server = started(await Countersign.start(COUNTERSIGN_BIN, settings));
  const chromium = started(await Chromium.start(CHROMIUM));
  console.log(`${chromium.version}; pages of ${pages.origin} and of ${strangers.origin}, which is not allowed, call ${server.url}`);
  const world = { api: server.url, chromium, pages, strangers, server };

  const played = [
    ["the username API, by axios with the header token", scenes.username("")],
    ["the username API, by axios with a bearer", scenes.username("&bearer")],
    ["the snippet of docs/browsers.md, as it stands there", scenes.snippet],
    ["the email API, by fetch", scenes.email("")],
    ["the email API, by fetch with credentials", scenes.email("&credentials")],
    ["gRPC-Web, by the TypeScript client", scenes.grpcWeb],
  ];

  const hasRest = (await status(`${server.url}/v1/me`)) === 401;
  if (hasRest) played.push(["REST of the same calls, by fetch", scenes.rest]);
  else skipped.push("REST of the same calls: GET /v1/me without a token is not 401");

  if (process.argv.includes("--mutants")) {
    await runMutants(world, played, hasRest ? { ...MUTATIONS, ...REST_MUTATIONS } : MUTATIONS);
  } else {
    if ((await status(`${server.url}/docs`)) === 200) played.push(["the API viewer", scenes.docs]);
    else skipped.push("the API viewer: GET /docs is not 200");
    played.push(["the sign-in page in React", react.signIn]);
    played.push(["the page of a link that verifies an email", links.verify]);
    played.push(["the page of a link that sets a new password", links.reset]);
    played.push(["the page of an invitation", links.invitation]);
    await runAll(world, played);
    if (COUNTERSIGN_TLS === "1") await overTls(settings, world);
    else skipped.push("TLS: COUNTERSIGN_TLS is not 1");
  }
} catch (error) {
  failed(error);
} finally {
  await stopAll();
}

for (const what of skipped) console.log(`SKIPPED: ${what}`);
console.log(`browser: ${checks} checks passed, ${failures} failed, ${skipped.length} skipped`);
process.exitCode = failures > 0 ? 1 : 0;

/** Plays two of the pages over TLS, in a browser that trusts the server's certificate and in one that does not. */
async function overTls(settings, { pages, strangers }) {
  const name = "TLS";
  if (!existsSync(COUNTERSIGN_CERTIFICATE)) {
    skipped.push(`${name}: there is no .ci/certificate`);
    return;
  }
  const folder = await mkdtemp(path.join(tmpdir(), "countersign-browser-tls-"));
  stops.push(() => rm(folder, { recursive: true, force: true }));
  const made = spawnSync("bash", [COUNTERSIGN_CERTIFICATE, folder], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`.ci/certificate: ${made.stderr}`);
  const certificate = path.join(folder, "cert.pem");
  const tls = { ...settings, TLS_CERT_FILE: certificate, TLS_KEY_FILE: path.join(folder, "key.pem") };
  let server;
  try {
    server = started(await Countersign.start(COUNTERSIGN_BIN, tls));
  } catch (error) {
    skipped.push(`${name}: the server refuses the settings: ${error.message}`);
    return;
  }
  if (!server.url.startsWith("https://")) {
    if ((await status(`${server.url}/healthz`)) !== 200) throw new Error(`it speaks TLS and says that it is at ${server.url}`);
    skipped.push(`${name}: the server does not know the settings, it serves ${server.url}`);
    return;
  }

  // The browser also trusts this one key, and checks everything else about the certificate as usual.
  const { publicKey } = new X509Certificate(await readFile(certificate));
  const key = createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("base64");
  const trusting = started(await Chromium.start(CHROMIUM, [`--ignore-certificate-errors-spki-list=${key}`]));
  const doubting = started(await Chromium.start(CHROMIUM));

  await runAll({ api: server.url, chromium: trusting, pages, strangers }, [
    ["TLS: the username API, by axios with the header token", scenes.username("")],
    [
      "TLS: gRPC-Web, by the TypeScript client",
      async (scene, world) => scene.expect("all of that was HTTP/2", "h2", await scenes.grpcWeb(scene, world)),
    ],
    [
      "TLS: a browser that was not told of the authority",
      async (scene) => {
        const page = await doubting.page();
        const refused = await page.open(`${server.url}/healthz`).then(() => "nothing", (error) => error.message);
        scene.expect("refuses the certificate", true, refused.includes("ERR_CERT_AUTHORITY_INVALID"));
      },
    ],
  ]);
}

/** Expects that at least one scene fails for each mistake of a server. */
async function runMutants(world, played, mutations) {
  for (const [mutation, mutate] of Object.entries(mutations)) {
    const mutant = await startMutant(world.api, mutate);
    const results = await Promise.all(
      played.map(([name, play]) => new Scene(name).run((scene) => play(scene, { ...world, api: mutant.url }))),
    );
    await mutant.stop();
    const seen = results.filter(({ failure }) => failure);
    console.log(`${mutation}: ${seen.length > 0 ? "seen" : "NOT SEEN"}`);
    for (const { name, failure } of seen) console.log(`   ${name}: ${failure}`);
    if (seen.length > 0) checks += 1;
    else failures += 1;
  }
}
