"""The fused recurrent cell, which lives in `training.common.gru`."""

from ..common.gru import gru_plain, gru_sequence

__all__ = ["gru_plain", "gru_sequence"]
