"""What a measurement was taken on, as it stands beside the figures."""

from __future__ import annotations

import os
import platform
from typing import Any


def machine() -> dict[str, Any]:
    """Cores, processor, memory in GB of 1e9 bytes, system and Python of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "memory_gb": memory / 1e9,
        "system": platform.platform(),
        "python": platform.python_version(),
    }
