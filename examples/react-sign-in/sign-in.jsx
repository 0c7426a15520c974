// A sign-in page for usernames over `/v1`. Start the Countersign server, whose default CORS_ALLOWED_ORIGINS allows
// localhost. Then run `npm ci && npm start`, and open http://localhost:5173.

import { useActionState, useState } from "react";
import { createRoot } from "react-dom/client";

const api = document.querySelector("meta[name=countersign]").content;

// The token is in memory, so a reload asks for the password again. docs/browsers.md describes the risk of localStorage.
let token = null;

/** Calls the server, keeps the fresh token of its answer, and throws `{ reason, retryAfter }` for a failure. */
async function call(method, path, body) {
  const headers = { "content-type": "application/json", ...(token && { token }) };
  const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
  token = answer.headers.get("token") ?? token;
  const data = await answer.json();
  if (answer.ok) return data;
  const reason = data.details?.find((detail) => detail.reason)?.reason;
  if (reason?.startsWith("TOKEN_")) token = null; // the session is over
  throw { reason, retryAfter: answer.headers.get("retry-after") };
}

function explain({ reason, retryAfter }) {
  if (reason === "INVALID_CREDENTIALS" || reason === "VALIDATION") return "The username or the password is wrong.";
  if (reason?.startsWith("TOKEN_")) return "Your session has ended. Please sign in again.";
  return retryAfter ? `Please try again in ${retryAfter} seconds.` : "The service is out of reach. Please try again.";
}

function SignIn({ notice, onSignedIn }) {
  const [problem, submit, waiting] = useActionState(async (_, form) => {
    try {
      const answer = await call("POST", "/v1/sessions:login", Object.fromEntries(form));
      token = answer.token;
      onSignedIn((await call("GET", "/v1/me")).account);
    } catch (failure) {
      return explain(failure);
    }
  }, notice);
  return (
    <form action={submit}>
      <h1>Sign in</h1>
      <label>
        Username <input name="username" autoComplete="username" autoCapitalize="none" required />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button disabled={waiting}>Sign in</button>
      <p role="alert">{problem}</p>
    </form>
  );
}

function Account({ account, onSignedOut }) {
  // The page forgets the token in any case. Without the server's answer the session lives on until it expires.
  const [problem, submit, waiting] = useActionState(async () => {
    try {
      await call("POST", "/v1/sessions:logout", {});
    } catch (failure) {
      if (!failure.reason?.startsWith("TOKEN_")) return explain(failure);
    }
    token = null;
    onSignedOut("You are signed out.");
  }, null);
  return (
    <form action={submit}>
      <h1>{account.usernameIdentity?.username ?? account.emailIdentity?.email}</h1>
      <p>Account {account.id}</p>
      <button disabled={waiting}>Sign out</button>
      <p role="alert">{problem}</p>
    </form>
  );
}

function App() {
  const [account, setAccount] = useState(null);
  const [notice, setNotice] = useState(null);
  const signedOut = (why) => {
    setNotice(why);
    setAccount(null);
  };
  if (account === null) return <SignIn notice={notice} onSignedIn={setAccount} />;
  return <Account account={account} onSignedOut={signedOut} />;
}

createRoot(document.getElementById("root")).render(<App />);
