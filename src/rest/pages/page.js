// The script of all three pages. The token of the link is in the fragment of the address. It is sent to the route of the same
// path only when the button is pressed, so a scanner that opens the links in a mail does not use it up.
'use strict';

const form = document.querySelector('form');
const button = form.querySelector('button');
const fields = [...form.querySelectorAll('input')];
const status = document.getElementById('status');
let token = '';

// Screen readers read the status aloud. `focus` moves the focus from the form to it.
function say(text, focus) {
  status.textContent = text;
  if (focus) status.focus();
}

function mark(field, text) {
  document.getElementById(`${field.id}-error`).textContent = text;
  if (text) field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
}

// Reads the token. A second link may be opened in the same page, which changes the fragment and loads nothing.
function begin() {
  const found = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
  if (!found && token) return;
  token = found;
  // The token should not stay in the history, or be in a screenshot.
  history.replaceState(null, '', location.pathname);
  form.reset();
  form.hidden = !token;
  say(token ? '' : 'The address of this page is not complete. Please open the link in the mail again.');
}

// Shows each problem beside its field, and problems without a field below the form.
function showProblems(problems) {
  const others = [];
  for (const { loc, msg } of problems) {
    const field = fields.find(({ name }) => name && name === loc.at(-1));
    if (field) mark(field, `This ${msg}.`);
    else others.push(loc.at(-1) === 'token' ? 'This link is not complete. Please open it again.' : `${loc.at(-1)} ${msg}.`);
  }
  say(others.join(' ') || 'Please look at what is marked below.', others.length > 0);
  fields.find((field) => field.hasAttribute('aria-invalid'))?.focus();
}

function wait(answer) {
  const seconds = Number(answer.headers.get('retry-after'));
  if (!(seconds > 0)) return 'in a moment';
  return seconds < 120 ? `in ${seconds} s` : `in ${Math.ceil(seconds / 60)} minutes`;
}

// "this link was used already" → "This link was used already."
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');

function show(answer, body) {
  if (answer.ok) {
    form.remove();
    token = '';
    say(sentence(body.message), true);
  } else if (Array.isArray(body.detail)) {
    showProblems(body.detail);
  } else if (answer.status === 429) {
    say(`There were too many attempts. Please try again ${wait(answer)}.`, true);
  } else if (answer.status === 503) {
    say(`The service is busy, or out of reach. Please try again ${wait(answer)}.`, true);
  } else {
    if (body.error === 'invalid_one_time_token') form.hidden = true;
    say(sentence(body.detail), true);
  }
}

async function send() {
  const filled = fields.filter(({ name }) => name).map(({ name, value }) => [name, value]);
  button.disabled = true;
  say('One moment …');
  try {
    const answer = await fetch(location.pathname, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...Object.fromEntries(filled), token }),
      credentials: 'omit',
    });
    show(answer, await answer.json());
  } catch {
    say('The service could not be reached. Please try again.', true);
  } finally {
    button.disabled = false;
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  for (const field of fields) mark(field, '');
  const [password, again] = ['password', 'again'].map((id) => document.getElementById(id));
  if (again && again.value !== password.value) {
    mark(again, 'The two passwords are not the same.');
    say('');
    again.focus();
  } else if (!button.disabled) {
    void send();
  }
});
addEventListener('hashchange', begin);
begin();
