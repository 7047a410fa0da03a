/// Perplexity over windows of a text.
public struct PerplexityTask {}
