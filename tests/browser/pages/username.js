// The documented client of the username API with its interceptors. `?bearer` uses the header of the official client.

const asked = new URLSearchParams(location.search);
const api = axios.create({ baseURL: asked.get("api") });
api.interceptors.request.use((request) => {
  const token = localStorage.getItem("SESSION_TOKEN");
  if (token && asked.has("bearer")) request.headers.Authorization = `Bearer ${token}`;
  else if (token) request.headers.token = token;
  return request;
});
api.interceptors.response.use((response) => {
  if (response.headers["token"]) localStorage.setItem("SESSION_TOKEN", response.headers["token"]);
  return response;
});

/** The parts of an answer that page code can see. */
async function seen(call) {
  try {
    const { status, data, headers } = await call;
    return { status, data, header: headers["token"] };
  } catch (error) {
    if (!error.response) return { error: error.code };
    return { status: error.response.status, data: error.response.data, header: error.response.headers["token"] };
  }
}

async function signIn(path, username, password) {
  const answer = await seen(api.post(path, { username, password }));
  if (answer.data?.token) localStorage.setItem("SESSION_TOKEN", answer.data.token);
  return answer;
}

window.client = {
  register: (username, password) => signIn("/api/auth/register", username, password),
  login: (username, password) => signIn("/api/auth/login", username, password),
  me: () => seen(api.get("/api/auth/me")),
  meWith: (token) => seen(axios.get(`${asked.get("api")}/api/auth/me`, { headers: { token } })),
  logout: () => seen(api.post("/auth/logout")),
};
