"""The simulator: samples, trains, measures; never knows an answer."""
