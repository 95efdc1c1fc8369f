"""Adam, with a share of the step for each variable."""

from collections.abc import Mapping
from typing import Any

import keras


class Adam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam whose step is smaller for some variables: `rates` gives the factor by a variable's path, else it is 1.

    Lower layers of a pre-trained encoder know what is general, and should keep it: Howard and Ruder 2018, "Universal
    Language Model Fine-tuning for Text Classification", section 3.2.
    """

    def __init__(self, schedule: Any, rates: Mapping[str, float]) -> None:
        super().__init__(schedule, beta_2=0.99)
        self.rates = rates

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        # What comes here is TensorFlow's variable, which knows no path.
        path = self._trainable_variables[self._get_variable_index(variable)].path
        super().update_step(gradient, variable, learning_rate * self.rates.get(path, 1.0))
