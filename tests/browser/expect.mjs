// Scenes, their checks, and the report of both.

import { isDeepStrictEqual } from "node:util";

const show = (value) => (JSON.stringify(value) ?? "nothing").slice(0, 500);

/** The checks of one scene, in order. A failed check ends its scene, and the other scenes go on. */
export class Scene {
  #lines = [];
  #checks = 0;

  constructor(name) {
    this.name = name;
  }

  ok(what) {
    this.#checks += 1;
    this.#lines.push(`   ok: ${what}`);
  }

  expect(what, wanted, got) {
    if (!isDeepStrictEqual(got, wanted)) throw new Error(`${what}: expected ${show(wanted)}, got ${show(got)}`);
    this.ok(what);
  }

  expectThat(what, holds, got) {
    if (!holds) throw new Error(`${what}: expected so, got ${show(got)}`);
    this.ok(what);
  }

  /** Plays the scene, and returns `{ name, checks, failure, lines }`. */
  async run(play) {
    let failure;
    try {
      await play(this);
    } catch (error) {
      failure = error.message;
      this.#lines.push(`   FAILED: ${failure}`);
    }
    return { name: this.name, checks: this.#checks, failure, lines: this.#lines };
  }
}

export const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until a token has certainly expired. `exp` is in whole seconds, and the server may round either way. */
export const untilExpired = (token) => sleep(Math.max(0, claims(token).exp * 1_000 + 100 - Date.now()));

/** Calls often enough for a token to slide, until `token` has expired and once more. True if all were `good`. */
export async function callUntilExpired(token, call, good) {
  for (;;) {
    const last = Date.now() >= claims(token).exp * 1_000 + 100;
    if (!good(await call())) return false;
    if (last) return true;
    await sleep(400);
  }
}
