"""An arithmetic coder driven by any next-token model: loss, as bits on a disk."""

from simlab.coding.arithmetic import (
    OVERHEAD_BITS,
    ROUNDING_BITS,
    TOTAL_BITS,
    CodingError,
    Decoder,
    Encoder,
)
from simlab.coding.container import Compressed, compress, content_size, decompress
from simlab.coding.frequencies import cumulative_frequencies, quantisation_bits
from simlab.coding.messages import Code, Encoded, decode, encode
from simlab.coding.modelfile import pack_model, unpack_model
from simlab.coding.prediction import (
    LANES,
    ModelPredictor,
    Prediction,
    Predictor,
    model_predictor,
)

__all__ = [
    "LANES",
    "OVERHEAD_BITS",
    "ROUNDING_BITS",
    "TOTAL_BITS",
    "Code",
    "CodingError",
    "Compressed",
    "Decoder",
    "Encoded",
    "Encoder",
    "ModelPredictor",
    "Prediction",
    "Predictor",
    "compress",
    "content_size",
    "cumulative_frequencies",
    "decode",
    "decompress",
    "encode",
    "model_predictor",
    "pack_model",
    "quantisation_bits",
    "unpack_model",
]
