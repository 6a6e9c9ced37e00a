"""A real Prometheus and its blackbox exporter on loopback, Debian's packages."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from avoir.postgres import free_port
from tests.vendors.debian import needs
from tests.vendors.running import answering, running

SERVER = Path("/usr/bin/prometheus")
EXPORTER = Path("/usr/bin/prometheus-blackbox-exporter")
PROMTOOL = Path("/usr/bin/promtool")


@contextmanager
def running_prometheus(folder: Path, configuration: str = "") -> Iterator[str]:
    """A server over the blocks of ``folder/data``; yields its address. It keeps everything."""
    needs(SERVER, ("prometheus",))
    port = free_port(0)
    config = folder / "prometheus.yml"
    config.write_text(configuration)
    command = [
        SERVER,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=100y",
    ]
    with running(command, folder / "prometheus.log", answering(f"http://127.0.0.1:{port}/-/ready")):
        yield f"http://127.0.0.1:{port}"


def backfill(folder: Path, labels: str, samples: Iterable[tuple[int, int]]) -> None:
    """Make blocks of a series in ``folder/data``: milliseconds since 1970, and a value."""
    needs(PROMTOOL, ("prometheus",))
    text = folder / "samples.om"
    with text.open("w") as stream:
        stream.write("# TYPE probe_success gauge\n")
        for at, value in samples:
            stream.write(f"probe_success{{{labels}}} {value} {at // 1000}.{at % 1000:03}\n")
        stream.write("# EOF\n")
    subprocess.run(
        [PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", text, folder / "data"],
        check=True,
        capture_output=True,
        timeout=300,
    )


@contextmanager
def probing(folder: Path, site: str, *, every_seconds: int = 1) -> Iterator[str]:
    """A Prometheus that lets the blackbox exporter look at a site all the time; yields its address."""
    needs(EXPORTER, ("prometheus-blackbox-exporter",))
    with ExitStack() as stack:
        port = free_port(0)
        modules = folder / "blackbox.yml"
        modules.write_text(
            "modules: {up: {prober: http, timeout: 900ms, http: {preferred_ip_protocol: ip4}}}\n"
        )
        command = [EXPORTER, f"--config.file={modules}", f"--web.listen-address=127.0.0.1:{port}"]
        stack.enter_context(running(command, folder / "blackbox.log", answering(f"http://127.0.0.1:{port}/")))
        configuration = (
            f"global: {{scrape_interval: {every_seconds}s, scrape_timeout: {every_seconds}s}}\n"
            "scrape_configs:\n"
            "  - job_name: site\n"
            "    metrics_path: /probe\n"
            f"    params: {{module: [up], target: ['{site}']}}\n"
            f"    static_configs: [{{targets: ['127.0.0.1:{port}'], labels: {{instance: site}}}}]\n"
        )
        yield stack.enter_context(running_prometheus(folder, configuration))
