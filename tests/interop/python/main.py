"""Has PyJWT verify the tokens of a table: `python3 main.py TABLE`."""

import json
import sys
from pathlib import Path

import jwt
from verify import verify


def is_accepted(token):
    try:
        return bool(verify(token)["sub"])
    except jwt.PyJWKClientConnectionError:
        raise  # says nothing about the token
    except jwt.PyJWTError:
        return False


table = json.loads(Path(sys.argv[1]).read_text())
wrong = [case["name"] for case in table["cases"] if is_accepted(case["token"]) != case["accept"]]
if wrong:
    sys.exit(f"PyJWT, {table['algorithm']}: wrong about the token {'; '.join(wrong)}")
print(f"   ok: PyJWT, {table['algorithm']}, {len(table['cases'])} tokens")
