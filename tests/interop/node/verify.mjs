// The code of docs/guarding.md for Node.
import { createRemoteJWKSet, jwtVerify } from 'jose';

const keys = createRemoteJWKSet(new URL('https://auth.example.com/.well-known/jwks.json'));

export async function verify(token) {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ['ES256'],
    issuer: 'https://auth.example.com',
    audience: 'api.example.com',
    requiredClaims: ['exp'],
  });
  return payload;
}
