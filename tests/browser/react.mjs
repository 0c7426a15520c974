// The sign-in page of examples/react-sign-in, unchanged except for the server's URL. `world` is `{ api, chromium, pages
// }`.

import { sleep } from "./expect.mjs";

const PASSWORD = "s3cur3pass";

export const signIn = async (scene, { api, chromium, pages }) => {
  const name = `react-${process.pid}`;
  const body = JSON.stringify({ username: name, password: PASSWORD });
  await fetch(`${api}/v1/accounts`, { method: "POST", headers: { "content-type": "application/json" }, body });

  const page = await chromium.page();
  const text = (selector) => page.evaluate(`document.querySelector("${selector}")?.textContent ?? null`);
  const shows = async (selector, wanted) => {
    for (const end = Date.now() + 10_000; Date.now() < end && (await text(selector)) !== wanted; ) await sleep(20);
    return text(selector);
  };
  const send = (password) =>
    page.evaluate(`{
      document.querySelector("[name=username]").value = ${JSON.stringify(name)};
      document.querySelector("[name=password]").value = ${JSON.stringify(password)};
      document.querySelector("button").click();
    }`);
  await page.open(`${pages.origin}/react-sign-in/?api=${encodeURIComponent(api)}`);

  scene.expect("the page shows a sign-in form", "Sign in", await shows("h1", "Sign in"));
  await send("wr0ng-pass");
  const wrong = "The username or the password is wrong.";
  scene.expect("a wrong password is explained", wrong, await shows("[role=alert]", wrong));
  await send(PASSWORD);
  scene.expect("the right one shows the account's name, as Me tells it", name, await shows("h1", name));
  const token = page.requests.find(({ url, preflight }) => url === `${api}/v1/me` && !preflight)?.headers.token;
  scene.expectThat("... which was asked for with the token", token, token);
  const kept = await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]");
  scene.expect("nothing is stored in the browser", [0, 0, ""], kept);

  await page.evaluate("document.querySelector('button').click()");
  scene.expect("signing out shows the form again", "Sign in", await shows("h1", "Sign in"));
  scene.expect("... and says so", "You are signed out.", await shows("[role=alert]", "You are signed out."));
  const refused = await fetch(`${api}/v1/me`, { headers: { token } });
  scene.expect("the session has ended on the server, too", 401, refused.status);
  // The browser itself reports the refused sign-in in its console.
  scene.expect("the page made no other error", [], page.errors.filter((error) => !error.includes("401")));

  await send(PASSWORD);
  scene.expect("one can sign in again", name, await shows("h1", name));
  await page.reload();
  scene.expect("after a reload the password is asked for", "Sign in", await shows("h1", "Sign in"));
};
