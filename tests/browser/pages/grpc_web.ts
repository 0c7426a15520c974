// gRPC-Web by the TypeScript client as the documents show it. The page itself does not handle tokens.

import { Code, ConnectError } from "@connectrpc/connect";

import { countersign } from "../../../clients/typescript/src/browser.js";
import { BadRequestSchema, ErrorInfoSchema } from "../../../clients/typescript/src/gen/google/rpc/error_details_pb.js";

const { auth, sessions } = countersign(new URLSearchParams(location.search).get("api")!);

/** The parts of an answer that page code can see. */
async function seen(call: Promise<unknown>) {
  try {
    return { answer: JSON.stringify(await call, (_, value) => (typeof value === "bigint" ? `${value}` : value)) };
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    return {
      code: Code[error.code],
      reason: error.findDetails(ErrorInfoSchema)[0]?.reason,
      fields: error.findDetails(BadRequestSchema).flatMap((details) => details.fieldViolations.map(({ field }) => field)),
    };
  }
}

const handle = (username: string) => ({ case: "username", value: username }) as const;

Object.assign(window, {
  client: {
    register: (username: string, password: string) => seen(auth.register({ handle: handle(username), password })),
    login: (username: string, password: string) => seen(auth.login({ handle: handle(username), password })),
    me: () => seen(auth.me({})),
    meWithin: (timeoutMs: number) => seen(auth.me({}, { timeoutMs })),
    meWith: (token: string) => seen(auth.me({}, { headers: { token } })),
    meWithBearer: (token: string) => seen(auth.me({}, { headers: { authorization: `Bearer ${token}` } })),
    badPage: () => seen(sessions.listSessions({ pageSize: -1 })),
    logout: () => seen(auth.logout({})),
  },
});
