"""Signs tokens with PyJWT."""

import json
import sys

import jwt
from jwt.algorithms import HMACAlgorithm

# PyJWT signs RS256 with a private key only. Here it takes the secret, as a forger would.
confused = jwt.PyJWS()
if "RS256" in confused.get_algorithms():
    confused.unregister_algorithm("RS256")
confused.register_algorithm("RS256", HMACAlgorithm(HMACAlgorithm.SHA256))


def token(question):
    key, algorithm = question["key"], question["algorithm"]
    if algorithm == "RS256":
        return confused.encode(json.dumps(question["claims"]).encode(), key, algorithm=algorithm)
    return jwt.encode(question["claims"], key, algorithm=algorithm, headers=question.get("headers"))


json.dump([token(question) for question in json.load(sys.stdin)], sys.stdout)
