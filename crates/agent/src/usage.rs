//! Tokens used, by one response and by the conversation.

/// Tokens by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Input and output.
    pub total: i64,
    /// Read by the model.
    pub input: i64,
    /// Of these, from the cache.
    pub cached_input: i64,
    /// Of these, written to the cache.
    pub cache_write_input: i64,
    /// Written by the model.
    pub output: i64,
    /// Of these, reasoning.
    pub reasoning_output: i64,
}

impl std::ops::AddAssign for TokenUsage {
    /// The numbers are the backend's, whatever they are.
    fn add_assign(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        self.input = self.input.saturating_add(other.input);
        self.cached_input = self.cached_input.saturating_add(other.cached_input);
        self.cache_write_input = self.cache_write_input.saturating_add(other.cache_write_input);
        self.output = self.output.saturating_add(other.output);
        self.reasoning_output = self.reasoning_output.saturating_add(other.reasoning_output);
    }
}

/// What a conversation has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Since it began.
    pub total: TokenUsage,
    /// By the last response.
    pub last: TokenUsage,
    /// How much the model reads, less a reserve; none for a model that is not in the catalog.
    pub context_window: Option<i64>,
}

impl Usage {
    pub(crate) fn add(&mut self, last: TokenUsage, context_window: Option<i64>) {
        self.total += last;
        self.last = last;
        self.context_window = context_window;
    }
}
