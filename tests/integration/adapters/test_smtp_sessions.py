"""Passwords and TLS, against a real SMTP server."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import SMTP as Smtp
from aiosmtpd.smtp import AuthResult

from services.notifier.adapters.smtp import SmtpChannel
from services.notifier.adapters.smtp_server import SmtpServer, Tls
from services.notifier.domain.calls import ProviderCall

Build = Callable[..., ProviderCall]


class Sink(Message):
    """Keeps what a real server made of a mail."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[str] = []

    def handle_message(self, message: object) -> None:
        self.received.append(str(message))


def authenticate(_server: object, _session: object, _envelope: object, _mechanism: str, data: object) -> AuthResult:
    return AuthResult(success=getattr(data, "password", b"") == b"pw", handled=False)


@asynccontextmanager
async def real_server(sink: Sink, **options: Any) -> AsyncIterator[int]:
    implicit = options.pop("ssl", None)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Smtp(sink, loop=loop, hostname="sink", **options), "127.0.0.1", 0, ssl=implicit)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_a_real_server_receives_a_mail_from_whoever_knows_the_password(call: Build) -> None:
    sink = Sink()
    async with real_server(sink, authenticator=authenticate, auth_required=True, auth_require_tls=False) as port:
        for password, outcome in (("wrong", "retry"), ("pw", "accepted")):
            channel = SmtpChannel(SmtpServer("127.0.0.1", port, "none", "user", password))
            assert (await channel.send(call())).outcome == outcome
            await channel.close()
    assert len(sink.received) == 1
    assert "\n.a line that begins with a point" in sink.received[0]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command, which makes a certificate, is not here")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, *command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return key, cert


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("trusted", [True, False])
async def test_mail_crosses_tls_only_to_a_server_with_a_trusted_certificate(
    call: Build, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tls: Tls, trusted: bool
) -> None:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    sink = Sink()
    options = {"ssl": context} if tls == "implicit" else {"tls_context": context, "require_starttls": True}
    async with real_server(sink, **options) as port:
        channel = SmtpChannel(SmtpServer("127.0.0.1", port, tls), call_seconds=5)
        result = await channel.send(call())
        await channel.close()
    assert (result.outcome, len(sink.received)) == (("accepted", 1) if trusted else ("retry", 0))
