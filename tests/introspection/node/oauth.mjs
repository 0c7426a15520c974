// Asks the server at COUNTERSIGN_URL about tokens, and revokes them, with openid-client and with oauth4webapi, on which
// it is built. The credential is INTROSPECTION_CREDENTIAL.
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';

const base = process.env.COUNTERSIGN_URL;
const credential = process.env.INTROSPECTION_CREDENTIAL;
const server = {
  issuer: base,
  introspection_endpoint: `${base}/oauth2/introspect`,
  revocation_endpoint: `${base}/oauth2/revoke`,
};
const insecure = { [oauth.allowInsecureRequests]: true };

async function register(username) {
  const answer = await fetch(`${base}/api/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password: 's3cur3pass' }),
  });
  return (await answer.json()).token;
}

async function me(token) {
  return (await fetch(`${base}/api/auth/me`, { headers: { token } })).status;
}

for (const [name, method] of [
  ['default', undefined],
  ['basic', client.ClientSecretBasic(credential)],
  ['post', client.ClientSecretPost(credential)],
]) {
  const config = new client.Configuration(server, 'app', credential, method);
  client.allowInsecureRequests(config);
  const token = await register(`openid${name}`);
  const claims = await client.tokenIntrospection(config, token);
  assert.deepEqual([claims.active, claims.username, claims.token_type], [true, `openid${name}`, 'Bearer']);
  await client.tokenRevocation(config, token);
  assert.deepEqual({ ...(await client.tokenIntrospection(config, token)) }, { active: false });
  assert.equal(await me(token), 401);
  console.log(`   ok: openid-client, ${name}`);
}

const config = new client.Configuration(server, 'app', 'x', client.ClientSecretBasic(`${credential}x`));
client.allowInsecureRequests(config);
await assert.rejects(client.tokenIntrospection(config, 'x'), (error) => {
  // The library reads the challenge before the body.
  assert.equal(error.status ?? error.response?.status, 401);
  const challenges = error.cause ?? [];
  assert.ok(JSON.stringify(challenges).includes('basic') || error.error === 'invalid_client', String(error));
  return true;
});
console.log('   ok: openid-client, a wrong credential');

const app = { client_id: 'app' };
const authentication = oauth.ClientSecretBasic(credential);
const token = await register('oauthforwebapi'.slice(0, 15));
const asked = await oauth.introspectionRequest(server, app, authentication, token, insecure);
const claims = await oauth.processIntrospectionResponse(server, app, asked);
assert.deepEqual([claims.active, typeof claims.exp, typeof claims.sub], [true, 'number', 'string']);
const revoked = await oauth.revocationRequest(server, app, authentication, token, insecure);
await oauth.processRevocationResponse(revoked);
assert.equal(await me(token), 401);
console.log('   ok: oauth4webapi');
