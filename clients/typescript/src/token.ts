/**
 * Keeps a client of Countersign signed in. Copy this file; it needs only the generated code.
 *
 * Give `keepSignedIn()` to a transport as its first interceptor. The transport then stands for one signed-in user:
 *
 * - The token of the answer to `login` and `register` is stored. `logout` removes it, once the server has ended the
 *   session.
 * - Every other call sends the stored token, and stores the fresh token of its answer, also if the answer is an error.
 *   A client that calls more often than a token's lifetime stays signed in.
 * - A call that fails with `Code.Unauthenticated` removes the token that was refused. The call is not repeated: the
 *   page shows the sign-in form. After any other error, including `Code.Unavailable`, the token is as valid as before.
 *
 * Calls may overlap, also those of several tabs. A fresh token leaves earlier ones valid until they expire, so no call
 * has to wait for another. But an answer may arrive late, so a fresh token replaces a stored one only if it is of the
 * same sign-in (the claim `sid`) and does not expire earlier. So a call that began before a sign-out, or as another
 * user, cannot sign a user in.
 *
 * A call that has a `token` or an `authorization` header of its own is left alone.
 */
import { isMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

import { AuthService, LoginResponseSchema, RegisterResponseSchema } from "./gen/countersign/v1/auth_service_pb.js";

/** The storage of the token. `localStorage` is one: it survives a reload, and all tabs share it. */
export interface TokenStorage {
  getItem(key: string): string | null;
  setItem(key: string, token: string): void;
  removeItem(key: string): void;
}

/** A storage that lasts as long as the process. A server that calls for several users needs one for each user. */
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

/** Makes the interceptor. `key` is the token's name in `storage`. */
export function keepSignedIn(storage: TokenStorage, key = "countersign.token"): Interceptor {
  let turns = 0; // how many sign-ins and sign-outs have begun here

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
      // An email account has no token before it logs in. If two sign-ins overlap, the later one counts.
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
        // The metadata of an error holds headers and trailers.
        slide(error.metadata.get("token"));
        if (error.code === Code.Unauthenticated && storage.getItem(key) === sent) storage.removeItem(key);
      }
      throw error;
    }
  };

  /** Removes the stored token if it is of the same sign-in as `sent`. */
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

/** The claims of a token, not verified; the server verifies them. `{}` if the stored text is not a token. */
function claims(token: string): Claims {
  try {
    return JSON.parse(atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/"))) ?? {};
  } catch {
    return {};
  }
}
