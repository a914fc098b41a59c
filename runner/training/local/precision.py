"""Which number format the matrix products use: bf16 over fp32 weights where the hardware is faster at it, else fp32."""

from __future__ import annotations

import torch


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether bf16 products are faster than fp32 ones.

    Having the instructions is not enough. Measured with 576 x 1536 weights: AVX512-BF16 is 1.5 times as fast as fp32
    on AMD (Zen 4), and half as fast on Intel without AMX.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Absent from older torch, which then trains in fp32.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    is_amd = "AMD" in str(capabilities.get("cpu_name", ""))
    return bool(capabilities.get("amx_bf16") or (capabilities.get("avx512_bf16") and is_amd))


def autocast(device: torch.device) -> torch.autocast:
    """Return the context in which forward passes run."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_fast_bf16(device))
