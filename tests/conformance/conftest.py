"""What key services of the suite stand on: a cluster's TokenReview API, a certificate of one's own authority."""

from __future__ import annotations

import base64
import datetime as dt
import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.servers.certificate import make_certificate
from tests.servers.serving import serving


class _TokenReview(BaseHTTPRequestHandler):
    """authentication.k8s.io/v1: answers whose token it is, from the token's own words."""

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        claims = json.loads(base64.urlsafe_b64decode(review["spec"]["token"].split(".")[1] + "=="))
        user = {"username": claims["sub"], "uid": "u1", "groups": ["system:serviceaccounts"]}
        body = json.dumps({**review, "status": {"authenticated": True, "user": user}}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@dataclass(frozen=True)
class Cluster:
    """As much of a Kubernetes API server as Vault asks."""

    address: str

    def token(self, account: str) -> str:
        """A service account's token, signed by nobody: the TokenReview above decides."""
        claims = {
            "sub": f"system:serviceaccount:pii-raw:{account}",
            "kubernetes.io": {"namespace": "pii-raw", "serviceaccount": {"name": account, "uid": "u1"}},
            **{
                name: int(dt.datetime.now(dt.UTC).timestamp()) + more
                for name, more in (("iat", -60), ("nbf", -60), ("exp", 600))
            },
        }
        parts = [{"alg": "RS256", "typ": "JWT"}, claims]
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        return ".".join([*encoded, base64.urlsafe_b64encode(bytes(256)).decode().rstrip("=")])


@pytest.fixture
def cluster():
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _TokenReview)) as server:
        yield Cluster(f"http://127.0.0.1:{server.server_port}")


@pytest.fixture
def certificate(tmp_path):
    return make_certificate(tmp_path)
