"""The user's own clips: a folder, a list, a Hugging Face data set. Floor 2."""
