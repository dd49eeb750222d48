//! What is done: one driver per conversation, the model stream and the tool loop.
