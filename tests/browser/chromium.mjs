// Chromium over the DevTools protocol through a pipe. The pipe opens no port to others, needs no package, and ends the
// browser with the process that started it.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

const FLAGS = [
  "--headless",
  "--remote-debugging-pipe",
  "--no-first-run",
  // The browser connects to this machine only, without a proxy.
  "--no-proxy-server",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // All pages here are in the background, where Chromium would slow down their timers.
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
  "--disable-dev-shm-usage",
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
];

export class Chromium {
  #process;
  #profile;
  #ended;
  #last = 0;
  #answers = new Map();
  #pages = new Map();

  static async start(executable, flags = []) {
    const chromium = new Chromium();
    await chromium.#start(executable, flags).catch(async (error) => {
      await chromium.stop();
      throw error;
    });
    return chromium;
  }

  async #start(executable, flags) {
    this.#profile = await mkdtemp(path.join(tmpdir(), "countersign-chromium-"));
    // The server hashes passwords at the lowest priority. Pages with a higher priority on a loaded machine would delay
    // a sign-in until it is refused.
    const nice = ["-n", "19", executable];
    this.#process = spawn("nice", [...nice, ...FLAGS, ...flags, `--user-data-dir=${this.#profile}`], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    this.#ended = new Promise((resolve) => this.#process.once("close", resolve).once("error", resolve));
    void this.#ended.then(() => {
      for (const { reject } of this.#answers.values()) reject(new Error("chromium ended"));
    });
    let rest = "";
    this.#process.stdio[3].on("error", () => {});
    this.#process.stdio[4].setEncoding("utf8").on("data", (data) => {
      const messages = (rest + data).split("\0");
      rest = messages.pop();
      for (const message of messages) this.#hear(JSON.parse(message));
    });
    this.version = (await this.send("Browser.getVersion")).product;
  }

  send(method, params = {}, sessionId) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject, method });
      this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  #hear({ id, result, error, method, params, sessionId }) {
    if (id === undefined) {
      this.#pages.get(sessionId)?.hear(method, params);
      return;
    }
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    if (error) answer.reject(new Error(`${answer.method}: ${error.message}`));
    else answer.resolve(result);
  }

  /** Opens a page with a storage and a cache of its own. */
  async page() {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page((method, params) => this.send(method, params, sessionId));
    this.#pages.set(sessionId, page);
    for (const domain of ["Page", "Runtime", "Network", "Log", "Audits"]) await page.send(`${domain}.enable`);
    return page;
  }

  async stop() {
    const late = setTimeout(() => this.#process.kill("SIGKILL"), 5_000);
    this.send("Browser.close").catch(() => {});
    await this.#ended;
    clearTimeout(late);
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Page {
  /** The requests of the page, in order: `{ url, method, headers, preflight, protocol, failure }`. */
  requests = [];
  /** The errors of the page's console. */
  errors = [];
  #byId = new Map();
  #loaded = () => {};

  constructor(send) {
    this.send = send;
  }

  hear(method, params) {
    switch (method) {
      case "Page.loadEventFired":
        return this.#loaded();
      case "Network.requestWillBeSent": {
        const { url, method } = params.request;
        // Chromium reports header names as the page wrote them, but sends them in lower case.
        const headers = Object.fromEntries(Object.entries(params.request.headers).map(([name, value]) => [name.toLowerCase(), value]));
        // No page here sends OPTIONS itself, so each one is a preflight.
        const request = { url, method, headers, preflight: method === "OPTIONS" };
        this.requests.push(request);
        this.#byId.set(params.requestId, request);
        return;
      }
      case "Network.responseReceived":
        return this.#note(params, { protocol: params.response.protocol });
      case "Network.loadingFailed":
        return this.#note(params, { failure: params.corsErrorStatus?.corsError ?? params.errorText });
      case "Runtime.exceptionThrown":
        return this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
      case "Runtime.consoleAPICalled":
        if (params.type === "error") this.errors.push(params.args.map(({ value }) => value).join(" "));
        return;
      case "Log.entryAdded":
        if (params.entry.level === "error") this.errors.push(`${params.entry.text} ${params.entry.url ?? ""}`);
        return;
      case "Audits.issueAdded":
        if (params.issue.code === "ContentSecurityPolicyIssue") this.errors.push(JSON.stringify(params.issue.details));
    }
  }

  #note({ requestId }, what) {
    Object.assign(this.#byId.get(requestId) ?? {}, what);
  }

  async open(url) {
    const loaded = new Promise((resolve) => (this.#loaded = resolve));
    const { errorText } = await this.send("Page.navigate", { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await loaded;
  }

  async reload() {
    const loaded = new Promise((resolve) => (this.#loaded = resolve));
    await this.send("Page.reload");
    await loaded;
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Calls `client.name(...args)` in the page. Every page has such an object. */
  call(name, ...args) {
    return this.evaluate(`client.${name}(${args.map((arg) => JSON.stringify(arg)).join(", ")})`);
  }

  stored(key) {
    return this.evaluate(`localStorage.getItem(${JSON.stringify(key)})`);
  }
}
