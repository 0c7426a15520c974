// Has jose verify the tokens of a table: `node main.mjs TABLE`.
import { readFileSync } from 'node:fs';
import { errors } from 'jose';
import { verify } from './verify.mjs';

async function isAccepted(token) {
  try {
    return (await verify(token)).sub !== undefined;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error; // says nothing about the token
  }
}

const { algorithm, cases } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const wrong = [];
for (const { name, token, accept } of cases) {
  if ((await isAccepted(token)) !== accept) wrong.push(name);
}
if (wrong.length > 0) throw new Error(`jose, ${algorithm}: wrong about the token ${wrong.join('; ')}`);
console.log(`   ok: jose, ${algorithm}, ${cases.length} tokens`);
