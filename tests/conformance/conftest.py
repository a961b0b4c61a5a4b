"""What key services of the suite stand on: a cluster's TokenReview API, a certificate of one's own authority."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


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
    server = ThreadingHTTPServer(("127.0.0.1", 0), _TokenReview)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Cluster(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Certificate:
    """PEM files of a certificate that is its own authority."""

    certificate: Path
    key: Path


@pytest.fixture
def certificate(tmp_path):
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(tmp_path / "ca.pem", tmp_path / "ca.key")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return files
