"""The code of docs/guarding.md in Python."""

import jwt

keys = jwt.PyJWKClient("https://auth.example.com/.well-known/jwks.json", timeout=5)


def verify(token):
    return jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer="https://auth.example.com",
        audience="api.example.com",
        options={"require": ["exp"]},
    )
