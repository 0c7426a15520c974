"""Computes the test vectors of WebAuthn Level 3 (section "Test Vectors") and prints them as JSON.

The specification derives every random value from one seed, and all signatures are deterministic, so that nothing needs
to be copied. It needs `cryptography` 45 or later, and no network:

    python3 make.py > specification.json

With the path of the specification's source as its argument (`index.bs`), it checks that every value stands there.
The vectors of RS256 and EdDSA have `packed` attestations with certificates there, which are not judged here. Their
attestation objects have the same authenticator data and no attestation.
"""

import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ORIGIN, TOP_ORIGIN = "https://example.org", "https://example.com"
UP, UV, BE, BS, AT = 1, 4, 8, 16, 64
P, Q = 2**1279 - 1, 2**2203 - 1
NOTICE = ("clientDataJSON may be extended with additional fields in the future, such as this: ")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def cbor(value):
    """The canonical form of integers, bytes, texts and maps, whose entries are in order already."""

    def head(major, argument):
        for info, size in (24, 1), (25, 2):
            if argument < 24:
                return bytes([major << 5 | argument])
            if argument < 256**size:
                return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
        raise ValueError("longer than a vector")

    match value:
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            return head(3, len(value)) + value.encode()
        case dict():
            return head(5, len(value)) + b"".join(cbor(key) + cbor(entry) for key, entry in value.items())


class Es256:
    def __init__(self, secret):
        self.key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())

    def cose(self):
        point = self.key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}

    def sign(self, message):
        return self.key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


class EdDsa:
    def __init__(self, secret):
        self.key = ed25519.Ed25519PrivateKey.from_private_bytes(secret)

    def cose(self):
        return {1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()}

    def sign(self, message):
        return self.key.sign(message)


class Rs256:
    """RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2), written out, because the primes are no secret."""

    size = ((P * Q).bit_length() + 7) // 8

    def cose(self):
        return {1: 3, 3: -257, -1: (P * Q).to_bytes(self.size, "big"), -2: b"\x01\x00\x01"}

    def sign(self, message):
        digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(message).digest()
        padded = b"\x00\x01" + b"\xff" * (self.size - len(digest) - 3) + b"\x00" + digest
        exponent = pow(65537, -1, (P - 1) * (Q - 1))
        return pow(int.from_bytes(padded, "big"), exponent, P * Q).to_bytes(self.size, "big")


class Vector:
    def __init__(self, info):
        self.info, self.drawn = info, 0

    def draw(self, length):
        salt, self.drawn = bytes([self.drawn]), self.drawn + 1
        seed = b"WebAuthn test vectors"
        return HKDF(hashes.SHA256(), length, salt, self.info.encode()).derive(seed)

    def client_data(self, kind, challenge, framed):
        data = {"type": f"webauthn.{kind}", "challenge": base64url(challenge), "origin": ORIGIN}
        data["crossOrigin"] = framed is not None
        if framed == TOP_ORIGIN:
            data["topOrigin"] = TOP_ORIGIN
        if self.draw(1)[0] & 1:
            data["extraData"] = NOTICE + base64url(self.draw(16))
        return json.dumps(data, separators=(",", ":")).encode()

    def make(self, algorithm, attestation="none", framed=None, id_length=32, certificate=False):
        rp_id_hash = hashlib.sha256(b"example.org").digest()
        challenge = self.draw(32)
        key = algorithm() if algorithm is Rs256 else algorithm(self.draw(32))
        client_data = self.client_data("create", challenge, framed)
        aaguid, credential_id = self.draw(16), self.draw(id_length)
        flags = UP | AT | self.draw(1)[0] & (UV | BE | BS)
        eligible = flags & BE
        flags &= ~0 if eligible else ~BS
        data = rp_id_hash + bytes([flags]) + bytes(4) + aaguid + len(credential_id).to_bytes(2, "big")
        data += credential_id + cbor(key.cose())
        statement = {}
        if attestation == "packed":
            statement = {"alg": -7, "sig": key.sign(data + hashlib.sha256(client_data).digest())}
        attestation_object = cbor({"fmt": attestation, "attStmt": statement, "authData": data})
        registration = {
            "challenge": challenge,
            "clientDataJSON": client_data,
            "attestationObject": attestation_object,
        }
        if certificate:
            self.draw(32), self.draw(16)
        challenge = self.draw(32)
        client_data = self.client_data("get", challenge, framed)
        bits = self.draw(1)[0]
        data = rp_id_hash + bytes([UP | bits & UV | eligible | (bits & BS if eligible else 0)]) + bytes(4)
        authentication = {
            "challenge": challenge,
            "clientDataJSON": client_data,
            "authenticatorData": data,
            "signature": key.sign(data + hashlib.sha256(client_data).digest()),
        }
        return {
            "name": self.info,
            "credentialId": credential_id,
            "registration": registration,
            "authentication": authentication,
        }


VECTORS = [
    Vector("none.ES256").make(Es256),
    Vector("packed-self.ES256").make(Es256, attestation="packed"),
    Vector("none.ES256.crossOrigin").make(Es256, framed=ORIGIN),
    Vector("none.ES256.topOrigin").make(Es256, framed=TOP_ORIGIN),
    Vector("none.ES256.long-credential-id").make(Es256, id_length=1023),
    Vector("packed.RS256").make(Rs256, certificate=True),
    Vector("packed.EdDSA").make(EdDsa, certificate=True),
]


def check(specification):
    for vector in VECTORS:
        for ceremony in "registration", "authentication":
            for name, value in vector[ceremony].items():
                if vector["name"] in ("packed.RS256", "packed.EdDSA") and name == "attestationObject":
                    value = value[value.index(hashlib.sha256(b"example.org").digest()) :]
                    assert value.hex() in specification, (vector["name"], name)
                else:
                    assert f"{name} = h'{value.hex()}'" in specification, (vector["name"], ceremony, name)


if len(sys.argv) > 1:
    with open(sys.argv[1]) as file:
        check(file.read())
print(json.dumps(VECTORS, indent=1, default=base64url))
