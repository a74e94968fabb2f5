"""Your own clips: a folder, a manifest, a Hugging Face data set. Floor 2."""
