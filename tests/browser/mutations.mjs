// Possible mistakes of a server, each made by a proxy in front of the real one. `run --mutants` shows that the scenes
// detect each of them.

import { createServer, request as ask } from "node:http";

const drop = (name) => (headers) => delete headers[name];
const set = (name, value) => (headers) => name in headers && (headers[name] = value);
const without = (name, part) => (headers) => {
  headers[name] &&= headers[name].replace(part, "");
};

/** Each function changes the headers of an answer. It also gets the request and the status of the answer. */
export const MUTATIONS = {
  "no answer exposes its headers": drop("access-control-expose-headers"),
  "only Token is exposed, not the status details": set("access-control-expose-headers", "Token"),
  "the fresh token is called x-token": (headers) => {
    headers["x-token"] = headers.token ?? "";
    headers["access-control-expose-headers"] &&= "x-token, grpc-status, grpc-message, grpc-status-details-bin";
    delete headers.token;
  },
  "the token is never fresh": (headers, request) => {
    const sent = request.headers.token ?? request.headers.authorization?.split(" ")[1];
    if (headers.token && sent) headers.token = sent;
  },
  "errors come without CORS headers": (headers, request, status) => {
    if (status >= 400) delete headers["access-control-allow-origin"];
  },
  "the allowed origin is a star, which credentials rule out": set("access-control-allow-origin", "*"),
  "every origin is allowed": (headers, request) => {
    headers["access-control-allow-origin"] = request.headers.origin ?? "*";
    headers["access-control-allow-headers"] ??= request.headers["access-control-request-headers"] ?? "";
  },
  "a preflight does not allow the header token": without("access-control-allow-headers", /\btoken\b,?/),
};

export const REST_MUTATIONS = {
  "a preflight does not allow DELETE": without("access-control-allow-methods", /\bDELETE\b,?/),
};

export async function startMutant(api, mutate) {
  const server = createServer((request, response) => {
    const { hostname, port } = new URL(api);
    const { method, url: path, headers } = request;
    const asked = ask({ hostname, port, method, path, headers }, (answer) => {
      const changed = { ...answer.headers };
      mutate(changed, request, answer.statusCode);
      response.writeHead(answer.statusCode, changed);
      answer.pipe(response);
    });
    asked.on("error", () => response.destroy());
    request.pipe(asked);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
