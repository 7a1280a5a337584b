from __future__ import annotations

import pytest

from networkpype.rest.processor.base import RESTPostProcessor, RESTPreProcessor


@pytest.mark.parametrize("base", [RESTPreProcessor, RESTPostProcessor])
def test_a_processor_without_its_method_cannot_be_made(base: type) -> None:
    with pytest.raises(TypeError, match="abstract"):
        base()
    half_done = type("HalfDone", (base,), {})
    with pytest.raises(TypeError, match="abstract"):
        half_done()
