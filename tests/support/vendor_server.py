"""Vendors' servers on 127.0.0.1, for agents that take no other address for them.

They are reached through a proxy that claims to be the vendor, with a certificate that only the
tested process trusts. Nothing is passed on.
"""

import asyncio
import datetime as dt
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from signedin.runtime.background_loop import call


class VendorServer:
    """Gives the same answers to whoever comes.

    Args:
        folder: Where its certificates are put.
        hosts: Whom it claims to be.
        answers: What it answers, by path; 404 to all else.

    Attributes:
        paths: What was asked for, in order.
    """

    def __init__(
        self, folder: Path, hosts: Sequence[str], answers: Mapping[str, Mapping[str, object]]
    ) -> None:
        self.paths: list[str] = []
        self._authority = folder / "authority.pem"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(_certificates(folder, self._authority, hosts))
        self._answers = answers
        self._server: asyncio.Server | None = None

    @property
    def env(self) -> dict[str, str]:
        """Variables that make a program of Node.js come here."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{port}",
            "NODE_EXTRA_CA_CERTS": str(self._authority),
        }

    def __enter__(self) -> Self:
        async def start() -> asyncio.Server:
            return await asyncio.start_server(self._connected, "127.0.0.1", 0)

        self._server = call(start)
        return self

    def __exit__(self, *_: object) -> None:
        async def stop() -> None:
            assert self._server is not None
            self._server.close()

        call(stop)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await writer.start_tls(self._context)
            while True:
                await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        await reader.readexactly(int(headers.get("content-length", 0)))
        path = request.split(" ")[1].partition("?")[0]
        self.paths.append(path)
        status = 200 if path in self._answers else 404
        body = msgspec.json.encode(self._answers.get(path, {}))
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()


def _certificates(folder: Path, authority: Path, hosts: Sequence[str]) -> Path:
    """Writes a certificate authority, and a certificate of it for the hosts."""
    own_key, host_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    own_name, host_name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        for name in ("signedin test authority", hosts[0])
    )
    now = dt.datetime.now(dt.UTC)

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(own_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )

    authority_constraints = x509.BasicConstraints(ca=True, path_length=None)
    own = builder(own_name, own_key).add_extension(authority_constraints, critical=True)
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    host = builder(host_name, host_key).add_extension(names, critical=False)
    pem = serialization.Encoding.PEM
    authority.write_bytes(own.sign(own_key, hashes.SHA256()).public_bytes(pem))
    chain = folder / "vendor.pem"
    key = host_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(key + host.sign(own_key, hashes.SHA256()).public_bytes(pem))
    return chain
