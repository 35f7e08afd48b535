"""What follows for one job from each thing that can happen, most of all when a run is resumed."""
