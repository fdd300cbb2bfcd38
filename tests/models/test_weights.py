"""Shipped networks: what is not shipped is refused."""

import pytest

from segen.models import pretrained


@pytest.mark.parametrize("name", ["road_signs", "", None, ["roadsigns"]])
def test_a_network_that_is_not_shipped(name):
    with pytest.raises(ValueError, match=r"There is no trained network .*those shipped are: .*roadsigns"):
        pretrained(name)
