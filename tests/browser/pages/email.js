// The documented client of the email API: fetch, a stored access token, and a timer that refreshes it before it
// expires. With `?credentials` every call includes cookies, as some applications do by default.

const asked = new URLSearchParams(location.search);
const EARLY = 4_000; // milliseconds before a token expires: half of its lifetime here
let timer;

async function call(method, path, { body, token = localStorage.getItem("access_token") } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const credentials = asked.has("credentials") ? "include" : "same-origin";
  try {
    const answer = await fetch(asked.get("api") + path, { method, headers, credentials, body: JSON.stringify(body) });
    return { status: answer.status, data: await answer.json() };
  } catch (error) {
    return { error: error.name };
  }
}

function keep({ data }) {
  localStorage.setItem("access_token", data.access_token);
  refreshBefore(Date.now() + data.expires_in * 1_000);
}

function refreshBefore(expiry) {
  clearTimeout(timer);
  timer = setTimeout(() => client.refresh(), expiry - EARLY - Date.now());
}

window.client = {
  refreshes: 0,
  register: (account) => call("POST", "/auth/register", { body: account }),
  async login(email, password) {
    const answer = await call("POST", "/auth/login", { body: { email, password } });
    if (answer.status === 200) keep(answer);
    return answer;
  },
  async refresh() {
    const answer = await call("POST", "/auth/refresh");
    if (answer.status === 200) {
      client.refreshes += 1;
      keep(answer);
    }
    return answer;
  },
  me: () => call("GET", "/auth/me"),
  meWith: (token) => call("GET", "/auth/me", { token }),
  logout: () => call("POST", "/auth/logout"),
  stopRefreshing: () => clearTimeout(timer),
};

const token = localStorage.getItem("access_token");
if (token) refreshBefore(JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).exp * 1_000);
