"""Signs in at a server, makes tokens with the server's own key, and prints a table that says which a verifier accepts.

`python3 cases.py URL ISSUER AUDIENCE KEY_FILE` is for the server at URL. PyJWT makes every token that the server did
not make. Each token that must be refused differs in one thing from one that must be accepted. The table is JSON:
`{"issuer", "audience", "algorithm", "cases": [{"name", "token", "accept"}]}`.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
import urllib.request
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

FAMILIES = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def call(url, token=None, body=None):
    """Calls the server, and returns the headers and the body of its answer."""
    headers = {"content-type": "application/json"} | ({"token": token} if token else {})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
        return answer.headers, json.load(answer)


def fresher(url, token):
    """The first token that differs: within one second, the server may answer with the same one."""
    for _ in range(50):
        if (fresh := call(f"{url}/v1/me", token)[0]["token"]) != token:
            return fresh
        time.sleep(0.1)
    sys.exit("the server gives no fresh token")


def published(issuer):
    """The algorithm and the public key, as a library finds them that knows only the issuer."""
    _, metadata = call(f"{issuer}/.well-known/openid-configuration")
    assert metadata["issuer"] == issuer and metadata["jwks_uri"] == f"{issuer}/.well-known/jwks.json", metadata
    (algorithm,) = metadata["id_token_signing_alg_values_supported"]
    (key,) = call(metadata["jwks_uri"])[1]["keys"]
    assert key["alg"] == algorithm and key["use"] == "sig", key
    return algorithm, key


def signed_by_the_public_key(claims, kid, public_key):
    """A token of HS256 whose secret everybody knows. PyJWT would refuse to make it."""
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    tag = hmac.digest(public_key, b".".join(parts), hashlib.sha256)
    return b".".join([*parts, base64.urlsafe_b64encode(tag).rstrip(b"=")]).decode()


def table(url, issuer, audience, key):
    account = {"username": "interop", "password": "s3cur3pass"}
    call(f"{url}/v1/accounts", body=account)
    first = call(f"{url}/v1/sessions:login", body=account)[1]["token"]
    algorithm, jwk = published(issuer)
    kid, claims = jwk["kid"], jwt.decode(first, options={"verify_signature": False})
    assert (claims["iss"], claims["aud"]) == (issuer, audience), claims
    now = int(time.time())

    def mint(changes, key=key, algorithm=algorithm, **header):
        changed = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(changed, key, algorithm, {"kid": kid} | header)

    other = next(name for name in FAMILIES if name != algorithm)
    strangers = FAMILIES[algorithm]()
    strangers_jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(strangers.public_key(), as_dict=True)
    header, payload, signature = first.split(".")
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    accepted = {
        "the token of the sign-in": first,
        "a fresh token": fresher(url, first),
        "the same claims, signed by PyJWT": mint({}),
    }
    refused = {
        "expired two minutes ago": mint({"iat": now - 3720, "exp": now - 120}),
        "for another audience": mint({"aud": f"{audience}s"}),
        "for no audience": mint({"aud": None}),
        "of another issuer": mint({"iss": "https://auth.example.org"}),
        "of the issuer with a slash more": mint({"iss": f"{issuer}/"}),
        "of no issuer": mint({"iss": None}),
        "with an unknown kid": mint({}, kid="unknown"),
        "signed by another key": mint({}, strangers),
        "signed by another key, which is in its header": mint({}, strangers, jwk=strangers_jwk),
        "with other claims than were signed": f"{header}.{mint({'sub': 'somebody'}).split('.')[1]}.{signature}",
        "HS256 with the public key as the secret": signed_by_the_public_key(claims, kid, pem),
        f"{other}, by another key": mint({}, FAMILIES[other](), other),
        "none, without a signature": mint({}, None, "none"),
    }
    if algorithm == "RS256":
        refused["PS256, by the right key"] = mint({}, algorithm="PS256")
    cases = [{"name": name, "token": token, "accept": True} for name, token in accepted.items()]
    cases += [{"name": name, "token": token, "accept": False} for name, token in refused.items()]
    # Nothing that was refused may have harmed the verifier, or its keys.
    cases.append({"name": "the token of the sign-in, after these", "token": first, "accept": True})
    return {"issuer": issuer, "audience": audience, "algorithm": algorithm, "cases": cases}


url, issuer, audience, key_file = sys.argv[1:]
key = serialization.load_pem_private_key(Path(key_file).read_bytes(), None)
json.dump(table(url, issuer, audience, key), sys.stdout, indent=1)
