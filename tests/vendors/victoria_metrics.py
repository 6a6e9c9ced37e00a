"""A real VictoriaMetrics on loopback, Debian's package: Prometheus' HTTP API over samples of any age."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from avoir.postgres import free_port
from tests.vendors.debian import needs

SERVER = Path("/usr/bin/victoria-metrics")
PACKAGES = ("victoria-metrics",)


@dataclass(frozen=True)
class VictoriaMetrics:
    """A running server: its address, and a way to let samples into it."""

    url: str

    def seed(self, labels: dict[str, str], samples: Iterable[tuple[int, int]]) -> None:
        """Import samples of one series: milliseconds since 1970, and a value."""
        stamps, values = zip(*samples, strict=True)
        line = json.dumps({"metric": labels, "values": values, "timestamps": stamps})
        requests.post(f"{self.url}/api/v1/import", data=line, timeout=60).raise_for_status()
        # What was just imported is searched after a flush only.
        requests.get(f"{self.url}/internal/force_flush", timeout=60).raise_for_status()

    def exported(self, selector: str) -> list[tuple[int, float]]:
        """The raw samples of one series by the server's own export."""
        answer = requests.get(f"{self.url}/api/v1/export", params={"match[]": selector}, timeout=60)
        answer.raise_for_status()
        told = [json.loads(line) for line in answer.text.splitlines()]
        return sorted(sample for one in told for sample in zip(one["timestamps"], one["values"], strict=True))


@contextmanager
def running_victoria_metrics(folder: Path) -> Iterator[VictoriaMetrics]:
    """A server with an empty store of its own, which keeps everything."""
    needs(SERVER, PACKAGES)
    port = free_port(0)
    log = folder / "victoria-metrics.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                SERVER,
                f"-storageDataPath={folder / 'store'}",
                f"-httpListenAddr=127.0.0.1:{port}",
                "-retentionPeriod=100y",
                "-search.latencyOffset=0s",
                # A sample is what was scraped: nothing is thinned out.
                "-dedup.minScrapeInterval=0s",
            ],
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            server = VictoriaMetrics(f"http://127.0.0.1:{port}")
            _wait(server, process, log)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(server: VictoriaMetrics, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(150):
        if process.poll() is not None:
            pytest.fail(f"VictoriaMetrics ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            if requests.get(f"{server.url}/health", timeout=1).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    pytest.fail(f"VictoriaMetrics does not answer: {log.read_text()[-2000:]}")
