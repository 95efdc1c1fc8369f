"""All that runs in Lambda, and nothing else: event -> schema -> classifier -> interpreter -> response."""

import os

if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # NumPy's OpenBLAS starts a thread a processor when it is loaded, which is half of the time that importing NumPy
    # takes; nothing here calls BLAS. It reads this once, so it must be set before NumPy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
