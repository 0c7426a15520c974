// The pages of the links in mails. `world` is `{ api, chromium, server }`. The server sends no mail and writes the
// links to its log.

import { sleep } from "./expect.mjs";

const PASSWORD = "s3cur3pass";
const ANOTHER = "an0ther-pass-phrase";
let accounts = 0;
const newAddress = () => `link-${process.pid}-${++accounts}@example.com`;

async function post(api, path, body, token) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${api}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: answer.status, data: await answer.json() };
}

async function registered(api) {
  const email = newAddress();
  await post(api, "/auth/register", { email, password: PASSWORD, name: "Ada", firm_name: "Acme" });
  return email;
}

const logIn = (api, email, password) => post(api, "/auth/login", { email, password });

/** The page of a link, with the texts that a person reads and the actions of a person. */
class Visit {
  static async of(chromium, link) {
    const visit = new Visit();
    visit.page = await chromium.page();
    await visit.page.open(link);
    return visit;
  }

  address = () => this.page.evaluate("location.href");
  says = () => this.page.evaluate("document.getElementById('status').textContent");
  asks = () => this.page.evaluate("!(document.querySelector('form')?.hidden ?? true)");
  beside = (id) => this.page.evaluate(`document.getElementById("${id}-error").textContent`);
  focus = () => this.page.evaluate("document.activeElement.id");
  posts = () => this.page.requests.filter(({ method }) => method !== "GET").length;

  fill(values) {
    const set = ([id, value]) => `document.getElementById(${JSON.stringify(id)}).value = ${JSON.stringify(value)}`;
    return this.page.evaluate(Object.entries(values).map(set).join(";"));
  }

  press = () => this.page.evaluate("document.querySelector('button').click()");

  /** Presses the button, and returns the text of the page after the answer. */
  async pressed() {
    await this.press();
    for (const end = Date.now() + 10_000; Date.now() < end; await sleep(20)) {
      const says = await this.says();
      if (says !== "" && !says.endsWith("…")) return says;
    }
    throw new Error("the page says nothing");
  }

  /** Gives the page this answer in place of the server's next one. */
  answers = (body, init) =>
    this.page.evaluate(`fetch = async () => new Response(${JSON.stringify(JSON.stringify(body))}, ${JSON.stringify(init)})`);
}

const USED = "This link was used already, or has expired: ask for another.";

/** Expects that the page called only this server, and that its console is empty. */
function clean(scene, visit, api) {
  const elsewhere = visit.page.requests.map(({ url }) => url).filter((url) => /^\w+:\/\//.test(url) && !url.startsWith(`${api}/`));
  const secrets = visit.page.requests.filter(({ url, headers }) => /token=/.test(url + (headers.referer ?? "")));
  scene.expect("... no other origin was asked for anything, and the token is in no address", [[], []], [elsewhere, secrets]);
  scene.expect("... and there is no error in the console, nor a violation of the page's policy", [], visit.page.errors);
}

export const verify = async (scene, { api, chromium, server }) => {
  const email = await registered(api);
  const link = await server.link("verify_email", email);
  scene.expect("the link leads to the page of this server, and the token is in its fragment", true, link.startsWith(`${api}/auth/verify#token=`));
  const visit = await Visit.of(chromium, link);
  scene.expect("opening it shows a button, and takes the token out of the address", [true, "", `${api}/auth/verify`], [await visit.asks(), await visit.says(), await visit.address()]);
  scene.expect("... and sends nothing: a scanner may open it", 0, visit.posts());
  const again = await Visit.of(chromium, link);
  scene.expect("pressing the button verifies the address", "Email verified successfully.", await visit.pressed());
  scene.expect("... once, and the form is gone", [1, false, "status"], [visit.posts(), await visit.asks(), await visit.focus()]);
  clean(scene, visit, api);
  scene.expect("the same link in another window was used already", [USED, false], [await again.pressed(), await again.asks()]);

  const bare = await Visit.of(chromium, `${api}/auth/verify`);
  const incomplete = "The address of this page is not complete. Please open the link in the mail again.";
  scene.expect("without a token there is nothing to press", [incomplete, false], [await bare.says(), await bare.asks()]);
  await bare.page.evaluate("location.hash = '#token=x'");
  await sleep(100);
  scene.expect("... until a link is opened in the same page", [true, `${api}/auth/verify`], [await bare.asks(), await bare.address()]);
};

export const reset = async (scene, { api, chromium, server }) => {
  const email = await registered(api);
  const asked = await post(api, "/auth/password/forgot", { email });
  scene.expect("a forgotten password is 200", 200, asked.status);
  const visit = await Visit.of(chromium, await server.link("reset_password", email));
  scene.expect("the link shows a form", [true, ""], [await visit.asks(), await visit.says()]);
  await visit.fill({ password: "7 chars", again: "7 chars" });
  scene.expect("a script's seven characters are the server's to refuse, beside the field", ["Please look at what is marked below.", "This must have at least 8 characters.", "password"], [await visit.pressed(), await visit.beside("password"), await visit.focus()]);
  const sent = visit.posts();
  await visit.fill({ password: ANOTHER, again: `${ANOTHER}!` });
  await visit.press();
  scene.expect("two passwords that differ are not sent", ["The two passwords are not the same.", "again", sent], [await visit.beside("again"), await visit.focus(), visit.posts()]);

  await visit.fill({ password: ANOTHER, again: ANOTHER });
  const genuine = "genuine ??= fetch";
  await visit.page.evaluate(`var genuine; ${genuine}`);
  await visit.answers({ detail: "too many", error: "too_many_requests" }, { status: 429, headers: { "retry-after": "150" } });
  scene.expect("too many attempts: it says when to come back", "There were too many attempts. Please try again in 3 minutes.", await visit.pressed());
  await visit.answers({ detail: "overloaded", error: "overloaded" }, { status: 503, headers: { "retry-after": "2" } });
  scene.expect("... and so it does when too many are waiting", "The service is busy, or out of reach. Please try again in 2 s.", await visit.pressed());
  await visit.page.evaluate("fetch = genuine");
  await visit.page.send("Network.emulateNetworkConditions", { offline: true, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  scene.expect("without a network it says so", "The service could not be reached. Please try again.", await visit.pressed());
  await visit.page.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  scene.expect("after all of that, the same form sets the password", "Password set successfully. Please log in with it.", await visit.pressed());
  const [before, now] = [await logIn(api, email, PASSWORD), await logIn(api, email, ANOTHER)];
  scene.expect("the new password logs in, and the old one does not", [400, 200], [before.status, now.status]);
};

export const invitation = async (scene, { api, chromium, server }) => {
  const admin = await registered(api);
  const { data } = await logIn(api, admin, PASSWORD);
  const email = newAddress();
  const invited = await post(api, "/auth/invitations", { email, role: "viewer" }, data.access_token);
  scene.expect("an administrator's invitation is 201", 201, invited.status);
  const visit = await Visit.of(chromium, await server.link("invitation", email));
  await visit.fill({ name: "Gr\u200bace", password: PASSWORD, again: PASSWORD });
  scene.expect("a name that cannot be is refused beside its field", ["Please look at what is marked below.", "This must not contain control or invisible characters.", "name"], [await visit.pressed(), await visit.beside("name"), await visit.focus()]);
  await visit.fill({ name: "Grace" });
  scene.expect("the form makes the account", "Account created successfully. Please log in.", await visit.pressed());
  const { data: login } = await logIn(api, email, PASSWORD);
  scene.expect("... in the firm that invited, with the invitation's role", [data.user.firm_id, "viewer"], [login.user?.firm_id, login.user?.role]);
};
