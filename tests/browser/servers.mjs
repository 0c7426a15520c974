// The servers of the browser tests: the real one, and two that serve the pages from other origins.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));

/** A process of the server's binary with these settings and a database of its own. */
export class Countersign {
  #process;
  #folder;
  #ended;
  #links = [];

  /** Starts the server. If it refuses a setting, the error contains its log. */
  static async start(binary, settings) {
    const server = new Countersign();
    server.#folder = await mkdtemp(path.join(tmpdir(), "countersign-browser-"));
    // The caller's own environment could contain settings.
    server.#process = spawn(binary, {
      cwd: server.#folder,
      env: { ...settings, LISTEN_ADDR: "127.0.0.1:0", LOG_FORMAT: "json" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    // Created at once, because the server may end by itself, or by a signal to the whole process group.
    server.#ended = new Promise((resolve) => server.#process.once("close", resolve).once("error", resolve));
    const said = [];
    server.url = await new Promise((resolve, reject) => {
      createInterface({ input: server.#process.stderr }).on("line", (line) => {
        if (said.length < 50) said.push(line);
        if (line.includes('"event":"mail"')) server.#links.push(JSON.parse(line));
        if (line.includes('"event":"start"')) resolve(JSON.parse(line).url);
      });
      void server.#ended.then((how) => reject(new Error(`the server ended (${how}): ${said.join("\n")}`)));
    }).catch(async (error) => {
      await rm(server.#folder, { recursive: true, force: true });
      throw error;
    });
    return server;
  }

  /** Waits for the link of a mail of this kind to this address. */
  async link(kind, to) {
    for (const end = Date.now() + 10_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
      const found = this.#links.find((line) => line.kind === kind && line.to === to);
      if (found) return found.link;
    }
    throw new Error(`there was no mail of the kind ${kind} to ${to}`);
  }

  async stop() {
    this.#process.kill("SIGTERM");
    const late = setTimeout(() => this.#process.kill("SIGKILL"), 11_000);
    await this.#ended;
    clearTimeout(late);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const SCRIPTS = {
  "/axios.js": "node_modules/axios/dist/axios.min.js",
  "/username.js": "pages/username.js",
  "/email.js": "pages/email.js",
  "/rest.js": "pages/rest.js",
  "/snippet.js": "../../docs/browsers.md",
  "/grpc_web.js": "build/grpc_web.js",
  "/react-sign-in/build/sign-in.js": "../../examples/react-sign-in/build/sign-in.js",
};

/** The JavaScript of a document as it stands there. Only the server's address is that of the test, which the URL of the
 * page has. */
function snippet(markdown, page) {
  const [, code] = markdown.match(/^```js\n(.*?)^```$/ms);
  const local = code.replace("http://localhost:3008", new URL(page).searchParams.get("api"));
  return `${local}\nwindow.client = { signIn, signOut, me: () => api.get("/api/auth/me").then(({ status }) => status) };`;
}

/** Serves every page at `http://localhost:PORT/NAME?api=…`, an origin other than the server's. */
export async function servePages() {
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    const script = SCRIPTS[pathname];
    if (script) {
      response.setHeader("content-type", "text/javascript");
      const text = await readFile(path.join(here, script), "utf8");
      response.end(script.endsWith(".md") ? snippet(text, request.headers.referer) : text);
    } else if (pathname === "/react-sign-in/") {
      response.setHeader("content-type", "text/html");
      const page = await readFile(path.join(here, "../../examples/react-sign-in/index.html"), "utf8");
      response.end(page.replace("http://localhost:3008", searchParams.get("api")));
    } else if (SCRIPTS[`${pathname}.js`]) {
      response.setHeader("content-type", "text/html");
      const scripts = `<script src="/axios.js"></script><script type="module" src="${pathname}.js"></script>`;
      response.end(`<!doctype html><title>${pathname}</title><link rel="icon" href="data:,">${scripts}`);
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://localhost:${server.address().port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
