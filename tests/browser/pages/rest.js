// The paths of `google.api.http` by fetch: the same calls as gRPC, for a page without gRPC.

const api = new URLSearchParams(location.search).get("api");

// The headers that tracing and error-reporting libraries add to every call of a page.
const tracing = {
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  baggage: "release=1",
  "sentry-trace": "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
};

async function call(method, path, { body, token = localStorage.getItem("token") } = {}) {
  const headers = { ...tracing };
  if (token) headers.token = token;
  if (body) headers["Content-Type"] = "application/json";
  try {
    const answer = await fetch(api + path, { method, headers, body: JSON.stringify(body) });
    const header = answer.headers.get("Token");
    if (header) localStorage.setItem("token", header);
    return { status: answer.status, data: await answer.json(), header };
  } catch (error) {
    return { error: error.name };
  }
}

async function signIn(path, body) {
  const answer = await call("POST", path, { body, token: null });
  if (answer.data?.token) localStorage.setItem("token", answer.data.token);
  return answer;
}

window.client = {
  register: (username, password) => signIn("/v1/accounts", { username, password }),
  login: (username, password) => signIn("/v1/sessions:login", { username, password }),
  me: () => call("GET", "/v1/me"),
  sessions: () => call("GET", "/v1/sessions"),
  revoke: (id) => call("DELETE", `/v1/sessions/${id}`),
  logout: () => call("POST", "/v1/sessions:logout", { body: {} }),
};
