"""How the embedded world is drawn: the pens and paints of `StreetScenes` and `RoadSigns`."""
