"""Which of cuDNN's algorithms torch asks for, by torch's own conditions, and which kernels then ran."""

from collections.abc import Callable

import torch

from harness.backend import Dtype
from harness.settings import LayerShape


def algorithm(cell: str, dtype: Dtype, shape: LayerShape) -> str:
    """As `get_algo` of torch's aten/src/ATen/native/cudnn/RNN.cpp chooses on GPUs of 98 multiprocessors and more, for
    one layer of one direction: forward, and backward where it differs.
    """
    if _is_static(cell, dtype, shape):
        return "PERSIST_STATIC"
    forward, backward = (384, 256) if cell == "rnn" else (192, 128)
    if shape.hidden <= backward:
        return "PERSIST_STATIC_SMALL_H"
    return "PERSIST_STATIC_SMALL_H, backward STANDARD" if shape.hidden <= forward else "STANDARD"


def kernels_of(work: Callable[[], None], most: int = 3) -> list[str]:
    """The names of the kernels that took longest; none where the profiler sees none or may not look."""
    activity = torch.profiler.ProfilerActivity
    try:
        with torch.profiler.profile(activities=[activity.CUDA, activity.CPU]) as profile:
            work()
            torch.cuda.synchronize()
    except RuntimeError:
        return []
    events = [event for event in profile.key_averages() if event.device_type == torch.autograd.DeviceType.CUDA]
    events.sort(key=lambda event: event.self_device_time_total, reverse=True)
    return [event.key[:100] for event in events[:most]]


def _is_static(cell: str, dtype: Dtype, shape: LayerShape) -> bool:
    if dtype != "float16" or shape.hidden > 1024 or shape.hidden % 128 or shape.inputs % 128:
        return False
    if cell == "lstm":
        return shape.batch % 8 == 0 and shape.batch <= 128
    return cell == "rnn" and (shape.batch < 96 or shape.hidden < 896)
