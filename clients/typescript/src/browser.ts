/** A client for a page: gRPC-Web, signed in across reloads and tabs. `CORS_ALLOWED_ORIGINS` must name its origin. */
import { createClient, type Client } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { AuthService } from "./gen/countersign/v1/auth_service_pb.js";
import { SessionService } from "./gen/countersign/v1/session_service_pb.js";
import { keepSignedIn } from "./token.js";

export interface Countersign {
  auth: Client<typeof AuthService>;
  sessions: Client<typeof SessionService>;
}

export function countersign(baseUrl: string): Countersign {
  const transport = createGrpcWebTransport({ baseUrl, interceptors: [keepSignedIn(localStorage)] });
  return { auth: createClient(AuthService, transport), sessions: createClient(SessionService, transport) };
}
