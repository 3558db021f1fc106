"""OAuth 2.0 client credentials with PyJWT and with Authlib, which speak no NetSuite, against the simulator.

usage: netsuite_m2m.py BASE

The key comes from the admin API, three ports below.
"""

import sys
import time
from urllib.parse import urlsplit

import jwt
import requests
from authlib.jose import jwt as authlib_jwt

BASE = sys.argv[1].rstrip("/")
ADMIN = f"http://127.0.0.1:{urlsplit(BASE).port - 3}"
client = requests.get(f"{ADMIN}/netsuite/client").json()
url = f"{BASE}/services/rest/auth/oauth2/v1/token"
now = int(time.time())
claims = {"iss": client["client_id"], "scope": ["rest_webservices"], "aud": url, "iat": now, "exp": now + 3600}
kid, key = client["certificate_id"], client["private_key"]


def token(assertion):
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form = {"grant_type": "client_credentials", "client_assertion_type": kind, "client_assertion": assertion}
    answer = requests.post(url, data=form)
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == "3600" and "refresh_token" not in answer.json()
    return answer.json()["access_token"]


tokens = [
    token(jwt.encode(claims, key, algorithm="ES256", headers={"kid": kid})),
    token(authlib_jwt.encode({"alg": "ES256", "typ": "JWT", "kid": kid}, claims, key).decode()),
]
for one in tokens:
    # an access token is itself a JWT
    assert jwt.decode(one, options={"verify_signature": False})["exp"] > now
    answer = requests.get(f"{BASE}/services/rest/record/v1/customer", headers={"Authorization": f"Bearer {one}"})
    assert answer.status_code == 200, answer.text
wrong = requests.get(f"{BASE}/services/rest/record/v1/customer", headers={"Authorization": "Bearer x"})
assert (wrong.status_code, wrong.json()["o:errorDetails"][0]["o:errorCode"]) == (401, "INVALID_LOGIN")
print("netsuite m2m: done")
