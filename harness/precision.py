"""TF32: whether CUDA may round the factors of float32 products to ten bits."""

from harness.backend import Dtype


def set_tf32(dtype: Dtype) -> None:
    """Allows TF32 products for the dtype `tf32` and forbids them for every other, in this process. Imports torch.

    torch's own default allows them in cuDNN, so a float32 LSTM on CUDA is TF32 until somebody says no.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
    torch.backends.cudnn.allow_tf32 = dtype == "tf32"
