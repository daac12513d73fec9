"""What keeps a person from being forgotten."""


class ErasureError(RuntimeError):
    """The erasure cannot be done, or is not complete; the message says where and what to do. Nothing else was changed."""
