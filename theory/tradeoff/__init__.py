"""Safety against capability: Case I (a penalty on proxy safety data), exactly."""
