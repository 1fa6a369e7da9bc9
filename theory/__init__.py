"""The mathematics of safe fine-tuning: never samples, never trains, holds no key."""
