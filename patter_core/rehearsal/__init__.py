"""An agent tried in writing: the same model, prompt and tools as in a call, and no phone rings."""
