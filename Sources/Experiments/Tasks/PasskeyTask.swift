/// A key in a haystack.
public struct PasskeyTask {}
