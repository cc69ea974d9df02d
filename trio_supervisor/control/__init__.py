"""Control: the public interface of a running tree."""
