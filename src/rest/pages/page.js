// All three pages. The token of the link is in the address's fragment; it goes to the route of the same path when the button is
// pressed, and not before: what opens the links of a mail by itself uses nothing up.
'use strict';

const form = document.querySelector('form');
const button = form.querySelector('button');
const fields = [...form.querySelectorAll('input')];
const status = document.getElementById('status');
let token = '';

// Told to who cannot see it, too; `focus` takes those along who are in the form.
function say(text, focus) {
  status.textContent = text;
  if (focus) status.focus();
}

function mark(field, text) {
  document.getElementById(`${field.id}-error`).textContent = text;
  if (text) field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
}

// Another link may be opened in the page of the one before: that changes the fragment, and loads nothing.
function begin() {
  const found = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
  if (!found && token) return;
  token = found;
  // Neither the history nor a screenshot needs it.
  history.replaceState(null, '', location.pathname);
  form.reset();
  form.hidden = !token;
  say(token ? '' : 'The address of this page is not complete. Please open the link in the mail again.');
}

// What is wrong with the fields goes beside them; what is left is for all of the form.
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
