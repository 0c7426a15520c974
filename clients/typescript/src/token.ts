/**
 * Keeps a client of Countersign signed in. Copy this file; it needs nothing but the generated code.
 *
 * Give `keepSignedIn()` to a transport as its first interceptor, and that transport is one signed-in user:
 *
 * - the token that `login` and `register` answer is stored; `logout` forgets it, once the server has ended the session;
 * - every other call sends the stored token, and stores the fresh one of its answer, also when the answer is an error.
 *   Whoever calls more often than a token's lifetime stays signed in;
 * - a call that fails with `Code.Unauthenticated` forgets the token that was refused. Nothing is sent again: whoever
 *   called shows the sign-in form. After any other error, `Code.Unavailable` included, the token is as good as before.
 *
 * Calls may overlap, also those of several tabs: a fresh token leaves those before it valid until they expire, so
 * nothing is queued. But an answer may be late, so a fresh token replaces only a stored one of the same sign-in (the
 * claim `sid`) that expires no later. So no call that began before a sign-out, or as someone else, signs anyone in.
 *
 * A call that brings a `token` or an `authorization` header of its own is left alone.
 */
import { isMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

import { AuthService, LoginResponseSchema, RegisterResponseSchema } from "./gen/countersign/v1/auth_service_pb.js";

/** Where the token lies. `localStorage` is one: it survives a reload, and all tabs share it. */
export interface TokenStorage {
  getItem(key: string): string | null;
  setItem(key: string, token: string): void;
  removeItem(key: string): void;
}

/** Forgets everything when the process ends. A server that calls on behalf of several users needs one for each. */
export class MemoryStorage implements TokenStorage {
  readonly #items = new Map<string, string>();

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }
  setItem(key: string, token: string): void {
    this.#items.set(key, token);
  }
  removeItem(key: string): void {
    this.#items.delete(key);
  }
}

/** `key` is the token's name in `storage`. */
export function keepSignedIn(storage: TokenStorage, key = "countersign.token"): Interceptor {
  let turns = 0; // sign-ins and sign-outs begun here

  const slide = (fresh: string | null) => {
    const stored = storage.getItem(key);
    if (fresh && stored && replaces(claims(fresh), claims(stored))) storage.setItem(key, fresh);
  };

  return (next) => async (request) => {
    if (request.header.has("token") || request.header.has("authorization")) return next(request);

    const { login, register, logout } = AuthService.method;
    if (request.method === login || request.method === register) {
      const turn = ++turns;
      const response = await next(request);
      const { message } = response;
      // An email account has no token before it logs in. And of two overlapping sign-ins, the later one is meant.
      if (isMessage(message, LoginResponseSchema) || isMessage(message, RegisterResponseSchema)) {
        if (message.token && turn === turns) storage.setItem(key, message.token);
      }
      return response;
    }

    if (request.method === logout) turns += 1;
    const sent = storage.getItem(key);
    if (sent) request.header.set("token", sent);
    try {
      const response = await next(request);
      slide(response.header.get("token"));
      if (request.method === logout && sent) forget(sent);
      return response;
    } catch (error) {
      if (error instanceof ConnectError) {
        // Headers and trailers in one: an answer that is nothing but an error has them in one place.
        slide(error.metadata.get("token"));
        if (error.code === Code.Unauthenticated && storage.getItem(key) === sent) storage.removeItem(key);
      }
      throw error;
    }
  };

  /** Whatever of that sign-in is stored by now. */
  function forget(sent: string) {
    const stored = storage.getItem(key);
    if (stored && claims(stored).sid === claims(sent).sid) storage.removeItem(key);
  }
}

interface Claims {
  sid?: string;
  exp?: number;
}

function replaces(fresh: Claims, stored: Claims): boolean {
  return fresh.sid === stored.sid && (fresh.exp ?? 0) >= (stored.exp ?? 0);
}

/** What a token says, unverified: the server verifies. `{}` of what is no token, as anything may lie in a storage. */
function claims(token: string): Claims {
  try {
    return JSON.parse(atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/"))) ?? {};
  } catch {
    return {};
  }
}
